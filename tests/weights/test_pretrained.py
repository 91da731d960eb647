"""The whole way: a name, the manifest, the file, the network; and the weights that the package brings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.errors import DownloadError, IntegrityError, WeightsError
from zoo.weights import library
from zoo.weights.tensors import file_sha256, open_tensors

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
import publish_weights

ENTRY = "resunet-v1-d2-f2"
NAME = f"{ENTRY}.cells-v1"
FILES = Path(library.MANIFEST).parent / "files"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A file of weights, and the network that it was made of."""
    rng = np.random.default_rng(1)
    model = zoo.get(ENTRY, classes=2, input_shape=(None, None, 1))
    for weight in model.weights:
        weight.assign(rng.uniform(0.1, 0.9, weight.shape))
    prepare = zoo.Preprocessing(channels=("gray",), normalisation="image")
    card = zoo.Card(classes=("ground", "cell"), licence="CC0-1.0", data_licence="CC0-1.0", preprocessing=prepare, task="cells")
    return zoo.export_weights(model, tmp_path_factory.mktemp("weights") / "x.safetensors", card), model


@pytest.fixture
def published(exported, tmp_path, home):
    """The same file, published by a manifest of this test."""
    library.forget_manifests()
    path = tmp_path / "there" / "served.bin"
    path.parent.mkdir()
    shutil.copy(exported[0], path)
    entry = publish_weights.entered(path, NAME, ()).replace(sources=(path.as_uri(),), default=True)
    zoo.add_weights(entry)
    yield entry
    library.forget_manifests()


@pytest.mark.parametrize("asked", [(NAME,), (ENTRY, "cells-v1"), (ENTRY, "default"), (NAME, "cells-v1"), (f"{ENTRY}.default",)])
def test_a_name_gives_the_network_with_its_weights(published, exported, home, asked):
    model = zoo.get(*asked)
    assert (model.input_shape[-1], model.output_shape[-1]) == (1, 2)
    for one, two in zip(model.get_weights(), exported[1].get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert [path.suffix for path in home.iterdir() if path.suffix != ".lock"] == [".safetensors"]


def test_a_damaged_file_in_the_cache_is_fetched_anew(published, home):
    told = []
    path = zoo.download(NAME, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (published.bytes, published.bytes)
    assert path.parent == home
    content = bytearray(path.read_bytes())
    content[-3] ^= 8
    path.write_bytes(content)
    zoo.get(NAME)
    assert file_sha256(path) == published.sha256


def test_a_source_with_another_file_is_refused(published, home):
    source = Path(published.sources[0].removeprefix("file://"))
    content = bytearray(source.read_bytes())
    content[-3] ^= 8
    source.write_bytes(content)
    with pytest.raises(IntegrityError, match=f"No source of {NAME} has"):
        zoo.get(NAME)


def test_a_manifest_that_says_another_network_is_refused(published):
    library.forget_manifests()
    zoo.add_weights(published.replace(overrides=(("input_shape", (None, None, 1)), ("classes", 2), ("activation", "elu"))))
    with pytest.raises(IntegrityError, match=r"says that it is for .*its manifest says"):
        zoo.get(NAME)


def test_offline_says_which_file_to_put_where(published, monkeypatch, home):
    library.forget_manifests()
    zoo.add_weights(published.replace(sources=("https://example.org/x.safetensors",)))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(DownloadError) as error:
        zoo.get(NAME)
    for part in (
        published.sha256,
        f"{published.bytes:,}",
        "https://example.org/x.safetensors",
        str(home),
        "zoo weights import FILE",
    ):
        assert part in str(error.value)


def test_a_probe_of_published_weights(published):
    found = zoo.verify(NAME)
    assert (found.name, found.sha256) == (NAME, published.sha256)
    assert found.error < 1e-5
    wrong = published.probe.outputs[0]
    library.forget_manifests()
    import dataclasses

    outputs = (dataclasses.replace(wrong, mean=wrong.mean + wrong.maximum - wrong.minimum),)
    zoo.add_weights(published.replace(probe=dataclasses.replace(published.probe, outputs=outputs)))
    with pytest.raises(IntegrityError, match="do not compute what was published: they differ by 1"):
        zoo.verify(NAME)


def test_the_encoder_of_another_project_is_asked_for(tmp_path):
    from zoo.weights.convert import Converted
    from zoo.weights.convert.checking import network_shapes
    from zoo.weights.export import export_converted

    config = zoo.info("resnet18-unet").config
    shapes = network_shapes(config, "encoder")
    tensors = {name: np.full(shape, 0.5, "float32") for name, shape in shapes.items()}
    converted = Converted(config=config, tensors=tensors, scope="encoder", source="torchvision", unused=())
    path = export_converted(converted, tmp_path / "encoder.safetensors", dtype="float16")
    with pytest.raises(WeightsError, match=r"have the encoder alone\. Ask for it: adapt='encoder'"):
        zoo.get("resnet18-unet", weights=path)
    model = zoo.get("resnet18-unet", weights=path, adapt="encoder", classes=5)
    report = zoo.load_weights(zoo.get("resnet18-unet"), path, adapt="encoder")
    assert set(report.loaded) == set(shapes)
    for weight in model.weights:
        assert (weight.path in shapes) == bool((np.array(weight) == 0.5).all())


OWN = sorted(name for name, entry in library.all_weights().items() if entry.sources[0].startswith("package:"))


def test_the_package_has_weights_and_no_file_that_no_manifest_names():
    assert OWN
    sources = {zoo.weights_info(name).sources[0].removeprefix("package:") for name in OWN}
    assert {path.name for path in FILES.iterdir()} == sources
    assert sum(path.stat().st_size for path in FILES.iterdir()) <= 15_000_000


@pytest.mark.parametrize("name", OWN)
def test_weights_of_the_package_are_complete_and_compute_what_was_published(name, monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    entry = zoo.weights_info(name)
    for field in ("summary", "task", "classes", "palette", "preprocessing", "data_url", "citation", "metrics", "recipe", "probe"):
        assert getattr(entry, field), field
    assert len(entry.classes) == entry.config.classes
    assert entry.entry in zoo.list_models()
    assert all(low <= metric.value <= high for metric in entry.metrics for low, high in [metric.interval])
    with open_tensors(FILES / entry.sources[0].removeprefix("package:"), entry.sha256) as file:
        names = {name: array.shape for name, array in file.tensors()}
        assert {spec.dtype for spec in file.specs.values()} == {entry.dtype}
    model = zoo.get(name)
    assert names == {weight.path: tuple(weight.shape) for weight in model.weights}
    assert zoo.verify(name).error <= entry.probe.tolerance
    assert Path(entry.recipe.command.split()[2]).suffix == ".toml"
    assert (Path(__file__).parents[2] / entry.recipe.command.split()[2]).is_file()
    assert json.loads(entry.recipe.settings)["training"]["seed"]


ON_JAX = """
import sys
import keras
import numpy as np
import zoo
from zoo.weights.adapt import Adapt
assert keras.backend.backend() == "jax"
for name in sys.argv[1:]:
    print(name, zoo.verify(name).error)
model = zoo.get("resunet-v1-d2-f2")
before = model.get_weights()
path = zoo.export_weights(model, sys.argv[1] + ".safetensors")
other = zoo.get("resunet-v1-d2-f2", weights=path)
assert all((a == b).all() for a, b in zip(before, other.get_weights(), strict=True))
zoo.get("resunet-v1-d2-f2", weights=path, input_shape=(None, None, 5), classes=2, adapt="mean")
assign, left = keras.Variable.assign, [9]
def failing(self, value):
    left[0] -= 1
    if left[0] == 0:
        raise KeyboardInterrupt
    return assign(self, value)
third = zoo.get("resunet-v1-d2-f2")
kept = third.get_weights()
keras.Variable.assign = failing
try:
    zoo.load_weights(third, path)
except KeyboardInterrupt:
    print("interrupted", all((a == b).all() for a, b in zip(kept, third.get_weights(), strict=True)))
"""


def test_the_same_on_jax(tmp_path):
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": quick}
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, *OWN], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *errors, interrupted = [line.split() for line in done.stdout.splitlines()]
    assert interrupted == ["interrupted", "True"]
    assert [name for name, _ in errors] == OWN
    assert all(float(error) < 1e-4 for _, error in errors)
