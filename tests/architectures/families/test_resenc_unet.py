"""ResEnc U-Nets of nnU-Net: counts, plans, and what a reader would not expect."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from architectures.inspecting import outputs_of, random_image, weightless
from zoo import blocks

BASES = ("resenc-unet", "resenc-unet-3d")
SLICES = {"strides": (1, (1, 2, 2), (2, 2, 2)), "kernel_sizes": ((1, 3, 3), 3, 3)}


def source(network, name):
    return network.get_layer(name).input._keras_history.operation.name


@pytest.mark.parametrize(
    ("name", "overrides", "params"),
    [
        ("resenc-unet-d6", {}, 71_816_586),
        ("resenc-unet", {}, 105_916_812),
        ("resenc-unet-d8", {}, 140_017_038),
        ("resenc-unet-d9-f32", {}, 174_117_264),
        ("resenc-unet", shape(None, None, 3), 105_917_388),
        ("resenc-unet-3d-d5", {}, 62_809_928),
        ("resenc-unet-3d", {}, 102_349_770),
        ("resenc-unet-3d-d7-f32", {}, 141_889_612),
        ("resenc-unet-3d", {**shape(None, None, None, 4), "classes": 4}, 102_353_972),
        ("resenc-unet-3d", {"decoder": "residual"}, 107_847_530),
        ("resenc-unet", {"deep_supervision": False}, 105_916_812 - 2_954),
        ("resenc-unet-3d", {"deep_supervision": False}, 102_349_770 - 1_544),
    ],
)
def test_weights_are_as_many_as_the_original_has(name, overrides, params):
    assert counted(name, **overrides)[:2] == (params, params)


def formula(ndim, widths, units, channels, classes, *, residual, supervised):
    """Biases everywhere but in shortcuts, two weights per channel and normalisation; kernels of 3, strides of 2."""

    def conv(kernel, before, width):
        return kernel**ndim * before * width + 3 * width

    def unit(before, width):
        return conv(3, before, width) + conv(3, width, width) + (before != width) * (before * width + 2 * width)

    total, before = conv(3, channels, widths[0]), widths[0]
    for width, count in zip(widths, units, strict=True):
        total += unit(before, width) + (count - 1) * unit(width, width)
        before = width
    for level in reversed(range(len(widths) - 1)):
        width = widths[level]
        total += 2**ndim * before * width + width + (unit if residual else lambda *sizes: conv(3, *sizes))(2 * width, width)
        total += (width * classes + classes) * (supervised or level == 0)
        before = width
    return total


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("depth", "filters", "most", "channels", "classes"),
    [(2, 3, 6, 1, 1), (3, 4, 9, 4, 2), (5, 8, 64, 2, 3), (7, 2, 32, 1, 2), (10, 1, 5, 3, 7)],
)
@pytest.mark.parametrize(("decoder", "supervised"), [("plain", True), ("residual", True), ("plain", False)])
def test_weights_follow_the_formula(base, depth, filters, most, channels, classes, decoder, supervised):
    ndim = 3 if "3d" in base else 2
    fields = {"decoder": decoder, "deep_supervision": supervised, "max_filters": most, "classes": classes}
    widths = [min(filters * 2**level, most) for level in range(depth)]
    units = (1, 3, 4, 6, 6, 6, 6, 6, 6, 6)[:depth]
    for counts in (None, tuple(range(1, depth + 1))):
        expected = formula(
            ndim, widths, counts or units, channels, classes, residual=decoder == "residual", supervised=supervised
        )
        given = counted(f"{base}-d{depth}-f{filters}", input_shape=(*[None] * ndim, channels), units=counts, **fields)
        assert given[:2] == (expected, expected)


def test_names_state_the_default_size_and_a_shape_that_of_the_other_rank():
    assert [zoo.info(base).name for base in BASES] == ["resenc-unet-d7-f32", "resenc-unet-3d-d6-f32"]
    assert zoo.info("resenc-unet").config.replace(input_shape=(None, None, None, 1)).name == "resenc-unet-3d-d7-f32"
    with pytest.raises(zoo.ConfigError, match="use 'resenc-unet-3d' for 3D"):
        zoo.get("resenc-unet", input_shape=(64, 64, 64, 1))


@pytest.mark.parametrize(("base", "most"), [("resenc-unet-d8", 512), ("resenc-unet-3d-d6", 320)])
def test_channels_double_up_to_a_largest_number(base, most):
    network = weightless(base)
    depth = zoo.info(base).config.depth
    outputs = [network.get_layer(f"{'enc' if level < depth - 1 else 'mid'}{level}_block1_add").output for level in range(depth)]
    assert [tensor.shape[-1] for tensor in outputs] == [min(32 * 2**level, most) for level in range(depth)]


@pytest.mark.parametrize("base", BASES)
def test_outputs_are_a_dict_from_full_resolution_down_or_one(base):
    sizes = (16, 24, 32)[: 3 if "3d" in base else 2]
    network = weightless(f"{base}-d4-f2", input_shape=(*sizes, 1), classes=3)
    shapes = {name: tensor.shape[1:] for name, tensor in network.output.items()}
    expected = ["segmentation", "segmentation_1", "segmentation_2"]
    assert list(shapes) == expected
    assert list(shapes.values()) == [(*(side // 2**level for side in sizes), 3) for level in range(3)]
    heads = [layer.name for layer in network.layers if layer.name.startswith("head") and layer.name.endswith("_act")]
    assert sorted(heads) == ["head0_act", "head1_act", "head2_act"]
    assert all(tensor._keras_history.operation.activation.__name__ == "softmax" for tensor in network.output.values())
    single = weightless(f"{base}-d4-f2", deep_supervision=False)
    assert not isinstance(single.output, dict)
    assert {layer.name for layer in single.layers if layer.name.startswith("head")} == {"head0_conv", "head0_act"}


def test_the_unused_heads_are_all_that_deep_supervision_adds():
    full, single = (weightless("resenc-unet-3d-d5-f4", deep_supervision=value) for value in (True, False))
    added = {layer.name for layer in full.layers} - {layer.name for layer in single.layers}
    assert added == {f"head{level}_{part}" for level in (1, 2, 3) for part in ("conv", "act")}
    assert full.count_params() - single.count_params() == 2 * (8 + 16 + 32) + 3 * 2


@pytest.mark.parametrize("base", BASES)
def test_constants_are_those_of_nnunet(base):
    network = weightless(f"{base}-d4-f4", decoder="residual")
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.GroupNormalization)]
    assert all(layer.groups == layer.output.shape[-1] for layer in norms)
    assert {(layer.epsilon, layer.scale, layer.center) for layer in norms} == {(1e-5, True, True)}
    slopes = {float(layer.negative_slope) for layer in network.layers if isinstance(layer, keras.layers.LeakyReLU)}
    assert slopes == {0.01}
    biased = {layer.name: layer.use_bias for layer in network.layers if hasattr(layer, "use_bias")}
    assert all(bias != name.endswith("_proj") for name, bias in biased.items())


def test_only_changed_channels_are_projected_and_strides_are_pooled():
    network = weightless("resenc-unet-d5-f4", max_filters=16)
    projected = {layer.name for layer in network.layers if layer.name.endswith("_proj")}
    assert projected == {"enc1_block1_proj", "enc2_block1_proj"}
    assert {f"{name}norm" for name in projected} == {layer.name for layer in network.layers if layer.name.endswith("_projnorm")}
    pools = [layer for layer in network.layers if isinstance(layer, keras.layers.AveragePooling2D)]
    assert {layer.name for layer in pools} == {f"{level}_block1_pool" for level in ("enc1", "enc2", "enc3", "mid4")}
    assert {(layer.pool_size, layer.strides, layer.padding) for layer in pools} == {((2, 2), (2, 2), "valid")}
    sides = {}
    for level in ("enc0", "enc1", "enc2", "enc3", "mid4"):
        sides[level] = network.get_layer(f"{level}_block1_add").input[0]._keras_history.operation.name
    assert sides == {
        "enc0": "stem0_act1",
        "enc1": "enc1_block1_projnorm",
        "enc2": "enc2_block1_projnorm",
        "enc3": "enc3_block1_pool",
        "mid4": "mid4_block1_pool",
    }
    assert network.get_layer("enc2_block1_proj").strides == (1, 1)


def test_units_start_as_their_shortcuts():
    network = zoo.get("resenc-unet-3d-d3-f2", decoder="residual")
    starts = {layer.name: layer.gamma.numpy() for layer in network.layers if isinstance(layer, keras.layers.GroupNormalization)}
    zero = {name for name, gamma in starts.items() if not gamma.any()}
    assert zero == {name for name in starts if name.endswith("_norm2")}
    assert all((gamma == 1).all() for name, gamma in starts.items() if name not in zero)
    values = outputs_of(network, ("enc1_block1_act2", "enc1_block2_act2"), random_image(8, 8, 8, 1))
    first, second = values.values()
    np.testing.assert_allclose(second, np.where(first > 0, first, 0.01 * first), rtol=1e-6)


def test_other_styles_start_with_scales_of_one():
    inputs = keras.Input((8, 8, 4))
    network = keras.Model(inputs, blocks.residual(inputs, 4, blocks.TORCH_STYLE, name="unit"))
    assert all((weight.numpy() == 1).all() for weight in network.weights if weight.name == "gamma")


def test_anisotropic_plans_reach_every_layer():
    network = weightless("resenc-unet-3d-d3-f4", **SLICES, input_shape=(4, 16, 24, 1))
    kernels = {layer.name: layer.kernel_size for layer in network.layers if isinstance(layer, keras.layers.Conv3D)}
    for name, kernel in kernels.items():
        flat = name.startswith(("stem0", "enc0", "dec0")) and not name.startswith("dec0_up")
        small = name.endswith("_proj") or name.startswith("head")
        assert kernel == ((1, 1, 1) if small else (1, 3, 3) if flat else (3, 3, 3)), name
    ups = {name: network.get_layer(name) for name in ("dec0_up", "dec1_up")}
    assert {name: (layer.kernel_size, layer.strides) for name, layer in ups.items()} == {
        "dec0_up": ((1, 2, 2), (1, 2, 2)),
        "dec1_up": ((2, 2, 2), (2, 2, 2)),
    }
    assert network.get_layer("enc1_block1_conv1").strides == network.get_layer("enc1_block1_pool").pool_size == (1, 2, 2)
    assert [tensor.shape[1:4] for tensor in network.output.values()] == [(4, 16, 24), (4, 8, 12)]


def test_a_plan_of_nnunet_for_thick_slices_can_be_built():
    strides = (1, (1, 2, 2), (1, 2, 2), 2, 2, (1, 2, 2), (1, 2, 2))
    kernels = ((1, 3, 3), (1, 3, 3), 3, 3, 3, 3, 3)
    network = weightless("resenc-unet-3d-d7", strides=strides, kernel_sizes=kernels, input_shape=(20, 256, 256, 1))
    assert network.get_layer("mid6_block6_act2").output.shape[1:] == (5, 4, 4, 320)


def test_average_pooling_takes_the_mean_of_windows_along_the_axes_with_a_stride():
    network = zoo.get("resenc-unet-3d-d3-f4", **SLICES, max_filters=4)
    randomise(network)
    values = outputs_of(network, ("enc0_block1_act2", "enc1_block1_pool"), random_image(2, 8, 12, 1))
    fine, coarse = values.values()
    np.testing.assert_allclose(coarse, fine.reshape(1, 2, 4, 2, 6, 2, 4).mean(axis=(3, 5)), atol=1e-6)


@pytest.mark.parametrize(("decoder", "merge"), [("plain", "dec1_act1"), ("residual", "dec1_act2")])
def test_the_decoder_has_one_convolution_or_one_unit_per_level(decoder, merge):
    network = weightless("resenc-unet-d3-f4", decoder=decoder)
    assert source(network, "dec0_up") == source(network, "head1_conv") == merge
    first, second = (tensor._keras_history.operation.name for tensor in network.get_layer("dec1_cat").input)
    assert (first, second) == ("dec1_up", "enc1_block3_act2")
    inside_decoder = {layer.name for layer in network.layers if layer.name.startswith("dec1")}
    plain = {"dec1_up", "dec1_cat", "dec1_conv1", "dec1_norm1", "dec1_act1"}
    unit = {"dec1_conv2", "dec1_norm2", "dec1_proj", "dec1_projnorm", "dec1_add", "dec1_act2"}
    assert inside_decoder == (plain if decoder == "plain" else plain | unit)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("resenc-unet", {"max_filters": 16}, "`max_filters` is at least `filters`.*max_filters=16.*filters=32"),
        ("resenc-unet-3d", {"filters": 321}, "use max_filters=321 or more. Received: max_filters=None, which is 320 in 3D"),
        ("resenc-unet", {"max_filters": 0}, "`max_filters` must be None, or a whole number from 1 to 65536; the nearest is 1"),
        ("resenc-unet-d6", {"units": (1, 2, 3)}, r"`units` is one whole number for each of the 6 levels.*\(1, 3, 4, 6, 6, 6\)"),
        (
            "resenc-unet-d2",
            {"units": ((1, 1), 2)},
            r"`units` must be None, or a whole number from 1 to 64 for each level\. Received",
        ),
        ("resenc-unet-d2", {"units": (0, 2)}, "`units` must be None, or a whole number from 1 to 64"),
        ("resenc-unet", {"decoder": "none"}, "`decoder` must be one of 'plain', 'residual'"),
        ("resenc-unet", {"depth": 11}, "`depth` must be a whole number from 2 to 10; the nearest is 10"),
        ("resenc-unet", {"strides": (1, 2, 2)}, "`strides` needs one entry for each of the 7 levels"),
        ("resenc-unet-3d", {"strides": (1, *[(2, 2)] * 5)}, "Each entry of `strides` is one number, or 3 of them"),
        ("resenc-unet-d6", {**shape(100, 96, 1)}, "height 100 is not a multiple of 32; use 96 or 128"),
        ("resenc-unet", {"kernel_sizes": (2,) * 7}, "`kernel_sizes` are odd"),
    ],
)
def test_what_cannot_be_built_is_refused_by_the_config(name, overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.info(name).config.replace(**overrides)


def test_another_depth_needs_another_plan():
    config = zoo.info("resenc-unet-d3-f4").config.replace(strides=(1, 2, 2))
    with pytest.raises(zoo.ConfigError, match="`strides` needs one entry for each of the 4 levels"):
        config.replace(depth=4)


@pytest.mark.parametrize("base", BASES)
def test_a_bottleneck_of_one_position_gives_the_shift_alone(base):
    ndim = 3 if "3d" in base else 2
    network = zoo.get(f"{base}-d3-f2")
    randomise(network)
    values = outputs_of(network, ("mid2_block1_norm1",), random_image(*(4,) * ndim, 1))
    np.testing.assert_allclose(values["mid2_block1_norm1"].reshape(-1), network.get_layer("mid2_block1_norm1").beta, atol=1e-3)


@pytest.mark.parametrize("base", BASES)
def test_all_weights_train_at_once_through_all_heads(base):
    """After a first step, as nothing reaches a unit's convolutions while its last scale is 0."""
    keras.utils.set_random_seed(1)
    ndim = 3 if "3d" in base else 2
    network = zoo.get(f"{base}-d3-f2", classes=1)
    network.compile("adam", "binary_crossentropy", jit_compile=False, run_eagerly=True)  # compiling takes long
    image = random_image(*(12, 8, 8)[:ndim], 1)
    target = (image > 0).astype("float32")
    coarse = target[(slice(None), *[slice(None, None, 2)] * ndim)]
    before = network.get_weights()
    history = network.fit(image, {"segmentation": target, "segmentation_1": coarse}, epochs=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    pairs = zip(network.weights, before, network.get_weights(), strict=True)
    unmoved = {weight.path for weight, old, new in pairs if (old == new).all()}
    assert not {path for path in unmoved if not path.endswith("bias")}
