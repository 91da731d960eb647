"""The zoo's own Keras layers: values, open sizes, and files that load in a fresh process."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import zoo
from zoo.depthwise import DepthwiseConv, DepthwiseConvTranspose
from zoo.layers import ArgMax, CellMax, MatchChannels, RepeatChannels, ResizeLike, UpSampleLinear


def image(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def bilinear(values, size):
    """Resizes (h, w) by hand: pixel centres aligned, borders repeated."""

    def along(values, target):
        source = values.shape[0]
        where = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        low = np.floor(where).astype(int)
        high, part = np.minimum(low + 1, source - 1), (where - low)[:, None]
        return values[low] * (1 - part) + values[high] * part

    return along(along(values, size[0]).T, size[1]).T


@pytest.mark.parametrize(
    ("size", "target"), [((3, 5), (6, 9)), ((4, 4), (8, 8)), ((1, 1), (3, 2)), ((63, 2), (125, 4)), ((6, 4), (6, 4))]
)
def test_resize_like_is_bilinear(size, target):
    x = image(2, *size, 3)
    received = np.array(ResizeLike()([x, np.zeros((2, *target, 1), "float32")]))
    expected = [np.stack([bilinear(x[n, ..., c], target) for c in range(3)], axis=-1) for n in range(2)]
    np.testing.assert_allclose(received, expected, atol=1e-4)  # float32 coordinates


def test_resize_like_takes_volumes():
    x, target = image(1, 3, 2, 5, 2), (4, 5, 7)
    received = np.array(ResizeLike()([x, np.zeros((1, *target, 1), "float32")]))
    planes = np.stack([bilinear(x[0, :, :, k, c], target[:2]) for k in range(5) for c in range(2)], axis=-1).reshape(4, 5, 5, 2)
    lines = [np.stack([bilinear(planes[i, :, :, c], target[1:]) for c in range(2)], axis=-1) for i in range(4)]
    np.testing.assert_allclose(received[0], np.stack(lines), atol=1e-5)


def test_resize_like_nearest_takes_the_position_that_pytorch_takes():
    x, target = image(2, 3, 4, 2), (5, 7)
    received = np.array(ResizeLike("nearest")([x, np.zeros((2, *target, 1), "float32")]))
    rows, columns = (np.arange(m) * n // m for n, m in zip(x.shape[1:3], target, strict=True))
    np.testing.assert_array_equal(received, x[:, rows][:, :, columns])
    assert list(np.arange(5) * 3 // 5) != list(np.round((np.arange(5) + 0.5) * 3 / 5 - 0.5).astype(int))  # not by centres


@pytest.mark.parametrize(("size", "factors"), [((3, 5), (2, 2)), ((4, 1), (1, 3)), ((2, 3), (8, 4))])
def test_up_sample_linear_is_bilinear(size, factors):
    x = image(2, *size, 3)
    target = tuple(n * factor for n, factor in zip(size, factors, strict=True))
    expected = [np.stack([bilinear(x[n, ..., c], target) for c in range(3)], axis=-1) for n in range(2)]
    np.testing.assert_allclose(np.array(UpSampleLinear(factors)(x)), expected, atol=1e-5)
    np.testing.assert_allclose(np.array(UpSampleLinear(factors)(x)), ResizeLike()([x, np.zeros((2, *target, 1))]), atol=1e-6)


def test_up_sample_linear_takes_volumes_open_sizes_and_is_saved(tmp_path):
    inputs = keras.Input((None, None, None, 2))
    network = keras.Model(inputs, UpSampleLinear((1, 2, 3), name="up")(inputs))
    assert network.output_shape == (None, None, None, None, 2)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    x = image(1, 3, 2, 5, 2)
    expected = np.stack([[bilinear(x[0, k, ..., c], (4, 15)) for k in range(3)] for c in range(2)], axis=-1)
    for model in (network, again):
        np.testing.assert_allclose(np.array(model(x))[0], expected, atol=1e-5)
    assert UpSampleLinear((1, 2, 3)).compute_output_shape((None, 3, None, 5, 2)) == (None, 3, None, 15, 2)


def resizing_network():
    inputs = [keras.Input((None, None, 2)), keras.Input((None, None, 1))]
    return keras.Model(inputs, ResizeLike(name="resize")(inputs))


def test_resize_like_takes_sizes_that_are_known_only_when_it_runs():
    network = resizing_network()
    assert network.output_shape == (None, None, None, 2)
    for size, target in (((3, 5), (6, 9)), ((4, 2), (7, 3)), ((2, 2), (2, 5))):
        x, reference = image(1, *size, 2), image(1, *target, 1)
        expected = np.array(ResizeLike()([x, reference]))
        np.testing.assert_allclose(network.predict([x, reference], verbose=0), expected, atol=1e-6)


def test_resize_like_keeps_the_dtype():
    layer = ResizeLike(dtype="float16")
    result = layer([image(1, 2, 2, 1).astype("float16"), image(1, 3, 3, 1).astype("float16")])
    assert keras.backend.standardize_dtype(result.dtype) == "float16"


@pytest.mark.parametrize("shape", [(1, 2, 3, 4), (1, 2, 3, 2, 4)])
@pytest.mark.parametrize("filters", [2, 4, 7])
def test_match_channels_appends_zeros_or_drops_the_last(shape, filters):
    x = image(*shape)
    received = np.array(MatchChannels(filters)(x))
    assert received.shape == (*shape[:-1], filters) == MatchChannels(filters).compute_output_shape(shape)
    kept = min(4, filters)
    np.testing.assert_array_equal(received[..., :kept], x[..., :kept])
    assert not received[..., kept:].any()


@pytest.mark.parametrize("shape", [(1, 2, 3, 3), (1, 2, 3, 2, 3)])
@pytest.mark.parametrize(("filters", "order"), [(2, "01"), (3, "012"), (6, "012012"), (7, "0120120")])
def test_repeat_channels_keeps_their_order_and_cuts_the_last_repetition(shape, filters, order):
    x = image(*shape)
    layer = RepeatChannels(filters)
    received = np.array(layer(x))
    assert received.shape == (*shape[:-1], filters) == layer.compute_output_shape(shape)
    np.testing.assert_array_equal(received, x[..., [int(channel) for channel in order]])


def test_repeat_channels_takes_open_sizes_and_is_saved(tmp_path):
    inputs = keras.Input((None, None, 2))
    network = keras.Model(inputs, RepeatChannels(5, name="repeat")(inputs))
    assert network.output_shape == (None, None, None, 5)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    for size in ((4, 6), (3, 5)):
        x = image(1, *size, 2)
        np.testing.assert_array_equal(again.predict(x, verbose=0), x[..., [0, 1, 0, 1, 0]])


@pytest.mark.parametrize("cells", [1, 2, 4])
@pytest.mark.parametrize("size", [(4, 12), (8, 4), (8, 4, 12)])
def test_cell_max_gives_each_position_the_largest_value_of_its_cell(cells, size):
    x = image(2, *size, 3)
    expected = np.empty_like(x)
    for cell in np.ndindex(*(cells,) * len(size)):
        place = tuple(slice(k * n // cells, (k + 1) * n // cells) for k, n in zip(cell, size, strict=True))
        part = (slice(None), *place)
        expected[part] = x[part].max(axis=tuple(range(1, len(size) + 1)), keepdims=True)
    layer = CellMax(cells)
    np.testing.assert_array_equal(np.array(layer(x)), expected)
    assert layer.compute_output_shape((None, None, 5, 3)) == (None, None, 5, 3)
    assert CellMax.from_config(layer.get_config()).cells == cells


def test_cell_max_takes_sizes_that_are_known_only_when_it_runs():
    inputs = keras.Input((None, None, 2))
    network = keras.Model(inputs, CellMax(2)(inputs))
    assert network.output_shape == (None, None, None, 2)
    for size in ((4, 6), (2, 2), (6, 10)):
        x = image(1, *size, 2)
        np.testing.assert_array_equal(network.predict(x, verbose=0), np.array(CellMax(2)(x)))


def test_cell_max_refuses_sizes_that_it_cannot_split():
    with pytest.raises(ValueError, match="4 equal cells along each axis, so sizes must be multiples of 4"):
        CellMax(4)(image(1, 8, 6, 2))


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3, 4), (1, 2, 3, 2, 4)])
def test_arg_max_is_the_index_of_the_largest_channel_as_a_number_without_gradient(shape):
    x = image(*shape)
    received = ArgMax()(x)
    assert received.shape == (*shape[:-1], 1) == ArgMax().compute_output_shape(shape)
    assert keras.backend.standardize_dtype(received.dtype) == "float32"
    np.testing.assert_array_equal(received, x.argmax(axis=-1)[..., None])


def test_arg_max_takes_the_first_of_equals_open_sizes_and_is_saved(tmp_path):
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, ArgMax(name="index")(inputs))
    assert network.output_shape == (None, None, None, 1)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    x = np.array([[[[1, 5, 5], [2, 2, 2]]]], "float32")
    for model in (network, again):
        assert model.predict(x, verbose=0).reshape(-1).tolist() == [1, 0]


def depthwise(kind, kernel_size, strides, channels, **kwargs):
    """A depthwise layer with random weights."""
    layer = kind(kernel_size, strides, **kwargs)
    layer.build((None, *(None for _ in kernel_size), channels))
    for seed, weight in enumerate(layer.weights):
        weight.assign(image(*weight.shape, seed=seed))
    return layer


def correlated(x, kernel, bias, strides):
    """Sums of a depthwise convolution without padding, tap by tap."""
    sizes = [(size - k) // strides + 1 for size, k in zip(x.shape[1:-1], kernel.shape, strict=False)]
    result = np.zeros((x.shape[0], *sizes, x.shape[-1])) + bias
    for tap in np.ndindex(*kernel.shape[:-2]):
        where = (slice(t, t + (size - 1) * strides + 1, strides) for t, size in zip(tap, sizes, strict=True))
        result += x[(slice(None), *where)] * kernel[tap][0]
    return result


def spread(x, kernel, bias, strides):
    """Sums of PyTorch's transposed depthwise convolution with `padding=(kernel - 1) // 2`, input by input and tap by tap."""
    taps = kernel.shape[:-2]
    cuts = [(k - 1) // 2 for k in taps]
    sizes = [(size - 1) * strides + k - 2 * cut for size, k, cut in zip(x.shape[1:-1], taps, cuts, strict=True)]
    result = np.zeros((x.shape[0], *sizes, x.shape[-1])) + bias
    for place, tap in itertools.product(np.ndindex(*x.shape[1:-1]), np.ndindex(*taps)):
        target = tuple(i * strides + t - cut for i, t, cut in zip(place, tap, cuts, strict=True))
        if all(0 <= position < size for position, size in zip(target, sizes, strict=True)):
            result[(slice(None), *target)] += x[(slice(None), *place)] * kernel[tap][0]
    return result


DEPTHWISE = [
    ((3, 3), (7, 6)),
    ((5, 5), (9, 5)),
    ((2, 4), (5, 8)),
    ((3, 3, 3), (5, 6, 3)),
    ((5, 3, 2), (5, 4, 6)),
    ((1, 1, 1), (2, 3, 4)),
]


@pytest.mark.parametrize(("kernel", "size"), DEPTHWISE)
@pytest.mark.parametrize(("strides", "padding"), [(1, "valid"), (2, "valid"), (3, "valid"), (1, "same")])
def test_depthwise_conv_is_the_sum_over_its_taps_and_a_grouped_convolution(kernel, size, strides, padding):
    x = image(2, *size, 3)
    layer = depthwise(DepthwiseConv, kernel, strides, 3, padding=padding)
    grouped = getattr(keras.layers, f"Conv{len(size)}D")(3, kernel, strides=strides, padding=padding, groups=3)
    grouped.build(x.shape)
    grouped.set_weights(layer.get_weights())
    received = np.array(layer(x))
    margins = ((0, 0), *(((k - 1) // 2, k // 2) for k in kernel), (0, 0))
    padded = np.pad(x, margins) if padding == "same" else x
    expected = correlated(padded, *layer.get_weights(), strides)
    assert received.shape == expected.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(received, expected, atol=1e-4)
    np.testing.assert_allclose(received, np.array(grouped(x)), atol=1e-4)


SPREAD = [*DEPTHWISE[:-1], ((7, 7), (1, 3)), ((3, 3, 3), (1, 1, 2)), ((5, 5, 5), (2, 3, 2))]


@pytest.mark.parametrize(
    ("kernel", "size", "strides"), [(*case, strides) for case in SPREAD for strides in (1, 2, 3) if min(case[0]) >= strides]
)
def test_transposed_depthwise_conv_is_the_sum_that_pytorch_documents(kernel, size, strides):
    x = image(2, *size, 3)
    layer = depthwise(DepthwiseConvTranspose, kernel, strides, 3)
    received, expected = np.array(layer(x)), spread(x, *layer.get_weights(), strides)
    assert received.shape == expected.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(received, expected, atol=1e-4)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3, 3, 3)])
def test_transposed_depthwise_conv_of_one_input_is_the_kernel_cut_on_both_sides(kernel):
    layer = depthwise(DepthwiseConvTranspose, kernel, 2, 2, use_bias=False)
    cut = tuple(slice((k - 1) // 2, -((k - 1) // 2)) for k in kernel)
    x = np.ones((1, *(1 for _ in kernel), 2), "float32")
    np.testing.assert_allclose(np.array(layer(x))[0], np.array(layer.kernel)[(*cut, 0)])


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3, 3, 3)])
@pytest.mark.parametrize("kind", [DepthwiseConv, DepthwiseConvTranspose])
def test_depthwise_layers_take_open_sizes_are_saved_and_learn(kind, kernel, tmp_path):
    inputs = keras.Input((*(None for _ in kernel), 2))
    network = keras.Model(inputs, depthwise(kind, kernel, 2, 2)(inputs))
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    for size in ((5, 7, 6), (9, 6, 8)):
        x = image(2, *size[: len(kernel)], 2)
        received = again.predict(x, verbose=0)
        assert received.shape == network.layers[-1].compute_output_shape(x.shape)
        np.testing.assert_allclose(received, np.array(network.layers[-1](x)), atol=1e-4)
    before = [np.array(weight) for weight in again.weights]
    again.compile("sgd", "mse", jit_compile=False)
    losses = again.fit(x, np.zeros_like(received), epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]
    assert all(np.all(np.array(weight) != value) for weight, value in zip(again.weights, before, strict=True))


@pytest.mark.parametrize("kind", [DepthwiseConv, DepthwiseConvTranspose])
def test_depthwise_layers_keep_the_dtype(kind):
    layer = kind((3, 3), 2, dtype="mixed_float16")
    assert keras.backend.standardize_dtype(layer(image(1, 5, 5, 2)).dtype) == "float16"
    assert keras.backend.standardize_dtype(layer.kernel.dtype) == "float32"


def test_depthwise_layers_refuse_what_they_cannot_do():
    with pytest.raises(ValueError, match=r"'same' for stride 1. Received: padding='same', strides=2"):
        DepthwiseConv((3, 3), 2, padding="same")
    with pytest.raises(ValueError, match="Received: padding='causal'"):
        DepthwiseConv((3, 3), padding="causal")
    with pytest.raises(ValueError, match=r"at least the stride. Received: kernel_size=\(1, 1\), strides=2"):
        DepthwiseConvTranspose((1, 1))


LOADING = """
import sys
import {first}, {second}
import numpy as np
network = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[2], network.predict(np.load(sys.argv[3]), verbose=0))
"""


@pytest.mark.parametrize(
    ("name", "overrides", "backend", "order"),
    [
        ("deep-resunet-bilinear-d3-f2", {}, "tensorflow", ("keras", "zoo")),
        ("deep-resunet-bilinear-d3-f2", {}, "jax", ("zoo", "keras")),
        ("deep-resunet-d3-f2", {"shortcut": "none"}, "tensorflow", ("zoo", "tensorflow as tf, keras")),
    ],
)
def test_a_saved_network_loads_in_a_fresh_process_that_imports_keras_and_zoo(name, overrides, backend, order, tmp_path):
    network = zoo.get(name, **overrides)
    x = image(1, 12, 20, 3)
    network.save(tmp_path / "network.keras")
    np.save(tmp_path / "image.npy", x)
    files = [str(tmp_path / file) for file in ("network.keras", "output.npy", "image.npy")]
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    code = LOADING.format(first=order[0], second=order[1])
    done = subprocess.run([sys.executable, "-c", code, *files], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "output.npy"), np.array(network(x)), atol=1e-4)
