"""RSUNet: counts, sizes, and what a reader would not expect."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from architectures.inspecting import random_image
from zoo.registry import build_weightless

WIDTHS = [24, 32, 48, 72, 104, 144]


def weightless(name="rsunet", **overrides):
    return build_weightless(zoo.info(name).config.replace(**overrides))


def source(tensor):
    return tensor._keras_history.operation.name


@pytest.mark.parametrize(("classes", "params"), [(3, 2_215_827), (12, 2_216_052)])
def test_weights_are_as_many_as_the_original_has(classes, params):
    assert counted("rsunet", classes=classes)[:2] == (params + 3_088, params)


def formula(levels, channels, classes, upsample, batch_norm):
    """(learnable weights, moving statistics): each norm has two of both per channel, a convolution without one a bias."""
    widths = WIDTHS[:levels]
    units = [*zip([24, *widths], widths, strict=False), *((width, width) for width in widths[:-1])]
    normed = 3 * sum(after for _, after in units) + sum(widths[:-1])
    learnable = sum(27 * (before + 2 * after) * after for before, after in units)
    learnable += 2 * normed if batch_norm else 3 * sum(after for _, after in units)
    taps = 4 if upsample == "transposed" else 1
    learnable += sum(taps * below * width + width for width, below in pairwise(widths))
    learnable += (25 * channels * 24 + 24) + (25 * 24 * 24 + 24) + (24 * classes + classes)
    return learnable, 2 * normed * batch_norm


@pytest.mark.parametrize("levels", [2, 3, 5, 6])
@pytest.mark.parametrize("upsample", ["bilinear", "nearest", "transposed"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_weights_follow_the_formula(levels, upsample, batch_norm):
    for channels, classes in ((1, 3), (2, 1)):
        options = {"input_shape": (None, None, None, channels), "classes": classes}
        learnable, statistics = formula(levels, channels, classes, upsample, batch_norm)
        found = counted(f"rsunet-d{levels}", upsample=upsample, batch_norm=batch_norm, **options)
        assert found[:2] == (learnable + statistics, learnable)


def test_five_levels_are_the_original_with_four_halvings():
    entry = zoo.info("rsunet")
    assert (entry.name, entry.ndim, entry.config.stride, entry.config.size_multiples) == ("rsunet-d5", 3, 16, (1, 16, 16))
    network = weightless()
    assert [network.get_layer(f"enc{level}_act3").output.shape[-1] for level in range(4)] == WIDTHS[:4]
    assert network.get_layer("mid4_act3").output.shape[-1] == 104


def test_outputs_are_affinities_with_a_sigmoid_each_whatever_their_number():
    for classes in (1, 3, 12):
        assert weightless(classes=classes).layers[-1].activation.__name__ == "sigmoid"
    assert weightless(head_activation="auto").layers[-1].activation.__name__ == "softmax"
    assert weightless(head_activation=None).layers[-1].name == "head0_conv"


def test_sections_are_never_pooled_and_any_number_of_them_works():
    network = zoo.get("rsunet-d3")
    randomise(network)
    pools = [layer for layer in network.layers if isinstance(layer, keras.layers.MaxPooling3D)]
    assert {(layer.pool_size, layer.strides) for layer in pools} == {((1, 2, 2), (1, 2, 2))}
    for sections in (1, 2, 5):
        assert network(random_image(sections, 8, 12, 1)).shape == (1, sections, 8, 12, 3)


def test_the_shortcut_starts_behind_the_first_activation_and_ends_before_the_last_norm():
    network = weightless()
    for unit in ("enc0", "enc3", "mid4", "dec3", "dec0"):
        assert [source(tensor) for tensor in network.get_layer(f"{unit}_add").input] == [f"{unit}_act1", f"{unit}_conv3"]
        chain = [f"{unit}_{part}" for part in ("act3", "norm3", "add")]
        assert [source(network.get_layer(name).input) for name in chain[:2]] == chain[1:]
        assert source(network.get_layer(f"{unit}_act2").input) == f"{unit}_norm2"


def test_the_skip_is_added_before_the_norm_of_the_decoder():
    network = weightless()
    for level in range(4):
        join = network.get_layer(f"dec{level}_join")
        assert [source(tensor) for tensor in join.input] == [f"dec{level}_upconv", f"enc{level}_act3"]
        assert source(network.get_layer(f"dec{level}_joinnorm").input) == join.name
        assert source(network.get_layer(f"dec{level}_conv1").input) == f"dec{level}_joinact"
        assert source(network.get_layer(f"dec{level}_upconv").input) == f"dec{level}_up"


def test_embeddings_are_flat_5x5_convolutions_with_bias_and_without_norm():
    network = weightless()
    for name, activation in (("stem0_conv", "stem0_act"), ("head0_embed", "head0_embedact")):
        layer = network.get_layer(name)
        assert (layer.kernel_size, layer.filters, layer.use_bias) == ((1, 5, 5), 24, True)
        assert source(network.get_layer(activation).input) == name
        assert network.get_layer(activation).activation.__name__ == "elu"
    assert source(network.get_layer("head0_conv").input) == "head0_embedact"
    assert network.get_layer("head0_conv").kernel_size == (1, 1, 1)


@pytest.mark.parametrize("upsample", ["bilinear", "nearest", "transposed"])
def test_convolutions_have_a_bias_where_no_norm_follows(upsample):
    flat = {"stem0_conv", "head0_embed", "head0_conv"}
    for batch_norm in (True, False):
        network = weightless(upsample=upsample, batch_norm=batch_norm)
        convs = [layer for layer in network.layers if hasattr(layer, "kernel_size")]
        ups = {f"dec{level}_{'up' if upsample == 'transposed' else 'upconv'}" for level in range(4)}
        everything = {layer.name for layer in convs}
        assert {layer.name for layer in convs if layer.use_bias} == (flat | ups if batch_norm else everything)
        norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
        assert {(layer.epsilon, layer.momentum) for layer in norms} == ({(1e-5, 0.9)} if batch_norm else set())


def test_all_activations_inside_are_elu():
    network = weightless()
    used = {layer.name: layer.activation.__name__ for layer in network.layers if isinstance(layer, keras.layers.Activation)}
    assert used.pop("head0_act") == "sigmoid"
    assert set(used.values()) == {"elu"}
    assert len(used) == 2 + 9 * 3 + 4


def test_linear_up_sampling_aligns_pixel_centres_in_sections_and_leaves_their_order():
    """Along height and width: a quarter of the farther pixel and three quarters of the nearer one, borders repeated."""
    network = zoo.get("rsunet-d2")
    randomise(network)
    tensors = {name: network.get_layer(name).output for name in ("mid1_act3", "dec0_up")}
    values = keras.Model(network.input, tensors)(random_image(3, 6, 8, 1), training=False)
    coarse, fine = np.array(values["mid1_act3"]), np.array(values["dec0_up"])

    def doubled(x, axis):
        x = np.moveaxis(x, axis, 0)
        before, after = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
        both = np.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=1)
        return np.moveaxis(both.reshape(-1, *x.shape[1:]), 0, axis)

    np.testing.assert_allclose(fine, doubled(doubled(coarse, 2), 3), atol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (shape(32, 100, 160, 1), "height 100 is not a multiple of 16; use 96 or 112"),
        (shape(7, 160, 8, 1), "width 8 is not a multiple of 16; use 16 or more"),
        (shape(160, 160, 1), r"rsunet is 3D only.*give \(D, H, W, C\)"),
        ({"depth": 7}, "`depth` must be a whole number from 2 to 6; the nearest is 6"),
        ({"upsample": "transpose"}, "`upsample` must be one of 'bilinear', 'nearest', 'transposed'.*did you mean 'transposed'"),
        ({"batch_norm": 1}, "`batch_norm` must be True or False"),
        ({"filters": 8}, "`filters` is not a field of rsunet"),
    ],
)
def test_what_cannot_be_built_is_refused_by_the_config(overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.info("rsunet").config.replace(**overrides)


def test_widths_are_no_part_of_the_name():
    with pytest.raises(zoo.UnknownModelError, match="takes depth in its name"):
        zoo.info("rsunet-d5-f24")


@pytest.mark.parametrize("upsample", ["bilinear", "nearest", "transposed"])
def test_it_trains(upsample):
    network = zoo.get("rsunet-d2", upsample=upsample)
    network.compile("adam", "binary_crossentropy", jit_compile=False, run_eagerly=True)
    x = random_image(3, 8, 6, 1)
    before = network.get_weights()
    history = network.fit(x, np.repeat(x > 0, 3, axis=-1).astype("float32"), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    pairs = zip(network.weights, before, network.get_weights(), strict=True)
    assert not [weight.path for weight, old, new in pairs if (old == new).all()]
