"""Kinds of layers do not depend on the size of the image, and tell apart what differs in any other way."""

from __future__ import annotations

from collections import Counter

import keras
import pytest

import zoo
from zoo.analysis.kinds import LayerKind, kinds_of

SIZES = {
    "resunet-v1-d3-f8": ((16, 16, 3), (24, 40, 3)),
    "attention-resunet-d3-f4": ((16, 16, 3), (32, 16, 3)),
    "unet3plus-d3-f4": ((16, 16, 3), (32, 64, 3)),
    "resunet-plus-plus-d4-f8": ((64, 64, 3), (96, 64, 3)),
    "deep-resunet-bilinear-d4-f4": ((64, 64, 3), (61, 75, 3)),  # resizes and crops to what the sizes ask for
    "resenc-unet-d4-f4": ((8, 8, 1), (16, 16, 1)),  # pads 2 x 2 to 4 x 4, which is a size of the network, and 4 x 4 to 6 x 6
    "segresnet-3d-f8": ((16, 16, 16, 4), (24, 16, 32, 4)),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_kind_knows_no_size_of_the_image(name):
    one, other = (kinds_of(zoo.analyze(name, shape)) for shape in SIZES[name])
    assert one == other


def test_all_layers_are_counted_once_with_their_weights():
    report = zoo.analyze("attention-resunet-d3-f4", (16, 16, 3))
    kinds = kinds_of(report)
    assert list(kinds) == [block.name for block in report.blocks]
    for block in report.blocks:
        assert kinds[block.name].total() == block.layers
        assert sum(kind.params * count for kind, count in kinds[block.name].items()) == block.params


def test_kernel_stride_activation_bias_and_channels_make_a_kind():
    def head(**options):
        inputs = keras.Input((8, 8, 3))
        report = zoo.analyze(keras.Model(inputs, keras.layers.Conv2D(**{"filters": 4, "kernel_size": 3, **options})(inputs)))
        (kind,) = kinds_of(report)[report.blocks[-1].name] - Counter({_image(): 1})
        return kind

    plain = head()
    assert plain == LayerKind(op="Conv2D", detail="3x3", channels=4, params=3 * 3 * 3 * 4 + 4) == head(name="other")
    different = [
        head(filters=5),
        head(kernel_size=1),
        head(strides=2),
        head(dilation_rate=2),
        head(activation="relu"),
        head(use_bias=False),
    ]
    assert len({plain, *different}) == 7


def _image():
    return LayerKind(op="InputLayer", detail="", channels=3, params=0)


def attention(side):
    """Attention between all positions of an image, written with operations that flatten and transpose."""
    inputs = keras.Input((side, side, 8))
    rows = keras.layers.Dense(16)(keras.layers.Reshape((side * side, 8))(inputs))
    heads = keras.ops.transpose(keras.layers.Reshape((side * side, 2, 8))(rows), (0, 2, 1, 3))
    scores = keras.ops.softmax(keras.ops.matmul(heads, keras.ops.transpose(heads, (0, 1, 3, 2))))
    mixed = keras.ops.transpose(keras.ops.matmul(scores, heads), (0, 2, 1, 3))
    image = keras.layers.Reshape((side, side, 16))(mixed)
    return keras.Model(inputs, keras.layers.ReLU()(keras.layers.Conv2D(4, 1)(image)))


def test_channels_are_stated_where_the_output_is_an_image_or_has_weights():
    one, other = (kinds_of(zoo.analyze(attention(side)))["all0"] for side in (6, 10))
    assert one == other
    channels = {kind.op: kind.channels for kind in one}
    moving = ("ops.Transpose", "ops.Matmul", "ops.Softmax")
    assert {op: channels[op] for op in (*moving, "Dense", "Conv2D", "ReLU")} == {
        **dict.fromkeys(moving, 0),
        "Dense": 16,
        "Conv2D": 4,
        "ReLU": 4,
    }
