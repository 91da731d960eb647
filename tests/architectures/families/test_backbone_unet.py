"""U-Nets on encoders of KerasCV: the same function as KerasCV's own backbones, without anything of KerasCV inside."""

from __future__ import annotations

import json
import re
import socket
import sys
from math import prod

import keras
import numpy as np
import pytest

import zoo
from architectures.counting import counted
from zoo import backbones
from zoo.architectures.backbone_unet import DECODER_WIDTHS

NAMES = tuple(backbones.BACKBONES)
SHAPE = (64, 96, 3)


def shape_of(name):
    return SHAPE if backbones.BACKBONES[name].open_sizes else (64, 64, 3)


def fixed(name):
    return {} if backbones.BACKBONES[name].open_sizes else {"input_shape": (64, 64, 3)}


def decoder_params(skips, bottom):
    """A 3x3, a 3x3 and a 1x1 convolution without bias per level, each with its normalisation; the 3x3 head."""
    total, below = 9 * DECODER_WIDTHS[0] + 1, bottom
    for level in reversed(range(5)):
        width, channels = DECODER_WIDTHS[level], below + skips.get(level, 0)
        total += 9 * channels * width + 9 * width * width + channels * width + 3 * 4 * width
        below = width
    return total


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        message = "a socket was opened"
        raise AssertionError(message)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("no_network")
def test_the_encoder_computes_what_kerascv_computes(name):
    """With the same weights every level's tensor is that of KerasCV's backbone, which still has its own layers."""
    shape = shape_of(name)
    theirs = backbones.foreign(name, shape)
    rng = np.random.default_rng(0)
    for weight in theirs.weights:
        noise = rng.normal(size=weight.shape)
        flat = weight.path.rsplit("/", 1)[-1]
        fan_in = prod(weight.shape[:-1]) if "depthwise" not in weight.path else 9
        value = np.exp(0.2 * noise) if flat in ("gamma", "moving_variance") else noise * (1.5 / fan_in) ** 0.5
        weight.assign(value if len(weight.shape) > 1 or flat in ("gamma", "moving_variance") else 0.1 * noise)
    inputs, tensors = backbones.plain_levels(backbones.BACKBONES[name], theirs)
    ours = keras.Model(inputs, list(tensors.values()))
    assert ours.count_params() == theirs.count_params()
    image = rng.uniform(size=(2, *shape)).astype("float32")
    ends = backbones._ends(backbones.BACKBONES[name], theirs)
    expected = keras.Model(theirs.inputs, list(ends.values()))(image, training=False)
    for level, one, other in zip(tensors, ours(image, training=False), expected, strict=True):
        assert one.shape[1:3] == (shape[0] // 2**level, shape[1] // 2**level)
        assert np.std(other) > 1e-4
        np.testing.assert_allclose(one, other, atol=1e-5 * float(np.max(np.abs(other))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("no_network")
def test_weights_are_the_encoders_and_the_decoders(name):
    inputs, tensors = backbones.encoder(name, shape_of(name), imagenet=False)
    encoder = keras.Model(inputs, list(tensors.values()))
    assert encoder.count_params() == backbones.foreign(name, shape_of(name)).count_params()
    skips = {level: tensor.shape[-1] for level, tensor in tensors.items()}
    bottom = skips.pop(5)
    assert counted(f"{name}-unet", **fixed(name))[0] == encoder.count_params() + decoder_params(skips, bottom)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_kerascv_is_left_in_the_network(name):
    network = zoo.registry.build_weightless(zoo.info(f"{name}-unet").config)
    assert "keras_cv" not in json.dumps(network.get_config())
    assert all(type(layer).__module__.startswith(("keras.src.", "zoo.")) for layer in network.operations)


APPLICATIONS = {"densenet121": "DenseNet121", "mobilenetv3large": "MobileNetV3Large", "mobilenetv3small": "MobileNetV3Small"}
"""Networks for which KerasCV states no count, or another than the class that it has gives: `keras.applications` has them."""


def stated(name):
    """What KerasCV's preset of this network says of its number of parameters."""
    import keras_cv

    presets = getattr(keras_cv.models, backbones.BACKBONES[name].kind).presets
    own = {re.sub("[^a-z0-9]", "", preset): record for preset, record in presets.items()}
    return own[name]["metadata"]["params"]


@pytest.mark.parametrize("name", NAMES)
def test_configurations_have_as_many_weights_as_published(name):
    if name in APPLICATIONS:
        kind = getattr(keras.applications, APPLICATIONS[name])
        expected = kind(include_top=False, weights=None, input_shape=SHAPE).count_params()
    else:
        classifier = (256 + 1) * 10 if name == "mitb0" else 0  # counted with its preset
        expected = stated(name) - classifier
    assert backbones.foreign(name, shape_of(name)).count_params() == expected


def test_stochastic_depth_drops_whole_images_in_training_only():
    network = zoo.get("efficientnetv2b0-unet", input_shape=(32, 32, 3))
    drops = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert drops
    assert {layer.noise_shape for layer in drops} == {(None, 1, 1, 1)}
    image = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype("float32")
    first, second = (np.array(network(image, training=False)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_without_the_extra_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    assert zoo.info("densenet121-unet").params > 7_000_000  # listing and numbers need no extra
    with pytest.raises(zoo.ZooError, match=r"needs keras-cv, which is not installed: pip install 'resunet-zoo\[backbones\]'"):
        zoo.get("densenet121-unet")


def write_preset(name, folder):
    """Puts a preset into the cache folder as a download leaves it; returns the backbone whose weights it has."""
    import keras_cv
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_model_handle
    from keras_cv.src.utils.preset_utils import save_to_preset

    record = backbones.BACKBONES[name]
    kind = getattr(keras_cv.models, record.kind)
    handle = parse_model_handle(kind.presets[record.preset]["kaggle_handle"].removeprefix("kaggle://"))
    shape = (None, None, 3) if record.open_sizes else (224, 224, 3)
    backbone = kind(include_rescaling=True, input_shape=shape, **record.options)  # published ones rescale
    rng = np.random.default_rng(5)
    for weight in backbone.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) * 0.1)
    save_to_preset(backbone, Cache().get_path(handle))
    for file in ("config.json", "model.weights.h5"):
        Cache().mark_as_complete(handle, file)
    return backbone


@pytest.mark.parametrize("name", ["efficientnetv2b0", "mobilenetv3small", "mitb0"])
@pytest.mark.usefixtures("no_network")
def test_imagenet_weights_come_from_kerascvs_preset(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    theirs = write_preset(name, tmp_path)
    network = zoo.get(f"{name}-unet", encoder_weights="imagenet", **fixed(name))
    own = {tuple(w.shape): [] for w in theirs.weights}
    for weight in theirs.weights:
        own[tuple(weight.shape)].append(float(np.sum(weight)))
    got = {shape: [] for shape in own}
    for layer in network.layers:
        if layer.name.startswith("enc"):
            for weight in layer.weights:
                got[tuple(weight.shape)].append(float(np.sum(weight)))
    for shape, sums in own.items():
        np.testing.assert_allclose(sorted(got[shape]), sorted(sums), rtol=1e-6)


def test_a_preset_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("no network here")))
    with pytest.raises(zoo.WeightsError, match=r"could not load its preset 'densenet121_imagenet'.*encoder_weights=None"):
        zoo.get("densenet121-unet", encoder_weights="imagenet")


@pytest.mark.usefixtures("no_network")
def test_numbers_ask_for_no_weights():
    config = zoo.info("densenet121-unet").config.replace(encoder_weights="imagenet")
    assert zoo.analyze(config, input_shape=(64, 64, 3)).params == zoo.info("densenet121-unet").params


@pytest.mark.parametrize(
    ("name", "overrides", "words"),
    [
        (
            "cspdarknets-unet",
            {"encoder_weights": "imagenet"},
            "has no ImageNet weights for 'cspdarknets'; it has them for resnet50",
        ),
        ("resnet18v2-unet", {"encoder_weights": "imagenet"}, "has no ImageNet weights for 'resnet18v2'"),
        ("densenet121-unet", {"encoder_weights": "imagenet", "input_shape": (None, None, 1)}, "are for 3 channels"),
        ("densenet121-unet", {"encoder_weights": "coco"}, "must be one of None, 'imagenet'"),
        ("densenet121-unet", {"encoder": "densenet"}, "did you mean 'densenet121'"),
        ("mitb0-unet", {"input_shape": (None, None, 3)}, "mitb0-unet needs sizes that are known when it is built"),
        ("mitb0-unet", {"input_shape": (64, 96, 3)}, r"takes square images only, .*; use \(64, 64\) or \(96, 96\)"),
        ("resnet50v2-unet", {"input_shape": (100, 96, 3)}, "height 100 is not a multiple of 32; use 96 or 128"),
    ],
)
def test_what_cannot_be_is_said(name, overrides, words):
    with pytest.raises(zoo.ConfigError, match=words):
        zoo.get(name, **overrides)
