"""SegResNet: counts, and what a reader would not expect."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted
from architectures.inspecting import inputs_of, outputs_of, random_image, weightless

BASES = ("segresnet", "segresnet-3d")


def layers_of(network, *kinds):
    return [layer for layer in network.layers if type(layer).__name__.startswith(kinds)]


VOLUMES = (None, None, None)


@pytest.mark.parametrize(
    ("name", "overrides", "params"),
    [
        ("segresnet", {}, 394_986),
        ("segresnet-3d", {}, 1_176_186),
        ("segresnet-3d-f16", {}, 4_702_227),
        ("segresnet-3d-f32", {}, 18_798_627),
        ("segresnet-3d-f32", {"input_shape": (*VOLUMES, 1), "classes": 105}, 18_799_401),
        ("segresnet-3d-f32", {"input_shape": (*VOLUMES, 3), "classes": 6, "upsample": "transposed"}, 18_970_118),
    ],
)
def test_weights_are_as_many_as_the_original_has(name, overrides, params):
    assert counted(name, **overrides)[:2] == (params, params)


def formula(ndim, filters, channels, classes, blocks_down, blocks_up, transposed):
    """Blocks of two norms and two convolutions without bias; transposed convolutions and the head have one."""

    def blocks(width, count):
        return count * 2 * (2 * width + 3**ndim * width**2)

    total = 3**ndim * channels * filters
    for level, count in enumerate(blocks_down):
        width = filters * 2**level
        total += blocks(width, count) + (3**ndim * width // 2 * width if level else 0)
    for step, count in enumerate(blocks_up):
        width = filters * 2 ** (len(blocks_up) - 1 - step)
        total += 2 * width * width + blocks(width, count) + transposed * (2**ndim * width**2 + width)
    return total + 2 * filters + filters * classes + classes


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("upsample", ["bilinear", "transposed"])
@pytest.mark.parametrize(
    ("filters", "channels", "classes", "down", "up"),
    [
        (8, 1, 1, (1, 2, 2, 4), (1, 1, 1)),
        (16, 4, 3, (2, 1), (3,)),
        (24, 2, 5, (1, 1, 3), (2, 1)),
        (8, 3, 2, (1,) * 6, (1, 2, 1, 1, 1)),
    ],
)
def test_weights_follow_the_formula(base, upsample, filters, channels, classes, down, up):
    ndim = 3 if "3d" in base else 2
    fields = {"input_shape": (None,) * ndim + (channels,), "classes": classes, "upsample": upsample}
    expected = formula(ndim, filters, channels, classes, down, up, upsample == "transposed")
    assert counted(f"{base}-f{filters}", blocks_down=down, blocks_up=up, **fields)[:2] == (expected, expected)


def test_blocks_that_are_not_given_are_those_of_the_original():
    given = zoo.info("segresnet").config
    assert (given.encoder_blocks, given.decoder_blocks, given.stride) == ((1, 2, 2, 4), (1, 1, 1), 8)
    deeper = given.replace(blocks_down=(1, 1, 1, 1, 1))
    assert (deeper.decoder_blocks, deeper.size_multiples) == ((1, 1, 1, 1), (16, 16))


def test_blocks_up_are_in_the_order_in_which_they_run():
    network = weightless("segresnet", blocks_down=(1, 1, 1), blocks_up=(3, 2))
    found = [layer.name for layer in layers_of(network, "Add") if layer.name.startswith("dec") and "block" in layer.name]
    assert found == ["dec1_block1_add", "dec1_block2_add", "dec1_block3_add", "dec0_block1_add", "dec0_block2_add"]


def test_names_and_tumour_regions():
    assert [zoo.info(base).name for base in BASES] == ["segresnet-f8", "segresnet-3d-f8"]
    for filters in (16, 32):
        config = zoo.info(f"segresnet-3d-f{filters}").config
        assert (config.input_shape[-1], config.classes, config.output_activation) == (4, 3, "sigmoid")
    assert zoo.info("segresnet-3d-f24").config.output_activation == "softmax"


def test_only_transposed_convolutions_and_the_head_have_a_bias():
    assert [layer.name for layer in layers_of(weightless("segresnet"), "Conv2D") if layer.use_bias] == ["head0_conv"]
    network = weightless("segresnet", upsample="transposed")
    found = [layer.name for layer in layers_of(network, "Conv2D") if layer.use_bias]
    assert found == ["dec2_up", "dec1_up", "dec0_up", "head0_conv"]
    assert {network.get_layer(name).kernel_size for name in found} == {(2, 2), (1, 1)}


def test_downsampling_is_a_strided_convolution_of_its_own_padded_at_both_sides():
    network = weightless("segresnet-3d")
    strided = {layer.name: layer for layer in layers_of(network, "Conv3D") if max(layer.strides) > 1}
    assert set(strided) == {"enc1_down", "enc2_down", "mid3_down"}
    for name, layer in strided.items():
        assert (layer.kernel_size, layer.strides, layer.padding) == ((3, 3, 3), (2, 2, 2), "valid")
        assert network.get_layer(f"{name}_pad").padding == ((1, 1),) * 3


def test_blocks_are_pre_activated_around_a_true_identity():
    network = weightless("segresnet")
    names = [layer.name for layer in network.layers if layer.name.startswith("enc1_block1")]
    assert names == [f"enc1_block1_{part}{k}" for k in (1, 2) for part in ("norm", "act", "conv")] + ["enc1_block1_add"]
    assert inputs_of(network.get_layer("enc1_block1_add")) == ["enc1_block1_conv2", "enc1_down"]
    assert inputs_of(network.get_layer("enc1_block2_add")) == ["enc1_block2_conv2", "enc1_block1_add"]
    assert inputs_of(network.get_layer("enc0_block1_add")) == ["enc0_block1_conv2", "stem0_conv1"]
    assert not [layer.name for layer in network.layers if layer.name.endswith("_proj")]


def test_the_decoder_narrows_then_enlarges_then_adds_the_skip():
    network = weightless("segresnet")
    chain = ["mid3_block4_add", "dec2_reduce", "dec2_up", "dec2_add", "dec2_block1_norm1"]
    for before, after in pairwise(chain):
        assert before in inputs_of(network.get_layer(after))
    skips = {level: inputs_of(network.get_layer(f"dec{level}_add")) for level in range(3)}
    assert skips == {
        2: ["dec2_up", "enc2_block2_add"],
        1: ["dec1_up", "enc1_block2_add"],
        0: ["dec0_up", "enc0_block1_add"],
    }
    reduced = network.get_layer("dec2_reduce")
    assert (reduced.kernel_size, reduced.input.shape[-1], reduced.filters) == ((1, 1), 64, 32)
    assert not layers_of(network, "Concatenate")


def test_the_head_is_normalised_and_activated_before_its_1x1_convolution():
    names = [layer.name for layer in weightless("segresnet").layers]
    assert names[-5:] == ["dec0_block1_add", "head0_norm", "head0_normact", "head0_conv", "head0_act"]


def test_normalisation_goes_over_eight_groups_of_channels():
    network = zoo.get("segresnet-f16", blocks_down=(1, 1))
    randomise(network)
    norms = layers_of(network, "GroupNormalization")
    assert {(layer.groups, layer.epsilon) for layer in norms} == {(8, 1e-5)}
    given = outputs_of(network, ["mid1_down", "mid1_block1_norm1"], random_image(8, 12, 1))
    grouped = given["mid1_down"].reshape(1, 4, 6, 8, 4)
    mean, variance = grouped.mean((1, 2, 4), keepdims=True), grouped.var((1, 2, 4), keepdims=True)
    expected = ((grouped - mean) / np.sqrt(variance + 1e-5)).reshape(1, 4, 6, 32)
    gamma, beta = network.get_layer("mid1_block1_norm1").get_weights()
    np.testing.assert_allclose(given["mid1_block1_norm1"], expected * gamma + beta, atol=1e-5)


@pytest.mark.parametrize("name", BASES)
def test_upsampling_is_linear_between_pixel_centres_along_every_axis(name):
    """Two pixels a and b become a, 3a/4 + b/4, a/4 + 3b/4 and b."""
    network = zoo.get(f"{name}-f8", blocks_down=(1, 1))
    randomise(network)
    ndim = len(network.input.shape) - 2
    given = outputs_of(network, ["dec0_reduce", "dec0_up"], random_image(*(4, 8, 4)[:ndim], 1))
    expected = given["dec0_reduce"]
    for axis in range(1, ndim + 1):
        padded = np.concatenate([expected.take([0], axis), expected, expected.take([-1], axis)], axis)
        n = expected.shape[axis]
        before, here, after = (padded.take(range(k, k + n), axis) for k in range(3))
        both = np.stack([before / 4 + here * 3 / 4, here * 3 / 4 + after / 4], axis + 1)
        expected = both.reshape(*expected.shape[:axis], 2 * n, *expected.shape[axis + 1 :])
    np.testing.assert_allclose(given["dec0_up"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"filters": 12}, "multiple of 8, the groups of the normalisation; the nearest is 16. Received: filters=12"),
        ({"filters": 35}, "the nearest is 32. Received: filters=35"),
        ({"filters": 4}, "`filters`.*the nearest is 8"),
        ({"upsample": "nearest"}, "`upsample` must be one of 'bilinear', 'transposed'"),
        ({"input_shape": (100, 96, 1)}, "height 100 is not a multiple of 8; use 96 or 104"),
        ({"blocks_down": (1, 1, 1), "input_shape": (100, 90, 1)}, "width 90 is not a multiple of 4; use 88 or 92"),
        ({"blocks_down": (3,)}, "`blocks_down` must have from 2 to 10 levels, not 1"),
        ({"blocks_down": (1,) * 11}, "`blocks_down` must have from 2 to 10 levels, not 11"),
        ({"blocks_up": (1, 1)}, r"`blocks_up` has one number less than `blocks_down`: 3, not 2.*blocks_up=\(1, 1\)"),
        (
            {"blocks_down": (1, (2, 2), 1)},
            r"`blocks_down` must be None, or a whole number from 1 to 64 for each level\. Received",
        ),
        ({"blocks_down": (1, 0, 1)}, "`blocks_down` must be None, or a whole number from 1"),
        ({"blocks_up": 1}, "`blocks_up` must be"),
        ({"depth": 4}, "`depth` is not a field of segresnet"),
    ],
)
def test_impossible_configs_are_refused_in_words(fields, words):
    with pytest.raises(zoo.ConfigError, match=words):
        zoo.get("segresnet", **fields)


def test_names_with_a_depth_are_refused():
    with pytest.raises(zoo.UnknownModelError, match="takes filters in its name"):
        zoo.info("segresnet-d4-f8")


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("upsample", ["bilinear", "transposed"])
def test_every_weight_learns(name, upsample):
    network = zoo.get(name, upsample=upsample, blocks_down=(1, 1))
    before = [np.array(weight) for weight in network.trainable_weights]
    network.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", jit_compile=False)
    sizes = (8, 4) if name == "segresnet" else (4, 8, 4)
    loss = network.fit(random_image(*sizes, 1), np.zeros((1, *sizes, 1), int), epochs=1, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    still = [w.path for w, old in zip(network.trainable_weights, before, strict=True) if np.array_equal(np.array(w), old)]
    assert not still
