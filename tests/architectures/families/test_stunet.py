"""STU-Nets: counts, variants, and what a reader would not expect."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted
from architectures.inspecting import outputs_of, random_image, weightless

VARIANTS = ("s", "b", "l", "h")
UNITS = {"s": 1, "b": 1, "l": 2, "h": 3}
SHALLOW = (1, 2, 2, 1, 1, 1)


@pytest.mark.parametrize(("variant", "params"), [("s", 14_596_941), ("b", 58_262_669), ("l", 440_302_605), ("h", 1_457_326_221)])
def test_weights_are_as_many_as_the_original_has(variant, params):
    assert counted(f"stunet-{variant}")[:2] == (params, params)
    widths = [multiple * zoo.info(f"stunet-{variant}").config.filters for multiple in (2, 4, 8, 16)]
    heads = 105 * sum(widths) + 4 * 105
    assert counted(f"stunet-{variant}", deep_supervision=False)[:2] == (params - heads, params - heads)


@pytest.mark.parametrize(("variant", "operations"), [("s", 0.13), ("b", 0.51), ("l", 3.81), ("h", 12.60)])
def test_multiply_accumulates_are_what_the_authors_call_flops(variant, operations):
    """Theirs are rounded, and have the normalisations too."""
    entry = zoo.info(f"stunet-{variant}")
    assert entry.analysis_shape == (128, 128, 128, 1)
    assert entry.macs / 1e12 == pytest.approx(operations, abs=0.0075)


def formula(filters, count, channels, classes, supervised):
    """Biases everywhere, a projection in the first unit of every stage, two weights per channel and normalisation."""

    def stage(before, width):
        first = 27 * before * width + 27 * width * width + before * width + 7 * width
        return first + (count - 1) * (54 * width * width + 6 * width)

    widths = [filters * multiple for multiple in (1, 2, 4, 8, 16, 16)]
    total = sum(stage(before, width) for before, width in zip([channels, *widths], widths, strict=False))
    for level in reversed(range(5)):
        width = widths[level]
        total += widths[level + 1] * width + width + stage(2 * width, width)
        total += (supervised or level == 0) * classes * (width + 1)
    return total


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("filters", "channels", "classes"), [(1, 1, 1), (3, 4, 2), (8, 1, 105), (20, 2, 3)])
@pytest.mark.parametrize("supervised", [True, False])
def test_weights_follow_the_formula(variant, filters, channels, classes, supervised):
    sizes = {"input_shape": (None, None, None, channels), "classes": classes, "deep_supervision": supervised}
    expected = formula(filters, UNITS[variant], channels, classes, supervised)
    assert counted(f"stunet-{variant}-f{filters}", **sizes)[:2] == (expected, expected)


def test_names_state_the_variant_and_the_width():
    assert [zoo.info(f"stunet-{variant}").name for variant in VARIANTS] == [
        "stunet-s-f16", "stunet-b-f32", "stunet-l-f64", "stunet-h-f96",
    ]  # fmt: skip
    assert zoo.info("stunet-h-f8").config.name == "stunet-h-f8"
    assert zoo.info("stunet-s").config.replace(variant="l").name == "stunet-l-f16"
    with pytest.raises(zoo.ZooError, match="'stunet-b' takes filters in its name"):
        zoo.info("stunet-b-d5")


def test_small_and_base_are_one_network_but_for_the_width():
    small, base = (weightless(f"stunet-{variant}-f2") for variant in "sb")
    assert [layer.name for layer in small.layers] == [layer.name for layer in base.layers]
    assert [weight.shape for weight in small.weights] == [weight.shape for weight in base.weights]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_stage_has_as_many_units_and_one_projection(variant):
    network = weightless(f"stunet-{variant}-f2")
    stages = [*(f"enc{level}" for level in range(5)), "mid5", *(f"dec{level}" for level in range(5))]
    units = {f"{stage}_block{block}" for stage in stages for block in range(1, UNITS[variant] + 1)}
    assert {layer.name.removesuffix("_add") for layer in network.layers if layer.name.endswith("_add")} == units
    projections = {layer.name: layer for layer in network.layers if layer.name.endswith("_proj")}
    assert set(projections) == {f"{stage}_block1_proj" for stage in stages}
    assert all(layer.kernel_size == (1, 1, 1) for layer in projections.values())
    assert not [layer.name for layer in network.layers if layer.name.endswith(("_projnorm", "_projact", "_pool"))]
    strided = {layer.name for layer in network.layers if getattr(layer, "strides", (1,)) == (2, 2, 2)}
    starts = [*(f"enc{level}" for level in range(1, 5)), "mid5"]
    assert strided == {f"{stage}_block1_{part}" for stage in starts for part in ("conv1", "proj")}


def test_the_first_unit_of_a_stage_is_projected_even_where_nothing_changes():
    network = weightless("stunet-l-f1", strides=(1,) * 6)
    for stage in ("enc0", "mid5"):
        after = network.get_layer(f"{stage}_block1_add")
        assert after.output.shape == network.get_layer(f"{stage}_block1_conv1").input.shape
        assert after.input[0]._keras_history.operation.name == f"{stage}_block1_proj"


def test_constants_are_those_of_torch():
    network = weightless("stunet-l-f2")
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.GroupNormalization)]
    assert all(layer.groups == layer.output.shape[-1] for layer in norms)
    assert {(layer.epsilon, layer.scale, layer.center) for layer in norms} == {(1e-5, True, True)}
    slopes = {float(layer.negative_slope) for layer in network.layers if isinstance(layer, keras.layers.LeakyReLU)}
    assert slopes == {0.01}
    assert all(layer.use_bias for layer in network.layers if isinstance(layer, keras.layers.Conv3D))
    gammas = [weight for layer in zoo.get("stunet-s-f1").layers for weight in layer.weights if weight.name == "gamma"]
    assert all((gamma.numpy() == 1).all() for gamma in gammas)


def test_channels_are_capped_at_sixteen_times_the_filters():
    network = weightless("stunet-b-f3")
    stages = [*(f"enc{level}" for level in range(5)), "mid5", *(f"dec{level}" for level in reversed(range(5)))]
    channels = [network.get_layer(f"{stage}_block1_act2").output.shape[-1] for stage in stages]
    assert channels == [3, 6, 12, 24, 48, 48, 48, 24, 12, 6, 3]


def test_up_sampling_repeats_voxels_and_then_has_a_1x1_convolution():
    network = zoo.get("stunet-b-f2", strides=(1, (1, 2, 2), (2, 2, 1), 1, 1, 1))
    randomise(network)
    image = random_image(4, 8, 6, 1)
    names = ("dec1_block1_act2", "dec0_up", "dec0_upconv", "enc0_block1_act2", "dec0_cat")
    coarse, repeated, narrowed, skip, joined = outputs_of(network, names, image).values()
    np.testing.assert_array_equal(repeated, coarse.repeat(2, axis=2).repeat(2, axis=3))
    kernel, bias = network.get_layer("dec0_upconv").get_weights()
    np.testing.assert_allclose(narrowed, repeated @ kernel[0, 0, 0] + bias, atol=1e-5)
    np.testing.assert_array_equal(joined, np.concatenate([narrowed, skip], axis=-1))


def test_outputs_are_a_dict_from_full_resolution_down_or_one():
    network = weightless("stunet-s-f2", input_shape=(32, 64, 96, 1), classes=3)
    assert {name: tensor.shape[1:] for name, tensor in network.output.items()} == {
        "segmentation": (32, 64, 96, 3),
        "segmentation_1": (16, 32, 48, 3),
        "segmentation_2": (8, 16, 24, 3),
        "segmentation_3": (4, 8, 12, 3),
        "segmentation_4": (2, 4, 6, 3),
    }
    assert next(iter(network.output)) == "segmentation"
    single = weightless("stunet-s-f2", deep_supervision=False)
    assert single.output.shape == (None, None, None, None, 105)
    assert {layer.name for layer in single.layers if layer.name.startswith("head")} == {"head0_conv", "head0_act"}


def test_deep_supervision_does_not_change_the_first_output():
    full, single = (zoo.get("stunet-s-f2", strides=SHALLOW, deep_supervision=value) for value in (True, False))
    randomise(full)
    for layer in single.layers:
        layer.set_weights(full.get_layer(layer.name).get_weights())
    image = random_image(8, 8, 12, 1)
    np.testing.assert_allclose(np.array(single(image)), np.array(full(image)["segmentation"]), atol=1e-6)


@pytest.mark.parametrize("stride", [2, 3, 4, 8])
def test_strided_projections_take_the_first_voxel_of_every_window(stride):
    """TensorFlow's "same" would take the middle one for a stride of 3."""
    network = zoo.get("stunet-b-f2", strides=(1, (1, 1, stride), 1, 1, 1, 1))
    randomise(network)
    values = outputs_of(network, ("enc0_block1_act2", "enc1_block1_proj"), random_image(2, 2, 3 * stride, 1))
    fine, coarse = values.values()
    kernel, bias = network.get_layer("enc1_block1_proj").get_weights()
    np.testing.assert_allclose(coarse, fine[:, :, :, ::stride] @ kernel[0, 0, 0] + bias, atol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"input_shape": (None, None, 1)}, "stunet is 3D only"),
        ({"input_shape": (128, 128, 120, 1)}, "width 120 is not a multiple of 32; use 96 or 128"),
        ({"variant": "m"}, "`variant` must be one of 's', 'b', 'l', 'h'"),
        ({"filters": 0}, "`filters` must be a whole number from 1 to 4096"),
        ({"depth": 6}, "`depth` is not a field of stunet"),
        ({"strides": (2,) * 5}, "`strides` needs one entry for each of the 6 levels"),
        ({"kernel_sizes": (3, 3, 3, 3, 3, (1, 2, 3))}, "`kernel_sizes` are odd"),
    ],
)
def test_what_cannot_be_built_is_refused_by_the_config(overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.info("stunet-b").config.replace(**overrides)


def test_all_weights_train_at_once_through_all_heads():
    keras.utils.set_random_seed(1)
    network = zoo.get("stunet-l-f1", classes=1, strides=SHALLOW)
    network.compile("adam", "binary_crossentropy", jit_compile=False, run_eagerly=True)  # compiling takes long
    image = random_image(8, 12, 8, 1)
    targets = {}
    for level, step in enumerate((1, 2, 4, 4, 4)):
        name = f"segmentation_{level}" if level else "segmentation"
        targets[name] = (image[:, ::step, ::step, ::step] > 0).astype("float32")
    before = network.get_weights()
    history = network.fit(image, targets, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    pairs = zip(network.weights, before, network.get_weights(), strict=True)
    unmoved = {weight.path for weight, old, new in pairs if (old == new).all()}
    assert not {path for path in unmoved if not path.endswith("bias")}
