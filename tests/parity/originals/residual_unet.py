"""`ResidualUNet2D`, `ResidualUNet3D` and `ResidualUNetSE3D` of pytorch-3dunet against `residual-unet`, `-3d` and `-3d-se`."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from functools import partial

from parity.case import Case, Row
from parity.rows import conv, norm

CHECKOUT = "wolny/pytorch-3dunet@a33e2c7038a0b51296ca4f99b0f0ed4b61740705"


def original(kind: str, channels: int, classes: int, filters: int, depth: int):
    """The original as it gives logits; importing it takes scikit-image, which only its pictures need."""
    colour = types.ModuleType("skimage.color")
    colour.label2rgb = None
    sys.modules.setdefault("skimage", types.ModuleType("skimage"))
    sys.modules.setdefault("skimage.color", colour)
    from pytorch3dunet.unet3d import model

    from parity.frameworks import TorchNetwork

    make = getattr(model, kind)
    return TorchNetwork(make(channels, classes, f_maps=filters, num_levels=depth, is_segmentation=False))


def unit(theirs: str, ours: str, projected: bool, gated: bool) -> Iterator[Row]:
    """Rows of one residual unit and its gates."""
    theirs = f"{theirs}.basic_module"
    if projected:
        yield from conv(f"{theirs}.conv1", f"{ours}_proj")
    for k in (1, 2):
        yield from norm(f"{theirs}.conv{k + 1}.groupnorm", f"{ours}_norm{k}", batch=False)
        yield from conv(f"{theirs}.conv{k + 1}.conv", f"{ours}_conv{k}", bias=False)
    if gated:
        yield from conv(f"{theirs}.se_module.cSE.fc1", f"{ours}_cse_squeeze")
        yield from conv(f"{theirs}.se_module.cSE.fc2", f"{ours}_cse_excite")
        yield from conv(f"{theirs}.se_module.sSE.conv", f"{ours}_sse_conv")


def table(depth: int, gated: bool, first_projected: bool) -> Iterator[Row]:
    """Which tensor is which weight."""
    for level in range(depth):
        ours = f"{'mid' if level == depth - 1 else 'enc'}{level}"
        yield from unit(f"encoders.{level}", ours, level > 0 or first_projected, gated)
    for step in range(depth - 1):
        ours = f"dec{depth - 2 - step}"
        yield from conv(f"decoders.{step}.upsampling.upsample.conv_transposed", f"{ours}_up", bias=False)
        yield from unit(f"decoders.{step}", ours, False, gated)
    yield from conv("final_conv", "head0_conv")


def case(name: str, kind: str, sizes: tuple[tuple[int, ...], ...], channels: int, classes: int, filters: int, depth: int) -> Case:
    """One class of the original at one size."""
    gated = "SE" in kind
    return Case(
        name=name,
        entry=f"residual-unet{'-3d' if '3D' in kind else ''}{'-se' if gated else ''}-d{depth}-f{filters}",
        overrides={"input_shape": (*[None] * len(sizes[0]), channels), "classes": classes},
        sizes=sizes,
        channels=channels,
        original=partial(original, kind, channels, classes, filters, depth),
        table=partial(table, depth, gated, channels != filters),
        source=f"pytorch3dunet.unet3d.model.{kind}({channels}, {classes}, f_maps={filters}, num_levels={depth})",
        checkout=CHECKOUT,
        mutations=("transposed_same", "epsilon", "activation_across_add"),
    )


CASES = [
    case("residual-unet", "ResidualUNet2D", ((32, 32), (29, 43), (16, 64)), 3, 2, 8, 4),
    case("residual-unet-3d", "ResidualUNet3D", ((8, 8, 8), (9, 11, 14), (4, 7, 21)), 1, 1, 8, 3),
    case("residual-unet-3d-one-group", "ResidualUNet3D", ((8, 8, 8), (10, 9, 15)), 2, 3, 4, 3),
    case("residual-unet-3d-unprojected", "ResidualUNet3D", ((6, 4, 10), (7, 9, 5)), 8, 1, 8, 2),
    case("residual-unet-3d-se", "ResidualUNetSE3D", ((8, 12, 8), (9, 10, 15)), 1, 2, 8, 3),
]
