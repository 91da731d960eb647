"""Residual U-Net of pytorch-3dunet: counts, sizes, and what a reader would not expect."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from architectures.inspecting import outputs_of, random_image, weightless
from zoo import sampling

BASES = ("residual-unet", "residual-unet-3d", "residual-unet-3d-se")


@pytest.mark.parametrize(
    ("name", "overrides", "params"),
    [
        ("residual-unet", {}, 38_385_217),
        ("residual-unet-3d", {}, 113_735_233),
        ("residual-unet-3d-d5-f32", {"classes": 2}, 28_437_314),
        ("residual-unet-3d-se", {}, 117_233_866),
    ],
)
def test_weights_are_as_many_as_the_original_has(name, overrides, params):
    assert counted(name, **overrides)[:2] == (params, params)


def formula(ndim, widths, channels, classes, gated):
    """Units of 1x1 with bias where channels change, two norms, two convolutions without bias; gates with bias, unnarrowed."""

    def unit(before, width):
        projection = (before != width) * (before * width + width)
        gates = gated * (2 * (width * width + width) + width + 1)
        return projection + 2 * (2 * width + 3**ndim * width * width) + gates

    before, total = channels, 0
    for width in widths:
        total += unit(before, width)
        before = width
    for width in reversed(widths[:-1]):
        total += 3**ndim * before * width + unit(width, width)
        before = width
    return total + before * classes + classes


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("depth", "filters", "channels", "classes"), [(2, 3, 1, 1), (3, 4, 4, 2), (4, 8, 1, 3), (5, 16, 16, 1), (7, 1, 3, 5)]
)
def test_weights_follow_the_formula(base, depth, filters, channels, classes):
    ndim, gated = 3 if "3d" in base else 2, base.endswith("se")
    sizes = {"input_shape": (None,) * ndim + (channels,), "classes": classes}
    widths = [filters * 2**level for level in range(depth)]
    expected = formula(ndim, widths, channels, classes, gated)
    assert counted(f"{base}-d{depth}-f{filters}", **sizes)[:2] == (expected, expected)


def test_names_state_the_default_size_and_the_variant():
    assert [zoo.info(base).name for base in BASES] == [f"{base}-d5-f64" for base in BASES]
    assert zoo.info("residual-unet-3d-se-d3-f8").config.name == "residual-unet-3d-se-d3-f8"
    assert zoo.info("residual-unet").config.replace(input_shape=(None, None, None, 1)).name == "residual-unet-3d-d5-f64"


@pytest.mark.parametrize("base", BASES)
def test_norms_come_before_convolutions_in_eight_groups_or_one(base):
    network = weightless(f"{base}-d4-f4")
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.GroupNormalization)]
    units = ["enc0", "enc1", "enc2", "mid3", "dec2", "dec1", "dec0"]
    assert {layer.name for layer in norms} == {f"{unit}_norm{k}" for unit in units for k in (1, 2)}
    assert {layer.epsilon for layer in norms} == {1e-5}
    for layer in norms:
        assert layer.groups == (1 if layer.output.shape[-1] < 8 else 8)
        (reader,) = [node.operation for node in layer._outbound_nodes]
        assert reader.name == layer.name.replace("norm", "conv")


@pytest.mark.parametrize("base", BASES)
def test_units_go_around_what_the_1x1_convolution_gives(base):
    network = weightless(f"{base}-d3-f8")
    for unit, start in (("enc0", "enc0_proj"), ("enc1", "enc1_proj"), ("mid2", "mid2_proj"), ("dec1", "dec1_join")):
        sources = [tensor._keras_history.operation.name for tensor in network.get_layer(f"{unit}_add").input]
        assert sources == [start, f"{unit}_conv2"]
        assert network.get_layer(f"{unit}_norm1").input._keras_history.operation.name == start
        assert (
            network.get_layer(f"{unit}_conv1").output._keras_history.operation._outbound_nodes[0].operation.name == f"{unit}_act1"
        )
        assert network.get_layer(f"{unit}_norm2").input._keras_history.operation.name == f"{unit}_act1"
        assert network.get_layer(f"{unit}_act2").input._keras_history.operation.name == f"{unit}_add"


def test_only_projections_gates_and_the_head_have_a_bias():
    network = weightless("residual-unet-3d-se-d3-f8")
    biased = {layer.name.split("_", 1)[1] for layer in network.layers if getattr(layer, "use_bias", False)}
    assert biased == {"proj", "cse_squeeze", "cse_excite", "sse_conv", "conv"}
    assert {layer.name for layer in network.layers if layer.name.endswith("_conv")} == {
        *(f"{unit}_sse_conv" for unit in ("enc0", "enc1", "mid2", "dec1", "dec0")), "head0_conv",
    }  # fmt: skip


def test_channels_that_fit_are_not_projected():
    projected = [layer.name for layer in weightless("residual-unet-d3-f8").layers if layer.name.endswith("_proj")]
    fitting = weightless("residual-unet-d3-f8", input_shape=(None, None, 8))
    assert projected == ["enc0_proj", "enc1_proj", "mid2_proj"]
    assert [layer.name for layer in fitting.layers if layer.name.endswith("_proj")] == projected[1:]


def test_up_sampling_makes_2n_less_one_then_repeats_the_pixel_at_the_floor():
    network = zoo.get("residual-unet-d3-f2")
    randomise(network)
    values = outputs_of(network, ("dec0_up_crop", "dec0_resize", "enc0_act2", "dec0_join"), random_image(16, 23, 1))
    coarse, fine = values["dec0_up_crop"], values["dec0_resize"]
    assert (coarse.shape[1:3], fine.shape[1:3]) == ((15, 21), (16, 23))
    rows, columns = ([p * n // m for p in range(m)] for n, m in ((15, 16), (21, 23)))
    np.testing.assert_array_equal(fine, coarse[:, rows][:, :, columns])
    np.testing.assert_allclose(values["dec0_join"], values["enc0_act2"] + fine, rtol=1e-6)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("size", [4, 5, 6, 7])
def test_valid_max_pooling_drops_what_fills_no_window(ndim, size):
    image = random_image(*(size,) * ndim, 2)
    inputs = keras.Input((None,) * ndim + (2,))
    received = np.array(keras.Model(inputs, sampling.max_pool(inputs, padding="valid", name="pool"))(image))
    half = size // 2
    kept = image[(slice(None), *[slice(2 * half)] * ndim)]
    windows = kept.reshape(1, *[side for _ in range(ndim) for side in (half, 2)], 2)
    np.testing.assert_array_equal(received, windows.max(axis=tuple(range(2, 2 * ndim + 1, 2))))


def test_gates_are_those_of_the_formula():
    """The larger of x * sigmoid(W2 relu(W1 mean(x) + b1) + b2) and x * sigmoid(w . x + b)."""
    network = zoo.get("residual-unet-3d-se-d2-f8")
    randomise(network)
    values = outputs_of(network, ("enc0_act2", "enc0_max"), random_image(4, 6, 5, 1))
    x = values["enc0_act2"]
    (w1, b1), (w2, b2), (w, b) = (
        network.get_layer(f"enc0_{part}").get_weights() for part in ("cse_squeeze", "cse_excite", "sse_conv")
    )
    assert (w1.shape, w2.shape, w.shape) == ((8, 8), (8, 8), (1, 1, 1, 8, 1))

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    channels = sigmoid(np.maximum(x.mean(axis=(1, 2, 3)) @ w1 + b1, 0) @ w2 + b2)
    positions = sigmoid(x @ w[0, 0, 0] + b)
    expected = np.maximum(x * channels[:, None, None, None], x * positions)
    assert np.any(expected != x * positions)
    assert np.any(expected != x * channels[:, None, None, None])
    np.testing.assert_allclose(values["enc0_max"], expected, atol=1e-5)


@pytest.mark.parametrize("base", BASES)
def test_any_size_from_the_stride_on_works_with_open_and_with_known_sizes(base):
    ndim = 3 if "3d" in base else 2
    free = zoo.get(f"{base}-d3-f2")
    randomise(free)
    for sizes in ((4, 5, 7), (11, 6, 4), (9, 10, 13)):
        image = random_image(*sizes[:ndim], 1)
        fixed = zoo.get(f"{base}-d3-f2", input_shape=image.shape[1:])
        fixed.set_weights(free.get_weights())
        results = [np.array(free(image)), np.array(fixed(image)), free.predict(image, verbose=0)]
        assert results[0].shape == image.shape
        for result in results[1:]:
            np.testing.assert_allclose(result, results[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("residual-unet", shape(15, 64, 1), r"height 15 cannot be halved 4 times; use 16 or more.*\(15, 64, 1\), depth=5"),
        ("residual-unet-3d-d3-f8", shape(2, 64, 3, 1), "depth axis 2 and width 3 cannot be halved 2 times; use 4 or more"),
        ("residual-unet-3d-se", shape(16, 16, 9, 1), "width 9 cannot be halved"),
        (
            "residual-unet",
            {"filters": 12},
            r"use 1, 2, 4 or a multiple of 8. Received: filters=12 and depth=5, of widths \(12, 24",
        ),
        ("residual-unet-3d", {"filters": 3}, "`filters` must give widths that split into 8 groups"),
        ("residual-unet-3d-se", {"filters": 7, "depth": 2}, "`filters` must give"),
        ("residual-unet", {"depth": 8}, "`depth` must be a whole number from 2 to 7; the nearest is 7"),
        ("residual-unet-3d-se", shape(64, 64, 1), "3D only"),
        ("residual-unet", {"shortcut": "conv"}, "`shortcut` is not a field of residual-unet"),
    ],
)
def test_what_cannot_be_built_is_refused_by_the_config(name, overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.info(name).config.replace(**overrides)


@pytest.mark.parametrize(("filters", "depth"), [(1, 7), (2, 5), (4, 3), (3, 2), (8, 4), (24, 2)])
def test_widths_that_split_into_groups_are_taken(filters, depth):
    name = f"residual-unet-d{depth}-f{filters}"
    assert weightless(name).name == name


def test_a_size_that_becomes_known_too_small_fails_in_a_pooling():
    with pytest.raises(Exception, match=r"MaxPooling2D|Cropping2D"):  # not every CPU's kernel refuses to pool nothing
        zoo.get("residual-unet-d3-f2")(random_image(3, 9, 1))


@pytest.mark.parametrize("base", BASES)
def test_it_trains_on_odd_sizes(base):
    """All weights move but those of a gate at the bottleneck, where the other one may be larger at all few positions."""
    ndim = 3 if "3d" in base else 2
    keras.utils.set_random_seed(1)
    network = zoo.get(f"{base}-d3-f4")
    network.compile("adam", "binary_crossentropy", jit_compile=False, run_eagerly=ndim == 3)  # compiling takes long
    image = random_image(*(17, 10, 9)[:ndim], 1)
    before = network.get_weights()
    history = network.fit(image, (image > 0).astype("float32"), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    pairs = zip(network.weights, before, network.get_weights(), strict=True)
    unmoved = [weight.path for weight, old, new in pairs if (old == new).all()]
    assert not [path for path in unmoved if not path.startswith(("mid2_cse", "mid2_sse"))]
