"""Loading: compared before anything is read, all or nothing, and never silently random."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, IntegrityError, WeightsError
from zoo.weights.load import variables_of
from zoo.weights.metadata import from_metadata
from zoo.weights.tensors import open_tensors, write_tensors

NAME = "resunet-v1-d2-f2"
CARD = zoo.Card(classes=("nucleus",), preprocessing=zoo.Preprocessing(channels=("red", "green", "blue")))


def filled(model: keras.Model, seed: int = 1) -> keras.Model:
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.uniform(0.1, 0.9, weight.shape))
    return model


def values(model: keras.Model) -> dict[str, np.ndarray]:
    return {weight.path: np.array(weight) for weight in model.weights}


def assert_same(one: keras.Model | dict, other: keras.Model | dict) -> None:
    first, second = (each if isinstance(each, dict) else values(each) for each in (one, other))
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


@pytest.fixture(scope="module")
def network():
    return filled(zoo.get(NAME))


@pytest.fixture(scope="module")
def path(network, tmp_path_factory):
    return zoo.export_weights(network, tmp_path_factory.mktemp("weights") / "mine.safetensors", CARD)


def changed(path, target, change=None, metadata=None):
    """Writes a copy of a file with other tensors or metadata."""
    with open_tensors(path) as file:
        tensors, texts = dict(file.tensors()), dict(file.metadata)
    if change:
        change(tensors)
    write_tensors(target, tensors, {**texts, **(metadata or {})})
    return target


def test_a_network_comes_back(network, path):
    assert_same(zoo.get(NAME, weights=path), network)
    assert_same(zoo.get(NAME, weights=str(path)), network)
    model = zoo.get(NAME)
    report = zoo.load_weights(model, path)
    assert_same(model, network)
    assert report.loaded == tuple(sorted(values(network), key=report.loaded.index))
    assert set(report.loaded) == set(values(network))
    assert (report.adapted, report.fresh, report.unused) == ((), (), ())


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0), ("float16", 2**-11), ("bfloat16", 2**-8)])
def test_types_on_disk(network, tmp_path, dtype, error):
    path = zoo.export_weights(network, tmp_path / "x.safetensors", dtype=dtype)
    with open_tensors(path) as file:
        assert {spec.dtype for spec in file.specs.values()} == {dtype}
    loaded = values(zoo.get(NAME, weights=path))
    for name, value in values(network).items():
        np.testing.assert_allclose(loaded[name], value, rtol=error, atol=0)
        assert loaded[name].dtype == "float32"


def test_copies_and_saved_networks_are_known_by_what_they_compute(network, path, tmp_path):
    network.save(tmp_path / "x.keras")
    for model in (keras.models.clone_model(network), keras.models.load_model(tmp_path / "x.keras")):
        zoo.load_weights(model, path)
        assert_same(model, network)
        again = zoo.export_weights(model, tmp_path / "again.safetensors", CARD)
        assert_same(zoo.get(NAME, weights=again), network)


def test_logits_and_sizes_are_free(network, path):
    logits = zoo.get(NAME, weights=path, head_activation=None, input_shape=(8, 12, 3))
    image = np.random.default_rng(2).random((1, 8, 12, 3), "float32")
    np.testing.assert_allclose(keras.ops.sigmoid(logits(image)), network(image), atol=1e-6)
    model = zoo.get(NAME, head_activation=None)
    zoo.load_weights(model, path)
    assert_same(model, logits)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"activation": "elu"}, "trained with another network: activation='relu' there, activation='elu' here"),
        ({"filters": 4}, "filters=2 there, filters=4 here"),
        ({"classes": 2}, r"tell 1 classes apart \(nucleus\), the network has 2.*adapt='fresh'"),
        ({"input_shape": (None, None, 1)}, r"read 3 channels, the network has 1.*adapt='mean'"),
        ({"adapt": "fresh", "input_shape": (None, None, 1)}, "read 3 channels, the network has 1"),
    ],
)
def test_another_network_is_refused(path, overrides, message):
    with pytest.raises(WeightsError, match=message):
        zoo.get(NAME, weights=path, **overrides)


def test_a_given_network_is_compared_by_its_graph_not_by_its_shapes(path):
    for model in (
        zoo.get(NAME, activation="elu"),  # the same shapes
        zoo.get("resunet-v1-d3-f2"),
        keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)]),
    ):
        before = values(filled(model, 3))
        with pytest.raises(WeightsError, match=r"this model is another network: they differ at .*zoo.get\('resunet-v1-d2-f2'\)"):
            zoo.load_weights(model, path)
        assert_same(model, before)


def test_a_file_for_another_entry_is_refused(path):
    with pytest.raises(WeightsError, match=r"are for resunet-v1-d2-f2, not for resunet-v2-d2-f2"):
        zoo.get("resunet-v2-d2-f2", weights=path)


def drop(tensors):
    del tensors["enc0_conv1/kernel"]


def add(tensors):
    tensors["enc9_conv1/kernel"] = np.zeros(3, "float32")


def reshape(tensors):
    tensors["enc0_conv1/bias"] = np.zeros((2, 1), "float32")


def swap(tensors):
    tensors["enc0_conv1/kernel"], tensors["enc0_conv2/kernel"] = tensors["enc0_conv2/kernel"], tensors["enc0_conv1/kernel"]


def poison(value):
    def change(tensors):
        tensors["head0_conv/kernel"][0, 0, 1, 0] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, r"1 missing: enc0_conv1/kernel"),
        (add, r"1 unexpected: enc9_conv1/kernel"),
        (reshape, r"1 of another shape: enc0_conv1/bias \(2, 1\) instead of \(2,\)"),
        (swap, r"enc0_conv1/kernel \(3, 3, 2, 2\) instead of \(3, 3, 3, 2\)"),
        (poison(np.nan), r"'head0_conv/kernel' has values that are not finite"),
        (poison(-np.inf), r"'head0_conv/kernel' has values that are not finite"),
    ],
)
def test_a_file_that_does_not_fit_leaves_the_network_as_it_was(path, tmp_path, change, message):
    wrong = changed(path, tmp_path / "wrong.safetensors", change)
    model = filled(zoo.get(NAME), 5)
    before = values(model)
    with pytest.raises(IntegrityError, match=message):
        zoo.load_weights(model, wrong)
    assert_same(model, before)
    with pytest.raises(IntegrityError, match=message):
        zoo.get(NAME, weights=wrong)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError("disk")])
@pytest.mark.parametrize("place", [0, 7, -1])
def test_a_failure_while_values_are_assigned_undoes_all(path, monkeypatch, error, place):
    model = filled(zoo.get(NAME), 5)
    before = values(model)
    left = [place % len(model.weights)]
    assign = keras.Variable.assign

    def failing(self, value):
        if left and left[0] == 0:
            left.clear()
            raise error
        if left:
            left[0] -= 1
        return assign(self, value)

    monkeypatch.setattr(keras.Variable, "assign", failing)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        zoo.load_weights(model, path)
    assert not left
    assert_same(model, before)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "pt"}, r"was not written by the zoo \(format 'pt'.*zoo convert FILE"),
        ({"entry": "resunet-v9"}, "describes itself in a way that cannot be read: UnknownModelError"),
        ({"entry": "../../x"}, "describes itself in a way that cannot be read"),
        ({"config": "{"}, "cannot be read"),
        ({"config": "[1]"}, "cannot be read"),
        ({"config": '{"filters": -1}'}, "cannot be read: ConfigError: `filters`"),
        ({"config": '{"colour": 1}'}, "`colour` is not a field"),
        ({"config": "[" * 100_000}, "cannot be read"),
        ({"card": '{"licence": 3}'}, "Expected `str`, got `int` - at `$.licence`"),
        ({"card": '{"lisence": "MIT"}'}, "unknown field 'lisence'; did you mean 'licence'?"),
        ({"scope": "head"}, "has the scope 'head'"),
    ],
)
def test_a_file_that_describes_itself_badly_is_refused(path, tmp_path, metadata, message):
    wrong = changed(path, tmp_path / "wrong.safetensors", metadata=metadata)
    with pytest.raises(IntegrityError, match=message.replace("$", r"\$").replace("?", r"\?") if "$" in message else message):
        zoo.load_weights(zoo.get(NAME), wrong)


def test_a_config_that_does_not_have_the_tensors_is_refused(path, tmp_path):
    with open_tensors(path) as file:
        config = json.loads(file.metadata["config"])
    config["filters"] = 4
    wrong = changed(path, tmp_path / "w.safetensors", metadata={"config": json.dumps(config), "entry": "resunet-v1-d2-f4"})
    with pytest.raises(IntegrityError, match=r"of another shape: .*instead of"):
        zoo.load_weights(zoo.get("resunet-v1-d2-f4"), wrong)


def test_paths_and_names_are_told_apart(tmp_path):
    with pytest.raises(WeightsError, match=r"There is no file .*nothing\.safetensors"):
        zoo.load_weights(zoo.get(NAME), tmp_path / "nothing.safetensors")
    with pytest.raises(WeightsError, match=r"'nothing\.h5', which does not exist"):
        zoo.get(NAME, weights="nothing.h5")
    with pytest.raises(zoo.UnknownWeightsError, match=r"resunet-v1-d2-f2 has no weights 'cells-v1'"):
        zoo.load_weights(zoo.get(NAME), f"{NAME}.cells-v1")
    with pytest.raises(zoo.UnknownWeightsError, match="names a network, not weights"):
        zoo.load_weights(zoo.get(NAME), NAME)
    with pytest.raises(WeightsError, match=r"Two sets of weights are asked for: 'a-v1' in the name and weights='b-v1'"):
        zoo.get(f"{NAME}.a-v1", weights="b-v1")
    with pytest.raises(WeightsError, match=r"none are asked for.*adapt='mean'"):
        zoo.get(NAME, adapt="mean")


def test_two_variables_of_one_name_are_refused(path):
    class Both(keras.layers.Layer):
        def build(self, shape):
            self.first = self.add_weight(shape=(1,), name="same")
            self.second = self.add_weight(shape=(1,), name="same")

        def call(self, x):
            return x + self.first + self.second

    model = keras.Sequential([keras.layers.Input((8, 8, 3)), Both(name="both")])
    with pytest.raises(WeightsError, match=r"Two variables of .* are called '.*both/same'"):
        variables_of(model)


def test_what_is_exported_says_what_it_is(network, path):
    with open_tensors(path) as file:
        found = from_metadata(file.metadata, "x")
    assert found.entry == NAME
    assert found.config == zoo.info(NAME).config
    assert found.card == CARD
    assert found.probe.outputs[0].shape == (64, 64, 1)


def test_export_knows_the_config_of_networks_that_were_built_here(tmp_path):
    model = filled(zoo.get(NAME, activation="elu", classes=3, input_shape=(16, 16, 2)))
    path = zoo.export_weights(model, tmp_path / "x.safetensors")
    with open_tensors(path) as file:
        config = from_metadata(file.metadata, "x").config
    assert (config.activation, config.classes, config.input_shape) == ("elu", 3, (None, None, 2))
    assert_same(zoo.get(NAME, weights=path), model)
    copy = keras.models.clone_model(model)
    with pytest.raises(ConfigError, match=r"is not what .* builds: they differ at .*config=zoo.info"):
        zoo.export_weights(copy, tmp_path / "y.safetensors")
    zoo.export_weights(copy, tmp_path / "y.safetensors", config=config)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"path": "x.pt"}, ConfigError, r"written as .safetensors or .weights.h5. Received: 'x.pt'"),
        ({"dtype": "int8"}, ConfigError, "`dtype` is one of 'float32', 'float16', 'bfloat16'"),
        ({"card": zoo.Card(classes=("a", "b"))}, ConfigError, "names 2 classes.*the network has 1"),
    ],
)
def test_what_cannot_be_exported(network, tmp_path, arguments, kind, message):
    path = tmp_path / arguments.pop("path", "x.safetensors")
    with pytest.raises(kind, match=message):
        zoo.export_weights(network, path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_are_not_exported(tmp_path):
    model = filled(zoo.get(NAME))
    model.weights[0].assign(np.full(model.weights[0].shape, 1e9))
    with pytest.raises(IntegrityError, match="enc0_conv1/kernel has values that are not finite as float16"):
        zoo.export_weights(model, tmp_path / "x.safetensors", dtype="float16")
    zoo.export_weights(model, tmp_path / "x.safetensors", dtype="bfloat16")


def test_a_probe_tells_weights_that_compute_something_else(path, tmp_path):
    found = zoo.verify(path)
    assert found.error < 1e-6
    assert found.tensors == len(zoo.get(NAME).weights)

    def change(tensors):
        tensors["head0_conv/kernel"] *= 1.01

    wrong = changed(path, tmp_path / "wrong.safetensors", change)
    with pytest.raises(IntegrityError, match="do not compute what was published: they differ by"):
        zoo.verify(wrong)
    with open_tensors(path) as file:
        tensors, texts = dict(file.tensors()), {key: text for key, text in file.metadata.items() if key != "probe"}
    write_tensors(tmp_path / "without.safetensors", tensors, texts)
    with pytest.raises(WeightsError, match="have no probe"):
        zoo.verify(tmp_path / "without.safetensors")
