"""Golden totals, and what holds for every network: sums, counts, the same numbers by name, by config and from a model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.analysis import analyze
from zoo.architectures.resunet_v1 import ResUNetV1Config


def test_golden_values_of_the_seeds():
    v1 = analyze("resunet-v1-d5-f64", (512, 512, 3))
    assert (v1.params, v1.trainable_params, v1.macs) == (32_448_129, 32_436_353, 229_227_102_208)
    assert v1.flops == 458_454_204_416
    assert v1.weight_bytes == 4 * v1.params
    assert v1.receptive_field == ((204, 220), (204, 220))
    assert (v1.status, v1.unsupported) == ("complete", ())
    v2 = analyze("resunet-v2", (512, 512, 3))
    assert (v2.params, v2.macs) == (100_322_753, 957_240_836_096)


def convolution_by_convolution(config):
    """MACs of ResUNet v1 by closed formula: two 3x3 and a 1x1 shortcut per block, a 2x2 up-convolution, a 1x1 head."""
    n, size = config.ndim, np.prod(config.input_shape[:-1])
    total, channels = 0, config.input_shape[-1]

    def block(source, target, positions):
        return positions * (3**n * source * target + 3**n * target * target + source * target)

    for level in range(config.depth):
        width = config.filters * 2**level
        total += block(channels, width, size // 2 ** (n * level))
        channels = width
    for level in reversed(range(config.depth - 1)):
        width, positions = config.filters * 2**level, size // 2 ** (n * level)
        total += positions * 2**n * 2 * width * width + block(2 * width, width, positions)
    return int(total + size * config.filters * config.classes)


@st.composite
def configs(draw):
    ndim, depth = draw(st.sampled_from([2, 2, 3])), draw(st.integers(2, 4))
    sides = tuple(2 ** (depth - 1) * draw(st.integers(1, 3)) for _ in range(ndim))
    return ResUNetV1Config(
        input_shape=(*sides, draw(st.integers(1, 4))),
        depth=depth,
        filters=draw(st.integers(1, 5)),
        classes=draw(st.integers(1, 3)),
        batch_norm=draw(st.booleans()),
        activation=draw(st.sampled_from(["relu", "gelu", "silu", "linear"])),
    )


@settings(max_examples=25)
@given(configs())
def test_small_networks_add_up_and_agree_with_keras(config):
    report, model = analyze(config), zoo.build(config)
    assert analyze(model) == report
    assert report.macs == convolution_by_convolution(config)
    assert report.params == model.count_params()
    assert report.trainable_params == sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    for field in ("layers", "params", "trainable_params", "macs", "output_bytes"):
        total = report.activation_bytes if field == "output_bytes" else getattr(report, field)
        assert sum(getattr(block, field) for block in report.blocks) == total
    assert report.layers == len(model.layers) == len({row.name for row in report.per_layer})
    assert {row.block for row in report.per_layer} == {block.name for block in report.blocks}
    assert max(row.output_bytes for row in report.per_layer) <= report.peak_bytes <= report.activation_bytes
    assert report.training_activation_bytes <= report.activation_bytes
    assert report.weight_bytes == sum(int(np.prod(v.shape)) * 4 for v in model.weights)


def test_by_name_by_config_and_from_a_model():
    config = zoo.info("resunet-v1-d3-f4").config
    by_name = analyze("resunet-v1-d3-f4", (32, 48, 3))
    assert by_name == analyze(config, (32, 48, 3)) == analyze(config.replace(input_shape=(32, 48, 3)))
    assert by_name == analyze(zoo.build(config), (32, 48, 3))
    assert by_name.numbers().macs == by_name.macs


def test_analysis_leaves_the_names_of_later_layers_alone():
    keras.backend.clear_session()
    keras.layers.Dense(1)
    analyze("resunet-v1-d2-f1", (8, 8, 3))
    assert keras.layers.Dense(1).name == "dense_1"


@pytest.mark.parametrize("name", ["resunet-v1", "resunet-v2"])
def test_macs_grow_with_the_image_and_the_field_does_not(name):
    small, large = analyze(name, (256, 256, 3)), analyze(name, (512, 256, 3))
    assert large.macs == 2 * small.macs
    assert large.receptive_field == small.receptive_field
