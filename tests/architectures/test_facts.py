"""What each network does that a reader would not expect, or that an entry says of itself: one test for each such fact."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.inspecting import layers_of, output_of, random_image, weightless
from zoo import blocks

DEFAULTS = ("unet", "resunet-v1", "resunet-v1-3d", "resunet-v2", "resunet-v2-bn")
DEEP = ("deep-resunet", "deep-resunet-bilinear", "deep-resunet-plainbridge")
RESNETS = ("resnet18-unet", "resnet34-unet", "resnet50-unet", "resnet101-unet")


@pytest.mark.parametrize("activation", ["elu", "tanh", "gelu", "linear"])
def test_v1_up_convolutions_have_relu_whatever_the_activation(activation):
    network = weightless("resunet-v1-d4-f2", activation=activation)
    used = {layer.name: layer.activation.__name__ for layer in layers_of(network, "Activation")}
    assert {name for name, kind in used.items() if kind == "relu"} == {"dec0_upact", "dec1_upact", "dec2_upact"}
    assert {kind for name, kind in used.items() if not name.endswith("upact") and name != "head0_act"} == {activation}


def test_v1_up_convolutions_have_no_norm_and_shortcuts_no_bias():
    network = weightless("resunet-v1-d3-f2")
    norms = {layer.name for layer in layers_of(network, "BatchNormalization")}
    assert norms == {f"{block}_norm{k}" for block in ("enc0", "enc1", "mid2", "dec1", "dec0") for k in (1, 2)}
    convs = {layer.name: layer for layer in layers_of(network, "Conv2D")}
    assert all(layer.use_bias != name.endswith("_proj") for name, layer in convs.items())
    assert all(layer.kernel_size == (1, 1) for name, layer in convs.items() if name.endswith("_proj"))


def test_v1_up_convolution_pads_at_the_far_side():
    """The response to one bright pixel at (5, 5) lies at rows and columns 4 and 5: half a pixel up and left of the middle."""
    inputs = keras.Input((9, 9, 1))
    network = keras.Model(inputs, blocks.conv(inputs, 1, kernel=2, name="upconv"))
    network.get_layer("upconv").set_weights([np.ones((2, 2, 1, 1)), np.zeros(1)])
    image = np.zeros((1, 9, 9, 1), "float32")
    image[0, 5, 5] = 1
    rows, columns = np.nonzero(np.array(network(image))[0, ..., 0])
    assert {(int(row), int(column)) for row, column in zip(rows, columns, strict=True)} == {(4, 4), (4, 5), (5, 4), (5, 5)}


@pytest.mark.parametrize("name", [*(f"{base}-d3-f2" for base in (*DEFAULTS, *DEEP)), "resnet18-unet", "resnet50-unet"])
def test_concatenations_have_the_decoder_first(name):
    network = weightless(name)
    found = layers_of(network, "Concatenate")
    assert found
    for layer in found:
        first, second = (tensor._keras_history.operation.name for tensor in layer.input)
        assert first.startswith(layer.name.removesuffix("_cat"))
        assert second.startswith(("enc", "stem"))


@pytest.mark.parametrize("depth", [2, 5])
def test_v2_has_no_normalisation_and_v2_bn_has_one_before_every_activation(depth):
    assert not layers_of(weightless(f"resunet-v2-d{depth}-f2"), "BatchNormalization")
    network = weightless(f"resunet-v2-bn-d{depth}-f2")
    inside = [layer for layer in layers_of(network, "Activation") if layer.name != "head0_act"]
    assert all(type(layer.input._keras_history.operation).__name__ == "BatchNormalization" for layer in inside)


def test_v2_shortcuts_end_in_relu_and_are_3x3_but_for_the_first():
    network = zoo.get("resunet-v2-d5-f2")
    randomise(network)
    image = random_image(32, 32, 3)
    shortcuts = [layer.name for layer in network.layers if layer.name.endswith("_proj")]
    assert len(shortcuts) == 9
    for name in shortcuts:
        assert network.get_layer(name).kernel_size == ((1, 1) if name == "enc0_proj" else (3, 3))
        assert output_of(network, name.replace("_proj", "_projact"), image).min() >= 0
        assert output_of(network, name, image).min() < 0


@pytest.mark.parametrize("name", DEEP)
def test_deep_resunet_shortcuts_are_1x1_with_norm_and_not_activated(name):
    network = weightless(f"{name}-d4-f2")
    projections = [layer for layer in network.layers if layer.name.endswith("_proj")]
    assert projections
    assert all(layer.kernel_size == (1, 1) and layer.use_bias for layer in projections)
    norms = {layer.name for layer in network.layers if layer.name.endswith("_projnorm")}
    assert norms == {f"{layer.name}norm" for layer in projections}
    assert not [layer.name for layer in network.layers if layer.name.endswith("_projact")]


@pytest.mark.parametrize("name", ["resunet-v2-d5-f3", "deep-resunet-plainbridge-d5-f3"])
def test_the_bridge_is_not_residual_and_the_decoder_is_twice_as_wide(name):
    network = weightless(name)
    assert not [layer.name for layer in layers_of(network, "Add") if layer.name.startswith("mid")]
    assert [network.get_layer(f"enc{level}_add").output.shape[-1] for level in range(5)] == [3, 6, 12, 24, 48]
    assert [network.get_layer(f"dec{level}_add").output.shape[-1] for level in range(4)] == [6, 12, 24, 48]


def test_option_a_shortcut_keeps_the_first_channels_and_appends_zeros():
    inputs = keras.Input((4, 6, 3))
    style = blocks.Style(shortcut=blocks.Shortcut(kind="none"))
    wider = blocks.shortcut(inputs, 5, style, name="wider", stride=2)
    narrower = blocks.shortcut(inputs, 2, style, name="narrower")
    same = blocks.shortcut(inputs, 3, style, name="same")
    assert same is inputs
    image = random_image(4, 6, 3)
    more, fewer = (np.array(result) for result in keras.Model(inputs, [wider, narrower])(image))
    np.testing.assert_array_equal(more[..., :3], image[:, ::2, ::2])
    assert not more[..., 3:].any()
    np.testing.assert_array_equal(fewer, image[..., :2])


@pytest.mark.parametrize("name", [*DEFAULTS, *DEEP, "resnet18-unet"])
@pytest.mark.parametrize("classes", [1, 2, 7])
def test_classes_are_honoured_and_decide_the_head(name, classes):
    network = weightless(name, classes=classes, head_activation="auto")
    assert network.output_shape[-1] == classes
    assert network.layers[-1].activation.__name__ == ("sigmoid" if classes == 1 else "softmax")
    logits = weightless(name, classes=classes, head_activation=None)
    assert logits.layers[-1].name == "head0_conv"


def test_bilinear_has_a_linear_3x3_head_with_two_classes_unless_told_otherwise():
    entry = zoo.info("deep-resunet-bilinear")
    assert entry.name == "deep-resunet-bilinear-d4-f64"
    assert (entry.analysis_shape, entry.config.classes, entry.config.head_activation) == ((500, 500, 3), 2, None)
    head = weightless("deep-resunet-bilinear-d2-f2").layers[-1]
    assert (head.name, head.kernel_size, head.filters) == ("head0_conv", (3, 3), 2)


@pytest.mark.parametrize("size", [(37, 53), (1, 1), (7, 64), (50, 31)])
def test_bilinear_takes_any_size_eagerly_and_compiled_with_open_and_with_known_sizes(size):
    image = random_image(*size, 3)
    free = zoo.get("deep-resunet-bilinear-d4-f2")
    fixed = zoo.get("deep-resunet-bilinear-d4-f2", input_shape=(*size, 3))
    randomise(free)
    fixed.set_weights(free.get_weights())
    free.predict(random_image(16, 24, 3), verbose=0)  # a second size makes TensorFlow trace with open sizes
    results = [np.array(free(image)), free.predict(image, verbose=0), np.array(fixed(image))]
    assert results[0].shape == (1, *size, 2)
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-4, atol=1e-4)


def test_bilinear_trains_on_odd_sizes():
    network = zoo.get("deep-resunet-bilinear-d2-f2", classes=1, head_activation="sigmoid")
    network.compile("adam", "binary_crossentropy", jit_compile=False)
    history = network.fit(random_image(13, 17, 3), np.ones((1, 13, 17, 1)), epochs=2, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("resunet-v1", (100, 96, 3), "height 100 is not a multiple of 16; use 96 or 112"),
        ("resunet-v1-3d", (12, 16, 16, 1), "depth axis 12 is not a multiple of 8; use 8 or 16"),
        ("resunet-v2", (48, 100, 3), "width 100 is not a multiple of 16; use 96 or 112"),
        ("unet", (8, 32, 3), "height 8 is not a multiple of 16; use 16 or more"),
        ("deep-resunet", (100, 96, 3), "height 100 is not a multiple of 8; use 96 or 104"),
        ("deep-resunet-plainbridge", (128, 120, 3), "width 120 is not a multiple of 16; use 112 or 128"),
        ("resnet34-unet", (224, 240, 3), "width 240 is not a multiple of 32; use 224 or 256"),
    ],
)
def test_other_sizes_are_refused_by_the_config_which_names_the_nearest(name, shape, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.info(name).config.replace(input_shape=shape)


@pytest.mark.parametrize("name", ["unet", "resunet-v2", "resunet-v2-bn", *DEEP, *RESNETS])
def test_2d_families_refuse_volumes(name):
    with pytest.raises(zoo.ConfigError, match="2D only"):
        zoo.get(name, input_shape=(None, None, None, 1))


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("unet", "depth", 1), ("unet", "depth", 11), ("unet", "filters", 0), ("unet", "batch_norm", 1),
        ("unet", "activation", "prelu"), ("resunet-v2", "activation", "relu"), ("resunet-v2", "batch_norm", None),
        ("deep-resunet", "shortcut", "conv_bn"), ("deep-resunet", "shortcut", None), ("deep-resunet", "upsample", "bilinear"),
        ("deep-resunet", "filters", 2.5), ("deep-resunet-bilinear", "shortcut", "conv"), ("deep-resunet-bilinear", "depth", "4"),
        ("deep-resunet-plainbridge", "upsample", "nearest"), ("resnet34-unet", "encoder", "resnet35"),
        ("resnet34-unet", "encoder", 34), ("resnet34-unet", "depth", 5), ("resnet34-unet", "classes", -1),
    ],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(name, field, value):
    with pytest.raises(zoo.ConfigError, match=f"`{field}`"):
        zoo.get(name, **{field: value})


@pytest.mark.parametrize("name", ["resnet34-unet-d5", "resnet34-unet-f64", "resunet-v2-bn-d1", "unet-d5-f5000", "unet-3d"])
def test_names_that_no_network_has_are_zoo_errors(name):
    with pytest.raises(zoo.ZooError):
        zoo.info(name)


@pytest.mark.parametrize("name", [f"{base}-d2-f3" for base in (*DEFAULTS, *DEEP)])
def test_two_levels_work(name):
    network = zoo.get(name)
    shape = (6, 10, 4, 1) if "3d" in name else (6, 10, 3)
    assert network(random_image(*shape)).shape == (1, *shape[:-1], network.output_shape[-1])


def test_names_and_configs_of_variants_map_to_each_other():
    config = zoo.info("resunet-v2-d3-f4").config
    assert config.replace(batch_norm=True).name == "resunet-v2-bn-d3-f4"
    assert zoo.info("resunet-v2-bn-d3-f4").config == config.replace(batch_norm=True)
    assert zoo.info("resnet34-unet").config.replace(encoder="resnet101") == zoo.info("resnet101-unet").config
    for name in ("deep-resunet-d3-f5", "deep-resunet-bilinear-d3-f5", "deep-resunet-plainbridge-d3-f5", "resunet-v2-bn-d3-f5"):
        assert zoo.info(name).config.name == name


@pytest.mark.parametrize("name", ["resnet18-unet", "resnet50-unet"])
def test_resnets_have_the_constants_of_torch(name):
    network = weightless(name)
    norms = layers_of(network, "BatchNormalization")
    assert {(layer.epsilon, layer.momentum) for layer in norms} == {(1e-5, 0.9)}
    convs = layers_of(network, "Conv2D")
    assert [layer.name for layer in convs if layer.use_bias] == ["head0_conv"]
    strided = {layer.name: layer for layer in convs if max(layer.strides) > 1}
    assert all(layer.padding == "valid" for layer in strided.values() if max(layer.kernel_size) > 1)
    k = 2 if "50" in name else 1
    expected = {"stem1_conv1", *(f"enc{s}_block1_{part}" for s in (3, 4, 5) for part in (f"conv{k}", "proj"))}
    assert set(strided) == expected
    projections = {layer.name for layer in convs if layer.name.endswith("_proj")}
    assert projections == {f"enc{s}_block1_proj" for s in ((2, 3, 4, 5) if k == 2 else (3, 4, 5))}


def test_resnet_decoder_has_no_skip_at_full_resolution_and_halving_widths():
    network = weightless("resnet34-unet")
    assert {layer.name for layer in layers_of(network, "Concatenate")} == {f"dec{level}_cat" for level in (1, 2, 3, 4)}
    assert [network.get_layer(f"dec{level}_conv2").filters for level in range(5)] == [16, 32, 64, 128, 256]
