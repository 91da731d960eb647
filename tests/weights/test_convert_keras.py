"""The two codes of the document, saved by Keras 3 for real and laid out by hand as Keras 2 did, become the zoo's networks."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest
from architectures import comparing, oracles

from zoo.errors import IntegrityError, WeightsError
from zoo.registry import build
from zoo.weights.convert import convert


def code1(ndim=2, depth=3, batch_norm=True, activation="relu", classes=1):
    """The document's first network with random weights, for images of 3 channels or volumes of 1."""
    shape = (8, 16, 3) if ndim == 2 else (8, 4, 8, 1)
    network = oracles.res_unet(
        2, depth, shape, activation, batch_norm=batch_norm, final_activation="sigmoid", channels_out=classes
    )
    comparing.randomise(network)
    return network


def code2(batch_norm=False, monkeypatch=None):
    """The document's second network with random weights; with `monkeypatch` Keras names its layers, as it does for the code."""
    if monkeypatch:
        monkeypatch.setattr(oracles.Numbered, "__call__", lambda self, kind, cls, *args, **options: cls(*args, **options))
    network = oracles.ResUnet2D(2, 16, 32, BN=batch_norm)
    comparing.randomise(network)
    return network


def numbered(network, convolutions=17, norms=4):
    """The names that Keras 2 would have given to layers that the oracle numbers from 1."""

    def name(layer):
        if layer.name.startswith("conv") and layer.variables:
            return f"conv2d_{int(layer.name[4:]) - 1 + convolutions}"
        return f"batch_normalization_{int(layer.name[2:]) - 1 + norms}" if layer.name.startswith("bn") else layer.name

    return {layer.name: name(layer).removesuffix("_0") for layer in network.layers}


def save_keras2(network, path, names=None, whole=False, scope=""):
    """Writes what Keras 2 wrote: `model.save_weights("x.h5")`, or with `whole` what `model.save("x.h5")` did."""
    names = names or {layer.name: layer.name for layer in network.layers}
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        group.attrs["layer_names"] = [names[layer.name].encode() for layer in network.layers]
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = b"2.4.0"
        for layer in sorted(network.layers, key=lambda layer: names[layer.name]):
            own = group.create_group(names[layer.name])
            weights = {f"{names[layer.name]}{scope}/{variable.name}:0": np.array(variable) for variable in layer.variables}
            own.attrs["weight_names"] = [name.encode() for name in weights]
            for name, value in weights.items():
                own.create_dataset(name, value.shape, value.dtype)[:] = value
        if whole:
            file.attrs["model_config"] = '{"class_name": "Functional"}'
            training = file.create_group("optimizer_weights")
            training.attrs["weight_names"] = [b"Adam/iter:0", b"Adam/output/kernel/m:0"]
            training["Adam/iter:0"] = np.int64(3)
            training["Adam/output/kernel/m:0"] = np.zeros((1, 1, 2, 1), "float32")
    return path


def assert_same(network, converted):
    """Builds what was converted and compares outputs."""
    ours = build(converted.config)
    assert set(converted.tensors) == {variable.path for variable in ours.variables}
    for variable in ours.variables:
        variable.assign(converted.tensors[variable.path])
    image = np.random.default_rng(1).normal(size=(2, *network.input_shape[1:])).astype("float32")
    expected, received = (np.array(model(image, training=False)) for model in (network, ours))
    assert np.std(expected) > 1e-3
    assert np.max(np.abs(received - expected)) <= 1e-6


@pytest.mark.parametrize(
    ("entry", "options"),
    [
        ("resunet-v1-d3-f2", {}),
        ("resunet-v1-d2-f2", {"depth": 2, "batch_norm": False, "classes": 4}),
        ("resunet-v1-3d-d3-f2", {"ndim": 3}),
    ],
)
def test_code_1_of_keras_3_and_2(entry, options, tmp_path):
    network = code1(**options)
    network.compile("adam")
    network.save_weights(tmp_path / "new.weights.h5")
    network.save(tmp_path / "old.h5")
    files = {
        "Keras 3": tmp_path / "new.weights.h5",
        "Keras 3, legacy": tmp_path / "old.h5",
        "Keras 2": save_keras2(network, tmp_path / "weights.h5"),
        "Keras 2, whole model": save_keras2(network, tmp_path / "model.h5", whole=True, scope="_1"),
    }
    converted = {form: convert(path, entry, head_activation="sigmoid") for form, path in files.items()}
    assert_same(network, converted["Keras 3"])
    for form, other in converted.items():
        assert other.source == "seed-1"
        assert other.config == converted["Keras 3"].config
        assert other.config.batch_norm == options.get("batch_norm", True)
        assert other.config.classes == options.get("classes", 1)
        for path, tensor in converted["Keras 3"].tensors.items():
            np.testing.assert_array_equal(other.tensors[path], tensor, err_msg=form)
    assert converted["Keras 2"].unused == ()
    assert set(converted["Keras 2, whole model"].unused) == {
        "optimizer_weights/Adam/iter:0", "optimizer_weights/Adam/output/kernel/m:0",
    }  # fmt: skip
    assert all(name.startswith("optimizer/vars/") for name in converted["Keras 3"].unused)
    assert converted["Keras 3"].unused


def test_an_activation_that_the_file_does_not_tell_is_an_override(tmp_path):
    network = code1(activation="elu")
    network.save_weights(tmp_path / "x.weights.h5")
    assert_same(network, convert(tmp_path / "x.weights.h5", "resunet-v1-d3-f2", activation="elu"))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_code_2_of_keras_3_and_2(batch_norm, tmp_path):
    entry = "resunet-v2-bn-d5-f2" if batch_norm else "resunet-v2-d5-f2"
    network = code2(batch_norm)
    network.save_weights(tmp_path / "new.weights.h5")
    new = convert(tmp_path / "new.weights.h5", entry)
    assert_same(network, new)
    starts = {"anywhere": (17, 4)} if batch_norm else {"first": (0, 0), "over a power of ten": (95, 0)}
    for form, (convolutions, norms) in starts.items():
        path = save_keras2(network, tmp_path / f"{form}.h5", numbered(network, convolutions, norms))
        old = convert(path, entry)
        assert (old.source, old.config, old.unused) == ("seed-2", new.config, ())
        for name, tensor in new.tensors.items():
            np.testing.assert_array_equal(old.tensors[name], tensor, err_msg=form)


def test_code_2_with_the_names_that_keras_gives(tmp_path, monkeypatch):
    network = code2(monkeypatch=monkeypatch)
    assert any(layer.name.startswith("conv2d") for layer in network.layers)
    network.save(tmp_path / "old.h5")
    assert_same(network, convert(tmp_path / "old.h5", "resunet-v2-d5-f2"))


def test_the_order_of_keras_3_is_that_of_the_tables_at_other_depths():
    from zoo.registry import info, resolve
    from zoo.weights.convert.tables import seed1

    for depth in (2, 4, 5):
        for batch_norm in (True, False):
            network = oracles.res_unet(2, depth, (32, 32, 1), batch_norm=batch_norm)
            names = comparing.v1_names(depth)
            kinds = {"conv": keras.layers.Conv2D, "norm": keras.layers.BatchNormalization}
            order = {
                kind: [names[layer.name] for layer in network.layers if isinstance(layer, cls)] for kind, cls in kinds.items()
            }
            config = resolve(info(f"resunet-v1-d{depth}-f2"), batch_norm=batch_norm)
            layers = list(dict.fromkeys(layer for _, layer, _ in seed1.rows_by_place(config)))
            assert layers == order["conv"] + order["norm"]


# What is not the network that it is said to be.


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Code 1 with three levels of 2, 4 and 8 channels; code 2 without normalisation."""
    folder = tmp_path_factory.mktemp("saved")
    one, two = code1(), code2()
    one.save_weights(folder / "one.weights.h5")
    two.save_weights(folder / "two.weights.h5")
    save_keras2(one, folder / "one.h5")
    save_keras2(two, folder / "two.h5", numbered(two))
    return folder


@pytest.mark.parametrize("name", ["one.weights.h5", "one.h5"])
@pytest.mark.parametrize(
    ("entry", "overrides", "said"),
    [
        ("resunet-v1-d4-f2", {}, r"not hold weights of 'resunet-v1-d4-f2' but of 'resunet-v1-d3-f2': it tells depth=3\."),
        ("resunet-v1-d3-f4", {}, r"'resunet-v1-d3-f4' but of 'resunet-v1-d3-f2': it tells filters=2\."),
        ("resunet-v1", {}, r"of 'resunet-v1-d5-f64' but of 'resunet-v1-d3-f2': it tells filters=2, depth=3\. Convert it to"),
        ("resunet-v1-3d-d3-f2", {}, r"is for images \(2D\), and 'resunet-v1-3d-d3-f2' is for volumes \(3D\); try 'resunet-v1'"),
        ("resunet-v1-d3-f2", {"classes": 3}, r"tells classes=1\. Received: classes=3; leave it out"),
        ("resunet-v1-d3-f2", {"batch_norm": False}, r"tells batch_norm=True\. Received: batch_norm=False"),
        ("resunet-v1-d3-f2", {"input_shape": (8, 8, 1)}, r"tells input_shape=\(8, 8, 3\)\. Received: input_shape=\(8, 8, 1\)"),
    ],
)  # fmt: skip
def test_a_file_of_another_size_says_which(name, entry, overrides, said, saved):
    with pytest.raises(WeightsError, match=said):
        convert(saved / name, entry, **overrides)


@pytest.mark.parametrize("name", ["two.weights.h5", "two.h5"])
def test_a_file_without_normalisations_is_not_that_with_them(name, saved):
    with pytest.raises(WeightsError, match=r"not hold weights of 'resunet-v2-bn-d5-f2' but of 'resunet-v2-d5-f2'"):
        convert(saved / name, "resunet-v2-bn-d5-f2")


def test_the_codes_are_not_taken_for_each_other(saved):
    with pytest.raises(
        IntegrityError, match=r"missing from the file: 'Identity0_1/kernel', .* and \d+ more; 60 unknown to the table"
    ):
        convert(saved / "two.h5", "resunet-v1-d3-f2")
    with pytest.raises(IntegrityError, match=r"40 missing from the file: 'normalisation 1/gamma'"):
        convert(saved / "two.weights.h5", "resunet-v1-d3-f2")
    with pytest.raises(WeightsError, match="not hold weights of 'resunet-v2-d3-f2'"):
        convert(saved / "one.weights.h5", "resunet-v2-d3-f2")


def changed(saved, tmp_path, name, change):
    """A copy of a file that `change` was let loose on."""
    path = tmp_path / name
    path.write_bytes((saved / name).read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replace(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.__delitem__("BN1_2/BN1_2/beta:0"), r"1 missing from the file: 'BN1_2/beta'"),
        (lambda file: file.create_dataset("extra/x/kernel:0", data=np.zeros(3)), r"1 unknown to the table: 'extra/x/kernel:0'"),
        (replace("Conv1_1/Conv1_1/kernel:0", np.zeros((3, 3, 4, 2), "float32")),
         r"1 of another shape: 'Conv1_1/Conv1_1/kernel:0' is \(3, 3, 4, 2\) where enc1_conv1/kernel needs \(3, 3, 2, 4\)"),
        (replace("BN0_1/BN0_1/gamma:0", np.ones(2, "int32")), r"1 of a type that is no weight's: 'BN0_1/BN0_1/gamma:0' is int32"),
        (replace("output/output/bias:0", np.array([np.nan])), r"1 not finite \(NaN or infinity\): 'output/output/bias:0'"),
        (replace("output/output/bias:0", np.array([1e300])), r"1 not finite \(NaN or infinity\): 'output/output/bias:0'"),
        (lambda file: file.create_dataset("output/b/bias:0", data=np.ones(1, "f4")), "several copies of a tensor: 1 different"),
        (lambda file: file.create_dataset("output/b/bias:0", data=np.ones(9, "f4")), "does not fit .*: 1 different from"),
    ],
)  # fmt: skip
def test_a_fault_is_named(change, said, saved, tmp_path):
    with pytest.raises(IntegrityError, match=said):
        convert(changed(saved, tmp_path, "one.h5", change), "resunet-v1-d3-f2")


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.__delitem__("layers/conv2d_29"),
        lambda file: file.copy("layers/conv2d_3", "layers/conv2d_30"),
        lambda file: file.move("layers/conv2d_1/vars/1", "layers/conv2d_1/vars/2"),
        replace("layers/conv2d_7/vars/0", np.zeros((3, 3, 4, 4), "float32")),
    ],
)
def test_a_count_or_a_shape_that_is_off_is_refused(change, saved, tmp_path):
    with pytest.raises(IntegrityError, match="Nothing was converted"):
        convert(changed(saved, tmp_path, "two.weights.h5", change), "resunet-v2-d5-f2")
