"""`zoo.predict` on arrays: any size, any type, what comes back, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from predicting import network, nuclei

import zoo
from zoo.errors import ConfigError, ImageError
from zoo.prediction.network import network_of


def by_hand(model, image, multiple):
    """The output of a padded image, cut back."""
    missing = [(0, -size % multiple) for size in image.shape[:-1]]
    padded = np.pad(image, [*missing, (0, 0)], mode="reflect")
    result = model(padded[None], training=False)
    result = result["segmentation"] if isinstance(result, dict) else result
    return keras.ops.convert_to_numpy(result)[0][tuple(slice(size) for size in image.shape[:-1])]


@pytest.mark.parametrize("size", [(64, 64), (50, 71), (1, 1), (3, 200), (129, 2)])
def test_any_size_is_padded_and_cut_back(size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), "uint8")
    prepared = zoo.weights_info("resunet-v1-d3-f8.nuclei-v1").preprocessing(image)
    found = zoo.predict(nuclei(), image, output="probabilities")
    np.testing.assert_allclose(found, by_hand(nuclei(), prepared, 4), atol=1e-5)
    assert zoo.predict(nuclei(), image).shape == size


@pytest.mark.filterwarnings("error::UserWarning")
def test_nothing_is_warned_of():
    model = zoo.get("resunet-v1-d2-f4")
    assert zoo.predict(model, np.zeros((8, 10, 3), "float32")).shape == (8, 10)


def test_the_record_of_the_weights_prepares_the_image(cells):
    """Brightness, contrast, bits and channels of opacity make no difference to these weights."""
    expected = zoo.predict(nuclei(), cells, output="probabilities")
    assert expected.max() > 0.9  # balls are found
    assert expected.min() < 0.1
    alpha = np.concatenate([cells, np.full((*cells.shape[:2], 1), 255, "uint8")], axis=-1)
    for same in (cells.astype("uint16") * 257, cells / 255, cells.astype("float16"), cells.astype("int32") * 8_000_000, alpha):
        np.testing.assert_allclose(zoo.predict(nuclei(), same, output="probabilities"), expected, atol=2e-3)


def test_the_record_goes_with_weights_from_a_file_too(tmp_path, cells):
    prepare = zoo.Preprocessing(channels=("red", "green", "blue"), normalisation="fixed", mean=(0.5, 0.4, 0.3), std=(1, 2, 3))
    path = zoo.export_weights(network("resunet-v1-d2-f4"), tmp_path / "x.safetensors", zoo.Card(preprocessing=prepare))
    expected = by_hand(network("resunet-v1-d2-f4"), prepare(cells), 2)
    loaded = zoo.get("resunet-v1-d2-f4", weights=path)
    np.testing.assert_allclose(zoo.predict(loaded, cells, output="probabilities"), expected, atol=1e-5)
    into = zoo.get("resunet-v1-d2-f4")
    zoo.load_weights(into, path)
    np.testing.assert_allclose(zoo.predict(into, cells, output="probabilities"), expected, atol=1e-5)
    own = zoo.Preprocessing(channels=("red", "green", "blue"))
    other = zoo.predict(loaded, cells, output="probabilities", preprocessing=own)
    np.testing.assert_allclose(other, by_hand(loaded, own(cells), 2), atol=1e-5)


def test_adapted_weights_keep_of_their_record_what_still_holds(cells):
    from zoo.weights.cards import card_of

    more = zoo.get("resunet-v1-d3-f8.nuclei-v1", classes=3, adapt="fresh")
    assert card_of(more).preprocessing == card_of(nuclei()).preprocessing
    assert (card_of(more).classes, card_of(nuclei()).classes) == ((), ("nucleus",))
    five = zoo.get("resunet-v1-d3-f8.nuclei-v1", input_shape=(None, None, 5), adapt="mean")
    with pytest.raises(ConfigError, match=r"no weights with a record.*uint8"):
        zoo.predict(five, np.zeros((8, 8, 5), "uint8"))
    assert zoo.predict(five, np.zeros((8, 8, 5), "float32")).shape == (8, 8)


def test_without_a_record_floats_are_taken_as_they_are_and_whole_numbers_are_not(cells):
    model = network("resunet-v1-d2-f4")
    image = cells.astype("float32") / 255
    np.testing.assert_allclose(zoo.predict(model, image, output="probabilities"), by_hand(model, image, 2), atol=1e-5)
    with pytest.raises(ConfigError, match=r"no weights with a record.*Received: the image of uint8.*preprocessing=zoo\.Prep"):
        zoo.predict(model, cells)


def test_what_comes_back():
    rng = np.random.default_rng(0)
    image = rng.random((30, 45, 3), dtype="float32")
    for classes in (1, 4):
        model = network("resunet-v1-d2-f4", classes=classes)
        probabilities = zoo.predict(model, image, output="probabilities")
        logits = zoo.predict(model, image, output="logits")
        found = zoo.predict(model, image)
        assert probabilities.shape == logits.shape == (30, 45, classes)
        assert (probabilities.dtype, logits.dtype, found.dtype, found.shape) == ("float32", "float32", "uint8", (30, 45))
        exp = np.exp(logits.astype("float64"))
        np.testing.assert_allclose(
            probabilities, exp / (1 + exp) if classes == 1 else exp / exp.sum(-1, keepdims=True), atol=1e-5
        )
        expected = probabilities[..., 0] > 0.5 if classes == 1 else probabilities.argmax(-1)
        np.testing.assert_array_equal(found, expected)
        assert len(np.unique(found)) > 1
    one = network("resunet-v1-d2-f4", classes=1)
    levels = [zoo.predict(one, image, threshold=level).mean() for level in (0.2, 0.5, 0.8)]
    assert levels[0] > levels[1] > levels[2]


def test_a_network_of_logits_gives_all_three_as_well():
    image = np.random.default_rng(0).random((20, 20, 3), dtype="float32")
    for classes in (1, 3):
        plain = network("resunet-v1-d2-f4", classes=classes)
        bare = zoo.get("resunet-v1-d2-f4", classes=classes, head_activation=None)
        bare.set_weights(plain.get_weights())
        for output in ("classes", "probabilities", "logits"):
            one, two = (zoo.predict(model, image, output=output) for model in (plain, bare))
            np.testing.assert_allclose(one, two, atol=1e-5, err_msg=output)


def test_classes_that_may_overlap_have_a_mask_each():
    model = network("resunet-v1-d2-f4", classes=3, head_activation="sigmoid")
    image = np.random.default_rng(0).random((20, 20, 3), dtype="float32")
    found = zoo.predict(model, image)
    assert (found.shape, found.dtype) == ((20, 20, 3), "uint8")
    np.testing.assert_array_equal(found, zoo.predict(model, image, output="probabilities") > 0.5)
    assert found.sum(-1).max() > 1


def test_of_several_outputs_it_is_the_segmentation():
    model = network("resenc-unet-d3-f8")
    image = np.random.default_rng(0).random((37, 40, 1), dtype="float32")
    np.testing.assert_allclose(zoo.predict(model, image, output="probabilities"), by_hand(model, image, 4), atol=1e-5)
    logits = zoo.predict(model, image, output="logits")
    assert np.abs(logits.sum(-1)).max() > 0.1  # no probabilities


def test_volumes(volume):
    model = network("resunet-v1-3d-d3-f8", classes=2)
    image = volume.astype("float32") / 255
    found = zoo.predict(model, image, output="probabilities")
    np.testing.assert_allclose(found, by_hand(model, image[..., None], 4), atol=1e-5)
    assert zoo.predict(model, image).shape == volume.shape


def test_a_network_that_needs_no_padding_gets_none():
    model = network("deep-resunet-bilinear-d3-f8")
    image = np.random.default_rng(0).random((37, 50, 3), dtype="float32")
    np.testing.assert_allclose(zoo.predict(model, image, output="logits"), by_hand(model, image, 1), atol=1e-4)


def test_a_network_of_fixed_size_takes_any_image_in_tiles():
    fixed = zoo.get("resunet-v1-d3-f8.nuclei-v1", input_shape=(128, 128, 3))
    image = np.random.default_rng(1).integers(0, 255, (200, 300, 3), "uint8")
    expected = zoo.predict(nuclei(), image, output="probabilities")
    np.testing.assert_allclose(zoo.predict(fixed, image, output="probabilities"), expected, atol=1e-5)
    small = zoo.predict(fixed, image[:50, :70])
    assert small.shape == (50, 70)
    with pytest.raises(ConfigError, match=r"reads 128×128 and nothing else. Received: tile=64"):
        zoo.predict(fixed, image, tile=64)


def test_any_functional_model_of_keras():
    inputs = keras.Input((None, None, 2))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.UpSampling2D(8)(keras.layers.MaxPooling2D(8)(x))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, activation="softmax")(x), name="mine")
    assert (network_of(model).multiples, network_of(model).activation) == ((8, 8), "softmax")
    image = np.random.default_rng(0).random((33, 20, 2), dtype="float32")
    np.testing.assert_allclose(zoo.predict(model, image, output="probabilities"), by_hand(model, image, 8), atol=1e-6)
    with pytest.raises(ConfigError, match="last layer of mine applies softmax itself, so its logits cannot be had"):
        zoo.predict(model, image, output="logits")


def test_flips_average_over_mirror_images():
    model = network("resunet-v1-d2-f4")
    image = np.random.default_rng(0).random((32, 44, 3), dtype="float32")
    turned = [(), (0,), (1,), (0, 1)]
    expected = np.mean([np.flip(by_hand(model, np.flip(image, axes), 2), axes) for axes in turned], axis=0)
    found = zoo.predict(model, image, output="probabilities", flips=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - zoo.predict(model, image, output="probabilities")).max() > 1e-3
    mirrored = zoo.predict(model, image[::-1], output="probabilities", flips=True)
    np.testing.assert_allclose(mirrored, found[::-1], atol=1e-5)


def test_flips_are_along_the_axes_that_training_mirrored(tmp_path):
    model = network("resunet-v1-d2-f4")
    image = np.random.default_rng(0).random((32, 44, 3), dtype="float32")
    prepare = zoo.Preprocessing(channels=("red", "green", "blue"), scaling="none")

    def loaded(axes):
        path = zoo.export_weights(model, tmp_path / "x.safetensors", zoo.Card(mirror_axes=axes, preprocessing=prepare))
        return zoo.get("resunet-v1-d2-f4", weights=path)

    for axes, turned in (((0,), [(), (0,)]), ((1,), [(), (1,)]), (None, [(), (0,), (1,), (0, 1)])):
        expected = np.mean([np.flip(by_hand(model, np.flip(image, each), 2), each) for each in turned], axis=0)
        np.testing.assert_allclose(zoo.predict(loaded(axes), image, output="probabilities", flips=True), expected, atol=1e-5)
    with pytest.raises(ConfigError, match="have never seen mirror images, so averaging over them would spoil"):
        zoo.predict(loaded(()), image, flips=True)
    assert zoo.predict(loaded(()), image).shape == (32, 44)
    with pytest.raises(ConfigError, match=r"`mirror_axes` are some of 0, 1 and, for volumes, 2. Received: mirror_axes=\(3,\)"):
        loaded((3,))


def test_weights_that_change_change_what_is_predicted():
    model = zoo.get("resunet-v1-d2-f4")
    image = np.random.default_rng(0).random((16, 16, 3), dtype="float32")
    zoo.predict(model, image)
    model.set_weights(network("resunet-v1-d2-f4").get_weights())
    expected = by_hand(model, image, 2)
    np.testing.assert_allclose(zoo.predict(model, image, output="probabilities"), expected, atol=1e-5)


def test_progress_counts_tiles(cells):
    told = []
    zoo.predict(nuclei(), cells, tile=128, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 1
    assert told == sorted(told)


def test_the_model_is_left_as_it_is(cells):
    model = zoo.get("resunet-v1-d2-f4")
    model.compile("adam", "binary_crossentropy")
    before = (model.optimizer, model.jit_compile)
    zoo.predict(model, cells / 255)
    assert (model.optimizer, model.jit_compile) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "mask"}, r"`output` is one of 'classes', 'probabilities', 'logits'. Received: output='mask'"),
        ({"threshold": 2}, "between 0 and 1. Received: threshold=2"),
        ({"tile": 50}, r"`tile` is a multiple of 4 for resunet-v1-d3-f8. Received: tile=50; use 48 or 52"),
        ({"tile": 0}, "whole number from 1 on. Received: tile=0"),
        ({"overlap": -4}, "`overlap` is a whole number from 0 on"),
        ({"batch": 1.5}, "`batch` is a whole number"),
        ({"memory": "much"}, "'2GB' or '500MB'. Received: memory='much'"),
        ({"memory": 1000}, "fits into memory=1000 B. Tiles of 68×68 take about .* Allow more, or use a smaller network"),
        ({"preprocessing": zoo.Preprocessing(channels=("gray",))}, "makes 1 channels, gray; resunet-v1-d3-f8 reads 3"),
        ({"out": "x.png"}, "are for images in files"),
    ],
)
def test_options_that_are_not_allowed(options, message, cells):
    with pytest.raises(ConfigError, match=message):
        zoo.predict(nuclei(), cells, **options)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 8, 8, 3), "uint8"), r"\(H, W\) or \(H, W, C\), for a 2D network; a volume needs a 3D.*\(2, 8, 8, 3\)"),
        (np.zeros(8, "uint8"), r"Received: shape \(8,\)"),
        (np.zeros((0, 8, 3), "uint8"), r"Received: shape \(0, 8, 3\)"),
        (np.array([["a", "b"]]), "array of numbers"),
        ([[1, 2], [3, 4j]], "complex128"),
        (np.full((8, 8, 3), np.nan), "not finite"),
        (np.zeros((8, 8, 7), "uint8"), "read 3 channels: red, green, blue. Received: an image of 7 channels"),
    ],
)
def test_images_that_are_none(image, message):
    with pytest.raises(zoo.ZooError, match=message):
        zoo.predict(nuclei(), image)


def test_an_image_for_a_network_of_volumes_is_refused(cells):
    with pytest.raises(ImageError, match=r"for a 3D network; an image needs a 2D network. Received: shape \(233, 317\)"):
        zoo.predict(network("resunet-v1-3d-d3-f8", classes=2), cells[..., 0] / 255)


@pytest.mark.parametrize("model", ["resunet-v1", None, 3])
def test_a_name_is_no_model(model, cells):
    with pytest.raises(ConfigError, match=r"`model` is a Keras model, such as zoo\.get"):
        zoo.predict(model, cells)


def test_models_that_do_not_map_images_to_maps(cells):
    inputs = keras.Input((None, None, 3))
    pooled = keras.Model(inputs, keras.layers.MaxPooling2D(2)(inputs), name="half")
    with pytest.raises(ConfigError, match=r"half makes .* prediction needs an output of the size of its input"):
        zoo.predict(pooled, cells / 255)
    two = keras.Model([inputs, keras.Input((None, None, 3))], keras.layers.Conv2D(1, 1)(inputs))
    with pytest.raises(ConfigError, match="`model` reads one image"):
        zoo.predict(two, cells / 255)
    tanh = keras.Model(inputs, keras.layers.Activation("tanh")(keras.layers.Conv2D(1, 1)(inputs)), name="signed")
    with pytest.raises(ConfigError, match=r"what tanh gives, not probabilities. Use output='logits'"):
        zoo.predict(tanh, cells / 255)
    assert zoo.predict(tanh, cells / 255, output="logits").shape == (233, 317, 1)


ON_JAX = """
import sys
import keras
import numpy as np
import zoo
from zoo.weights.probe import probe_image
assert keras.backend.backend() == "jax"
model = zoo.get("resunet-v1-d3-f8.nuclei-v1")
image = probe_image((101, 130, 3))
for name, options in (("whole", {}), ("tiles", {"tile": 96}), ("flips", {"flips": True})):
    np.save(f"{sys.argv[1]}/{name}.npy", zoo.predict(model, image, output="probabilities", **options))
"""


def test_the_same_on_jax(tmp_path):
    from zoo.weights.probe import probe_image

    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": quick}
    command = [sys.executable, "-c", ON_JAX, str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    image = probe_image((101, 130, 3))
    for name, options in (("whole", {}), ("tiles", {"tile": 96}), ("flips", {"flips": True})):
        here = zoo.predict(nuclei(), image, output="probabilities", **options)
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), here, atol=1e-4, err_msg=name)
