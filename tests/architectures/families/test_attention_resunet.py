"""Attention ResUNet: exact numbers of weights, and what a count cannot see."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from architectures.inspecting import random_image
from zoo.registry import build_weightless

ORDERS = ("before-add", "after-add")
UNITS = ("enc0", "enc1", "enc2", "enc3", "mid4", "dec3", "dec2", "dec1", "dec0")


def weightless(name="attention-resunet-d5-f2", **overrides):
    return build_weightless(zoo.info(name).config.replace(**overrides))


def layers_of(network, kind):
    return {layer.name: layer for layer in network.layers if type(layer).__name__ == kind}


def before(network, name):
    """Names of the layers whose outputs a layer reads."""
    return [tensor._keras_history.operation.name for tensor in keras.tree.flatten(network.get_layer(name).input)]


def run(network, image, *names):
    """Outputs of some layers."""
    found = keras.Model(network.input, [network.get_layer(name).output for name in names])(image, training=False)
    return [np.array(output) for output in found]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("name", "overrides", "total", "statistics"),
    [
        ("attention-resunet", {}, 39_090_377, 21_506),
        ("attention-resunet-d5-f64", shape(256, 256, 3), 39_090_377, 21_506),
        ("attention-resunet", shape(None, None, 1), 39_089_097, 21_506),
        ("attention-resunet-f32", {}, 9_787_497, 10_754),
        ("attention-resunet-d5-f16", {}, 2_454_329, 5_378),
        ("attention-resunet", {"classes": 3}, 39_090_377 + 2 * (64 + 1 + 4), 21_510),
    ],
)
def test_weights_are_as_many_as_those_of_the_original(name, overrides, total, statistics, order):
    assert counted(name, activation_order=order, **overrides)[:2] == (total, total - statistics)


@pytest.mark.parametrize(
    ("depth", "filters", "channels", "classes"),
    [(2, 1, 1, 1), (2, 5, 3, 2), (3, 8, 1, 4), (4, 6, 4, 1), (5, 3, 3, 3), (7, 2, 2, 1)],
)
@pytest.mark.parametrize("batch_norm", [True, False])
def test_weights_follow_the_formula(depth, filters, channels, classes, batch_norm):
    def conv(kernel, before, width):
        return kernel * before * width + width

    def norm(width, there=batch_norm):
        return 4 * width * there

    def unit(before, width):
        return conv(9, before, width) + conv(9, width, width) + conv(1, before, width) + 3 * norm(width)

    def gate(below, width):
        signal = conv(1, below, width) + norm(width)
        joined = conv(4, width, width) + conv(1, width, width) + conv(9, width, width) + conv(1, width, 1)
        return signal + joined + conv(1, width, width) + norm(width, there=True)

    widths = [filters * 2**level for level in range(depth)]
    total = sum(unit(before, width) for before, width in zip([channels, *widths], widths, strict=False))
    total += sum(gate(2 * width, width) + unit(3 * width, width) for width in widths[:-1])
    total += conv(1, filters, classes) + norm(classes, there=True)
    options = {"input_shape": (None, None, channels), "classes": classes, "batch_norm": batch_norm}
    for order in ORDERS:
        assert counted(f"attention-resunet-d{depth}-f{filters}", activation_order=order, **options)[0] == total


def test_before_add_activates_the_second_convolution_and_nothing_follows_the_sum():
    network = weightless()
    for unit in UNITS:
        assert before(network, f"{unit}_add") == [f"{unit}_projnorm", f"{unit}_act2"]
        assert before(network, f"{unit}_act2") == [f"{unit}_norm2"]
    assert before(network, "enc1_pool") == ["enc0_add"]
    assert before(network, "head0_conv") == ["dec0_add"]


def test_after_add_activates_the_sum_instead():
    network = weightless(activation_order="after-add")
    for unit in UNITS:
        assert before(network, f"{unit}_add") == [f"{unit}_projnorm", f"{unit}_norm2"]
        assert before(network, f"{unit}_act2") == [f"{unit}_add"]
    assert before(network, "enc1_pool") == ["enc0_act2"]
    assert before(network, "head0_conv") == ["dec0_act2"]


def test_the_two_orders_have_the_same_weights_but_are_different_functions():
    first, second = (zoo.get("attention-resunet-d3-f2", activation_order=order) for order in ORDERS)
    randomise(first)
    values = {weight.path: weight for weight in first.weights}
    assert set(values) == {weight.path for weight in second.weights}
    for weight in second.weights:
        weight.assign(values[weight.path])
    image = random_image(16, 16, 3)
    assert np.abs(np.array(first(image)) - np.array(second(image))).max() > 1e-3


def test_the_default_is_the_order_of_the_original_and_the_head_relu_is_a_field():
    assert zoo.info("attention-resunet").config.activation_order == "before-add"
    options = [{"head_activation": None}, {"head_activation": "relu"}, {}]
    logits, relu, default = (zoo.get("attention-resunet-d3-f2", **given) for given in options)
    randomise(logits)
    image = random_image(16, 24, 3)
    expected = np.array(logits(image))
    assert expected.min() < 0 < expected.max()
    for network, function in ((relu, lambda x: np.maximum(x, 0)), (default, lambda x: 1 / (1 + np.exp(-x)))):
        network.set_weights(logits.get_weights())
        np.testing.assert_allclose(np.array(network(image)), function(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_gates_are_wired_as_in_the_original(batch_norm):
    network = weightless(batch_norm=batch_norm)
    for level in range(4):
        gate, below = f"dec{level}_gate", "mid4" if level == 3 else f"dec{level + 1}"
        assert before(network, f"{gate}_conv1") == [f"{below}_add"]
        assert before(network, f"{gate}_act1") == [f"{gate}_norm1" if batch_norm else f"{gate}_conv1"]
        assert before(network, f"{gate}_phi") == [f"{gate}_act1"]
        assert before(network, f"{gate}_phiup") == [f"{gate}_phi"]
        assert before(network, f"{gate}_theta") == [f"enc{level}_add"]
        assert before(network, f"{gate}_add") == [f"{gate}_phiup", f"{gate}_theta"]
        assert before(network, f"{gate}_psi") == [f"{gate}_addact"]
        assert before(network, f"{gate}_scale") == [f"{gate}_up", f"enc{level}_add"]
        assert before(network, f"{gate}_norm2") == [f"{gate}_conv2"]
        assert before(network, f"dec{level}_up") == [f"{below}_add"]
        assert before(network, f"dec{level}_cat") == [f"dec{level}_up", f"{gate}_norm2"]
        theta, phi, up = (network.get_layer(f"{gate}_{part}") for part in ("theta", "phiup", "psi"))
        assert (theta.kernel_size, theta.strides) == ((2, 2), (2, 2))
        assert (phi.kernel_size, phi.strides, phi.padding) == ((3, 3), (1, 1), "same")
        assert (up.kernel_size, up.filters) == ((1, 1), 1)
        assert network.get_layer(f"{gate}_up").interpolation == "nearest"


def test_a_gate_weighs_all_channels_of_a_2x2_patch_alike_from_0_to_1():
    network = zoo.get("attention-resunet-d3-f2")
    randomise(network)
    weights, scaled, skip = run(network, random_image(16, 24, 3), "dec0_gate_up", "dec0_gate_scale", "enc0_add")
    assert weights.shape == (1, 16, 24, 1)
    assert 0 < weights.min() < weights.max() < 1
    patches = weights.reshape(8, 2, 12, 2)
    np.testing.assert_array_equal(patches, np.broadcast_to(patches[:, :1, :, :1], patches.shape))
    np.testing.assert_allclose(scaled, weights * skip, rtol=1e-6)


def test_without_batch_norm_only_gates_and_head_end_in_one():
    networks = [weightless(batch_norm=batch_norm) for batch_norm in (True, False)]
    all_norms, left = (set(layers_of(network, "BatchNormalization")) for network in networks)
    ends = {*(f"dec{level}_gate_norm2" for level in range(4)), "head0_norm"}
    assert left == ends
    inside = {f"{unit}_{part}" for unit in UNITS for part in ("norm1", "norm2", "projnorm")}
    assert all_norms == ends | inside | {f"dec{level}_gate_norm1" for level in range(4)}
    norms = layers_of(networks[0], "BatchNormalization").values()
    assert {(layer.epsilon, layer.momentum, layer.scale, layer.center) for layer in norms} == {(1e-3, 0.99, True, True)}


def test_every_convolution_has_a_bias_and_same_padding():
    network = weightless()
    found = {**layers_of(network, "Conv2D"), **layers_of(network, "Conv2DTranspose")}
    assert len(found) == 3 * len(UNITS) + 6 * 4 + 1
    assert all(layer.use_bias and layer.padding == "same" for layer in found.values())


@pytest.mark.parametrize(("classes", "activation"), [(1, "sigmoid"), (3, "softmax")])
def test_the_head_is_normalised_and_logits_are_what_it_activates(classes, activation):
    network = weightless(classes=classes)
    assert network.layers[-1].activation.__name__ == activation
    assert before(network, "head0_act") == ["head0_norm"]
    assert before(network, "head0_norm") == ["head0_conv"]
    assert weightless(classes=classes, head_activation=None).layers[-1].name == "head0_norm"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"activation_order": "after_add"}, "`activation_order` must be one of 'before-add', 'after-add'"),
        ({"batch_norm": 1}, "`batch_norm` must be True or False"),
        ({"filters": 0}, "`filters` must be a whole number from 1 to 4096; the nearest is 1"),
        ({"depth": 1}, "`depth` must be a whole number from 2 to 10"),
        (shape(100, 96, 3), "height 100 is not a multiple of 16; use 96 or 112"),
        (shape(None, None, None, 1), "attention-resunet is 2D only"),
        ({"dropout": 0.5}, "`dropout` is not a field of attention-resunet"),
    ],
)
def test_what_cannot_be_is_refused(overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.get("attention-resunet", **overrides)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_step_of_training_changes_every_kernel(order, batch_norm):
    network = zoo.get("attention-resunet-d3-f3", activation_order=order, batch_norm=batch_norm)
    randomise(network)
    image = np.random.default_rng(5).normal(size=(2, 8, 12, 3)).astype("float32")
    kernels = {weight.path: np.array(weight) for weight in network.trainable_weights if weight.name == "kernel"}
    network.compile("adam", "binary_crossentropy", jit_compile=False, run_eagerly=True)  # compiling takes long
    history = network.fit(image, (image[..., :1] > 0).astype("float32"), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert not [w.path for w in network.trainable_weights if w.path in kernels and np.array_equal(kernels[w.path], w)]
