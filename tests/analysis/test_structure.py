"""Levels, sides and blocks of networks of many shapes."""

from __future__ import annotations

import keras
import pytest
from keras import layers

import zoo
from zoo.analysis import analyze


def blocks(report):
    return [block.name for block in report.blocks]


def levels(report):
    return {row.name: row.level for row in report.per_layer}


def u(depth, prefix=()):
    """The block names of a U of so many levels."""
    low = depth - 1
    down, up = [f"enc{k}" for k in range(low)], [f"dec{k}" for k in reversed(range(low))]
    return ["input0", *prefix, *down, f"mid{low}", *up, "head0"]


@pytest.mark.parametrize(
    ("name", "shape", "depth"),
    [
        ("resunet-v1", None, 5), ("resunet-v2", None, 5), ("unet", None, 5), ("deep-resunet", None, 4),
        ("resunet-v1-3d-d3-f2", (16, 16, 16, 1), 3), ("deep-resunet-bilinear", None, 4),
        ("deep-resunet-bilinear", (37, 53, 3), 4), ("deep-resunet-bilinear", (64, 64, 3), 4),
        ("deep-resunet-bilinear", (9, 15, 3), 4),
    ],
)  # fmt: skip
def test_entries_are_a_u(name, shape, depth):
    assert blocks(analyze(name, shape)) == u(depth)


@pytest.mark.parametrize("shape", [None, (64, 64, 3), (96, 160, 3)])
def test_resnet_encoders(shape):
    report = analyze("resnet34-unet", shape)
    expected = ["input0", "enc1", "enc2", "enc3", "enc4", "mid5", "dec4", "dec3", "dec2", "dec1", "dec0", "head0"]
    assert blocks(report) == expected
    assert all(row.level > 0 for row in report.per_layer if "pad" in row.name)  # padding belongs to what it prepares


@pytest.mark.parametrize("name", ["resunet-v1", "unet", "resunet-v1-3d"])
def test_the_prefixes_that_the_builders_give_agree(name):
    """Levels come from the graph, never from names; where no block begins before its pooling both say the same."""
    for row in analyze(name).per_layer[1:]:
        side, level = row.name.split("_")[0][:-1], int(row.name.split("_")[0][-1])
        assert row.level == level, row.name
        assert row.side in {"enc": ("encoder", "bottleneck"), "stem": ("encoder",), "mid": ("bottleneck",)}.get(
            side, ("decoder",)
        )


def block(x, name, filters=4):
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv")(x)
    return layers.ReLU(name=f"{name}_act")(x)


def test_anisotropic_pooling():
    x = keras.Input((8, 32, 32, 1), name="input")
    a = layers.Conv3D(2, 3, padding="same", name="a")(x)
    b = layers.Conv3D(2, 3, padding="same", name="b")(layers.MaxPooling3D((1, 2, 2), name="pool_b")(a))
    c = layers.Conv3D(2, 3, padding="same", name="c")(layers.MaxPooling3D(2, name="pool_c")(b))
    up = layers.Concatenate(name="cat_d")([layers.UpSampling3D(2, name="up_d")(c), b])
    d = layers.Conv3D(2, 3, padding="same", name="d")(up)
    up = layers.Concatenate(name="cat_e")([layers.Conv3DTranspose(2, (1, 2, 2), (1, 2, 2), name="up_e")(d), a])
    report = analyze(keras.Model(x, layers.Conv3D(1, 1, name="head")(layers.ReLU(name="e")(up))))
    assert blocks(report) == u(3)
    assert {k: v for k, v in levels(report).items() if len(k) == 1} == {"a": 0, "b": 1, "c": 2, "d": 1, "e": 0}


def test_unpadded_convolutions_and_crops():
    """The original U-Net: sizes shrink by valid convolutions, skips are cropped, levels stay levels."""
    x = keras.Input((60, 60, 1), name="input")
    a = layers.Conv2D(2, 3, name="a")(x)
    b = layers.Conv2D(2, 3, name="b")(layers.MaxPooling2D(2)(a))
    up = layers.Conv2DTranspose(2, 2, 2, name="up")(b)
    cut = layers.Cropping2D(2, name="cut")(a)
    y = layers.Conv2D(1, 1, name="head")(layers.Conv2D(2, 3, name="c")(layers.Concatenate(name="cat")([up, cut])))
    report = analyze(keras.Model(x, y))
    assert (levels(report)["b"], levels(report)["up"], levels(report)["cut"], levels(report)["c"]) == (1, 0, 0, 0)
    assert blocks(report)[:1] + blocks(report)[-1:] == ["input0", "head0"]


def test_a_chain_of_two_us():
    x = y = keras.Input((16, 16, 3), name="input")
    for k in (1, 2):
        skip = block(y, f"down{k}")
        low = block(layers.MaxPooling2D(2)(skip), f"low{k}")
        y = block(layers.Concatenate()([layers.UpSampling2D(2)(low), skip]), f"up{k}")
    report = analyze(keras.Model(x, layers.Conv2D(1, 1, name="head")(y)))
    assert {name: levels(report)[f"{name}_conv"] for name in ("down1", "low1", "up1", "down2", "low2", "up2")} == {
        "down1": 0, "low1": 1, "up1": 0, "down2": 0, "low2": 1, "up2": 0,
    }  # fmt: skip
    assert blocks(report) == ["input0", "enc0", "mid1", "dec0", "head0"]


def test_a_classifier_only_goes_down():
    x = keras.Input((32, 32, 3), name="input")
    y = block(layers.MaxPooling2D(2)(block(x, "a")), "b")
    report = analyze(keras.Model(x, layers.Dense(10)(layers.GlobalAveragePooling2D()(y))))
    assert blocks(report) == ["input0", "enc0", "mid1"]
    flat = analyze(keras.Model(x, layers.Dense(10)(layers.Flatten()(y))))
    assert blocks(flat) == ["input0", "enc0", "mid1"]


def test_one_level_has_no_u():
    x = keras.Input((32, 32, 3), name="input")
    report = analyze(keras.Model(x, layers.Conv2D(1, 1)(block(x, "a"))))
    assert blocks(report) == ["input0", "all0"]
    assert {row.side for row in report.per_layer} == {""}
    vector = keras.Input((5,), name="input")
    assert blocks(analyze(keras.Model(vector, layers.Dense(2)(vector)))) == ["input0", "all0"]


def squeezed(x, name):
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
    y = layers.Dense(channels // 2, activation="relu", name=f"{name}_down")(y)
    y = layers.Dense(channels, activation="sigmoid", name=f"{name}_up")(y)
    return layers.Multiply(name=f"{name}_scale")([x, layers.Reshape((1, 1, channels), name=f"{name}_shape")(y)])


def gated(skip, coarse, name):
    """Attention gate: the coarse signal decides what of the skip passes."""
    theta = layers.Conv2D(4, 2, strides=2, padding="same", name=f"{name}_theta")(skip)
    both = layers.ReLU(name=f"{name}_relu")(
        layers.Add(name=f"{name}_add")([theta, layers.Conv2D(4, 1, name=f"{name}_phi")(coarse)])
    )
    weights = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_psi")(both)
    return layers.Multiply(name=f"{name}_mul")(
        [skip, layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up")(weights)]
    )


def test_squeeze_blocks_and_attention_gates_stay_at_their_level():
    x = keras.Input((32, 32, 3), name="input")
    a = squeezed(block(x, "a"), "sa")
    b = squeezed(block(layers.MaxPooling2D(2, name="pool_b")(a), "b"), "sb")
    up = layers.UpSampling2D(2, name="up_c")(b)
    c = block(layers.Concatenate(name="cat_c")([up, gated(a, b, "gate")]), "c")
    report = analyze(keras.Model(x, layers.Conv2D(1, 1, name="head")(c)))
    found = levels(report)
    assert all(found[f"sa_{part}"] == 0 and found[f"sb_{part}"] == 1 for part in ("pool", "down", "up", "shape", "scale"))
    assert (found["gate_theta"], found["gate_psi"], found["gate_up"], found["gate_mul"]) == (1, 1, 0, 0)
    assert [name for name in blocks(report) if name != "gate0"] == u(2)
    gate = {node.name for node in report.graph.nodes if node.block == "gate0"}
    assert gate == {f"gate_{part}" for part in ("theta", "phi", "add", "relu", "psi", "up", "mul")}
    assert {node.block_level for node in report.graph.nodes if node.block == "gate0"} == {0}


def test_a_pyramid_of_inputs():
    x, half = keras.Input((32, 32, 3), name="x"), keras.Input((16, 16, 3), name="half")
    b = layers.Concatenate(name="cat")([layers.MaxPooling2D(2, name="pool")(block(x, "a")), half])
    y = layers.Conv2D(1, 1, name="head")(block(layers.UpSampling2D(2, name="up")(block(b, "b")), "c"))
    found = levels(analyze(keras.Model([x, half], y)))
    assert (found["x"], found["half"], found["cat"], found["b_conv"], found["up"], found["head"]) == (0, 1, 1, 1, 0, 0)


def test_resizing_by_what_is_no_power_of_two():
    x = keras.Input((30, 30, 3), name="input")
    low = block(layers.Resizing(20, 20, name="down")(block(x, "a")), "b")
    y = layers.Conv2D(1, 1, name="head")(block(layers.Resizing(30, 30, name="up")(low), "c"))
    found = levels(analyze(keras.Model(x, y)))
    assert (found["a_conv"], found["b_conv"], found["up"], found["c_conv"]) == (0, 1, 0, 0)


def test_every_entry_has_its_input_and_its_head():
    for name in zoo.list_models():
        if zoo.info(name).config.sizes.get("filters", 8) <= 16:
            report = analyze(name)
            assert blocks(report)[0] == "input0"
            # where the last convolution stands in a residual unit, as in MONAI's U-Net, there is no head apart
            assert blocks(report)[-1] == ("dec0" if name.startswith("monai-unet") else "head0")
