"""ZJUGiveLab's `UNet_3Plus`, `UNet_3Plus_DeepSup` and `UNet_3Plus_DeepSup_CGM` against `unet3plus`.

Their widths are written in the code; narrower ones take their place where a case says so, before the code runs.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from functools import partial

from parity.case import Case, Row, checkout_folder
from parity.rows import conv, conv_norm

CHECKOUT = "ZJUGiveLab/UNet-Version@8ecd06740d18cf508e5c8b2cc2bf38a026aa0e9b"
WIDTHS = "[64, 128, 256, 512, 1024]"


def original(kind: str, filters: int, channels: int, classes: int):
    """One of the three networks, which gives logits here: its sigmoids are left out, and what it forgot to import is given."""
    import numpy
    import torch

    from parity.frameworks import TorchNetwork

    folder = checkout_folder(CHECKOUT) / "models"
    source = (folder / "UNet_3Plus.py").read_text()
    assert source.count(WIDTHS) == 3
    module = types.ModuleType("UNet_3Plus")
    others = ("layers", "init_weights")
    sys.path.insert(0, str(folder))
    exec(source.replace(WIDTHS, str([filters * 2**level for level in range(5)])), module.__dict__)
    sys.path.remove(str(folder))
    for name in others:
        del sys.modules[name]
    module.F, module.np = types.SimpleNamespace(sigmoid=lambda logits: logits), numpy

    torch.manual_seed(0)
    network = getattr(module, kind)(in_channels=channels, n_classes=classes)
    if not kind.endswith("CGM"):
        return TorchNetwork(network, list if kind.endswith("DeepSup") else None)
    classified = []
    network.cls.register_forward_hook(lambda layer, inputs, output: classified.append(output.flatten(1)))
    return TorchNetwork(network, lambda outputs: [*outputs, classified.pop()])


def table(kind: str) -> Iterator[Row]:
    """Which tensor is which weight."""
    for level in range(5):
        ours = f"enc{level}" if level < 4 else "mid4"
        for k in (1, 2):
            theirs = f"conv{level + 1}.conv{k}"
            yield from conv_norm(f"{theirs}.0", f"{theirs}.1", f"{ours}_conv{k}", f"{ours}_norm{k}")
    for level in range(4):
        for source in range(5):
            step = "PT" if source < level else "Cat" if source == level else "UT"
            theirs = f"h{'d' if source > level else ''}{source + 1}_{step}_hd{level + 1}"
            ours = f"dec{level}_from{source}"
            yield from conv_norm(f"{theirs}_conv", f"{theirs}_bn", f"{ours}_conv1", f"{ours}_norm1")
        ours = f"dec{level}"
        yield from conv_norm(f"conv{level + 1}d_1", f"bn{level + 1}d_1", f"{ours}_conv1", f"{ours}_norm1")
    for level in range(5 if "DeepSup" in kind else 1):
        yield from conv(f"outconv{level + 1}", f"head{level}_conv")
    if kind.endswith("CGM"):
        yield from conv("cls.1", "head4_class_conv")


def case(name: str, kind: str, *, filters: int, sizes: tuple[tuple[int, int], ...], classes: int = 1, **fields: bool) -> Case:
    """One of the three networks at one width; the full width is the code as it is."""
    narrow = "" if filters == 64 else f" with widths from {filters} on"
    return Case(
        name=name,
        entry=f"unet3plus-d5-f{filters}",
        overrides={"classes": classes, **fields},
        sizes=sizes,
        channels=3,
        original=partial(original, kind, filters, 3, classes),
        table=partial(table, kind),
        source=f"UNet-Version {kind}(in_channels=3, n_classes={classes}){narrow}, logits",
        checkout=CHECKOUT,
        mutations=("concat_swapped", "epsilon"),
    )


CASES = [
    case("unet3plus", "UNet_3Plus", filters=64, sizes=((16, 32),)),
    case("unet3plus-f5", "UNet_3Plus", filters=5, sizes=((64, 64), (48, 80)), classes=3),
    case("unet3plus-deep", "UNet_3Plus_DeepSup", filters=4, sizes=((64, 48), (48, 80)), deep_supervision=True),
    # at this width and these sizes the module sees something: it multiplies by 1, and the outputs say something
    case("unet3plus-cgm", "UNet_3Plus_DeepSup_CGM", filters=10, sizes=((64, 48), (48, 80)), deep_supervision=True, cgm=True),
]
