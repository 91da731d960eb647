"""The authors' MXNet code of ResUNet-a against `resunet-a`.

The original returns activated outputs. What it feeds into these activations is compared, which its own layers give away, and
that the original does nothing else with it is checked on the way.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from functools import partial

from parity.case import Case, Row, checkout_folder

CHECKOUT = "feevos/resuneta@49d26563f84c737e07d34edfe30b56c59cbb4203"

BRANCHES = {
    6: ((4, 4, 3, 3, 1, 1), (4, 4, 4, 3, 3)),
    7: ((4, 4, 3, 3, 1, 1, 1), (4, 4, 4, 4, 3, 1)),
}
"""Branches of the units in the encoder and in the decoder, full resolution first, by depth."""

HEADS = {"logits": "segmentation", "bound_logits": "boundary", "distance_logits": "distance", "color_logits": "color"}
HIDDEN = {"logits": 2, "bound_logits": 1, "distance_logits": 2}


def original(depth: int, filters: int, channels: int, classes: int):
    """The network of one depth, whose repository is imported as the package `resuneta`."""
    from parity.frameworks import MxnetNetwork

    package = types.ModuleType("resuneta")
    package.__path__ = [str(checkout_folder(CHECKOUT))]
    sys.modules["resuneta"] = package
    module = importlib.import_module(f"resuneta.models.resunet_d{depth}_causal_mtskcolor_ddist")
    block = getattr(module, f"ResUNet_d{depth}")(filters, classes, verbose=False)
    seen = {}
    for name in HEADS:
        getattr(block, name).register_forward_hook(lambda _, inputs, output, name=name: seen.update({name: output}))

    def logits(activated):
        exclusive = "sigmoid" if classes == 1 else "softmax"
        for result, name, activation in zip(activated, HEADS, (exclusive, "sigmoid", exclusive, "sigmoid"), strict=True):
            expected = seen[name].softmax(axis=1) if activation == "softmax" else seen[name].sigmoid()
            assert (result - expected).abs().max().asscalar() == 0, f"{name} is not activated by {activation}"
        return [seen[name] for name in HEADS]

    return MxnetNetwork(block, channels, (256, 256), logits)


def norm(theirs: str, ours: str) -> Iterator[Row]:
    """Rows of a batch normalisation."""
    for name, kind in (
        ("gamma", "gamma"),
        ("beta", "beta"),
        ("running_mean", "moving_mean"),
        ("running_var", "moving_variance"),
    ):
        yield f"{theirs}.{name}", ours, kind


def conv_norm(theirs: str, ours: str, index: int = 1) -> Iterator[Row]:
    """Rows of a convolution without bias and its normalisation."""
    yield f"{theirs}.conv2d.weight", f"{ours}_conv{index}", "kernel"
    yield from norm(f"{theirs}.norm_layer", f"{ours}_norm{index}")


def unit(theirs: str, ours: str, branches: int) -> Iterator[Row]:
    """Rows of a residual unit."""
    for k in range(1, branches + 1):
        for index in (1, 2):
            yield from norm(f"{theirs}.ResBlock{k}.BN{index}", f"{ours}_block{k}_norm{index}")
            yield f"{theirs}.ResBlock{k}.conv{index}.weight", f"{ours}_block{k}_conv{index}", "kernel"
        yield f"{theirs}.ResBlock{k}.conv2.bias", f"{ours}_block{k}_conv2", "bias"


def pooling(theirs: str, ours: str, scales: int) -> Iterator[Row]:
    """Rows of a pyramid pooling."""
    for scale in range(scales):
        yield from conv_norm(f"{theirs}.convs.{scale}", f"{ours}{scale}")
    yield from conv_norm(f"{theirs}.conv_norm_final", ours)


def table(depth: int) -> Iterator[Row]:
    """Which tensor is which weight."""
    down, up = BRANCHES[depth]
    bottom = depth - 1
    yield from conv_norm("encoder.conv_first_normed", "stem0")
    for level, branches in enumerate(down):
        ours = f"mid{level}" if level == bottom else f"enc{level}"
        if level > 0:
            yield f"encoder.pool{level}.convdn.weight", f"{ours}_down", "kernel"
        yield from unit(f"encoder.Dn{level + 1}", ours, branches)
    yield from pooling("encoder.middle", f"mid{bottom}_psp", 4 if depth == 6 else 3)
    for level, branches in enumerate(up):
        place = bottom - level
        yield from conv_norm(f"UpComb{place}.up.convup_normed", f"dec{level}_up")
        yield from conv_norm(f"UpComb{place}.conv_normed", f"dec{level}_merge")
        yield from unit(f"UpConv{place}", f"dec{level}", branches)
    yield from pooling("psp_2ndlast", "dec0_psp", 4)
    for theirs, ours in HEADS.items():
        hidden = HIDDEN.get(theirs, 0)
        for k in range(hidden):
            yield from conv_norm(f"{theirs}.{2 * k}", f"head0_{ours}", k + 1)
        last = f"{theirs}.{2 * hidden}" if hidden else theirs
        yield f"{last}.weight", f"head0_{ours}_conv", "kernel"
        yield f"{last}.bias", f"head0_{ours}_conv", "bias"


CASES = [
    Case(
        name=name,
        entry=f"resunet-a-d{depth}-f{filters}",
        overrides={"input_shape": (None, None, channels), "classes": classes},
        sizes=(size,),
        channels=channels,
        original=partial(original, depth, filters, channels, classes),
        table=partial(table, depth),
        source=f"resuneta.models.ResUNet_d{depth}({filters}, {classes}) on {channels} channels",
        needs=("mxnet",),
        checkout=CHECKOUT,
        mutations=("concat_swapped", "same_padding", "epsilon", "activation_across_add"),
    )
    for name, depth, filters, channels, classes, size in (
        ("resunet-a-d6", 6, 4, 3, 6, (256, 512)),
        ("resunet-a-d6-one-class", 6, 8, 2, 1, (256, 256)),
        ("resunet-a-d7", 7, 4, 5, 6, (512, 256)),
        ("resunet-a-d7-one-class", 7, 5, 1, 1, (256, 256)),
    )
]
