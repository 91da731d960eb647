"""UNet 3+: exact numbers of weights, and what a count cannot see."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from architectures.inspecting import layers_of, random_image, weightless

DEEP = {"deep_supervision": True}
GUIDED = {"deep_supervision": True, "cgm": True}

STATISTICS = 2 * (2 * (64 + 128 + 256 + 512 + 1024) + 4 * 2 * 5 * 64)
"""Moving means and variances at the original's size: twice per level of the encoder; branches and fusion per decoder level."""


def before(layer, count=1):
    """Names of the layers that lead to a layer in a chain, nearest first."""
    names = []
    for _ in range(count):
        layer = layer.input._keras_history.operation
        names.append(layer.name)
    return names


@pytest.mark.parametrize(
    ("overrides", "learnable"),
    [
        ({}, 26_971_777),
        (shape(320, 320, 3), 26_971_777),
        (DEEP, 26_989_637),
        (GUIDED, 26_991_687),
        ({"cgm": True}, 26_971_777 + 2 * 1024 + 2),
    ],
)
def test_weights_are_as_many_as_those_of_the_original(overrides, learnable):
    assert counted("unet3plus", **overrides)[:2] == (learnable + STATISTICS, learnable)


@pytest.mark.parametrize(
    ("depth", "filters", "channels", "classes"),
    [(2, 1, 1, 1), (2, 5, 3, 2), (3, 8, 1, 4), (4, 6, 4, 1), (5, 3, 3, 3), (7, 2, 2, 1)],
)
def test_weights_follow_the_formula(depth, filters, channels, classes):
    def conv(inputs, outputs):
        return 9 * inputs * outputs + outputs

    def normed(inputs, outputs):
        return conv(inputs, outputs) + 4 * outputs

    widths = [filters * 2**level for level in range(depth)]
    wide = depth * filters
    total = sum(normed(a, b) + normed(b, b) for a, b in zip([channels, *widths], widths, strict=False))
    for level in range(depth - 1):
        sources = widths[: level + 1] + [wide] * (depth - 2 - level) + widths[-1:]
        total += sum(normed(source, filters) for source in sources) + normed(wide, wide)
    total += conv(wide, classes)
    sides = (depth - 2) * conv(wide, classes) + conv(widths[-1], classes)
    name = f"unet3plus-d{depth}-f{filters}"
    options = {**shape(None, None, channels), "classes": classes}
    assert counted(name, **options)[0] == total
    assert counted(name, **options, **DEEP)[0] == total + sides
    assert counted(name, **options, **GUIDED)[0] == total + sides + 2 * widths[-1] + 2


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_every_level_of_the_decoder_sees_all_levels_in_their_order(depth):
    """Finer encoder levels pooled at once, its own as it is, coarser decoder levels and the bottleneck enlarged at once."""
    network = weightless(f"unet3plus-d{depth}-f2")
    bottom = depth - 1
    for level in range(bottom):
        joined = [tensor._keras_history.operation for tensor in network.get_layer(f"dec{level}_cat").input]
        assert [layer.name for layer in joined] == [f"dec{level}_from{source}_act1" for source in range(depth)]
        for source, layer in enumerate(joined):
            names = before(layer, 4)
            assert names[:2] == [f"dec{level}_from{source}_{part}" for part in ("norm1", "conv1")]
            if source < level:
                assert names[2:] == [f"dec{level}_from{source}_pool", f"enc{source}_act2"]
                pool = network.get_layer(names[2])
                assert type(pool).__name__ == "MaxPooling2D"
                assert pool.pool_size == pool.strides == (2 ** (level - source),) * 2
            elif source == level:
                assert names[2] == f"enc{source}_act2"
            else:
                below = f"dec{source}_act1" if source < bottom else f"mid{bottom}_act2"
                assert names[2:] == [f"dec{level}_from{source}_up", below]
                up = network.get_layer(names[2])
                assert type(up).__name__ == "UpSampleLinear"
                assert up.size == (2 ** (source - level),) * 2
        assert before(network.get_layer(f"dec{level}_act1"), 3) == [f"dec{level}_{part}" for part in ("norm1", "conv1", "cat")]


def test_branches_are_as_wide_as_full_resolution_and_the_fusion_as_all_together():
    network = weightless("unet3plus-d4-f3")
    assert [network.get_layer(f"enc{level}_conv2").filters for level in range(3)] == [3, 6, 12]
    assert network.get_layer("mid3_conv2").filters == 24
    for level in range(3):
        assert {network.get_layer(f"dec{level}_from{source}_conv1").filters for source in range(4)} == {3}
        assert network.get_layer(f"dec{level}_conv1").filters == 12


def test_every_convolution_has_a_bias_and_all_but_the_heads_a_norm_with_the_constants_of_torch():
    network = weightless("unet3plus-d3-f2", **GUIDED)
    convs, norms = layers_of(network, "Conv2D"), layers_of(network, "BatchNormalization")
    assert all(conv.use_bias and conv.padding == "same" and conv.strides == (1, 1) for conv in convs)
    heads = {conv.name: conv.kernel_size for conv in convs if conv.name.startswith("head")}
    assert heads == {**{f"head{level}_conv": (3, 3) for level in range(3)}, "head2_class_conv": (1, 1)}
    assert {norm.name for norm in norms} == {conv.name.replace("conv", "norm") for conv in convs if conv.name not in heads}
    assert {(norm.epsilon, norm.momentum) for norm in norms} == {(1e-5, 0.9)}
    inside = [layer for layer in layers_of(network, "Activation") if not layer.name.startswith("head")]
    assert {layer.activation.__name__ for layer in inside} == {"relu"}
    assert {before(layer)[0] for layer in inside} == {norm.name for norm in norms}


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (DEEP, ["segmentation", "segmentation_1", "segmentation_2", "segmentation_3"]),
        (GUIDED, ["segmentation", "segmentation_1", "segmentation_2", "segmentation_3", "classification"]),
        ({"cgm": True}, ["segmentation", "classification"]),
    ],
)
def test_outputs_are_named_and_at_full_resolution(overrides, names):
    network = zoo.get("unet3plus-d4-f2", classes=3, **overrides)
    outputs = network(random_image(8, 16, 3))
    assert list(network.output) == list(outputs) == names
    for name, output in outputs.items():
        assert output.shape == ((1, 2) if name == "classification" else (1, 8, 16, 3))


def test_alone_the_segmentation_has_no_name():
    assert zoo.get("unet3plus-d2-f2")(random_image(4, 6, 3)).shape == (1, 4, 6, 1)


def test_coarser_heads_are_enlarged_before_their_activation():
    network = weightless("unet3plus-d4-f2", **DEEP)
    sources = ["dec0_act1", "dec1_act1", "dec2_act1", "mid3_act2"]
    assert before(network.get_layer("head0_act"), 2) == ["head0_conv", "dec0_act1"]
    for level in (1, 2, 3):
        act = network.get_layer(f"head{level}_act")
        assert before(act, 3) == [f"head{level}_up", f"head{level}_conv", sources[level]]
        up = network.get_layer(f"head{level}_up")
        assert (type(up).__name__, up.size) == ("UpSampleLinear", (2**level, 2**level))
        assert act.activation.__name__ == "sigmoid"


@pytest.mark.parametrize("head_activation", ["auto", None, "softmax", "sigmoid"])
def test_every_segmentation_has_the_activation_of_the_head_and_the_classification_a_sigmoid(head_activation):
    network = zoo.get("unet3plus-d3-f2", classes=3, head_activation=head_activation, **GUIDED)
    used = {layer.name: layer.activation.__name__ for layer in layers_of(network, "Activation") if layer.name.startswith("head")}
    assert used.pop("head2_class_act") == "sigmoid"
    expected = "softmax" if head_activation == "auto" else head_activation
    assert used == ({} if expected is None else {f"head{level}_act": expected for level in range(3)})


def guided(*, something):
    """A network with logits whose module sees nothing, or something, in any image."""
    network = zoo.get("unet3plus-d3-f2", head_activation=None, **GUIDED)
    randomise(network)
    network.get_layer("head2_class_conv").bias.assign([0.0, 100.0] if something else [100.0, 0.0])
    return network


def test_the_module_multiplies_all_logits_by_0_or_1():
    image = random_image(8, 12, 3)
    with_module, without = guided(something=True), zoo.get("unet3plus-d3-f2", head_activation=None, **DEEP)
    for layer in without.layers:
        layer.set_weights(with_module.get_layer(layer.name).get_weights())
    expected = without(image)
    for something in (True, False):
        outputs = guided(something=something)(image)
        for name, logits in expected.items():
            assert np.std(logits) > 0
            np.testing.assert_allclose(outputs[name], np.array(logits) * something, atol=1e-6)


def test_the_module_decides_for_each_image_and_a_tie_is_nothing():
    network = guided(something=True)
    kernel, bias = network.get_layer("head2_class_conv").variables
    kernel.assign(np.zeros(kernel.shape))
    bias.assign([0.5, 0.5])
    outputs = network(random_image(8, 12, 3))
    assert not np.any(outputs["segmentation"])
    scores = np.zeros(kernel.shape)
    scores[0, 0, :, 1] = 1
    kernel.assign(scores)
    bias.assign([0.3, 0.0])  # something only where the bottleneck, which ReLU ends, is above 0.3 in sum
    blank, images = np.zeros((1, 8, 12, 3), "float32"), random_image(8, 12, 3) * 50
    network.get_layer("mid2_norm2").beta.assign([-1.0] * 8)
    both = network(np.concatenate([blank, images]))
    seen = np.array(both["classification"]).argmax(axis=1)
    assert sorted(seen) == [0, 1]
    for index, something in enumerate(seen):
        assert np.any(np.array(both["segmentation"])[index]) == bool(something)


def test_the_classification_is_the_sigmoid_of_the_largest_of_all_positions():
    network = guided(something=True)
    image = random_image(8, 12, 3)
    scores = keras.Model(network.input, network.get_layer("head2_class_conv").output)(image)
    expected = 1 / (1 + np.exp(-np.array(scores).max(axis=(1, 2))))
    np.testing.assert_allclose(network(image)["classification"], expected, rtol=1e-5)


def test_everything_is_trained_by_its_outputs():
    """The module by its own output only, as there is no gradient through the decision."""
    network = zoo.get("unet3plus-d2-f2", **GUIDED)
    network.get_layer("head1_class_conv").bias.assign([-2.0, 2.0])
    network.compile(keras.optimizers.SGD(0.1), dict.fromkeys(network.output, "binary_crossentropy"), run_eagerly=True)
    kernels = [weight for weight in network.trainable_variables if weight.name in ("kernel", "gamma")]
    start = [np.array(weight) for weight in kernels]
    targets = dict.fromkeys(("segmentation", "segmentation_1"), np.ones((1, 8, 12, 1)))
    history = network.fit(random_image(8, 12, 3), {**targets, "classification": np.array([[0.0, 1.0]])}, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert not [weight.path for weight, old in zip(kernels, start, strict=True) if np.array_equal(weight, old)]


@pytest.mark.parametrize("overrides", [{}, GUIDED])
def test_a_saved_network_is_the_same(overrides, tmp_path):
    network = zoo.get("unet3plus-d3-f2", **overrides)
    randomise(network)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    image = random_image(8, 12, 3)
    for expected, received in zip(*(keras.tree.flatten(model(image)) for model in (network, again)), strict=True):
        np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (shape(100, 96, 3), "height 100 is not a multiple of 16; use 96 or 112"),
        (shape(8, 32, 3), "height 8 is not a multiple of 16; use 16 or more"),
        (shape(None, None, None, 1), "2D only"),
        ({"depth": 1}, "`depth` must be a whole number from 2 to 10"),
        ({"filters": 0}, "`filters` must be a whole number from 1 to 4096"),
        ({"deep_supervision": 1}, "`deep_supervision` must be True or False"),
        ({"cgm": None}, "`cgm` must be True or False"),
        ({"batch_norm": False}, "`batch_norm` is not a field of unet3plus"),
    ],
)
def test_what_it_does_not_take_is_refused_by_the_config(overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.info("unet3plus").config.replace(**overrides)


@pytest.mark.parametrize("overrides", [{}, DEEP, GUIDED, {"cgm": True}])
def test_the_analysis_understands_all_of_it(overrides):
    report = zoo.analyze(zoo.info("unet3plus").config.replace(**overrides), input_shape=(64, 64, 3))
    assert (report.status, report.unsupported) == ("complete", ())
    assert report.receptive_field == ((None, None) if "cgm" in overrides else ((220, 236), (220, 236)))
