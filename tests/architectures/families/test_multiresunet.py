"""MultiResUNet: exact numbers of weights, and what a count cannot see."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from zoo.registry import build_weightless

STATISTICS = 24_522
"""Moving means and variances at the original's size, the same for images and volumes."""

BLOCKS = ("enc0", "enc1", "enc2", "enc3", "mid4", "dec3", "dec2", "dec1", "dec0")
UNITS = tuple(f"enc{level}_path{unit}" for level in range(4) for unit in range(1, 5 - level))


def weightless(name="multiresunet", **overrides):
    return build_weightless(zoo.info(name).config.replace(**overrides))


def layers_of(network, kind):
    return {layer.name: layer for layer in network.layers if type(layer).__name__ == kind}


def before(network, name):
    """Names of the layers whose outputs a layer reads."""
    return [tensor._keras_history.operation.name for tensor in keras.tree.flatten(network.get_layer(name).input)]


@pytest.mark.parametrize(
    ("name", "overrides", "total"),
    [
        ("multiresunet", {}, 7_262_750),
        ("multiresunet-d5-f32", shape(128, 128, 3), 7_262_750),
        ("multiresunet-3d", {}, 18_657_689),
        ("multiresunet-3d-d5-f32", shape(80, 80, 48, 4), 18_657_689),
        ("multiresunet", shape(None, None, 1), 7_262_750 - 2 * (9 * 8 + 51)),
        ("multiresunet", {"classes": 4}, 7_262_750 + 3 * (51 + 3)),
    ],
)
def test_weights_are_as_many_as_those_of_the_original(name, overrides, total):
    statistics = STATISTICS + 2 * (overrides.get("classes", 1) - 1)
    assert counted(name, **overrides)[:2] == (total, total - statistics)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    ("depth", "filters", "channels", "classes"),
    [(2, 4, 1, 1), (2, 7, 3, 2), (3, 8, 1, 4), (4, 12, 4, 1), (5, 5, 3, 3), (6, 4, 2, 1)],
)
def test_weights_follow_the_formula(depth, filters, channels, classes, ndim):
    """Normalisations have 3 numbers per channel where they follow a convolution, 4 elsewhere."""
    kernel = 3**ndim

    def block(before, width):
        a, b, c = (int(1.67 * width * share) for share in (0.167, 0.333, 0.5))
        convolutions = kernel * (before * a + a * b + b * c) + before * (a + b + c)
        return convolutions + (3 + 3 + 4 + 4) * (a + b + c), a + b + c

    def path(before, width, length):
        first = (kernel + 1) * before * width
        return first + (length - 1) * (kernel + 1) * width**2 + length * (3 + 3 + 4) * width

    widths = [filters * 2**level for level in range(depth)]
    total, before = 0, channels
    for level, width in enumerate(widths):
        weights, before = block(before, width)
        total += weights + (path(before, width, depth - 1 - level) if level < depth - 1 else 0)
    for width in reversed(widths[:-1]):
        total += 2**ndim * before * width + width
        weights, before = block(2 * width, width)
        total += weights
    total += before * classes + 3 * classes
    name = f"multiresunet{'-3d' if ndim == 3 else ''}-d{depth}-f{filters}"
    assert counted(name, input_shape=(None,) * ndim + (channels,), classes=classes)[0] == total


def test_widths_of_the_three_convolutions_are_rounded_down():
    """As the original does for 32 to 512 channels: 51, 105, 212, 426 and 853 in all."""
    network = weightless()
    expected = [(8, 17, 26), (17, 35, 53), (35, 71, 106), (71, 142, 213), (142, 284, 427)]
    for level, widths in enumerate(expected):
        for name in {f"enc{level}" if level < 4 else "mid4", f"dec{level}" if level < 4 else "mid4"}:
            assert tuple(network.get_layer(f"{name}_conv{k}").filters for k in (1, 2, 3)) == widths
            assert network.get_layer(f"{name}_proj").filters == sum(widths)
    assert [network.get_layer(f"enc{level}_path1_conv1").filters for level in range(4)] == [32, 64, 128, 256]


@pytest.mark.parametrize("depth", [2, 3, 5, 6])
def test_paths_are_the_longer_the_finer_their_level(depth):
    network = weightless(f"multiresunet-d{depth}-f4")
    units = {layer.name.removesuffix("_add") for layer in layers_of(network, "Add").values() if "path" in layer.name}
    assert units == {f"enc{level}_path{unit}" for level in range(depth - 1) for unit in range(1, depth - level)}


@pytest.mark.parametrize("name", ["multiresunet-d5-f4", "multiresunet-3d-d5-f4"])
def test_only_transposed_convolutions_have_a_bias_and_only_later_normalisations_a_scale(name):
    network = weightless(name)
    ndim = 3 if "3d" in name else 2
    convolutions = layers_of(network, f"Conv{ndim}D")
    assert len(convolutions) == 4 * len(BLOCKS) + 2 * len(UNITS) + 1
    assert not any(layer.use_bias for layer in convolutions.values())
    ups = layers_of(network, f"Conv{ndim}DTranspose")
    assert set(ups) == {f"dec{level}_up" for level in range(4)}
    assert all(layer.use_bias and layer.kernel_size == layer.strides == (2,) * ndim for layer in ups.values())
    norms = layers_of(network, "BatchNormalization")
    scaled = {*(f"{block}_{part}" for block in BLOCKS for part in ("catnorm", "addnorm")), *(f"{u}_addnorm" for u in UNITS)}
    assert {name for name, layer in norms.items() if layer.scale} == scaled
    assert all(layer.center for layer in norms.values())
    assert {(layer.epsilon, layer.momentum) for layer in norms.values()} == {(1e-3, 0.99)}


def test_blocks_chain_their_convolutions_and_join_them_with_the_projection_before_relu_and_normalisation():
    network = weightless("multiresunet-d5-f4")
    for block in BLOCKS:
        assert before(network, f"{block}_cat3") == [f"{block}_act1", f"{block}_act2", f"{block}_act3"]
        assert [before(network, f"{block}_conv{k}") for k in (2, 3)] == [[f"{block}_act1"], [f"{block}_act2"]]
        assert before(network, f"{block}_catnorm") == [f"{block}_cat3"]
        assert before(network, f"{block}_add") == [f"{block}_projnorm", f"{block}_catnorm"]
        assert before(network, f"{block}_proj") == before(network, f"{block}_conv1")
    for unit in UNITS:
        assert before(network, f"{unit}_add") == [f"{unit}_projnorm", f"{unit}_act1"]
        assert before(network, f"{unit}_proj") == before(network, f"{unit}_conv1")
    for name in (*BLOCKS, *UNITS):
        assert before(network, f"{name}_addnorm") == [f"{name}_addact"]
        assert before(network, f"{name}_addact") == [f"{name}_add"]
    activations = layers_of(network, "Activation")
    assert {layer.activation.__name__ for name, layer in activations.items() if name != "head0_act"} == {"relu"}


def test_skips_run_through_their_paths_and_the_encoder_does_not():
    network = weightless("multiresunet-d5-f4")
    for level in range(4):
        assert before(network, f"enc{level + 1}_pool") == [f"enc{level}_addnorm"]
        assert before(network, f"enc{level}_path1_conv1") == [f"enc{level}_addnorm"]
        assert before(network, f"dec{level}_cat") == [f"dec{level}_up", f"enc{level}_path{4 - level}_addnorm"]
        below = "mid4" if level == 3 else f"dec{level + 1}"
        assert before(network, f"dec{level}_up") == [f"{below}_addnorm"]


@pytest.mark.parametrize(("classes", "activation"), [(1, "sigmoid"), (3, "softmax")])
def test_the_head_is_normalised_and_logits_are_what_it_activates(classes, activation):
    network = weightless("multiresunet-d2-f4", classes=classes)
    assert network.layers[-1].activation.__name__ == activation
    assert before(network, "head0_act") == ["head0_norm"]
    assert before(network, "head0_norm") == ["head0_conv"]
    assert network.get_layer("head0_conv").kernel_size == (1, 1)
    assert weightless("multiresunet-d2-f4", classes=classes, head_activation=None).layers[-1].name == "head0_norm"


def test_what_a_block_gives_may_be_negative_but_what_it_normalises_is_not():
    network = zoo.get("multiresunet-d2-f4")
    randomise(network)
    image = np.random.default_rng(3).normal(size=(1, 8, 12, 3)).astype("float32")
    for name in ("enc0", "enc0_path1", "mid1", "dec0"):
        layers = [network.get_layer(f"{name}_{part}").output for part in ("add", "addact", "addnorm")]
        total, activated, normalised = (np.array(x) for x in keras.Model(network.input, layers)(image, training=False))
        assert total.min() < 0
        assert activated.min() == 0
        assert normalised.min() < 0


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("multiresunet", {"filters": 3}, "`filters` must be a whole number from 4 to 4096; the nearest is 4"),
        ("multiresunet", {"depth": 1}, "`depth` must be a whole number from 2 to 10"),
        ("multiresunet", shape(100, 96, 3), "height 100 is not a multiple of 16; use 96 or 112"),
        ("multiresunet-3d", shape(16, 16, 40, 4), "width 40 is not a multiple of 16; use 32 or 48"),
        ("multiresunet", {"alpha": 2}, "`alpha` is not a field of multiresunet"),
    ],
)
def test_what_cannot_be_is_refused(name, overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.get(name, **overrides)


def test_the_narrowest_network_has_one_channel_in_its_first_convolution():
    network = weightless("multiresunet-d2-f4")
    assert [network.get_layer(f"enc0_conv{k}").filters for k in (1, 2, 3)] == [1, 2, 3]


@pytest.mark.parametrize("name", ["multiresunet-d3-f4", "multiresunet-3d-d2-f4"])
def test_a_step_of_training_changes_every_kernel(name):
    network = zoo.get(name)
    randomise(network)
    config = zoo.info(name).config
    image = np.random.default_rng(5).normal(size=(2, *(8,) * config.ndim, config.input_shape[-1])).astype("float32")
    kernels = {weight.path: np.array(weight) for weight in network.trainable_weights if weight.name == "kernel"}
    network.compile("adam", "binary_crossentropy", jit_compile=False, run_eagerly=True)  # compiling takes long
    history = network.fit(image, (image[..., :1] > 0).astype("float32"), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert not [w.path for w in network.trainable_weights if w.path in kernels and np.array_equal(kernels[w.path], w)]
