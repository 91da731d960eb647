"""Copying weights from an original to the zoo's network by name, and comparing what both compute."""

from __future__ import annotations

import numpy as np


def v1_names(depth):
    """Name in the zoo of every weighted layer of the document's `res_unet`."""
    names = {"output": "head0_conv"}
    for i in range(depth):
        side = f"enc{i}" if i < depth - 1 else f"mid{i}"
        names |= {f"Identity{i}_1": f"{side}_proj"}
        names |= {f"Conv{i}_{k}": f"{side}_conv{k}" for k in (1, 2)} | {f"BN{i}_{k}": f"{side}_norm{k}" for k in (1, 2)}
    for i in range(depth - 1):
        names |= {f"upConv{i}_1": f"dec{i}_upconv", f"upIdentity{i}_1": f"dec{i}_proj"}
        names |= {f"upConv{i}_1_": f"dec{i}_conv1", f"upConv{i}_2": f"dec{i}_conv2"}
        names |= {f"upBN{i}_{k}": f"dec{i}_norm{k}" for k in (1, 2)}
    return names


def numbered(convs, norms, ups=()):
    """Names for originals whose layers are numbered in order of creation."""
    lists = (("conv", convs), ("bn", norms), ("up", ups))
    return {f"{kind}{index}": name for kind, names in lists for index, name in enumerate(names, start=1)}


def strided_names(depth, plain_bridge, norm_of_projections=True, transposed=False):
    """Names for the networks of strided pre-activation units.

    The originals create, in each unit, the first and the second convolution and then the shortcut's, and the normalisation
    before each. The very first unit has no leading norm, so its first norm is the zoo's second. The decoder runs from the
    coarsest level to the finest; the head comes last.
    """
    last = depth - 1
    mid = f"enc{last}" if plain_bridge else f"mid{last}"
    encoder = [*(f"enc{level}" for level in range(1, last)), mid]
    decoder = [f"dec{level}" for level in reversed(range(last))]
    proj = [""] if norm_of_projections else []
    convs = ["enc0_conv1", "enc0_conv2", "enc0_proj"]
    norms = ["enc0_norm2", *("enc0_projnorm" for _ in proj)]
    for unit in encoder:
        convs += [f"{unit}_conv1", f"{unit}_conv2", f"{unit}_proj"]
        norms += [f"{unit}_norm1", f"{unit}_norm2", *(f"{unit}_projnorm" for _ in proj)]
    if plain_bridge:
        convs += [f"mid{last}_conv1", f"mid{last}_conv2"]
        norms += [f"mid{last}_norm1", f"mid{last}_norm2"]
    for unit in decoder:
        convs += [f"{unit}_conv1", f"{unit}_conv2", f"{unit}_proj"]
        norms += [f"{unit}_norm1", f"{unit}_norm2", *(f"{unit}_projnorm" for _ in proj)]
    return numbered([*convs, "head0_conv"], norms, [f"{unit}_up" for unit in decoder] if transposed else ())


def without_projections(names):
    """Names for networks whose shortcuts have no weights: the same order with the projections left out."""
    convs = [name for key, name in names.items() if key.startswith("conv") and not name.endswith("_proj")]
    norms = [name for key, name in names.items() if key.startswith("bn") and not name.endswith("_projnorm")]
    ups = [name for key, name in names.items() if key.startswith("up")]
    return numbered(convs, norms, ups)


def unet_names(depth):
    """Names for the U-Net: pairs down, pairs up with the up-convolution before each, the head."""
    convs, norms = [], []
    last = depth - 1
    for unit in [*(f"enc{level}" for level in range(last)), f"mid{last}"]:
        convs += [f"{unit}_conv1", f"{unit}_conv2"]
        norms += [f"{unit}_norm1", f"{unit}_norm2"]
    for level in reversed(range(last)):
        convs += [f"dec{level}_up", f"dec{level}_conv1", f"dec{level}_conv2"]
        norms += [f"dec{level}_norm1", f"dec{level}_norm2"]
    return numbered([*convs, "head0_conv"], norms)


def randomise(model, seed=0):
    """Sets every weight, moving statistics included, to a random value that keeps activations of order one."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        kind = variable.name
        if kind == "kernel":
            fan_in = np.prod(variable.shape[:-1])
            value = rng.normal(0, np.sqrt(1.5 / fan_in), variable.shape)
        elif kind in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, variable.shape)
        else:  # bias, beta, moving_mean
            value = rng.normal(0.3, 0.2, variable.shape)  # above 0 on average, so that narrow layers are not dead after ReLU
        variable.assign(value.astype("float32"))


def copy_weights(original, network, names):
    """Copies all weights; no weight of either network may be left over."""
    ours = {layer.name: layer for layer in network.layers if layer.variables}
    theirs = {layer.name: layer for layer in original.layers if layer.variables}
    used = {names[name] for name in theirs}
    assert used == set(ours), f"layers without a partner: {used ^ set(ours)}"
    for name, layer in theirs.items():
        partner = ours[names[name]]
        shapes = [tuple(v.shape) for v in layer.variables]
        assert [tuple(v.shape) for v in partner.variables] == shapes, f"{name} and {partner.name}: other shapes"
        for mine, other in zip(partner.variables, layer.variables, strict=True):
            mine.assign(other)


def assert_same_function(original, network, names, shape, tolerance=1e-6):
    """Gives both networks the same random weights and compares their outputs, relative to the largest output."""
    randomise(original)
    copy_weights(original, network, names)
    image = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    # training=False is said because `Resizing` turns training on for all layers after it where nothing is said.
    expected, received = (np.array(model(image, training=False)) for model in (original, network))
    assert received.shape == expected.shape
    assert np.std(expected) > 1e-3, "the original is constant: the comparison would say nothing"
    assert np.max(np.abs(received - expected)) <= tolerance * max(1.0, np.max(np.abs(expected)))
