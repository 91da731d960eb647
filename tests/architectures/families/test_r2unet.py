"""R2U-Net: exact numbers of weights, shared layers, and what a count cannot see."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest

import zoo
from architectures.comparing import randomise
from architectures.counting import counted, shape
from architectures.inspecting import weightless

NAMES = ("r2unet", "r2unet-attention")
LEARNABLE = {"r2unet": 39_091_393, "r2unet-attention": 39_442_925}
STATISTICS = {"r2unet": 13_696, "r2unet-attention": 13_696 + 1_928}


def layers_of(network, kind):
    return {layer.name: layer for layer in network.layers if type(layer).__name__ == kind}


def sources(network, name, call=0):
    """Names of the layers whose outputs a layer reads in one of its calls."""
    return [tensor._keras_history.operation.name for tensor in network.get_layer(name)._inbound_nodes[call].input_tensors]


def outputs_of(network, names, image):
    return np.array(keras.Model(network.input, [network.get_layer(name).output for name in names])(image, training=False))


def image_of(*sizes, seed=5):
    return np.random.default_rng(seed).normal(size=sizes).astype("float32")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("recurrence", [1, 2, 3])
def test_weights_are_as_many_as_the_original_has_whatever_the_recurrence(name, recurrence):
    given = counted(name, recurrence=recurrence)
    assert given[:2] == (LEARNABLE[name] + STATISTICS[name], LEARNABLE[name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("channels", "classes"), [(1, 1), (4, 3)])
def test_weights_follow_from_three_channels_and_one_class(name, channels, classes):
    given = counted(name, classes=classes, **shape(None, None, channels))[1]
    assert given == LEARNABLE[name] + (channels - 3) * 64 + (classes - 1) * 65


@pytest.mark.parametrize(
    ("depth", "filters", "channels", "classes"),
    [(2, 1, 1, 1), (2, 5, 3, 2), (3, 8, 1, 4), (4, 12, 4, 1), (5, 3, 3, 3), (6, 2, 2, 1)],
)
def test_weights_follow_the_formula(depth, filters, channels, classes):
    def conv(kernel, before, width):
        return kernel * before * width + width

    def unit(before, width):
        return conv(1, before, width) + 2 * (conv(9, width, width) + 4 * width)

    def gate(width):
        inner = max(width // 2, 1)
        return 2 * (conv(1, width, inner) + 4 * inner) + conv(1, inner, 1) + 4

    widths = [filters * 2**level for level in range(depth)]
    plain = sum(unit(before, width) for before, width in pairwise([channels, *widths])) + conv(1, filters, classes)
    plain += sum(conv(9, 2 * width, width) + 4 * width + unit(2 * width, width) for width in widths[:-1])
    options = {"classes": classes, **shape(None, None, channels)}
    assert counted(f"r2unet-d{depth}-f{filters}", **options)[0] == plain
    gated = plain + sum(map(gate, widths[:-1]))
    assert counted(f"r2unet-attention-d{depth}-f{filters}", **options)[0] == gated


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("recurrence", [1, 3])
def test_every_recurrent_convolution_is_one_layer_called_once_more_than_the_recurrence(name, recurrence):
    network = weightless(f"{name}-d3-f2", recurrence=recurrence)
    units = ("enc0", "enc1", "mid2", "dec1", "dec0")
    shared = {f"{unit}_{part}{k}" for unit in units for part in ("conv", "norm", "act") for k in (1, 2)}
    calls = {layer.name: len(layer._inbound_nodes) for layer in network.layers}
    assert {layer for layer, count in calls.items() if count > 1} == shared
    assert {calls[layer] for layer in shared} == {recurrence + 1}


def test_each_call_but_the_first_reads_the_input_plus_the_last_output():
    network = weightless("r2unet-d2-f2", recurrence=3)
    for start, k in (("enc0_proj", 1), ("enc0_act1", 2)):
        assert sources(network, f"enc0_conv{k}") == [start]
        for call in (1, 2, 3):
            assert sources(network, f"enc0_conv{k}", call) == [f"enc0_conv{k}_add{call}"]
            assert sources(network, f"enc0_conv{k}_add{call}") == [start, f"enc0_act{k}"]
    assert sources(network, "enc0_add") == ["enc0_proj", "enc0_act2"]


@pytest.mark.parametrize("name", NAMES)
def test_the_analysis_counts_weights_once_and_multiplications_for_each_call(name):
    reports = {t: zoo.analyze(zoo.info(f"{name}-d3-f4").config.replace(recurrence=t), (16, 24, 3)) for t in (1, 2, 5)}
    assert {report.status for report in reports.values()} == {"complete"}
    assert len({report.params for report in reports.values()}) == 1
    positions = [16 * 24 // 4**level for level in (0, 1, 2)]
    recurrent = [2 * 9 * (4 * 2**level) ** 2 * count for level, count in enumerate(positions)]  # two convolutions, called once
    once_more = 2 * recurrent[0] + 2 * recurrent[1] + recurrent[2]
    assert reports[2].macs - reports[1].macs == once_more
    assert reports[5].macs - reports[2].macs == 3 * once_more


@pytest.mark.parametrize("recurrence", [1, 2])
def test_each_call_in_training_updates_the_moving_statistics_of_the_shared_norm(recurrence):
    network = zoo.get("r2unet-d2-f3", recurrence=recurrence, classes=2)
    randomise(network)
    image = image_of(2, 6, 8, 3)
    start = keras.Model(network.input, network.get_layer("enc0_proj").output)
    x = np.array(start(image), dtype="float64")
    kernel, bias = (np.array(weight) for weight in network.get_layer("enc0_conv1").variables)
    gamma, beta, mean, variance = (np.array(weight) for weight in network.get_layer("enc0_norm1").variables)
    y = 0
    for _ in range(recurrence + 1):
        padded = np.pad(x + y, ((0, 0), (1, 1), (1, 1), (0, 0)))
        z = bias + sum(padded[:, i : i + 6, j : j + 8] @ kernel[i, j] for i in range(3) for j in range(3))
        now, spread = z.mean((0, 1, 2)), z.var((0, 1, 2))
        mean, variance = 0.9 * mean + 0.1 * now, 0.9 * variance + 0.1 * spread
        y = np.maximum(gamma * (z - now) / np.sqrt(spread + 1e-5) + beta, 0)
    network(image, training=True)
    norm = network.get_layer("enc0_norm1")
    np.testing.assert_allclose(np.array(norm.moving_mean), mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.array(norm.moving_variance), variance, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_network_still_shares(name, tmp_path):
    network = zoo.get(f"{name}-d2-f2", recurrence=3)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    assert len(again.get_layer("dec0_conv2")._inbound_nodes) == 4
    assert again.count_params() == network.count_params()
    kernel = again.get_layer("enc0_conv1").kernel
    kernel.assign(kernel * 0)
    image = image_of(1, 4, 4, 3)
    assert np.ptp(outputs_of(again, ["enc0_act1"], image), axis=(0, 1, 2, 3)).max() == 0  # the last call has no kernel, too


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_those_of_torch_and_every_convolution_has_a_bias(name):
    network = weightless(name)
    norms = layers_of(network, "BatchNormalization").values()
    assert {(layer.epsilon, layer.momentum) for layer in norms} == {(1e-5, 0.9)}
    convs = layers_of(network, "Conv2D")
    assert all(layer.use_bias and layer.padding == "same" for layer in convs.values())
    inside = [layer for layer in layers_of(network, "Activation").values() if layer.name != "head0_act"]
    kinds = {layer.name: layer.activation.__name__ for layer in inside}
    assert {layer for layer, kind in kinds.items() if kind != "relu"} == {layer for layer in kinds if layer.endswith("_sigmoid")}
    ones = {layer.name for layer in convs.values() if layer.kernel_size == (1, 1)}
    gates = {f"dec{level}_gate_{part}" for level in range(4) for part in ("up", "skip", "psi")}
    units = {*(f"{side}{level}_proj" for side in ("enc", "dec") for level in range(4)), "mid4_proj"}
    assert ones == units | {"head0_conv"} | (gates if "attention" in name else set())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_normalised_or_activated_behind_the_sum_of_a_unit(name):
    network = weightless(f"{name}-d3-f2")
    assert sources(network, "enc1_pool") == ["enc0_add"]
    assert sources(network, "dec1_up") == ["mid2_add"]
    assert sources(network, "dec0_up") == ["dec1_add"]
    assert sources(network, "head0_conv") == ["dec0_add"]


def test_the_skip_comes_first_and_up_sampling_is_nearest_before_its_convolution():
    network = weightless("r2unet-d3-f2")
    assert sources(network, "dec1_cat") == ["enc1_add", "dec1_upact"]
    assert sources(network, "dec0_cat") == ["enc0_add", "dec0_upact"]
    assert sources(network, "dec0_upconv") == ["dec0_up"]
    assert network.get_layer("dec0_up").interpolation == "nearest"
    assert [network.get_layer(f"dec{level}_upconv").filters for level in (0, 1)] == [2, 4]


def test_a_gate_multiplies_the_skip_with_a_sigmoid_of_one_channel():
    network = zoo.get("r2unet-attention-d3-f6")
    randomise(network)
    assert sources(network, "dec1_cat") == ["dec1_gate_scale", "dec1_upact"]
    assert sources(network, "dec1_gate_up") == ["dec1_upact"]
    assert sources(network, "dec1_gate_skip") == ["enc1_add"]
    assert sources(network, "dec1_gate_add") == ["dec1_gate_upnorm", "dec1_gate_skipnorm"]
    assert sources(network, "dec1_gate_psi") == ["dec1_gate_act"]
    assert sources(network, "dec1_gate_sigmoid") == ["dec1_gate_psinorm"]
    assert [network.get_layer(f"dec{level}_gate_up").filters for level in (0, 1)] == [3, 6]
    image = image_of(1, 8, 12, 3)
    gate = keras.Model(network.input, [network.get_layer(f"dec1_gate_{part}").output for part in ("sigmoid", "scale")])
    sigmoid, scaled = (np.array(result) for result in gate(image, training=False))
    skip = np.array(keras.Model(network.input, network.get_layer("enc1_add").output)(image, training=False))
    assert sigmoid.shape == (1, 4, 6, 1)
    assert 0 < sigmoid.min() < sigmoid.max() < 1
    np.testing.assert_allclose(scaled, skip * sigmoid, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_training_moves_every_kernel(name):
    network = zoo.get(f"{name}-d3-f4")
    before = {layer.name: np.array(layer.kernel) for layer in layers_of(network, "Conv2D").values()}
    network.compile("adam", "binary_crossentropy", run_eagerly=True)
    target = (image_of(2, 16, 24, 1) > 0).astype("float32")
    history = network.fit(image_of(2, 16, 24, 3), target, epochs=1, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))
    still = [layer for layer, kernel in before.items() if np.array_equal(kernel, np.array(network.get_layer(layer).kernel))]
    assert not still


def test_names_and_configs_map_to_each_other():
    config = zoo.info("r2unet-d4-f8").config
    assert config.replace(attention=True) == zoo.info("r2unet-attention-d4-f8").config
    assert config.replace(attention=True).name == "r2unet-attention-d4-f8"
    assert zoo.info("r2unet").config.recurrence == 2
    assert (zoo.info("r2unet").name, zoo.info("r2unet-attention").name) == ("r2unet-d5-f64", "r2unet-attention-d5-f64")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("recurrence", 0, "`recurrence` must be a whole number from 1 to 16; the nearest is 1"),
        ("recurrence", 2.5, "`recurrence` must be a whole number"),
        ("attention", 1, "`attention` must be True or False"),
        ("filters", 0, "`filters` must be"),
        ("depth", 1, "`depth` must be"),
        ("input_shape", (100, 96, 3), "height 100 is not a multiple of 16; use 96 or 112"),
        ("input_shape", (None, None, None, 1), "r2unet is 2D only"),
    ],
)
def test_impossible_values_are_refused(field, value, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.get("r2unet", **{field: value})
