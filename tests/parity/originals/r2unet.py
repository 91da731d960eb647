"""`R2U_Net` and `R2AttU_Net` of LeeJunHyun/Image_Segmentation against `r2unet` and `r2unet-attention`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from parity.case import Case, Row
from parity.rows import conv, conv_norm

COMMIT = "LeeJunHyun/Image_Segmentation@5e9da93"
NARROWER = 8  # the original's 64 to 1024 channels become 8 to 128


class NarrowLayers:
    """Stands for `torch.nn` in the original: layers of at least 32 channels are narrower, all else is as it is."""

    def __getattr__(self, name: str):
        from torch import nn

        return getattr(nn, name)

    def Conv2d(self, inputs: int, outputs: int, **options):
        """A convolution."""
        from torch import nn

        return nn.Conv2d(narrow(inputs), narrow(outputs), **options)

    def BatchNorm2d(self, channels: int):
        """A normalisation."""
        from torch import nn

        return nn.BatchNorm2d(narrow(channels))


def narrow(channels: int) -> int:
    """Returns the channels of a narrow layer; fewer than 32 are those of an image, of an output or of the gate's last layer."""
    return channels // NARROWER if channels >= 32 else channels


def original(kind: str, recurrence: int, channels: int, classes: int):
    """The original's network, made of narrower layers."""
    import network

    from parity.frameworks import TorchNetwork

    network.nn = NarrowLayers()
    return TorchNetwork(getattr(network, kind)(img_ch=channels, output_ch=classes, t=recurrence))


def unit(theirs: str, ours: str) -> Iterator[Row]:
    """Rows of a recurrent residual unit."""
    yield from conv(f"{theirs}.Conv_1x1", f"{ours}_proj")
    for k in (1, 2):
        recurrent = f"{theirs}.RCNN.{k - 1}.conv"
        yield from conv_norm(f"{recurrent}.0", f"{recurrent}.1", f"{ours}_conv{k}", f"{ours}_norm{k}")


def table(kind: str) -> Iterator[Row]:
    """Which tensor is which weight; the original counts levels from 1."""
    for level in range(4):
        yield from unit(f"RRCNN{level + 1}", f"enc{level}")
        yield from unit(f"Up_RRCNN{level + 2}", f"dec{level}")
        up = f"Up{level + 2}.up"
        yield from conv_norm(f"{up}.1", f"{up}.2", f"dec{level}_upconv", f"dec{level}_upnorm")
        if kind == "R2AttU_Net":
            for part, ours in (("W_g", "up"), ("W_x", "skip"), ("psi", "psi")):
                gate = f"Att{level + 2}.{part}"
                yield from conv_norm(f"{gate}.0", f"{gate}.1", f"dec{level}_gate_{ours}", f"dec{level}_gate_{ours}norm")
    yield from unit("RRCNN5", "mid4")
    yield from conv("Conv_1x1", "head0_conv")


def case(kind: str, recurrence: int, channels: int, classes: int, sizes: tuple[tuple[int, int], ...]) -> Case:
    """One network with some recurrence, channels and classes."""
    entry = "r2unet" if kind == "R2U_Net" else "r2unet-attention"
    options = {"recurrence": recurrence, "classes": classes, "input_shape": (None, None, channels)}
    return Case(
        name=f"{entry}-{recurrence}",
        entry=f"{entry}-d5-f{64 // NARROWER}",
        overrides=options,
        sizes=sizes,
        channels=channels,
        original=partial(original, kind, recurrence, channels, classes),
        table=partial(table, kind),
        source=f"{kind}(img_ch={channels}, output_ch={classes}, t={recurrence}), {NARROWER} times narrower",
        checkout=COMMIT,
        mutations=("concat_swapped", "epsilon", "activation_across_add"),
    )


CASES = [
    case("R2U_Net", 2, 3, 1, ((32, 32), (32, 64))),
    case("R2U_Net", 1, 1, 2, ((48, 32),)),
    case("R2AttU_Net", 2, 3, 1, ((32, 32), (32, 64))),
    case("R2AttU_Net", 3, 2, 3, ((48, 32),)),
]
