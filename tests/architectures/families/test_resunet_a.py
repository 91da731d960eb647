"""ResUNet-a: counts, sizes, and what a reader would not expect."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted
from architectures.inspecting import layers_of, random_image, weightless

HEADS = ("segmentation", "boundary", "distance", "color")

ATROUS = {"full": (1, 3, 15, 31), "half": (1, 3, 15), "quarter": (1, 3, 5), "none": (1,)}
UNITS = {
    6: {
        "full": ("enc0", "enc1", "dec0", "dec1", "dec2"),
        "half": ("enc2", "dec3"),
        "quarter": ("enc3", "dec4"),
        "none": ("enc4", "mid5"),
    },
    7: {
        "full": ("enc0", "enc1", "dec0", "dec1", "dec2", "dec3"),
        "half": ("enc2", "dec4"),
        "quarter": ("enc3",),
        "none": ("enc4", "enc5", "mid6", "dec5"),
    },
}


def sources(network, layer):
    """Names of the layers that a layer reads, in order."""
    return [tensor._keras_history.operation.name for tensor in keras.tree.flatten(network.get_layer(layer).input)]


@pytest.mark.parametrize(
    ("name", "channels", "classes", "trainable", "statistics"),
    [
        ("resunet-a-d6", 3, 6, 58_037_717, 32_672),
        ("resunet-a-d7", 5, 6, 184_537_873, 53_148),
        ("resunet-a-d6-f8", 3, 6, 3_635_813, 8_168),
        ("resunet-a-d7-f8", 5, 6, 11_545_009, 13_284),
        ("resunet-a-d6-f4", 2, 1, 911_162, 4_084),
        ("resunet-a-d7-f4", 5, 3, 2_890_202, 6_642),
        ("resunet-a-d6-f5", 1, 2, 1_422_241, 5_102),
        ("resunet-a-d7-f7", 1, 2, 8_840_748, 11_618),
    ],
)
def test_weights_are_as_many_as_the_original_has(name, channels, classes, trainable, statistics):
    given = counted(name, input_shape=(None, None, channels), classes=classes)[:2]
    assert given == (trainable + statistics, trainable)


def formula(depth, filters, channels, classes):
    """All weights and those that training changes, from the figure of the network and without its layers."""
    kernels, normed = channels * filters, filters

    def unit(width, branches):
        return branches * (18 * width * width + width), branches * 2 * width

    def pyramid(before, width, scales):
        part = width // scales
        return scales * before * part + (before + scales * part) * width, scales * part + width

    widths = [filters * 2**level for level in range(depth)]
    count = {block: len(ATROUS[kind]) for kind, blocks in UNITS[depth].items() for block in blocks}
    parts = [unit(width, count[f"mid{k}" if k + 1 == depth else f"enc{k}"]) for k, width in enumerate(widths)]
    parts += [(9 * width * 2 * width, 0) for width in widths[:-1]]
    parts.append(pyramid(widths[-1], widths[-1], {6: 4, 7: 3}[depth]))
    for k, width in enumerate(widths[:-1]):
        half = width // 2
        parts += [(2 * width * half + (half + width) * width, half + width), unit(width, count[f"dec{k}"])]
    parts.append(pyramid(2 * filters, filters, 4))
    square = 9 * filters * filters
    for read, hidden in ((2 * filters, 2), (filters + classes, 1), (filters + 2 * classes, 2)):
        parts.append((9 * read * filters + (hidden - 1) * square + filters * classes + classes, hidden * filters))
    parts.append((2 * filters * 3 + 3, 0))
    kernels, normed = kernels + sum(part[0] for part in parts), normed + sum(part[1] for part in parts)
    return kernels + 4 * normed, kernels + 2 * normed


@pytest.mark.parametrize("depth", [6, 7])
@pytest.mark.parametrize(("filters", "channels", "classes"), [(32, 3, 6), (4, 1, 1), (6, 4, 2), (9, 2, 5), (16, 1, 11)])
def test_weights_follow_their_formula(depth, filters, channels, classes):
    given = counted(f"resunet-a-d{depth}-f{filters}", input_shape=(None, None, channels), classes=classes)[:2]
    assert given == formula(depth, filters, channels, classes)


def test_entries_are_the_networks_of_the_original():
    six, seven = (zoo.info(name) for name in ("resunet-a-d6", "resunet-a-d7"))
    assert [six.name, seven.name] == [name for name in zoo.list_models() if name.startswith("resunet-a")]
    assert zoo.info("resunet-a") == six
    assert (six.config.input_shape, seven.config.input_shape) == ((None, None, 3), (None, None, 5))
    assert (six.config.classes, seven.config.classes) == (6, 6)


@pytest.mark.parametrize("depth", UNITS)
def test_dilations_of_the_branches_of_every_unit(depth):
    network = weightless(f"resunet-a-d{depth}-f4")
    found = {}
    for layer in layers_of(network, "Conv2D"):
        block, _, rest = layer.name.partition("_block")
        if rest:
            index, _, part = rest.partition("_")
            assert layer.kernel_size == (3, 3)
            found.setdefault((block, part), {})[int(index)] = layer.dilation_rate
    expected = {
        (block, part): {index: (rate, rate) for index, rate in enumerate(ATROUS[kind], start=1)}
        for kind, blocks in UNITS[depth].items()
        for block in blocks
        for part in ("conv1", "conv2")
    }
    assert found == expected


@pytest.mark.parametrize(("unit", "branches"), [("enc1", 4), ("enc3", 3), ("mid5", 1), ("dec3", 3)])
def test_a_unit_adds_pre_activated_branches_to_what_it_reads(unit, branches):
    network = weightless("resunet-a-d6-f4")
    read, *ends = sources(network, f"{unit}_add")
    assert ends == [f"{unit}_block{k}_conv2" for k in range(1, branches + 1)]
    for k in range(1, branches + 1):
        chain = [f"{unit}_block{k}_{part}" for part in ("norm1", "act1", "conv1", "norm2", "act2", "conv2")]
        assert [sources(network, layer) for layer in chain] == [[before] for before in (read, *chain[:-1])]


@pytest.mark.parametrize("name", ["resunet-a-d6-f4", "resunet-a-d7-f4"])
def test_norms_have_the_constants_of_mxnet_and_only_convolutions_without_a_norm_behind_have_a_bias(name):
    network = weightless(name)
    norms = layers_of(network, "BatchNormalization")
    assert {(layer.epsilon, layer.momentum, layer.scale, layer.center) for layer in norms} == {(1e-5, 0.9, True, True)}
    biased = {layer.name for layer in layers_of(network, "Conv2D") if layer.use_bias}
    assert biased == {
        *(f"head0_{head}_conv" for head in HEADS),
        *(layer.name for layer in network.layers if "_block" in layer.name and layer.name.endswith("_conv2")),
    }


@pytest.mark.parametrize("depth", [6, 7])
def test_levels_go_down_by_a_bare_convolution_padded_on_both_sides(depth):
    network = weightless(f"resunet-a-d{depth}-f4")
    strided = {layer.name: layer for layer in layers_of(network, "Conv2D") if layer.strides != (1, 1)}
    assert set(strided) == {f"enc{level}_down" for level in range(1, depth - 1)} | {f"mid{depth - 1}_down"}
    for name, layer in strided.items():
        assert (layer.kernel_size, layer.strides, layer.padding) == ((3, 3), (2, 2), "valid")
        assert network.get_layer(f"{name}_pad").padding == ((1, 1), (1, 1))
        assert sources(network, f"{name}_pad")[0].endswith("_add")
        assert layer.output.shape[-1] == 2 * layer.input.shape[-1]
    assert not layers_of(network, "MaxPooling2D")


def test_the_decoder_narrows_what_is_repeated_and_has_no_activation_behind_the_merge():
    network = weightless("resunet-a-d6-f8")
    for level in range(5):
        name = f"dec{level}"
        chain = [f"{name}_up", f"{name}_up_conv1", f"{name}_up_norm1", f"{name}_up_act1"]
        assert [sources(network, layer) for layer in chain[1:]] == [[before] for before in chain[:-1]]
        assert network.get_layer(f"{name}_up").interpolation == "nearest"
        assert network.get_layer(f"{name}_up_conv1").filters == 4 * 2**level
        assert sources(network, f"{name}_cat") == [f"{name}_up_act1", f"enc{level}_add"]
        assert sources(network, f"{name}_merge_conv1") == [f"{name}_cat"]
        assert sources(network, f"{name}_add")[0] == f"{name}_merge_norm1"
    assert sources(network, "dec0_features") == ["stem0_act1", "dec0_add"]


@pytest.mark.parametrize(("depth", "scales", "part"), [(6, 4, 256 // 4), (7, 3, 512 // 3)])
def test_pyramid_pooling_joins_its_input_with_maxima_of_ever_more_cells(depth, scales, part):
    network = weightless(f"resunet-a-d{depth}-f8")
    for name, count, width, read in (
        (f"mid{depth - 1}_psp", scales, part, f"mid{depth - 1}_add"),
        ("dec0_psp", 4, 2, "dec0_features"),
    ):
        cells = [layer.cells for layer in layers_of(network, "CellMax") if layer.name.startswith(name)]
        assert cells == [2**scale for scale in range(count)]
        assert sources(network, f"{name}_cat") == [read, *(f"{name}{scale}_norm1" for scale in range(count))]
        for scale in range(count):
            assert sources(network, f"{name}{scale}_max") == [read]
            assert network.get_layer(f"{name}{scale}_conv1").filters == width
        assert sources(network, f"{name}_act1") == [f"{name}_norm1"]
        assert network.get_layer(f"{name}_conv1").filters == network.get_layer(read).output.shape[-1] // (1 + (read[0] == "d"))


@pytest.mark.parametrize("head_activation", ["auto", None])
def test_each_task_reads_the_activated_ones_before_it(head_activation):
    network = weightless("resunet-a-d6-f4", head_activation=head_activation)
    assert sources(network, "head0_distance_conv1") == ["dec0_features"]
    assert sources(network, "head0_boundary_cat") == ["dec0_psp_act1", "head0_distance_act"]
    assert sources(network, "head0_segmentation_cat") == ["dec0_psp_act1", "head0_boundary_act", "head0_distance_act"]
    assert sources(network, "head0_color_conv") == ["dec0_features"]
    hidden = {head: len([layer for layer in network.layers if layer.name.startswith(f"head0_{head}_norm")]) for head in HEADS}
    assert hidden == {"segmentation": 2, "boundary": 1, "distance": 2, "color": 0}


@pytest.mark.parametrize(("classes", "exclusive"), [(1, "sigmoid"), (6, "softmax")])
def test_outputs_are_named_in_the_order_of_the_original_and_activated_as_there(classes, exclusive):
    network = weightless("resunet-a-d6-f4", classes=classes)
    assert tuple(network.output) == HEADS
    activations = {name: tensor._keras_history.operation.activation.__name__ for name, tensor in network.output.items()}
    assert activations == {"segmentation": exclusive, "boundary": "sigmoid", "distance": exclusive, "color": "sigmoid"}
    shapes = {name: tensor.shape for name, tensor in network.output.items()}
    assert shapes == {name: (None, None, None, 3 if name == "color" else classes) for name in HEADS}


@pytest.mark.parametrize("depth", [6, 7])
def test_without_a_head_activation_all_outputs_are_the_logits_of_the_same_network(depth):
    shape = (256, 256, 2)
    activated = zoo.get(f"resunet-a-d{depth}-f4", input_shape=shape, classes=3)
    plain = zoo.get(f"resunet-a-d{depth}-f4", input_shape=shape, classes=3, head_activation=None)
    randomise(activated)
    for layer in activated.layers:
        if layer.weights:
            plain.get_layer(layer.name).set_weights(layer.get_weights())
    image = random_image(*shape)
    probabilities, logits = activated(image), plain(image)
    assert tuple(probabilities) == tuple(logits) == HEADS
    for name in HEADS:
        function = keras.ops.softmax if name in ("segmentation", "distance") else keras.ops.sigmoid
        np.testing.assert_allclose(np.array(probabilities[name]), np.array(function(logits[name])), atol=1e-6)


def test_another_head_activation_is_that_of_the_segmentation_alone():
    network = weightless("resunet-a-d6-f4", head_activation="sigmoid")
    activations = [tensor._keras_history.operation.activation.__name__ for tensor in network.output.values()]
    assert activations == ["sigmoid", "sigmoid", "softmax", "sigmoid"]


@pytest.mark.parametrize("depth", [6, 7])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((128, 256, 3), "height 128 is not a multiple of 256; use 256 or more"),
        ((512, 300, 3), "width 300 is not a multiple of 256; use 256 or 512"),
    ],
)
def test_sizes_that_the_pyramid_pooling_cannot_split_are_refused(depth, shape, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.get(f"resunet-a-d{depth}-f4", input_shape=shape)
    with pytest.raises(zoo.ZooError, match=f"{shape[0]}"):
        zoo.analyze(f"resunet-a-d{depth}-f4", input_shape=shape)


def test_a_network_with_open_sizes_says_which_sizes_it_takes():
    network = zoo.get("resunet-a-d6-f4")
    with pytest.raises(ValueError, match="8 equal cells along each axis, so sizes must be multiples of 8"):
        network(random_image(128, 256, 3))


@pytest.mark.parametrize(
    ("field", "value"),
    [("depth", 5), ("depth", 8), ("depth", "6"), ("filters", 3), ("filters", 4097), ("filters", 4.5), ("classes", 0)],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises(zoo.ConfigError, match=f"`{field}` must be"):
        zoo.get("resunet-a", **{field: value})


def test_volumes_and_a_softmax_over_one_class_are_refused():
    with pytest.raises(zoo.ConfigError, match="2D only"):
        zoo.get("resunet-a", input_shape=(None, None, None, 1))
    with pytest.raises(zoo.ConfigError, match="softmax"):
        zoo.get("resunet-a", classes=1, head_activation="softmax")


@pytest.mark.parametrize("name", ["resunet-a-d6", "resunet-a-d7"])
def test_the_analysis_understands_the_whole_network_whose_outputs_see_the_whole_image(name):
    report = zoo.analyze(name)
    assert (report.status, report.receptive_field) == ("complete", (None, None))
    levels = int(name[-1])
    heads = {f"head0_{k}" for k in (1, 2, 3, 4)}  # one per task
    expected = {"input0", *heads, f"mid{levels - 1}", *(f"{side}{k}" for side in ("enc", "dec") for k in range(levels - 1))}
    assert {block.name for block in report.blocks} == expected


def test_one_step_of_training_on_all_four_tasks_changes_every_weight():
    """Three images, as the normalisation of the global maxima makes one value 0 and two values 1 and -1, whatever they are."""
    network = zoo.get("resunet-a-d6-f4", input_shape=(256, 256, 3), classes=2)
    before = [weight.copy() for weight in network.get_weights()]
    losses = {
        "segmentation": "categorical_crossentropy",
        "boundary": "binary_crossentropy",
        "distance": "categorical_crossentropy",
        "color": "mse",
    }
    network.compile(keras.optimizers.SGD(0.1), loss=losses, jit_compile=False, run_eagerly=True)  # compiling takes long
    generator = np.random.default_rng(0)
    truth = {name: np.eye(2, dtype="float32")[generator.integers(0, 2, (3, 256, 256))] for name in HEADS[:3]}
    truth["color"] = generator.random((3, 256, 256, 3), dtype="float32")
    history = network.fit(generator.normal(size=(3, 256, 256, 3)), truth, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    after = network.get_weights()
    still = [weight.path for weight, old, new in zip(network.weights, before, after, strict=True) if np.array_equal(old, new)]
    assert not still
