"""The zoo's networks compute what the originals compute, for random weights; and the comparison sees mutations."""

from __future__ import annotations

from dataclasses import replace

import pytest

import zoo
from architectures import comparing, oracles
from architectures.comparing import assert_same_function
from zoo import blocks, sampling

# filters, depth, shape, activation, batch_norm
V1 = [
    (1, 2, (2, 2, 1), "relu", True),
    (4, 2, (6, 10, 3), "elu", False),
    (3, 3, (12, 20, 2), "tanh", True),
    (5, 3, (16, 4, 3), "gelu", False),
    (2, 4, (24, 40, 1), "leaky_relu", True),
    (4, 5, (48, 16, 3), "relu", True),
    (2, 5, (16, 32, 1), "relu", False),
    (2, 6, (32, 64, 3), "silu", True),
    (2, 2, (2, 4, 6, 1), "relu", True),
    (3, 3, (8, 4, 12, 2), "elu", True),
    (1, 4, (8, 16, 8, 1), "relu", False),
    (2, 3, (4, 4, 8, 1), "sigmoid", False),
]


@pytest.mark.parametrize(("filters", "depth", "shape", "activation", "batch_norm"), V1)
def test_v1_equals_the_documents_code(filters, depth, shape, activation, batch_norm):
    original = oracles.res_unet(filters, depth, shape, activation, batch_norm, final_activation="sigmoid")
    name = "resunet-v1-3d" if len(shape) == 4 else "resunet-v1"
    network = zoo.get(name, filters=filters, depth=depth, input_shape=shape, activation=activation, batch_norm=batch_norm)
    assert_same_function(original, network, comparing.v1_names(depth), shape)


@pytest.mark.parametrize(("classes", "head"), [(2, "softmax"), (4, None), (1, None)])
def test_v1_equals_upstream_with_classes_honoured(classes, head):
    original = oracles.res_unet(3, 3, (8, 12, 3), final_activation=head, channels_out=classes)
    network = zoo.get("resunet-v1-d3-f3", classes=classes, head_activation=head)
    assert_same_function(original, network, comparing.v1_names(3), (8, 12, 3))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("filters", "size"), [(1, (16, 16)), (2, (32, 48)), (3, (48, 16)), (4, (64, 32))])
def test_v2_equals_the_documents_code(filters, size, batch_norm):
    original = oracles.ResUnet2D(filters, *size, BN=batch_norm)
    network = zoo.get(f"resunet-v2{'-bn' if batch_norm else ''}-d5-f{filters}")
    assert_same_function(original, network, comparing.strided_names(5, plain_bridge=True), (*size, 3))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("filters", "depth", "size"), [(2, 2, (6, 10)), (3, 3, (12, 8)), (2, 4, (16, 40)), (1, 5, (16, 32))])
def test_unet_equals_the_description(filters, depth, size, batch_norm):
    original = oracles.unet(filters, depth, (*size, 3), activation="elu", batch_norm=batch_norm)
    network = zoo.get(f"unet-d{depth}-f{filters}", activation="elu", batch_norm=batch_norm)
    assert_same_function(original, network, comparing.unet_names(depth), (*size, 3))


@pytest.mark.parametrize("upsample", ["nearest", "transposed"])
@pytest.mark.parametrize("shortcut", ["conv-bn", "conv", "none"])
@pytest.mark.parametrize(("filters", "depth", "size"), [(3, 2, (6, 10)), (2, 4, (16, 40))])
def test_deep_resunet_equals_the_description(filters, depth, size, shortcut, upsample):
    original = oracles.deep_resunet(filters, depth, (*size, 3), shortcut, upsample)
    network = zoo.get(f"deep-resunet-d{depth}-f{filters}", shortcut=shortcut, upsample=upsample)
    names = comparing.strided_names(
        depth, plain_bridge=False, norm_of_projections=shortcut == "conv-bn", transposed=upsample == "transposed"
    )
    names = comparing.without_projections(names) if shortcut == "none" else names
    assert_same_function(original, network, names, (*size, 3))


@pytest.mark.parametrize(("filters", "depth", "size"), [(2, 2, (5, 3)), (3, 3, (37, 53)), (2, 4, (50, 31)), (2, 4, (16, 24))])
def test_bilinear_equals_the_description(filters, depth, size):
    original = oracles.deep_resunet(filters, depth, (*size, 3), upsample="bilinear")
    network = zoo.get(f"deep-resunet-bilinear-d{depth}-f{filters}")
    assert_same_function(original, network, comparing.strided_names(depth, plain_bridge=False), (*size, 3))


@pytest.mark.parametrize(("filters", "depth", "size"), [(2, 2, (6, 10)), (3, 3, (12, 8)), (2, 5, (32, 48))])
def test_plain_bridge_equals_the_description(filters, depth, size):
    original = oracles.plain_bridge([filters * 2**level for level in range(depth)], (*size, 3))
    network = zoo.get(f"deep-resunet-plainbridge-d{depth}-f{filters}")
    assert_same_function(original, network, comparing.strided_names(depth, plain_bridge=True), (*size, 3))


# What follows shows that the comparisons above would notice a change of the blocks.

SHAPE = (16, 32, 3)


def compare(family):
    """The smallest comparison of each family."""
    depth = 5 if family.startswith("resunet-v2") else 3
    if family == "resunet-v1":
        original, names = oracles.res_unet(2, 3, SHAPE, "elu", final_activation="sigmoid"), comparing.v1_names(3)
    elif family.startswith("resunet-v2"):
        original = oracles.ResUnet2D(2, *SHAPE[:2], BN=family.endswith("-bn"))
        names = comparing.strided_names(5, plain_bridge=True)
    elif family == "unet":
        original, names = oracles.unet(2, 3, SHAPE, "elu", batch_norm=True), comparing.unet_names(3)
    elif family == "deep-resunet-plainbridge":
        original, names = oracles.plain_bridge([2, 4, 8], SHAPE), comparing.strided_names(3, plain_bridge=True)
    else:
        mode = "bilinear" if family.endswith("bilinear") else "nearest"
        original = oracles.deep_resunet(2, 3, SHAPE, upsample=mode)
        names = comparing.strided_names(3, plain_bridge=False)
    overrides = {"unet": {"activation": "elu", "batch_norm": True}, "resunet-v1": {"activation": "elu"}}.get(family, {})
    assert_same_function(original, zoo.get(f"{family}-d{depth}-f2", **overrides), names, SHAPE)


def swapped_concat(original):
    return lambda x, skip, **options: original["concat"](skip, x, **options)


def shortcut_with(**changes):
    def mutate(original):
        def shortcut(x, filters, style, **options):
            return original["shortcut"](x, filters, replace(style, shortcut=replace(style.shortcut, **changes)), **options)

        return shortcut

    return mutate


def other_epsilon(original):
    return lambda x, style, **options: original["norm"](x, replace(style, epsilon=1e-5), **options)


def act_across_the_add(original):
    def residual(x, filters, style, *, name, stride=1, lead=True, kernel=3):
        if style.order == "pre":  # an activation after the add, as in a post-activation unit
            y = original["residual"](x, filters, style, name=name, stride=stride, lead=lead)
            return blocks.act(y, style.activation, name=f"{name}_late")
        side = blocks.shortcut(x, filters, style, name=name, stride=stride)
        for index in (1, 2):  # the last activation before the add
            x = blocks.conv_norm_act(x, filters, style, name=name, index=index, stride=stride if index == 1 else 1)
        return blocks.keras.layers.Add(name=f"{name}_add")([side, x])

    return residual


def act_before_norm(original):
    def conv_norm_act(x, filters, style, *, name, index=1, **options):
        x = blocks.conv(x, filters, style, **options, name=f"{name}_conv{index}")
        x = blocks.act(x, style, name=f"{name}_act{index}")
        return blocks.norm(x, style, name=f"{name}_norm{index}")

    return conv_norm_act


def torch_padding(original):
    def conv(x, filters, style=blocks.KERAS_STYLE, **options):
        return original["conv"](x, filters, replace(style, padding="torch"), **options)

    return conv


def no_activation(suffix):
    def mutate(original):
        return lambda x, activation, *, name: x if name.endswith(suffix) else original["act"](x, activation, name=name)

    return mutate


def nearest(original):
    return lambda x, mode, *, like=None, **options: original["upsample"](x, "nearest", **options)


FAMILIES = (
    "unet",
    "resunet-v1",
    "resunet-v2",
    "resunet-v2-bn",
    "deep-resunet",
    "deep-resunet-bilinear",
    "deep-resunet-plainbridge",
)
RESIDUAL = FAMILIES[1:]
STRIDED = FAMILIES[2:]
NORMED_SHORTCUT = FAMILIES[3:]
NORMED = tuple(family for family in FAMILIES if family != "resunet-v2")
MUTATIONS = [
    *((family, "concat", swapped_concat) for family in FAMILIES),
    *((family, "norm", other_epsilon) for family in NORMED),
    *((family, "residual", act_across_the_add) for family in RESIDUAL),
    *((family, "conv", torch_padding) for family in STRIDED),
    *((family, "shortcut", shortcut_with(norm=False)) for family in NORMED_SHORTCUT),
    *((family, "shortcut", shortcut_with(activation=True)) for family in ("resunet-v1", *FAMILIES[4:])),
    *((family, "shortcut", shortcut_with(activation=False)) for family in ("resunet-v2", "resunet-v2-bn")),
    *((family, "shortcut", shortcut_with(kind="none")) for family in RESIDUAL),
    *((family, "act", no_activation("_upact")) for family in ("unet", "resunet-v1")),
    ("unet", "conv_norm_act", act_before_norm),
    ("resunet-v1", "conv_norm_act", act_before_norm),
    ("deep-resunet-bilinear", "upsample", nearest),
]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_comparison_passes_without_a_mutation(family):
    compare(family)


@pytest.mark.parametrize(("family", "function", "mutate"), MUTATIONS)
def test_the_comparison_notices(family, function, mutate, monkeypatch):
    owner = sampling if function == "upsample" else blocks
    monkeypatch.setattr(owner, function, mutate(dict(vars(owner))))
    with pytest.raises(AssertionError):
        compare(family)
