"""MONAI's U-Net: counts, and what a reader would not expect."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted
from architectures.inspecting import inputs_of, outputs_of, random_image, weightless

BASES = ("monai-unet", "monai-unet-3d")


def layers_of(network, *kinds):
    return [layer for layer in network.layers if type(layer).__name__.startswith(kinds)]


@pytest.mark.parametrize(
    ("name", "overrides", "total", "trainable"),
    [
        ("monai-unet", {}, 1_624_844, 1_624_844),
        ("monai-unet", {"input_shape": (None, None, 3), "classes": 2}, 1_625_737, 1_625_737),
        ("monai-unet", {"residual_units": 0}, 659_993, 659_993),
        ("monai-unet", {"classes": 4}, 1_625_849, 1_625_849),
        ("monai-unet-3d", {}, 4_808_917 + 2_436, 4_808_917),
        ("monai-unet-3d", {"norm": "instance"}, 4_806_481, 4_806_481),
        ("monai-unet-3d-d6-f16", {"classes": 3, "residual_units": 4}, 38_165_360 + 9_030, 38_165_360),
        ("monai-unet-3d-d4-f8", {"classes": 4, "norm": "instance"}, 298_829, 298_829),
    ],
)
def test_weights_are_as_many_as_the_original_has(name, overrides, total, trainable):
    assert counted(name, **overrides)[:2] == (total, trainable)


def formula(widths, channels, classes, *, units, taps, up_taps, per_norm, slope, bias):
    """Trainable weights; `per_norm` and `slope` are what follows a convolution, per channel and at all."""

    def conv(before, width, size=taps):
        return size * before * width + bias * width

    def followed(before, width, size=taps):
        return conv(before, width, size) + per_norm * width + slope

    def down(before, width, projection):
        shortcut = conv(before, width, projection) if units else 0
        return followed(before, width) + max(0, units - 1) * followed(width, width) + shortcut

    total, before = 0, channels
    for width in widths[:-1]:
        total += down(before, width, taps)
        before = width
    total += down(before, widths[-1], 1)
    below = widths[-1]
    for level in reversed(range(len(widths) - 1)):
        target, end = (widths[level - 1], followed) if level else (classes, conv)
        total += (followed if units else end)(widths[level] + below, target, up_taps)
        total += end(target, target) if units else 0
        below = target
    return total


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("depth", "filters", "channels", "classes", "units", "norm", "activation", "bias", "kernel", "up_kernel"),
    [
        (2, 3, 1, 1, 0, "batch", "prelu", True, 3, 3),
        (3, 4, 2, 3, 1, "instance", "relu", True, 5, 3),
        (4, 2, 3, 2, 2, "instance-affine", "prelu", False, 3, 5),
        (5, 8, 1, 5, 3, None, "elu", True, 1, 7),
        (7, 1, 4, 1, 4, "batch", "leaky_relu", False, 3, 3),
    ],
)
def test_weights_follow_the_formula(base, depth, filters, channels, classes, units, norm, activation, bias, kernel, up_kernel):
    ndim = 3 if "3d" in base else 2
    fields = {"residual_units": units, "norm": norm, "activation": activation, "bias": bias, "kernel": kernel}
    sizes = {"input_shape": (None,) * ndim + (channels,), "classes": classes, "up_kernel": up_kernel}
    expected = formula(
        [filters * 2**level for level in range(depth)],
        channels,
        classes,
        units=units,
        taps=kernel**ndim,
        up_taps=up_kernel**ndim,
        per_norm=2 * (norm in ("batch", "instance-affine")),
        slope=activation == "prelu",
        bias=bias,
    )
    assert counted(f"{base}-d{depth}-f{filters}", **sizes, **fields)[1] == expected


def test_images_have_instance_normalisation_and_volumes_batch_normalisation():
    assert [zoo.info(base).name for base in BASES] == ["monai-unet-d5-f16", "monai-unet-3d-d5-f16"]
    assert [zoo.info(base).config.norm for base in BASES] == ["instance", "batch"]
    assert {zoo.info(name).config.norm for name in zoo.list_models("monai-unet-3d-*")} == {"batch"}


@pytest.mark.parametrize("units", [1, 2, 4])
def test_strided_shortcuts_are_3x3_and_the_one_that_only_widens_is_1x1(units):
    network = weightless("monai-unet-d4-f4", residual_units=units)
    found = {layer.name: layer for layer in network.layers if layer.name.endswith("_proj")}
    assert {name: (layer.kernel_size, layer.strides) for name, layer in found.items()} == {
        **{f"enc{level}_proj": ((3, 3), (2, 2)) for level in (1, 2, 3)},
        "mid3_proj": ((1, 1), (1, 1)),
    }
    strided = {layer.name for layer in layers_of(network, "Conv2D") if max(layer.strides) > 1}
    assert strided == {
        *(f"enc{level}_{part}" for level in (1, 2, 3) for part in ("conv1", "proj")),
        *(f"dec{level}_up" for level in (0, 1, 2)),
    }
    convs = [layer.name for layer in layers_of(network, "Conv2D") if layer.name.startswith("enc2_conv")]
    assert convs == [f"enc2_conv{k + 1}" for k in range(units)]


def test_a_unit_whose_channels_and_size_stay_has_an_identity():
    network = weightless("monai-unet-d3-f4", input_shape=(None, None, 4), strides=(1, 1, 2))
    assert "input" in inputs_of(network.get_layer("enc1_add"))
    assert network.get_layer("enc2_proj").kernel_size == (3, 3)


def test_the_image_is_halved_by_the_first_unit_already():
    network = weightless("monai-unet-d3-f4", input_shape=(32, 48, 1))
    shapes = {
        name: network.get_layer(name).output.shape[1:] for name in ("enc1_add", "enc2_add", "mid2_add", "mid2_cat", "dec1_add")
    }
    assert shapes == {
        "enc1_add": (16, 24, 4),
        "enc2_add": (8, 12, 8),
        "mid2_add": (8, 12, 16),
        "mid2_cat": (8, 12, 24),
        "dec1_add": (16, 24, 4),
    }


def test_concatenations_have_the_skip_first():
    network = weightless("monai-unet-d4-f4")
    found = {layer.name: inputs_of(layer) for layer in layers_of(network, "Concatenate")}
    assert found == {
        "mid3_cat": ["enc3_add", "mid3_add"],
        "dec2_cat": ["enc2_add", "dec2_add"],
        "dec1_cat": ["enc1_add", "dec1_add"],
    }


def test_activations_stand_before_the_sums_and_none_behind():
    network = weightless("monai-unet-d4-f4", head_activation=None)
    sums = layers_of(network, "Add")
    for layer in sums:
        readers = [node.operation for node in layer._outbound_nodes]
        assert all(type(reader).__name__ in ("Concatenate", "ZeroPadding2D", "Conv2D") for reader in readers)
    branches = {layer.name.removesuffix("_add"): inputs_of(layer) for layer in sums}
    assert branches == {
        **{f"enc{level}": [f"enc{level}_act2", f"enc{level}_proj"] for level in (1, 2, 3)},
        "mid3": ["mid3_act2", "mid3_proj"],
        **{f"dec{level}": [f"dec{level}_act1", f"dec{level}_upact"] for level in (1, 2)},
        "dec0": ["dec0_conv1", "dec0_upact"],
    }
    assert network.layers[-1].name == "dec0_add"


def test_the_top_unit_is_a_convolution_alone_behind_a_normalised_transposed_one():
    names = [layer.name for layer in weightless("monai-unet-d3-f4").layers if layer.name.startswith(("dec0", "head0"))]
    assert names == ["dec0_up", "dec0_up_crop", "dec0_upnorm", "dec0_upact", "dec0_conv1", "dec0_add", "head0_act"]
    below = [layer.name for layer in weightless("monai-unet-d3-f4").layers if layer.name.startswith("dec1")]
    assert below == [
        "dec1_up", "dec1_up_crop", "dec1_upnorm", "dec1_upact", "dec1_conv1", "dec1_norm1", "dec1_act1", "dec1_add", "dec1_cat",
    ]  # fmt: skip


def test_without_units_there_are_single_convolutions_and_the_top_one_is_bare():
    network = weightless("monai-unet-d3-f4", residual_units=0)
    assert not layers_of(network, "Add")
    names = [layer.name for layer in network.layers]
    assert [name for name in names if name.startswith("enc1")] == ["enc1_conv1_pad", "enc1_conv1", "enc1_norm1", "enc1_act1"]
    assert [name for name in names if name.startswith("dec1")] == [
        "dec1_up",
        "dec1_up_crop",
        "dec1_upnorm",
        "dec1_upact",
        "dec1_cat",
    ]
    assert [name for name in names if name.startswith(("dec0", "head0"))] == ["dec0_up", "dec0_up_crop", "head0_act"]


@pytest.mark.parametrize("base", BASES)
def test_every_prelu_has_one_slope_which_starts_at_a_quarter(base):
    network = zoo.get(f"{base}-d2-f3", residual_units=1)
    slopes = layers_of(network, "PReLU")
    assert [layer.name for layer in slopes] == ["enc1_act1", "mid1_act1", "dec0_upact"]
    for layer in slopes:
        (alpha,) = layer.get_weights()
        assert alpha.shape == (1,) * (4 if "3d" in base else 3)
        assert alpha.item() == 0.25


def test_instance_normalisation_learns_nothing_and_divides_by_the_deviation_of_each_channel():
    network = zoo.get("monai-unet-d3-f4", residual_units=1)
    randomise(network)
    norms = layers_of(network, "GroupNormalization")
    assert all(layer.epsilon == 1e-5 and not layer.variables and layer.groups == layer.input.shape[-1] for layer in norms)
    given = outputs_of(network, ["enc2_conv1", "enc2_norm1"], random_image(16, 24, 1))
    before = given["enc2_conv1"]
    expected = (before - before.mean((1, 2), keepdims=True)) / np.sqrt(before.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(given["enc2_norm1"], expected, atol=1e-5)


def test_affine_instance_and_batch_normalisation_learn_scale_and_shift():
    norms = layers_of(weightless("monai-unet-d3-f4", norm="instance-affine"), "GroupNormalization")
    assert {tuple(weight.name for weight in layer.weights) for layer in norms} == {("gamma", "beta")}
    batch = layers_of(weightless("monai-unet-3d-d3-f4"), "BatchNormalization")
    assert {(layer.epsilon, layer.momentum) for layer in batch} == {(1e-5, 0.9)}
    plain = weightless("monai-unet-d3-f4", norm=None)
    assert not [layer.name for layer in plain.layers if "norm" in layer.name]


@pytest.mark.parametrize("bias", [True, False])
def test_all_convolutions_have_a_bias_or_none(bias):
    convs = layers_of(weightless("monai-unet-d3-f4", bias=bias), "Conv2D")
    assert {layer.use_bias for layer in convs} == {bias}
    assert {"enc1_proj", "mid2_proj", "dec0_up", "dec0_conv1"} <= {layer.name for layer in convs}


def test_transposed_convolutions_are_centred_on_even_pixels():
    """Pixel p of the coarse image reaches 2p - 1 to 2p + 1 of the fine one, and the last row and column get one pixel alone."""
    network = zoo.get("monai-unet-d2-f1", residual_units=0, norm=None, activation="linear", bias=False, head_activation=None)
    for variable in network.variables:
        variable.assign(np.zeros(variable.shape))
    layer = network.get_layer("dec0_up")
    layer.kernel.assign(np.ones(layer.kernel.shape))
    up = keras.Model(network.get_layer("mid1_cat").output, network.output)
    coarse = np.zeros((1, 4, 5, 3), "float32")
    coarse[0, 0, 2, 0] = coarse[0, 3, 4, 0] = 1
    rows, columns = np.nonzero(np.array(up(coarse))[0, ..., 0])
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
        *((row, column) for row in (0, 1) for column in (3, 4, 5)),
        *((row, column) for row in (5, 6, 7) for column in (7, 8, 9)),
    }


def test_strided_convolutions_pad_both_sides():
    network = zoo.get("monai-unet-d2-f1", residual_units=0, norm=None, activation="linear", bias=False)
    network.get_layer("enc1_conv1").kernel.assign(np.ones((3, 3, 1, 1)))
    image = np.zeros((1, 8, 8, 1), "float32")
    image[0, 0, 0] = image[0, 7, 7] = 1
    given = outputs_of(network, ["enc1_conv1"], image)["enc1_conv1"][0, ..., 0]
    assert set(zip(*(axis.tolist() for axis in np.nonzero(given)), strict=True)) == {(0, 0), (3, 3)}


def test_leaky_relu_has_the_slope_of_torch():
    layers = layers_of(weightless("monai-unet-d2-f1", activation="leaky_relu"), "LeakyReLU")
    assert {layer.negative_slope for layer in layers} == {0.01}


def test_one_position_at_the_bottom_is_normalised_to_zero():
    network = zoo.get("monai-unet-d3-f4", residual_units=1)
    randomise(network)
    given = outputs_of(network, ["enc2_norm1", "mid2_norm1", "mid2_add"], random_image(4, 4, 1))
    assert not given["enc2_norm1"].any()
    assert not given["mid2_norm1"].any()
    assert given["mid2_add"].any()


def test_thick_slices_keep_their_number():
    network = weightless("monai-unet-3d-d4-f4", input_shape=(6, 24, 8, 1), strides=(1, (1, 2, 2), (3, 3, 1), 1), up_kernel=5)
    shapes = [network.get_layer(f"enc{level}_add").output.shape[1:-1] for level in (1, 2, 3)]
    assert shapes == [(6, 12, 4), (2, 4, 4), (2, 4, 4)]
    assert network.output_shape == (None, 6, 24, 8, 2)
    assert network.get_layer("enc3_proj").kernel_size == (1, 1, 1)


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("monai-unet", {"input_shape": (100, 96, 1)}, "height 100 is not a multiple of 16; use 96 or 112"),
        ("monai-unet-3d", {"input_shape": (8, 96, 96, 1)}, "depth axis 8 is not a multiple of 16; use 16 or more"),
        (
            "monai-unet",
            {"strides": (1, 3, 2, 2, 2), "up_kernel": 5, "input_shape": (32, 48, 1)},
            "height 32 is not a multiple of 24",
        ),
        ("monai-unet", {"strides": (2, 2, 2, 2)}, r"one entry for each of the 5 levels.*which has 4"),
        ("monai-unet", {"strides": (2, 2, 2, 2, 2)}, "`strides` starts with 1"),
        ("monai-unet-3d", {"strides": (1, (2, 2), 2, 2, 2)}, r"or 3 of them, one per spatial axis.*\(2, 2\) has 2"),
        ("monai-unet", {"strides": (1, 3, 2, 2, 2)}, "use 5 or smaller strides. Received: up_kernel=3"),
        ("monai-unet", {"strides": (1, 2, 5, 2, 2), "up_kernel": 7}, "use smaller strides. Received: up_kernel=7"),
        ("monai-unet", {"depth": 1}, "`depth`.*the nearest is 2"),
        ("monai-unet", {"residual_units": -1}, "`residual_units`.*the nearest is 0"),
        ("monai-unet", {"norm": "instance_affine"}, "`norm` must be one of.*'instance-affine'"),
        ("monai-unet", {"activation": "preul"}, "`activation` must be one of"),
        ("monai-unet", {"kernel": 2}, "`kernel` must be one of 1, 3, 5, 7"),
        ("monai-unet", {"up_kernel": 1}, "`up_kernel` must be one of 3, 5, 7"),
        ("monai-unet", {"bias": None}, "`bias` must be True or False"),
    ],
)
def test_impossible_configs_are_refused_in_words(name, fields, words):
    with pytest.raises(zoo.ConfigError, match=words):
        zoo.get(name, **fields)


@pytest.mark.parametrize("name", ["monai-unet-d3-f2", "monai-unet-3d-d3-f2"])
def test_every_weight_learns(name):
    """All but the biases before an instance normalisation, which takes them away again."""
    network = zoo.get(name, classes=2)
    before = [np.array(weight) for weight in network.trainable_weights]
    network.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", jit_compile=False)
    sizes = (16, 8) if "3d" not in name else (8, 16, 8)
    image = np.repeat(random_image(*sizes, 1), 2, axis=0)
    loss = network.fit(image, np.random.default_rng(0).integers(0, 2, (2, *sizes, 1)), epochs=1, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    still = [w.path for w, old in zip(network.trainable_weights, before, strict=True) if np.array_equal(np.array(w), old)]
    assert all(path.endswith("/bias") for path in still)
