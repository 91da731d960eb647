"""V-Net: exact numbers of weights, where its activations sit, and what a count cannot see."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from zoo import blocks
from zoo.registry import build_weightless

MONAI = 45_593_892
CAFFE = 61_982_682
STAGES = ("enc0", "enc1", "enc2", "enc3", "mid4", "dec3", "dec2", "dec1", "dec0")
MONAI_CONVS = dict(zip(STAGES, (1, 1, 2, 3, 2, 2, 2, 1, 1), strict=True))
CAFFE_CONVS = dict(zip(STAGES, (1, 1, 2, 3, 3, 3, 2, 1, 1), strict=True))
WIDTHS = dict(zip(STAGES, (1, 2, 4, 8, 16, 16, 8, 4, 2), strict=True))  # times `filters`


def weightless(name="vnet", **overrides):
    return build_weightless(zoo.info(name).config.replace(**overrides))


def sources(network, name):
    """Names of the layers whose outputs a layer reads."""
    return [tensor._keras_history.operation.name for tensor in keras.tree.flatten(network.get_layer(name).input)]


def outputs_of(network, names, image):
    return [np.array(y) for y in keras.Model(network.input, [network.get_layer(name).output for name in names])(image)]


def image_of(*sizes, seed=5):
    return np.random.default_rng(seed).normal(size=sizes).astype("float32")


@pytest.mark.parametrize(
    ("name", "overrides", "learnable", "statistics"),
    [
        ("vnet", {}, MONAI, 5_314),
        ("vnet-f16", {"activation": "prelu"}, 45_597_509, 5_314),
        ("vnet", {"bias": True}, 45_595_445, 5_314),
        ("vnet-2d", {}, 9_357_924, 5_314),
        ("vnet-2d", {"activation": "prelu", "bias": True, "classes": 3, **shape(None, None, 4)}, 9_365_912, 5_318),
        ("vnet-caffe", {}, CAFFE, 0),
        ("vnet-caffe-f16", shape(128, 128, 64, 1), CAFFE, 0),
    ],
)
def test_weights_are_as_many_as_the_originals_have(name, overrides, learnable, statistics):
    assert counted(name, **overrides)[:2] == (learnable + statistics, learnable)


def formula(filters, channels, classes, ndim, convs, *, bias, up_bias, norm, slopes):
    """Weights with the moving statistics; every activation but the head's output has a slope or none."""
    five, two = 5**ndim, 2**ndim
    total = five * channels * filters + filters * (bias + norm + slopes)  # the sum of the first stage comes before its slopes
    for stage, count in convs.items():
        width, decoding = WIDTHS[stage] * filters, stage.startswith("dec")
        biased = up_bias if decoding else bias
        if stage != "enc0":
            total += count * (five * width**2 + width * (biased + norm)) + width * slopes  # the slopes behind the sum
            total += width * slopes * (count if norm else count - 1)
            before, after = (width if stage == "dec3" else 2 * width, width // 2) if decoding else (width // 2, width)
            total += two * before * after + after * ((True if decoding else bias) + norm + slopes)
    head = five * 2 * filters * classes + classes * (bias + norm + slopes)
    return total + head + classes**2 + classes


@pytest.mark.parametrize(("filters", "channels", "classes"), [(16, 1, 1), (8, 2, 3), (3, 1, 2), (1, 1, 1), (6, 4, 5)])
def test_weights_follow_the_formula(filters, channels, classes):
    options = {"classes": classes, "input_shape": (None, None, None, channels)}
    expected = formula(filters, channels, classes, 3, CAFFE_CONVS, bias=True, up_bias=True, norm=0, slopes=1)
    assert counted(f"vnet-caffe-f{filters}", **options)[0] == expected
    for ndim, name in ((2, "vnet-2d"), (3, "vnet")):
        for activation in ("elu", "prelu"):
            for bias in (True, False):
                expected = formula(
                    filters, channels, classes, ndim, MONAI_CONVS, bias=bias, up_bias=False, norm=4, slopes=activation == "prelu"
                )
                given = options | {"input_shape": (*(None,) * ndim, channels), "activation": activation, "bias": bias}
                assert counted(f"{name}-f{filters}", **given)[0] == expected


@pytest.mark.parametrize(
    ("name", "convs"), [("vnet-f4", MONAI_CONVS), ("vnet-2d-f4", MONAI_CONVS), ("vnet-caffe-f4", CAFFE_CONVS)]
)
def test_stages_have_the_convolutions_and_widths_of_the_original(name, convs):
    network = weightless(name)
    ndim = 2 if "2d" in name else 3
    for stage, count in convs.items():
        own = [layer for layer in network.layers if layer.name.startswith(f"{stage}_conv")]
        assert [layer.name for layer in own] == [f"{stage}_conv{k}" for k in range(1, count + 1)]
        facts = {(layer.kernel_size, layer.strides, layer.padding, layer.filters) for layer in own}
        assert facts == {((5,) * ndim, (1,) * ndim, "same", 4 * WIDTHS[stage])}
    for stage in STAGES[1:]:
        layer = network.get_layer(f"{stage}_{'up' if stage.startswith('dec') else 'down'}")
        assert (layer.kernel_size, layer.strides) == ((2,) * ndim, (2,) * ndim)
    assert [network.get_layer(f"dec{level}_up").filters for level in range(4)] == [4, 8, 16, 32]
    assert [network.get_layer(f"head0_{part}").kernel_size[0] for part in ("conv1", "conv")] == [5, 1]
    assert not [layer.name for layer in network.layers if type(layer).__name__.startswith("ZeroPadding")]


def test_monai_has_an_activation_before_each_sum_and_one_behind_it_but_for_the_first():
    network = weightless("vnet-f4")
    for stage, count in MONAI_CONVS.items():
        assert sources(network, f"{stage}_outact") == [f"{stage}_add"]
        last = f"{stage}_act{count}" if stage != "enc0" else "enc0_norm1"
        start = {"enc": "downact", "mid": "downact", "dec": "cat"}[stage[:3]] if stage != "enc0" else "repeat"
        assert sources(network, f"{stage}_add") == [last, f"{stage}_{start}"]


def test_caffe_has_no_norm_and_an_activation_behind_each_sum_only():
    network = weightless("vnet-caffe-f4")
    assert not [layer.name for layer in network.layers if "norm" in layer.name]
    for stage, count in CAFFE_CONVS.items():
        start = {"enc": "downact", "mid": "downact", "dec": "cat"}[stage[:3]] if stage != "enc0" else "repeat"
        assert sources(network, f"{stage}_add") == [f"{stage}_conv{count}", f"{stage}_{start}"]
        assert sources(network, f"{stage}_outact") == [f"{stage}_add"]
    slopes = [layer for layer in network.layers if type(layer).__name__ == "PReLU"]
    assert len(slopes) == sum(CAFFE_CONVS.values()) + 8 + 1  # one for each convolution, transposed ones too, but the last
    assert [layer.name for layer in network.layers if type(layer).__name__ == "Activation"] == ["head0_act"]


@pytest.mark.parametrize("name", ["vnet-f4", "vnet-2d-f4", "vnet-caffe-f4"])
def test_the_upper_half_of_a_concatenation_is_decoded_and_the_skip_comes_last(name):
    network = weightless(name)
    for level in range(4):
        assert sources(network, f"dec{level}_cat") == [f"dec{level}_upact", f"enc{level}_outact"]
    assert sources(network, "dec3_up") == ["mid4_outact"]
    assert sources(network, "head0_conv1") == ["dec0_outact"]
    assert sources(network, "head0_conv") == ["head0_act1"]


@pytest.mark.parametrize(("channels", "filters"), [(1, 4), (2, 4), (3, 7), (4, 4), (5, 3)])
def test_the_first_sum_repeats_the_channels_of_the_image(channels, filters):
    network = zoo.get(f"vnet-2d-f{filters}", input_shape=(16, 32, channels))
    randomise(network)
    image = image_of(2, 16, 32, channels)
    before, after = outputs_of(network, ["enc0_norm1", "enc0_add"], image)
    repeated = np.concatenate([image] * filters, axis=-1)[..., :filters]
    np.testing.assert_allclose(after - before, repeated, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["vnet-2d-f2", "vnet-caffe-f2"])
def test_a_stage_whose_convolutions_give_zero_passes_its_input_on_to_the_last_activation(name):
    network = zoo.get(name)
    randomise(network)
    for layer in network.layers:
        if "_conv" in layer.name or "_norm" in layer.name:
            for weight in layer.variables:
                weight.assign(weight * 0)
    image = image_of(1, *(16, 32, 16)[: len(network.input_shape) - 2], 1)
    for stage, start in (("enc2", "downact"), ("mid4", "downact"), ("dec3", "cat"), ("dec0", "cat")):
        given, passed = outputs_of(network, [f"{stage}_{start}", f"{stage}_outact"], image)
        negative = np.exp(given) - 1 if "2d" in name else given * np.array(network.get_layer(f"{stage}_outact").alpha)
        np.testing.assert_allclose(passed, np.where(given > 0, given, negative), rtol=1e-4, atol=1e-6)
        assert given.min() < 0 < given.max()


@pytest.mark.parametrize(("name", "bias"), [("vnet", False), ("vnet", True), ("vnet-2d", False), ("vnet-2d", True)])
def test_monai_constants_and_biases(name, bias):
    """MONAI's `bias` does not reach the decoder."""
    network = weightless(f"{name}-f4", bias=bias)
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(layer.epsilon, layer.momentum) for layer in norms} == {(1e-5, 0.9)}
    assert len(norms) == sum(MONAI_CONVS.values()) + 8 + 1
    kinds = {layer.activation.__name__ for layer in network.layers if isinstance(layer, keras.layers.Activation)}
    assert kinds == {"elu", "sigmoid"}
    biased = {layer.name: layer.use_bias for layer in network.layers if hasattr(layer, "use_bias")}
    always = {"head0_conv", *(f"dec{level}_up" for level in range(4))}
    for layer, has in biased.items():
        assert has == (layer in always or (bias and not layer.startswith("dec")))


def test_slopes_are_one_for_each_channel_and_start_from_a_quarter():
    network = zoo.get("vnet-2d-f2", activation="prelu")
    slopes = {layer.name: np.array(layer.alpha) for layer in network.layers if isinstance(layer, keras.layers.PReLU)}
    assert len(slopes) == 2 * 8 + sum(MONAI_CONVS.values()) + 1
    assert {slope.shape[:-1] for slope in slopes.values()} == {(1, 1)}
    assert slopes["mid4_act1"].shape[-1] == 32
    assert {float(value) for slope in slopes.values() for value in slope.ravel()} == {0.25}


@pytest.mark.parametrize("shape_", [(4, 6, 3), (4, 2, 5, 3)])
def test_prelu_of_channels_multiplies_negative_values_with_the_slope_of_their_channel(shape_):
    inputs = keras.Input((*(None,) * (len(shape_) - 1), 3))
    model = keras.Model(inputs, blocks.act(inputs, "prelu_channels", name="act"))
    model.get_layer("act").alpha.assign(np.array([0.1, 0.5, 2.0]).reshape((1,) * (len(shape_) - 1) + (3,)))
    image = image_of(1, *shape_)
    np.testing.assert_allclose(np.array(model(image)), np.where(image > 0, image, image * np.array([0.1, 0.5, 2.0])), rtol=1e-6)


@pytest.mark.parametrize("activation", ["leaky_relu", "gelu", "linear"])
def test_other_activations_are_used_throughout(activation):
    network = weightless("vnet-2d-f2", activation=activation)
    acts = [layer for layer in network.layers if "act" in layer.name and layer.name != "head0_act"]
    assert len(acts) == 2 * 8 + sum(MONAI_CONVS.values()) + 1
    if activation == "leaky_relu":
        assert {layer.negative_slope for layer in acts} == {0.01}
    else:
        assert {layer.activation.__name__ for layer in acts} == {activation}


@pytest.mark.parametrize(
    ("name", "overrides"),
    [("vnet-f2", {}), ("vnet-2d-f2", {"activation": "prelu", "bias": True, "classes": 3}), ("vnet-caffe-f2", {})],
)
def test_a_step_of_training_moves_every_kernel_and_slope(name, overrides):
    network = zoo.get(name, **overrides)
    moving = [weight for weight in network.trainable_weights if weight.name in ("kernel", "alpha")]
    before = [np.array(weight) for weight in moving]
    sizes, classes = (16, 32, 16)[: len(network.input_shape) - 2], network.output_shape[-1]
    network.compile("adam", "binary_crossentropy" if classes == 1 else "sparse_categorical_crossentropy", run_eagerly=True)
    history = network.fit(image_of(2, *sizes, 1), np.zeros((2, *sizes, 1)), epochs=1, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))
    still = [weight.path for weight, old in zip(moving, before, strict=True) if np.array_equal(old, np.array(weight))]
    assert not still


def test_names_and_configs_map_to_each_other():
    volumes = zoo.info("vnet").config
    assert volumes.replace(input_shape=(None, None, 1)) == zoo.info("vnet-2d").config
    assert [zoo.info(name).name for name in ("vnet", "vnet-2d", "vnet-caffe")] == ["vnet-f16", "vnet-2d-f16", "vnet-caffe-f16"]
    assert [zoo.info(name).config.classes for name in ("vnet", "vnet-2d", "vnet-caffe")] == [1, 1, 2]
    assert zoo.info("vnet-caffe").analysis_shape == (128, 128, 64, 1)
    assert weightless("vnet-caffe-f2").layers[-1].activation.__name__ == "softmax"


@pytest.mark.parametrize(
    ("name", "field", "value", "message"),
    [
        ("vnet", "input_shape", (64, 60, 72, 1), "height 60 is not a multiple of 16; use 48 or 64; width 72 is not"),
        ("vnet-2d", "input_shape", (8, 32, 1), "height 8 is not a multiple of 16; use 16 or more"),
        ("vnet-caffe", "input_shape", (64, 64, 1), "vnet is 3D only"),
        ("vnet-caffe", "activation", "prelu", "`activation` is not a field of vnet"),
        ("vnet", "activation", "prelu_channels", "`activation` must be one of 'prelu', 'relu'"),
        ("vnet", "bias", 1, "`bias` must be True or False"),
        ("vnet", "filters", 0, "`filters` must be a whole number from 1 to 4096; the nearest is 1"),
        ("vnet", "depth", 4, "`depth` is not a field of vnet"),
    ],
)
def test_impossible_values_are_refused(name, field, value, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.get(name, **{field: value})
