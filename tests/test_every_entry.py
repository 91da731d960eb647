"""What must hold for every listed entry; a new family file is tested by being there."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import probe
import pytest

import zoo
from zoo import catalog
from zoo.registry import build_weightless

NAMES = zoo.list_models()
HIDDEN_FIELDS = ("mitb0-unet",)  # tokens are reshaped to an image again: positions are not followed through that
LAYER_NAME = re.compile(r"input|(stem|enc|mid|dec|head)\d+(_block\d+)?(_[a-z]+\d*)+")


@pytest.fixture(scope="module")
def golden(update_golden: bool) -> dict[str, dict[str, object]]:
    if update_golden:
        records = {name: probe.outputs(name) for name in NAMES}
        probe.GOLDEN.write_text(json.dumps(records, indent=1) + "\n")
    return json.loads(probe.GOLDEN.read_text())


def weightless(name: str, **overrides: object) -> keras.Model:
    return build_weightless(zoo.info(name).config.replace(**overrides))


def outputs_of(model: keras.Model) -> list[keras.KerasTensor]:
    """The outputs in the order in which the family gives them."""
    return list(model.output.values()) if isinstance(model.output, dict) else keras.tree.flatten(model.output)


@pytest.mark.parametrize("name", NAMES)
def test_name_and_config_agree(name: str) -> None:
    entry = zoo.info(name)
    assert entry.name == entry.config.name == name
    assert zoo.info(entry.base).base == entry.base


@pytest.mark.parametrize("name", NAMES)
def test_stored_numbers_are_fresh(name: str) -> None:
    entry = zoo.info(name)
    stored = catalog.stored_numbers(entry)
    assert stored is not None, "run `make numbers`"
    report = zoo.analyze(name)
    assert stored == report.numbers(), "run `make numbers`"
    not_followed = [cause for cause in report.unsupported if cause.endswith(": receptive field")]
    assert list(report.unsupported) == not_followed, "an operation is not counted"
    assert stored.status == ("partial" if name in HIDDEN_FIELDS else "complete")
    assert (entry.params, entry.macs, entry.peak_bytes) == (stored.params, stored.macs, stored.peak_bytes)


def test_catalog_file_lists_exactly_the_families() -> None:
    for module in catalog.family_modules():
        rows = catalog.stored_rows(module)
        assert rows is not None, f"{module}.py was edited: run `make numbers`"
        from zoo.registry import family_entries

        assert list(rows) == [entry.name for entry in family_entries(module)]


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_keras_own(name: str) -> None:
    entry = zoo.info(name)
    model = weightless(name)
    assert entry.numbers.params == sum(int(np.prod(v.shape)) for v in model.weights)
    assert entry.numbers.trainable_params == sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    calls = sum(map(len, model._nodes_by_depth.values()))  # shared layers and bare operations included
    assert entry.numbers.layers == calls
    assert calls >= len(model.layers)


@pytest.mark.parametrize("name", NAMES)
def test_layers_are_named_by_the_grammar(name: str) -> None:
    wrong = [layer.name for layer in weightless(name).layers if not LAYER_NAME.fullmatch(layer.name)]
    assert not wrong


@pytest.mark.parametrize("name", NAMES)
def test_two_builds_have_the_same_config(name: str) -> None:
    first, second = (json.dumps(weightless(name).get_config(), sort_keys=True) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", NAMES)
def test_no_lambda_layers(name: str) -> None:
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in weightless(name).layers)


@pytest.mark.parametrize("name", NAMES)
def test_classes_channels_and_open_sizes(name: str) -> None:
    entry = zoo.info(name)
    open_sizes = (None,) * entry.ndim
    if not entry.config.takes_open_sizes:
        with pytest.raises(zoo.ZooError, match=f"{entry.base} needs sizes that are known when it is built"):
            entry.config.replace(input_shape=(*open_sizes, 2))
        open_sizes = entry.analysis_shape[:-1]
    model = weightless(name, input_shape=(*open_sizes, 2), classes=3)
    assert model.input_shape == (None, *open_sizes, 2)
    assert next(iter(outputs_of(model))).shape == (None, *open_sizes, 3)
    assert model.name == name


@pytest.mark.parametrize("name", NAMES)
def test_reference_is_complete(name: str) -> None:
    reference = zoo.info(name).reference
    assert reference.title
    assert reference.authors
    assert reference.url.startswith("https://")
    assert 1990 < reference.year < 2100
    assert not reference.code_url or reference.licence
    assert all(text.endswith(".") for text in (*reference.deviations, zoo.info(name).summary))


@pytest.mark.parametrize("name", NAMES)
def test_golden_output(name: str, golden: dict[str, dict[str, object]]) -> None:
    assert set(golden) == set(NAMES), "run `pytest tests/test_every_entry.py --update-golden`"
    assert probe.differences(probe.outputs(name), golden[name]) < probe.TOLERANCE


@pytest.mark.parametrize("part", [0, 1, 2, 3])
def test_golden_output_on_jax(part: int) -> None:
    """The same golden file, in a process whose backend is JAX."""
    script = Path(probe.__file__)
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"  # compiling takes most of the time
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": quick}
    names = NAMES[part::4]
    done = subprocess.run([sys.executable, str(script), *names], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(json.loads(done.stdout)) == set(names)


@pytest.mark.parametrize("name", NAMES)
def test_keras_round_trip(name: str, tmp_path: Path) -> None:
    """Saved and loaded without custom_objects, the network gives the same output."""
    config = probe.small(zoo.info(name))
    model = zoo.build(config)
    probe.fill(model)
    path = tmp_path / "model.keras"
    model.save(path)
    image = np.random.default_rng(1).standard_normal((1, *config.input_shape), dtype="float32")
    again = keras.saving.load_model(path, compile=False)
    expected, received = probe.named(model(image)), probe.named(again(image))
    assert received.keys() == expected.keys()
    for output, values in expected.items():
        np.testing.assert_array_equal(received[output], values)
    first, second = (json.dumps(net.get_config(), sort_keys=True) for net in (model, again))
    assert first == second


def test_golden_comparison_can_fail() -> None:
    golden = json.loads(probe.GOLDEN.read_text())["resunet-v1-d3-f8"]
    (output,) = golden.values()
    moved = {"": {**output, "values": [output["values"][0] + 0.01 * output["spread"], *output["values"][1:]]}}
    assert probe.differences(golden, golden) == 0
    assert probe.differences(moved, golden) > probe.TOLERANCE


def test_every_family_has_its_own_config_class() -> None:
    kinds = {}
    for name in NAMES:
        entry = zoo.info(name)
        assert dataclasses.is_dataclass(entry.config)
        kinds.setdefault(type(entry.config), entry.family)
        assert kinds[type(entry.config)] == entry.family
