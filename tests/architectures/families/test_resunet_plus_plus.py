"""ResUNet++: exact numbers of weights, and what a count cannot see."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from architectures.inspecting import layers_of, output_of, random_image
from zoo.registry import build_weightless

LEVELS = ("dec0", "dec1", "dec2")
UNITS = (*(f"enc{level}" for level in range(4)), *LEVELS)


@pytest.fixture(scope="module")
def network():
    return build_weightless(zoo.info("resunet-plus-plus").config)


def chain(network, name, count):
    """Names of the layers that lead to one in a chain, nearest first."""
    names, layer = [], network.get_layer(name)
    for _ in range(count):
        layer = layer.input._keras_history.operation
        names.append(layer.name)
    return names


def sources(network, name):
    """Names of the layers whose outputs a layer joins, in its order."""
    return [tensor._keras_history.operation.name for tensor in network.get_layer(name).input]


def test_weights_are_as_many_as_those_of_the_original():
    assert counted("resunet-plus-plus")[:2] == (4_070_385, 4_062_993)
    assert counted("resunet-plus-plus", **shape(256, 256, 3))[:2] == (4_070_385, 4_062_993)


@pytest.mark.parametrize(
    ("depth", "filters", "channels", "classes"), [(2, 8, 1, 1), (3, 16, 3, 2), (4, 16, 3, 1), (4, 10, 2, 3), (5, 24, 4, 5)]
)
def test_weights_follow_the_formula(depth, filters, channels, classes):
    def conv(kernel, inputs, outputs):
        return kernel**2 * inputs * outputs + outputs

    def unit(inputs, outputs, lead=True):
        weights = conv(3, inputs, outputs) + conv(3, outputs, outputs) + conv(1, inputs, outputs)
        return weights + 4 * (lead * inputs + 2 * outputs) + 2 * outputs * (outputs // 8)

    def pyramid(inputs, outputs):
        return 4 * (conv(3, inputs, outputs) + 4 * outputs) + conv(1, outputs, outputs)

    def attention(skip, inputs):
        return conv(3, skip, inputs) + 2 * conv(3, inputs, inputs) + 4 * (skip + 2 * inputs)

    widths = [filters * 2**level for level in range(depth + 1)]
    total = unit(channels, filters, lead=False) + sum(unit(a, b) for a, b in pairwise(widths[:-1]))
    total += pyramid(widths[-2], widths[-1])
    below = widths[-1]
    for level in reversed(range(depth - 1)):
        total += attention(widths[level], below) + unit(below + widths[level], widths[level + 1])
        below = widths[level + 1]
    total += pyramid(below, filters) + conv(1, filters, classes)
    name = f"resunet-plus-plus-d{depth}-f{filters}"
    assert counted(name, **shape(None, None, channels), classes=classes)[0] == total


@pytest.mark.parametrize("name", ["mid3", "dec0_last"])
def test_pyramids_sum_dilated_convolutions_without_activation(network, name):
    assert sources(network, f"{name}_sum") == [f"{name}_rate{rate}_norm" for rate in (6, 12, 18, 1)]
    for rate in (6, 12, 18, 1):
        conv = network.get_layer(f"{name}_rate{rate}_conv")
        assert (conv.kernel_size, conv.dilation_rate, conv.padding) == ((3, 3), (rate, rate), "same")
        source = "enc3_scale" if name == "mid3" else "dec0_scale"
        assert chain(network, f"{name}_rate{rate}_norm", 2) == [f"{name}_rate{rate}_conv", source]
    assert chain(network, f"{name}_out", 1) == [f"{name}_sum"]
    assert network.get_layer(f"{name}_out").kernel_size == (1, 1)


def test_the_head_sees_the_last_pyramid_and_the_bridge_is_not_residual(network):
    assert chain(network, "head0_act", 2) == ["head0_conv", "dec0_last_out"]
    assert sources(network, "dec2_attend")[1] == "mid3_out"
    assert not [layer.name for layer in layers_of(network, "Add") if layer.name.startswith("mid") and layer.name != "mid3_sum"]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_attention_multiplies_the_coarse_tensor_with_an_unbounded_gate(network, level):
    name, below = f"dec{level}", "mid3_out" if level == 2 else f"dec{level + 1}_scale"
    assert sources(network, f"{name}_attend") == [f"{name}_gate_conv1", below]
    assert chain(network, f"{name}_gate_conv1", 3) == [f"{name}_gate_{part}" for part in ("act1", "norm1", "add")]
    assert sources(network, f"{name}_gate_add") == [f"{name}_fine_pool", f"{name}_coarse_conv1"]
    fine = [f"{name}_fine_{part}" for part in ("conv1", "act1", "norm1")]
    assert chain(network, f"{name}_fine_pool", 4) == [*fine, f"enc{level}_scale"]
    assert chain(network, f"{name}_coarse_conv1", 3) == [f"{name}_coarse_act1", f"{name}_coarse_norm1", below]
    assert type(network.get_layer(f"{name}_fine_pool")).__name__ == "MaxPooling2D"
    width = network.get_layer(f"{name}_attend").output.shape[-1]
    assert width == 32 * 2 ** (level + 1)
    assert {network.get_layer(f"{name}_{part}_conv1").filters for part in ("fine", "coarse", "gate")} == {width}


@pytest.mark.parametrize("level", [0, 1, 2])
def test_attention_comes_before_up_sampling_and_the_decoder_before_the_skip(network, level):
    name = f"dec{level}"
    assert sources(network, f"{name}_cat") == [f"{name}_up", f"enc{level}_scale"]
    assert chain(network, f"{name}_up", 1) == [f"{name}_attend"]
    up = network.get_layer(f"{name}_up")
    assert (type(up).__name__, up.size, up.interpolation) == ("UpSampling2D", (2, 2), "nearest")


def test_gates_of_attention_take_any_sign_and_those_of_squeeze_and_excitation_are_shares():
    small = zoo.get("resunet-plus-plus-d2-f8")
    randomise(small)
    image = random_image(8, 12, 3)
    gate = output_of(small, "dec0_gate_conv1", image)
    assert gate.min() < 0 < gate.max()
    coarse = output_of(small, "mid1_out", image)
    np.testing.assert_allclose(output_of(small, "dec0_attend", image), gate * coarse, rtol=1e-5)
    for name in ("enc0", "enc1", "dec0"):
        total = output_of(small, f"{name}_add", image).astype("float64")
        squeeze, excite = (np.array(small.get_layer(f"{name}_{part}").kernel) for part in ("squeeze", "excite"))
        share = 1 / (1 + np.exp(-np.maximum(total.mean(axis=(1, 2), keepdims=True) @ squeeze, 0) @ excite))
        np.testing.assert_allclose(output_of(small, f"{name}_scale", image), total * share, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", UNITS)
def test_squeeze_and_excitation_follows_every_sum_with_an_eighth_of_the_channels(network, name):
    assert sources(network, f"{name}_scale")[0] == f"{name}_add"
    assert chain(network, f"{name}_mean", 1) == [f"{name}_add"]
    width = network.get_layer(f"{name}_add").output.shape[-1]
    squeeze, excite = (network.get_layer(f"{name}_{part}") for part in ("squeeze", "excite"))
    assert (squeeze.units, excite.units) == (width // 8, width)
    assert not squeeze.use_bias
    assert not excite.use_bias
    acts = [network.get_layer(f"{name}_{part}act").activation.__name__ for part in ("squeeze", "excite")]
    assert acts == ["relu", "sigmoid"]


def test_widths_of_the_units(network):
    assert [network.get_layer(f"{name}_add").output.shape[-1] for name in UNITS] == [16, 32, 64, 128, 32, 64, 128]
    assert network.get_layer("mid3_out").filters == 256
    assert network.get_layer("dec0_last_out").filters == 16


def test_only_the_first_unit_has_no_leading_norm_and_only_the_encoder_halves(network):
    names = {layer.name for layer in network.layers}
    assert {name for name in UNITS if f"{name}_norm1" not in names} == {"enc0"}
    assert chain(network, "enc0_conv2", 3) == ["enc0_act2", "enc0_norm2", "enc0_conv1"]
    strided = {layer.name for layer in layers_of(network, "Conv2D") if layer.strides == (2, 2)}
    assert strided == {f"enc{level}_{part}" for level in (1, 2, 3) for part in ("conv1", "proj")}


def test_shortcuts_are_1x1_with_norm_and_nothing_follows_the_sum_but_the_scale(network):
    for name in UNITS:
        assert network.get_layer(f"{name}_proj").kernel_size == (1, 1)
        assert sorted(sources(network, f"{name}_add")) == [f"{name}_conv2", f"{name}_projnorm"]
        readers = {node.operation.name for node in network.get_layer(f"{name}_add")._outbound_nodes}
        assert readers == {f"{name}_mean", f"{name}_scale"}


def test_constants_are_those_of_keras(network):
    norms = layers_of(network, "BatchNormalization")
    assert len(norms) == 37
    assert {(norm.epsilon, norm.momentum) for norm in norms} == {(1e-3, 0.99)}
    assert all(conv.use_bias and conv.padding == "same" for conv in layers_of(network, "Conv2D"))
    assert not [layer.name for layer in network.layers if "ZeroPadding" in type(layer).__name__]


def test_strided_convolutions_pad_at_the_far_side():
    """Of an even size, the first output sees positions 0 to 2, not -1 to 1: the last column of the kernel counts there."""
    small = zoo.get("resunet-plus-plus-d2-f8")
    conv = small.get_layer("enc1_conv1")
    kernel = np.zeros(conv.kernel.shape)
    kernel[2, 2] = 1
    conv.kernel.assign(kernel)
    image = random_image(4, 4, 3)
    before, after = output_of(small, "enc1_act1", image), output_of(small, "enc1_conv1", image)
    np.testing.assert_allclose(after[0, 0, 0], np.full(16, before[0, 2, 2].sum()), rtol=1e-4)


def test_it_trains():
    """Not narrower: TensorFlow's gradient of a strided 1x1 convolution of fewer channels may crash on the CPU (oneDNN)."""
    small = zoo.get("resunet-plus-plus-d2-f16")
    randomise(small)
    small.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", run_eagerly=True)
    start = [np.array(weight) for weight in small.trainable_variables]
    history = small.fit(random_image(8, 12, 3), np.ones((1, 8, 12, 1)), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    kernels = [
        (weight.path, np.array_equal(weight, old))
        for weight, old in zip(small.trainable_variables, start, strict=True)
        if weight.name == "kernel"
    ]
    assert not [path for path, same in kernels if same]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (shape(100, 96, 3), "height 100 is not a multiple of 8; use 96 or 104"),
        (shape(96, 4, 3), "width 4 is not a multiple of 8; use 8 or more"),
        (shape(None, None, None, 1), "2D only"),
        ({"depth": 1}, "`depth` must be a whole number from 2 to 10"),
        ({"filters": 7}, "`filters` must be a whole number from 8 to 4096; the nearest is 8"),
        ({"batch_norm": False}, "`batch_norm` is not a field of resunet-plus-plus"),
    ],
)
def test_what_it_does_not_take_is_refused_by_the_config(overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.info("resunet-plus-plus").config.replace(**overrides)


def test_the_analysis_understands_all_of_it():
    report = zoo.analyze("resunet-plus-plus")
    assert (report.status, report.unsupported, report.receptive_field) == ("complete", (), (None, None))
