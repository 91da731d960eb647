"""Files that Keras writes, in and out, through the same checks."""

from __future__ import annotations

import shutil

import h5py
import keras
import numpy as np
import pytest

import zoo
from zoo.errors import IntegrityError, WeightsError
from zoo.weights.keras_files import places_of

NAME = "resunet-v1-d2-f2"
# One of each way in which layers have weights: several outputs, several classes of norms, layers of our own, attention.
NETWORKS = [
    "resunet-v1-d2-f2",
    "r2unet-d2-f4",
    "attention-resunet-d3-f4",
    "segresnet-f8",
    "mednext-2d-s-f4",
    "rsunet-d3",
    "vnet-2d-f4",
]


def filled(model, seed=1):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.uniform(0.1, 0.9, weight.shape))
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_what_keras_saves_is_read(name, tmp_path):
    model = filled(zoo.get(name))
    path = tmp_path / "x.weights.h5"
    model.save_weights(path)
    other = zoo.get(name)
    report = zoo.load_weights(other, path)
    assert len(report.loaded) == len(model.weights)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_places_are_those_that_keras_uses(name, tmp_path):
    model = zoo.get(name)
    model.save_weights(tmp_path / "x.weights.h5")
    found = []
    with h5py.File(tmp_path / "x.weights.h5") as file:
        file.visititems(lambda path, item: found.append(path) if isinstance(item, h5py.Dataset) else None)
    assert sorted(path for path in found if "seed_generator" not in path) == sorted(places_of(model))


def test_what_is_exported_is_what_keras_reads(tmp_path):
    model = filled(zoo.get(NAME))
    path = zoo.export_weights(model, tmp_path / "x.weights.h5")
    other = zoo.get(NAME, weights=path)
    again = zoo.get(NAME)
    again.load_weights(path)
    for values in zip(*(each.get_weights() for each in (model, other, again)), strict=True):
        np.testing.assert_array_equal(values[0], values[1])
        np.testing.assert_array_equal(values[0], values[2])


def test_a_compiled_network_has_an_optimizer_which_is_passed_over(tmp_path):
    model = filled(zoo.get(NAME))
    model.compile("adam", "binary_crossentropy")
    model.optimizer.build(model.trainable_variables)
    model.save_weights(tmp_path / "x.weights.h5")
    zoo.load_weights(zoo.get(NAME), tmp_path / "x.weights.h5")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "x.weights.h5"
    filled(zoo.get(NAME)).save_weights(path)
    return path


def rename(file):
    file["layers/conv2d/vars"].attrs["name"] = "enc0_conv2"


def widen(file):
    del file["layers/conv2d/vars/1"]
    file["layers/conv2d/vars/1"] = np.zeros(3, "float32")


def more(file):
    file["layers/conv2d_99/vars/0"] = np.zeros(3, "float32")


def poison(file):
    file["layers/conv2d/vars/1"][0] = np.nan


def integers(file):
    del file["layers/conv2d/vars/1"]
    file["layers/conv2d/vars/1"] = np.zeros(2, "int64")


def bomb(file):
    del file["layers/conv2d/vars/1"]
    file.create_dataset("layers/conv2d/vars/1", (2**30,), "float32", chunks=(1024,))


def elsewhere(file):
    del file["layers/conv2d/vars/1"]
    file["layers/conv2d/vars/1"] = h5py.ExternalLink("/etc/passwd", "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            rename,
            "was saved of another network: layers/conv2d/vars/. belongs to the layer 'enc0_conv2' there, to 'enc0_conv1' here",
        ),
        (widen, r"1 of another shape: layers/conv2d/vars/1 \(3,\) instead of \(2,\)"),
        (more, "1 unexpected: layers/conv2d_99/vars/0"),
        (poison, "not finite"),
        (integers, "is of int64"),
        (bomb, "declares 4,294,967,296 bytes"),
        (elsewhere, "is a link to another file"),
    ],
)
def test_a_file_that_does_not_fit_leaves_the_network_as_it_was(saved, change, message):
    with h5py.File(saved, "r+") as file:
        change(file)
    model = filled(zoo.get(NAME), 5)
    before = model.get_weights()
    with pytest.raises(IntegrityError, match=message):
        zoo.load_weights(model, saved)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_deeper_network_of_the_same_classes_is_refused(saved):
    with pytest.raises(IntegrityError, match=r"does not fit resunet-v1-d3-f2: \d+ missing"):
        zoo.load_weights(zoo.get("resunet-v1-d3-f2"), saved)


def test_whole_networks_and_adaptations_are_refused(saved, tmp_path):
    with pytest.raises(WeightsError, match="it cannot be adapted"):
        zoo.get(NAME, weights=saved, adapt="mean")
    zoo.get(NAME).save(tmp_path / "whole.h5")
    with pytest.raises(IntegrityError, match="missing"):
        zoo.get(NAME, weights=tmp_path / "whole.h5")
    shutil.copy(__file__, tmp_path / "text.weights.h5")
    with pytest.raises(IntegrityError, match="does not start like one"):
        zoo.get(NAME, weights=tmp_path / "text.weights.h5")


def test_layers_within_layers_are_refused(saved):
    inner = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    model = keras.Sequential([keras.layers.Input((8, 8, 3)), inner])
    with pytest.raises(WeightsError, match="layers within layers"):
        zoo.load_weights(model, saved)
