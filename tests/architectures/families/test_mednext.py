"""MedNeXt: counts, sizes, and what a reader would not expect."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from architectures.inspecting import layers_of, outputs_of, random_image, weightless

BASES = [f"mednext{rank}-{variant}" for rank in ("", "-2d") for variant in "sbml"]

UNUSED = 1
"""Scalars that the original counts and never uses: its `dummy_tensor`, for checkpointing."""

PUBLISHED = [
    ("mednext-s", 3, 5_550_915, 130), ("mednext-b", 3, 10_526_307, 170),
    ("mednext-m", 3, 17_548_963, 248), ("mednext-l", 3, 61_779_267, 500),
    ("mednext-s", 5, 5_980_547, 169), ("mednext-b", 5, 10_955_939, 208),
    ("mednext-m", 5, 18_260_835, 308), ("mednext-l", 5, 62_992_899, 564),
]  # fmt: skip
"""Name, kernel, what the original counts, and thousand millions of operations at 128 x 128 x 128 as its authors print them."""


@pytest.mark.parametrize(("name", "kernel", "params", "operations"), PUBLISHED)
def test_weights_are_one_fewer_than_the_original_counts(name, kernel, params, operations):
    assert counted(name, kernel=kernel)[:2] == (params - UNUSED, params - UNUSED)
    macs = zoo.analyze(zoo.info(name).config.replace(kernel=kernel), input_shape=(128, 128, 128, 1)).macs
    assert 0.93 < macs / (operations * 1e9) < 1  # theirs has the normalisations, too


def formula(ndim, filters, expansions, counts, *, kernel=3, channels=1, classes=2, deep=False):
    """Nine stages and eight changes of resolution, written as the original lists them."""
    widths = [filters * 2**level for level in (0, 1, 2, 3, 4, 3, 2, 1, 0)]

    def block(before, after, expansion):
        depthwise = before * kernel**ndim + before
        return depthwise + 2 * before + before * expansion * before + expansion * before + expansion * before * after + after

    total = channels * filters + filters
    for width, expansion, count in zip(widths, expansions, counts, strict=True):
        total += count * block(width, width, expansion)
    for (before, after), expansion in zip(pairwise(widths), expansions[1:], strict=True):
        total += block(before, after, expansion) + before * after + after
    heads = [filters * 2**level for level in range(5 if deep else 1)]
    return total + sum(width * classes + classes for width in heads)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    ("variant", "expansions", "counts"),
    [
        ("s", (2,) * 9, (2,) * 9),
        ("b", (2, 3, 4, 4, 4, 4, 4, 3, 2), (2,) * 9),
        ("m", (2, 3, 4, 4, 4, 4, 4, 3, 2), (3, 4, 4, 4, 4, 4, 4, 4, 3)),
        ("l", (3, 4, 8, 8, 8, 8, 8, 4, 3), (3, 4, 8, 8, 8, 8, 8, 4, 3)),
    ],
)
def test_weights_follow_the_formula(variant, expansions, counts, ndim):
    for filters, kernel, channels, classes, deep in ((8, 3, 1, 2, False), (3, 5, 4, 1, True), (1, 7, 2, 14, True)):
        options = {"input_shape": (None,) * ndim + (channels,), "classes": classes, "kernel": kernel, "deep_supervision": deep}
        expected = formula(ndim, filters, expansions, counts, kernel=kernel, channels=channels, classes=classes, deep=deep)
        name = f"mednext{'-2d' if ndim == 2 else ''}-{variant}-f{filters}"
        assert counted(name, **options)[:2] == (expected, expected)


def test_names_state_the_rank_the_variant_and_the_width():
    assert [zoo.info(base).name for base in BASES] == [f"{base}-f32" for base in BASES]
    assert [zoo.info(base).ndim for base in BASES] == [3] * 4 + [2] * 4
    config = zoo.info("mednext-s-f8").config
    assert config.replace(variant="l", filters=16).name == "mednext-l-f16"
    assert config.replace(input_shape=(None, None, 1)) == zoo.info("mednext-2d-s-f8").config
    assert config.replace(kernel=5).name == config.name


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("mednext-s", shape(24, 32, 32, 1), "depth axis 24 is not a multiple of 16; use 16 or 32"),
        ("mednext-2d-l", shape(64, 40, 3), "width 40 is not a multiple of 16; use 32 or 48"),
        ("mednext-s", shape(None, None, 1), "mednext-s-f32 is 3D .* use 'mednext-2d-s' for 2D"),
        ("mednext-2d-b", shape(None, None, None, 1), "mednext-2d-b-f32 is 2D .* use 'mednext-b' for 3D"),
        ("mednext-s", {"kernel": 4}, "`kernel` must be one of 3, 5, 7. Received: kernel=4"),
        ("mednext-s", {"kernel": "3"}, "`kernel` must be one of 3, 5, 7. Received: kernel='3'"),
        (
            "mednext-s",
            {"variant": "xl"},
            "`variant` must be one of 's', 'b', 'm', 'l'; did you mean 'l'\\? Received: variant='xl'",
        ),
        ("mednext-s", {"filters": 0}, "`filters` must be a whole number from 1 to 4096; the nearest is 1"),
        ("mednext-s", {"deep_supervision": 1}, "`deep_supervision` must be True or False"),
        ("mednext-s", {"depth": 4}, "`depth` is not a field of mednext"),
    ],
)
def test_what_cannot_be_built_is_refused_in_words(name, overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.get(name, **overrides)
    with pytest.raises(zoo.UnknownModelError, match="takes filters in its name"):
        zoo.info("mednext-s-d4-f8")


@pytest.mark.parametrize("base", ["mednext-s", "mednext-2d-l"])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_each_block_is_depthwise_norm_wide_gelu_narrow(base, kernel):
    network = weightless(base, kernel=kernel, filters=2)
    ndim = zoo.info(base).ndim
    depthwise = layers_of(network, "DepthwiseConv") + layers_of(network, "DepthwiseConvTranspose")
    assert len(depthwise) == len(layers_of(network, "GroupNormalization")) == len(layers_of(network, "Activation")) - 1
    for layer in depthwise:
        block, channels = layer.name.removesuffix("_conv1"), layer.input.shape[-1]
        assert layer.kernel.shape == (*[kernel] * ndim, 1, channels)
        assert layer.bias.shape == (channels,)
        parts = [network.get_layer(f"{block}_{part}") for part in ("norm1", "conv2", "act2", "conv3")]
        for before, after in pairwise([layer, *parts]):
            assert after.input is before.output
        norm, wide, activation, narrow = parts
        assert (norm.groups, norm.epsilon, norm.scale, norm.center) == (channels, 1e-5, True, True)
        assert activation.activation is keras.activations.gelu
        assert wide.kernel_size == narrow.kernel_size == (1,) * ndim
        assert wide.use_bias
        assert narrow.use_bias
    assert {layer.name.rsplit("_", 1)[-1] for layer in network.layers if max(getattr(layer, "kernel_size", (1,))) > 1} == {
        "conv1"
    }


def test_gelu_is_the_exact_one():
    values = np.linspace(-3, 3, 13).astype("float32")
    exact = [0.0, 0.841345, 1.954500, -0.158655]  # x times the normal distribution's share below x
    received = np.array(
        weightless("mednext-2d-s-f1").get_layer("enc0_block1_act2").activation(np.array([0, 1, 2, -1], "float32"))
    )
    np.testing.assert_allclose(received, exact, atol=2e-6)
    approximate = keras.activations.gelu(values, approximate=True)
    assert np.abs(np.array(approximate) - np.array(keras.activations.gelu(values))).max() > 1e-4


@pytest.mark.parametrize(("base", "inner", "counts"), [
    ("mednext-s", (2, 2, 2, 2, 2), (2, 2, 2, 2, 2)), ("mednext-2d-b", (2, 3, 4, 4, 4), (2, 2, 2, 2, 2)),
    ("mednext-m", (2, 3, 4, 4, 4), (3, 4, 4, 4, 4)), ("mednext-2d-l", (3, 4, 8, 8, 8), (3, 4, 8, 8, 8)),
])  # fmt: skip
def test_levels_have_their_blocks_and_widths(base, inner, counts):
    network = weightless(f"{base}-f2")
    names = {layer.name for layer in network.layers}
    for level, (expansion, count) in enumerate(zip(inner, counts, strict=True)):
        for side in ("mid",) if level == 4 else ("enc", "dec"):
            blocks = {name for name in names if name.startswith(f"{side}{level}_block") and name.endswith("_conv1")}
            assert blocks == {f"{side}{level}_block{k + 1}_conv1" for k in range(count)}
            wide = network.get_layer(f"{side}{level}_block1_conv2")
            assert (wide.input.shape[-1], wide.filters) == (2 * 2**level, expansion * 2 * 2**level)
            if (side, level) == ("enc", 0):
                continue
            change = f"{side}{level}_{'up' if side == 'dec' else 'down'}"
            wide, narrow = (network.get_layer(f"{change}_{part}") for part in ("conv2", "conv3"))
            before = 2 * 2 ** (level + 1 if side == "dec" else level - 1)
            assert (wide.input.shape[-1], wide.filters, narrow.filters) == (before, expansion * before, 2 * 2**level)


def test_skips_are_added_and_nothing_is_concatenated():
    network = weightless("mednext-s-f2", deep_supervision=True)
    assert not layers_of(network, "Concatenate")
    for level, count in enumerate((2, 2, 2, 2)):
        skip, up = (tensor._keras_history.operation.name for tensor in network.get_layer(f"dec{level}_add").input)
        assert (skip, up) == (f"enc{level}_block{count}_add", f"dec{level}_up_pad")


@pytest.mark.parametrize(("base", "sizes"), [("mednext-2d-s-f4", (32, 48)), ("mednext-s-f3", (16, 32, 16))])
def test_up_sampling_puts_one_zero_before_each_axis_and_shortcuts_reach_every_second_position(base, sizes):
    network = zoo.get(base)
    randomise(network)
    names = [f"dec{level}_up_{part}" for level in range(4) for part in ("pad", "proj_crop")]
    values = outputs_of(network, names, random_image(*sizes, 1))
    for level in range(4):
        padded, side = values[f"dec{level}_up_pad"][0], values[f"dec{level}_up_proj_crop"][0]
        assert padded.shape[:-1] == tuple(size // 2**level for size in sizes)
        assert side.shape[:-1] == tuple(size // 2**level - 1 for size in sizes)
        inside = np.abs(padded[(slice(1, None),) * len(sizes)])
        assert np.all(inside.max(axis=-1) > 0)
        assert np.count_nonzero(padded) == np.count_nonzero(inside)
        bias = np.array(network.get_layer(f"dec{level}_up_proj").bias)
        np.testing.assert_array_equal(side[1::2], np.broadcast_to(bias, side[1::2].shape))
        assert np.all(np.abs(side[(slice(None, None, 2),) * len(sizes)] - bias).max(axis=-1) > 0)


def test_down_sampling_pads_both_sides_by_half_of_the_kernel():
    for kernel in (3, 5, 7):
        network = weightless("mednext-2d-s-f2", kernel=kernel)
        pads = [layer for layer in layers_of(network, "ZeroPadding2D") if "_down_" in layer.name]
        assert [layer.name for layer in pads] == [*(f"enc{k}_down_conv1_pad" for k in (1, 2, 3)), "mid4_down_conv1_pad"]
        assert {layer.padding for layer in pads} == {((kernel // 2,) * 2,) * 2}
    strides = {layer.name: layer.strides for layer in network.layers if layer.name.endswith("_down_proj")}
    assert set(strides.values()) == {(2, 2)}


@pytest.mark.parametrize(("base", "sizes"), [("mednext-2d-s-f2", (32, 48)), ("mednext-s-f2", (16, 32, 16))])
def test_deep_supervision_names_a_head_per_level(base, sizes):
    network = zoo.get(base, deep_supervision=True, classes=3)
    outputs = network(random_image(*sizes, 1))
    assert list(network.output) == ["segmentation", *(f"segmentation_{level}" for level in range(1, 5))]
    for level, name in enumerate(network.output):
        assert outputs[name].shape == (1, *(size // 2**level for size in sizes), 3)
        np.testing.assert_allclose(np.array(outputs[name]).sum(axis=-1), 1, atol=1e-5)
        sources = {0: "dec0_block2_add", 4: "mid4_block2_add"}
        source = network.get_layer(f"head{level}_conv").input._keras_history.operation.name
        assert source == sources.get(level, f"dec{level}_block2_add")
    assert zoo.get(base, deep_supervision=False).output.shape[-1] == 2


def test_one_position_in_the_bottleneck_is_normalised_to_its_shift():
    network = zoo.get("mednext-2d-s-f2")
    randomise(network)
    values = outputs_of(network, ["mid4_block1_norm1", "head0_act"], random_image(16, 16, 1))
    beta = np.array(network.get_layer("mid4_block1_norm1").beta)
    np.testing.assert_allclose(values["mid4_block1_norm1"], np.broadcast_to(beta, (1, 1, 1, 32)), atol=1e-3)
    assert np.isfinite(values["head0_act"]).all()


@pytest.mark.parametrize("base", ["mednext-2d-s-f2", "mednext-s-f2"])
def test_open_sizes_give_what_known_sizes_give(base):
    free = zoo.get(base)
    randomise(free)
    ndim = zoo.info(base).ndim
    free.predict(random_image(*[16] * ndim, 1), verbose=0)  # a second size makes TensorFlow trace with open sizes
    sizes = (32, 48, 16)[:ndim]
    fixed = zoo.get(base, input_shape=(*sizes, 1))
    fixed.set_weights(free.get_weights())
    image = random_image(*sizes, 1)
    expected = np.array(fixed(image))
    np.testing.assert_allclose(np.array(free(image)), expected, atol=1e-4)
    np.testing.assert_allclose(free.predict(image, verbose=0), expected, atol=1e-3)


@pytest.mark.parametrize(("base", "kernel"), [("mednext-2d-s-f16", 5), ("mednext-s-f2", 3)])
def test_training_changes_every_weight(base, kernel):
    image = random_image(*(32, 48, 16)[: zoo.info(base).ndim], 1)
    network = zoo.get(base, kernel=kernel, deep_supervision=True, classes=3, input_shape=image.shape[1:])
    randomise(network)
    before = [np.array(weight) for weight in network.trainable_weights]
    targets = {name: np.zeros(output.shape[:-1], "int32") for name, output in network(image).items()}
    losses = dict.fromkeys(targets, "sparse_categorical_crossentropy")
    network.compile("adam", losses, jit_compile=False, run_eagerly=True)  # compiling takes long
    history = network.fit(image, targets, epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]
    same = [weight.path for weight, value in zip(network.trainable_weights, before, strict=True) if np.array_equal(weight, value)]
    # the normalisation that follows takes away what a depthwise bias adds
    assert all(path.endswith("_conv1/bias") for path in same)
