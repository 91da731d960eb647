"""`RSUNet` of torms3/Superhuman against `rsunet`."""

from __future__ import annotations

import collections
import collections.abc
import sys
from collections.abc import Iterator
from functools import partial

from parity.case import Case, Row, checkout_folder
from parity.rows import conv, conv_norm, norm

CHECKOUT = "torms3/Superhuman@6e15bb07df01e4a484aa227c4fd543c30197da39"


def original(channels: int, classes: int, halvings: int, upsample: str, use_bn: bool):
    """The original with one output; it needs two names that Python and PyTorch have dropped, and one that it never imports."""
    from torch import nn

    collections.Iterable = collections.abc.Iterable
    nn.init.kaiming_normal, nn.init.constant = nn.init.kaiming_normal_, nn.init.constant_
    sys.path.insert(0, str(checkout_folder(CHECKOUT) / "code"))
    import rsunet

    from parity.frameworks import TorchNetwork

    rsunet.init = nn.init
    specs = {"input": (channels,)}, {"affinity": (classes, 1, 1, 1)}
    return TorchNetwork(rsunet.RSUNet(*specs, halvings, upsample=upsample, use_bn=use_bn), outputs=list)


def unit(theirs: str, ours: str, use_bn: bool) -> Iterator[Row]:
    """Rows of one residual unit."""
    for k in (1, 2, 3):
        batch = (f"{theirs}.bn{k}", f"{ours}_norm{k}") if use_bn else (None, None)
        yield from conv_norm(f"{theirs}.conv{k}.conv", batch[0], f"{ours}_conv{k}", batch[1], bias=not use_bn)


def table(halvings: int, upsample: str, use_bn: bool) -> Iterator[Row]:
    """Which tensor is which weight."""
    yield from conv("embed_in.conv.conv", "stem0_conv")
    for level in range(halvings + 1):
        yield from unit(f"convmod{level}", f"{'mid' if level == halvings else 'enc'}{level}", use_bn)
    for level in reversed(range(halvings)):
        theirs, ours = f"upsample{level}", f"dec{level}"
        yield from (
            conv(f"{theirs}.up.conv", f"{ours}_up") if upsample == "transpose" else conv(f"{theirs}.conv.conv", f"{ours}_upconv")
        )
        if use_bn:
            yield from norm(f"{theirs}.bn", f"{ours}_joinnorm")
        yield from unit(f"dconvmod{level}", ours, use_bn)
    yield from conv("embed_out.conv.conv", "head0_embed")
    yield from conv("output.affinity.conv", "head0_conv")


def case(name: str, sizes: tuple[tuple[int, ...], ...], channels: int, classes: int, halvings: int, **options) -> Case:
    """One form of the original."""
    upsample, use_bn = options.get("upsample", "bilinear"), options.get("use_bn", True)
    ours = "transposed" if upsample == "transpose" else upsample
    return Case(
        name=name,
        entry=f"rsunet-d{halvings + 1}",
        overrides={
            "input_shape": (None, None, None, channels),
            "classes": classes,
            "upsample": ours,
            "batch_norm": use_bn,
        },
        sizes=sizes,
        channels=channels,
        original=partial(original, channels, classes, halvings, upsample, use_bn),
        table=partial(table, halvings, upsample, use_bn),
        source=f"RSUNet(in={channels}, out={classes}, depth={halvings}, upsample={upsample!r}, use_bn={use_bn}), one output",
        checkout=CHECKOUT,
        mutations=("epsilon", "activation_across_add") if use_bn else ("activation_across_add",),
    )


CASES = [
    case("rsunet", ((2, 32, 32), (3, 16, 48)), 1, 3, 4),
    case("rsunet-nearest", ((3, 8, 8), (2, 12, 4)), 2, 1, 2, upsample="nearest"),
    case("rsunet-transposed", ((3, 8, 8), (5, 4, 12)), 1, 4, 2, upsample="transpose"),
    case("rsunet-unnormalised", ((3, 8, 8), (1, 12, 16)), 1, 2, 2, use_bn=False),
    case("rsunet-transposed-unnormalised", ((2, 6, 8),), 1, 1, 1, upsample="transpose", use_bn=False),
]
