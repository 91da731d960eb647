"""Other channels and classes: what was asked for and nothing else."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, WeightsError
from zoo.weights.adapt import Adapt, as_adapt, channel_changes, class_changes

NAME = "resunet-v1-d2-f2"
FAMILIES = sorted({zoo.info(name).family: name for name in reversed(zoo.list_models())}.values())


def filled(model, seed=1):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape) if "kernel" in weight.path else rng.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.fixture(scope="module")
def trained():
    return filled(zoo.get(NAME, classes=3))


@pytest.fixture(scope="module")
def path(trained, tmp_path_factory):
    card = zoo.Card(classes=("ground", "water", "wood"))
    return zoo.export_weights(trained, tmp_path_factory.mktemp("weights") / "x.safetensors", card)


def kernel(model, name="enc0_conv1"):
    return np.array(model.get_layer(name).kernel)


@pytest.mark.parametrize(
    ("how", "channels"), [("mean", 1), ("mean", 2), ("mean", 7), ("repeat", 3), ("repeat", 4), ("repeat", 7)]
)
def test_an_image_of_like_channels_gives_what_it_gave(trained, path, how, channels):
    model = zoo.get(NAME, weights=path, input_shape=(None, None, channels), adapt=how)
    band = np.random.default_rng(1).random((1, 8, 8, 1), "float32")
    expected = np.array(trained(np.repeat(band, 3, -1)))
    np.testing.assert_allclose(np.array(model(np.repeat(band, channels, -1))), expected, atol=1e-5)


def test_zero_reads_the_old_channels_as_before(trained, path):
    model = zoo.get(NAME, weights=path, input_shape=(None, None, 5), adapt="zero")
    image = np.random.default_rng(1).random((1, 8, 8, 5), "float32")
    np.testing.assert_allclose(np.array(model(image)), np.array(trained(image[..., :3])), atol=1e-6)
    fewer = zoo.get(NAME, weights=path, input_shape=(None, None, 2), adapt="zero")
    np.testing.assert_array_equal(kernel(fewer), kernel(trained)[:, :, :2])


def test_a_map_names_the_old_channel_of_each_new_one(trained, path):
    adapt = zoo.Adapt(channels=(2, None, 0, 2))
    model = zoo.get(NAME, weights=path, input_shape=(None, None, 4), adapt=adapt)
    old, new = kernel(trained), kernel(model)
    np.testing.assert_array_equal(new[:, :, 2], old[:, :, 0])
    np.testing.assert_array_equal(new[:, :, 1], 0)
    np.testing.assert_allclose(new[:, :, 0] + new[:, :, 3], old[:, :, 2], rtol=1e-6)
    swapped = zoo.get(NAME, weights=path, adapt=zoo.Adapt(channels=(2, 1, 0)))
    np.testing.assert_array_equal(kernel(swapped), old[:, :, ::-1])


def test_repeat_takes_the_old_channels_in_turn(trained, path):
    new = kernel(zoo.get(NAME, weights=path, input_shape=(None, None, 4), adapt="repeat"))
    old = kernel(trained)
    np.testing.assert_allclose(new[:, :, 3], old[:, :, 0] / 2, rtol=1e-6)
    np.testing.assert_allclose(new[:, :, 1], old[:, :, 1], rtol=1e-6)


def test_rows_of_classes_by_name(trained, path):
    keras.utils.set_random_seed(1)
    model = zoo.get(NAME, classes=4)
    fresh = kernel(model, "head0_conv")
    report = zoo.load_weights(model, path, adapt=zoo.Adapt(classes=("wood", None, "ground", "wood")))
    old, new = kernel(trained, "head0_conv"), kernel(model, "head0_conv")
    np.testing.assert_array_equal(new[..., [0, 2, 3]], old[..., [2, 0, 2]])
    np.testing.assert_array_equal(new[..., 1], fresh[..., 1])
    np.testing.assert_array_equal(
        np.array(model.get_layer("head0_conv").bias)[0], np.array(trained.get_layer("head0_conv").bias)[2]
    )
    assert report.adapted == ("head0_conv/bias", "head0_conv/kernel")
    reordered = zoo.get(NAME, weights=path, adapt=zoo.Adapt(classes=("wood", "water", "ground")))
    np.testing.assert_array_equal(kernel(reordered, "head0_conv"), old[..., ::-1])


def test_fresh_classes_keep_the_new_head(trained, path):
    keras.utils.set_random_seed(1)
    model = zoo.get(NAME, classes=2)
    fresh = kernel(model, "head0_conv")
    report = zoo.load_weights(model, path, adapt="fresh")
    np.testing.assert_array_equal(kernel(model, "head0_conv"), fresh)
    np.testing.assert_array_equal(kernel(model), kernel(trained))
    assert report.fresh == ("head0_conv/kernel", "head0_conv/bias")
    assert report.unused == ("head0_conv/bias", "head0_conv/kernel")
    assert "2 fresh (head0_conv/kernel, head0_conv/bias)" in str(report)


def test_channels_and_classes_at_once(path, trained):
    model = zoo.get(NAME, weights=path, input_shape=(None, None, 5), classes=4, adapt="mean")
    np.testing.assert_allclose(kernel(model).sum(2), kernel(trained).sum(2), rtol=1e-5)
    assert model.output_shape[-1] == 4


def test_the_encoder_alone(path, trained):
    model = filled(zoo.get(NAME, classes=7, input_shape=(None, None, 1)), 9)
    before = {weight.path: np.array(weight) for weight in model.weights}
    report = zoo.load_weights(model, path, adapt=zoo.Adapt(scope="encoder", channels="mean"))
    assert all(name.startswith(("enc", "mid")) for name in (*report.loaded, *report.adapted))
    assert all(name.startswith(("dec", "head")) for name in report.fresh)
    for name in report.fresh:
        np.testing.assert_array_equal(np.array({weight.path: weight for weight in model.weights}[name]), before[name])
    np.testing.assert_array_equal(kernel(model, "mid1_conv1"), kernel(trained, "mid1_conv1"))
    with pytest.raises(WeightsError, match=r"The encoder of .* is not that of 'resunet-v2-d2-f2': they differ at enc0"):
        zoo.load_weights(zoo.get("resunet-v2-d2-f2"), path, adapt="encoder")


@pytest.mark.parametrize(
    ("adapt", "overrides", "kind", "message"),
    [
        ("meen", {}, ConfigError, "did you mean 'mean'"),
        (3, {}, ConfigError, "`adapt` is one of 'mean', 'repeat'"),
        (
            Adapt(channels=(0, 3)),
            {"input_shape": (None, None, 2)},
            ConfigError,
            r"one old channel from 0 to 2, or None, for each of the 2",
        ),
        (Adapt(channels=(0,)), {"input_shape": (None, None, 2)}, ConfigError, "for each of the 2 channels"),
        (Adapt(classes=("wod", None)), {"classes": 2}, ConfigError, "no class 'wod'; did you mean 'wood'"),
        (Adapt(classes=("wood",)), {"classes": 2}, ConfigError, "one name or None per class of the network, 2"),
    ],
)
def test_adaptations_that_cannot_be(path, adapt, overrides, kind, message):
    with pytest.raises(kind, match=message):
        zoo.get(NAME, weights=path, adapt=adapt, **overrides)


@pytest.mark.parametrize(
    "fields", [{"channels": "sum"}, {"channels": 3}, {"classes": "old"}, {"classes": 3}, {"scope": "decoder"}]
)
def test_adapt_refuses_what_it_does_not_know(fields):
    with pytest.raises(ConfigError, match=next(iter(fields))):
        Adapt(**fields)
    assert as_adapt(None) == Adapt()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_adapted(name):
    """The stems are found by shapes, so each family shows that they are all found, and that rows are of the classes."""
    config = zoo.info(name).config
    if config.family == "backbone-unet":
        config = zoo.info("resnet18v2-unet").config
    config = config.replace(classes=3)
    channels = channel_changes(config, (config.input_shape[-1] or 0) + 1, "mean")
    classes = class_changes(config, 2, "fresh", ())
    assert channels
    assert classes
    assert not set(channels) & set(classes)
