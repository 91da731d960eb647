"""The ResNet U-Nets against recorded outputs of `segmentation_models_pytorch`, without PyTorch."""

from __future__ import annotations

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from parity import formula, resnet_unet
from parity.record_resnet_unet import FIXTURES, SIZES, STEP

import zoo
from zoo import blocks

ENCODERS = ("resnet18", "resnet34", "resnet50", "resnet101")
CASES = [(encoder, size) for encoder, sizes in SIZES.items() for size in sizes]


def recorded(encoder, kind, size):
    with np.load(FIXTURES / f"{encoder}.npz") as file:
        return file[f"{kind}_{size[0]}x{size[1]}"]


def filled(encoder):
    network = zoo.get(f"{encoder}-unet", head_activation=None)
    resnet_unet.fill(network, encoder, formula.weight)
    return network


@pytest.mark.parametrize("encoder", ENCODERS)
def test_outputs_are_those_recorded(encoder):
    network = filled(encoder)
    for size in SIZES[encoder]:
        expected = recorded(encoder, "output", size)
        assert np.std(expected) > 1e-2
        assert resnet_unet.error(np.array(network(formula.image(size), training=False)), expected) <= 1e-5


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="double precision needs TensorFlow")
@pytest.mark.parametrize("encoder", ["resnet18", "resnet50"])
def test_outputs_and_input_gradients_in_double_precision_are_those_recorded(encoder):
    with resnet_unet.float64():
        network = filled(encoder)
    for size in SIZES[encoder]:
        image, cotangent = formula.image(size), formula.cotangent(size)
        gradient = resnet_unet.input_gradient(network, image, cotangent)[:, ::STEP, ::STEP]
        assert resnet_unet.error(np.array(network(image, training=False)), recorded(encoder, "output", size)) <= 1e-6
        assert resnet_unet.error(gradient, recorded(encoder, "gradient", size)) <= 1e-6


@pytest.mark.parametrize("encoder", ENCODERS)
def test_fixtures_are_small_and_say_where_they_come_from(encoder):
    path = FIXTURES / f"{encoder}.npz"
    assert path.stat().st_size <= 50_000
    with np.load(path) as file:
        provenance = json.loads(str(file["provenance"]))
    assert provenance["encoder"] == encoder
    assert {"command", "model", "torch", "torchvision", "segmentation_models_pytorch"} <= set(provenance)


def with_style(function, **changes):
    """Replaces a block by itself with another style."""

    def mutate(original):
        return lambda x, *args, **options: original[function](
            x, *(replace(arg, **changes) if isinstance(arg, blocks.Style) else arg for arg in args), **options
        )

    return function, mutate


def swapped_concat(original):
    return lambda x, skip, **options: original["concat"](skip, x, **options)


def same_pool(original):
    return lambda x, **options: original["max_pool"](x, **{**options, "padding": "same"})


def shortcut_without_norm(original):
    def shortcut(x, filters, style, **options):
        return original["shortcut"](x, filters, replace(style, shortcut=replace(style.shortcut, norm=False)), **options)

    return shortcut


def act_before_add(original):
    def residual(x, filters, style, *, name, stride=1):
        side = blocks.shortcut(x, filters, style, name=name, stride=stride)
        x = blocks.conv_norm_act(x, filters, style, name=name, index=1, stride=stride)
        x = blocks.conv_norm_act(x, filters, style, name=name, index=2)
        return keras.layers.Add(name=f"{name}_add")([side, x])

    return residual


def stride_on_the_first_convolution(original):
    """Strides all of a bottleneck by its 1x1 convolution, as the ResNet of the paper and of keras.applications does."""

    def bottleneck(x, filters, style, *, name, stride=1):
        side = blocks.shortcut(x, filters, style, name=name, stride=stride)
        for index, (width, kernel, step) in enumerate(
            ((filters // 4, 1, stride), (filters // 4, 3, 1), (filters, 1, 1)), start=1
        ):
            x = blocks.conv(x, width, style, kernel=kernel, stride=step, name=f"{name}_conv{index}")
            x = blocks.norm(x, style, name=f"{name}_norm{index}")
            x = blocks.act(x, "relu", name=f"{name}_act{index}") if index < 3 else x
        return blocks.act(keras.layers.Add(name=f"{name}_add")([side, x]), "relu", name=f"{name}_act3")

    return bottleneck


MUTATIONS = [
    ("resnet18", *with_style("conv", padding="same")),
    ("resnet18", *with_style("norm", epsilon=1e-3)),
    ("resnet18", "max_pool", same_pool),
    ("resnet18", "concat", swapped_concat),
    ("resnet18", "shortcut", shortcut_without_norm),
    ("resnet18", "residual", act_before_add),
    ("resnet50", "bottleneck", stride_on_the_first_convolution),
]


@pytest.mark.parametrize(("encoder", "function", "mutate"), MUTATIONS)
def test_the_recorded_outputs_notice(encoder, function, mutate, monkeypatch):
    monkeypatch.setattr(blocks, function, mutate(dict(vars(blocks))))
    if mutate is shortcut_without_norm:
        with pytest.raises(KeyError, match="projnorm"):
            filled(encoder)
    else:
        assert not matches(encoder)


def matches(encoder):
    size = SIZES[encoder][0]
    output = np.array(filled(encoder)(formula.image(size), training=False))
    return resnet_unet.error(output, recorded(encoder, "output", size)) <= 1e-5
