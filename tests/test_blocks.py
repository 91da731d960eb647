"""The blocks by themselves: sizes, padding like PyTorch's against sums written out, and the ways around a unit."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from zoo import blocks, sampling, stages


def image(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(1, *shape)).astype("float32")


def apply(function, x):
    """Runs a block on an array; returns its output and the model around it."""
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, function(inputs))
    return np.array(model(x, training=False)), model


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (7, 2), (3, 1), (1, 2), (5, 3)])
def test_torch_padding_is_symmetric(size, kernel, stride):
    style = blocks.Style(padding="torch", bias=False)
    x = image(size, size + 2, 1)
    received, model = apply(lambda t: blocks.conv(t, 1, style, kernel=kernel, stride=stride, name="c"), x)
    weights = model.get_layer("c").get_weights()[0][:, :, 0, 0]
    side = kernel // 2
    padded = np.pad(x[0, ..., 0], side)
    rows, columns = ((n + 2 * side - kernel) // stride + 1 for n in x.shape[1:3])
    expected = [
        [np.sum(weights * padded[i * stride : i * stride + kernel, j * stride : j * stride + kernel]) for j in range(columns)]
        for i in range(rows)
    ]
    np.testing.assert_allclose(received[0, ..., 0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [5, 6])
def test_torch_pooling_sees_minus_infinity_beyond_the_borders(size):
    x = -1 - np.abs(image(size, size + 1, 2))  # negative throughout, so that a zero beyond the border would win
    received, _ = apply(lambda t: sampling.max_pool(t, size=3, stride=2, padding="torch", name="p"), x)
    padded = np.pad(x[0], ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    rows, columns = ((n - 1) // 2 + 1 for n in x.shape[1:3])
    expected = [[padded[2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((0, 1)) for j in range(columns)] for i in range(rows)]
    np.testing.assert_array_equal(received[0], expected)


def test_same_pooling_is_that_of_keras():
    x = image(6, 8, 2)
    received, _ = apply(lambda t: sampling.max_pool(t, name="p"), x)
    np.testing.assert_array_equal(received, np.array(keras.layers.MaxPooling2D(2)(x)))


@pytest.mark.parametrize("shape", [(4, 6, 3), (4, 6, 2, 3)])
def test_images_and_volumes_give_the_same_layers(shape):
    style = blocks.Style()
    received, model = apply(lambda t: blocks.residual(t, 5, style, stride=2, name="u"), image(*shape))
    assert received.shape == (1, *(side // 2 for side in shape[:-1]), 5)
    names = {"u_conv1", "u_norm1", "u_act1", "u_conv2", "u_norm2", "u_proj", "u_add", "u_act2"}
    assert {layer.name for layer in model.layers[1:]} == names


@pytest.mark.parametrize(
    ("kind", "filters", "stride", "projects"),
    [("conv", 3, 1, True), ("identity", 3, 1, False), ("identity", 4, 1, True), ("identity", 3, 2, True), ("none", 4, 2, False)],
)
def test_shortcuts_project_where_their_kind_says(kind, filters, stride, projects):
    style = blocks.Style(shortcut=blocks.Shortcut(kind=kind))
    inputs = keras.Input((4, 4, 3))
    side = blocks.shortcut(inputs, filters, style, stride=stride, name="u")
    model = keras.Model(inputs, side)
    assert ("u_proj" in [layer.name for layer in model.layers]) == projects
    assert side.shape[1:] == (4 // stride, 4 // stride, filters)


@pytest.mark.parametrize("order", ["pre", "post"])
def test_a_unit_whose_branch_is_zero_returns_its_shortcut(order):
    style = blocks.Style(order=order, norm=None, shortcut=blocks.Shortcut(kind="identity"))
    x = np.abs(image(4, 4, 3))  # what ReLU after the add leaves as it is
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, blocks.residual(inputs, 3, style, name="u"))
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    np.testing.assert_array_equal(np.array(model(x)), x)


@pytest.mark.parametrize("function", [blocks.residual, blocks.bottleneck])
def test_without_norm_a_unit_has_none(function):
    style = replace(blocks.KERAS_STYLE, norm=None, shortcut=blocks.Shortcut(norm=True))
    _, model = apply(lambda t: function(t, 8, style, name="u"), image(4, 4, 3))
    assert not [layer for layer in model.layers if "norm" in layer.name]


def test_a_bottleneck_is_narrow_inside_and_strides_on_its_3x3():
    _, model = apply(lambda t: blocks.bottleneck(t, 16, blocks.Style(), stride=2, name="u"), image(4, 4, 16))
    convs = [model.get_layer(f"u_conv{k}") for k in (1, 2, 3)]
    facts = [(layer.filters, layer.kernel_size[0], layer.strides[0]) for layer in convs]
    assert facts == [(4, 1, 1), (4, 3, 2), (16, 1, 1)]


@pytest.mark.parametrize(("mode", "channels"), [("nearest", 6), ("transposed", 2), ("bilinear", 6)])
def test_up_sampling_doubles_the_size(mode, channels):
    coarse = keras.Input((3, 5, 6))
    assert sampling.upsample(coarse, mode, filters=2, name="up").shape == (None, 6, 10, channels)


def test_a_transposed_convolution_keeps_the_channels_unless_told():
    assert sampling.upsample(keras.Input((3, 5, 6)), "transposed", name="up").shape == (None, 6, 10, 6)


def test_a_transposed_1x1_convolution_reaches_every_second_position_and_no_further():
    x, kernel, bias = image(2, 3, 2), image(1, 3, 2, seed=1), image(3, seed=2)[0]
    coarse = keras.Input((None, None, 2))
    network = keras.Model(coarse, sampling.conv_transposed(coarse, 3, kernel=1, name="up"))
    network.get_layer("up").set_weights([kernel, bias])
    expected = np.zeros((1, 3, 5, 3)) + bias
    expected[:, ::2, ::2] += x @ kernel[0, 0].T
    np.testing.assert_allclose(np.array(network(x)), expected, atol=1e-5)


def test_a_depthwise_convolution_with_a_stride_is_padded_at_both_sides_alike():
    inputs = keras.Input((7, 8, 3))
    network = keras.Model(inputs, blocks.depthwise_conv(inputs, kernel=5, stride=2, name="conv"))
    assert network.get_layer("conv_pad").padding == ((2, 2), (2, 2))
    assert network.output_shape == (None, 4, 4, 3)
    plain = keras.Model(inputs, blocks.depthwise_conv(inputs, blocks.TORCH_STYLE, name="conv"))
    assert [layer.name for layer in plain.layers[1:]] == ["conv"]
    assert (plain.output_shape, plain.layers[-1].use_bias) == ((None, 7, 8, 3), False)


def test_concat_has_its_first_argument_first():
    first, second = image(2, 2, 1), image(2, 2, 2, seed=1)
    inputs = [keras.Input((2, 2, 1)), keras.Input((2, 2, 2))]
    received = np.array(keras.Model(inputs, blocks.concat(*inputs, name="cat"))([first, second]))
    np.testing.assert_array_equal(received, np.concatenate([first, second], axis=-1))


def test_an_encoder_returns_every_level_and_only_its_first_unit_has_no_leading_norm():
    style = blocks.Style(order="pre", shortcut=blocks.Shortcut(kernel=3))
    inputs = keras.Input((8, 12, 1))
    outputs = stages.strided_encoder(inputs, stages.doubled(2, 3), style, first=blocks.Shortcut(kernel=1))
    assert [output.shape[1:] for output in outputs] == [(8, 12, 2), (4, 6, 4), (2, 3, 8)]
    model = keras.Model(inputs, outputs)
    names = [layer.name for layer in model.layers]
    assert "enc0_norm1" not in names
    assert {"enc1_norm1", "enc2_norm1"} <= set(names)
    assert [model.get_layer(f"enc{level}_proj").kernel_size[0] for level in range(3)] == [1, 3, 3]
