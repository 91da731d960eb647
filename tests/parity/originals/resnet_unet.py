"""`segmentation_models_pytorch.Unet` with ResNet encoders against `resnet*-unet`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from parity.case import Case, Row
from parity.rows import conv_norm

UNITS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
WIDE = ("resnet50", "resnet101")
SIZES = {"resnet18": ((64, 64), (64, 96)), "resnet34": ((64, 64), (64, 96)), "resnet50": ((64, 64),), "resnet101": ((32, 64),)}


def original(encoder: str):
    """smp's network with random weights."""
    import segmentation_models_pytorch

    from parity.frameworks import TorchNetwork

    return TorchNetwork(segmentation_models_pytorch.Unet(encoder, encoder_weights=None, in_channels=3, classes=1))


def table(encoder: str) -> Iterator[Row]:
    """Which tensor is which weight."""
    yield from conv_norm("encoder.conv1", "encoder.bn1", "stem1_conv1", "stem1_norm1", bias=False)
    for stage, count in enumerate(UNITS[encoder], start=1):
        for unit in range(count):
            theirs, ours = f"encoder.layer{stage}.{unit}", f"enc{stage + 1}_block{unit + 1}"
            for k in (1, 2, 3) if encoder in WIDE else (1, 2):
                yield from conv_norm(f"{theirs}.conv{k}", f"{theirs}.bn{k}", f"{ours}_conv{k}", f"{ours}_norm{k}", bias=False)
            if unit == 0 and (stage > 1 or encoder in WIDE):
                down = f"{theirs}.downsample"
                yield from conv_norm(f"{down}.0", f"{down}.1", f"{ours}_proj", f"{ours}_projnorm", bias=False)
    for block in range(5):
        for k in (1, 2):
            theirs, ours = f"decoder.blocks.{block}.conv{k}", f"dec{4 - block}"
            yield from conv_norm(f"{theirs}.0", f"{theirs}.1", f"{ours}_conv{k}", f"{ours}_norm{k}", bias=False)
    yield from conv_norm("segmentation_head.0", None, "head0_conv", None)


CASES = [
    Case(
        name=encoder,
        entry=f"{encoder}-unet",
        sizes=SIZES[encoder],
        channels=3,
        original=partial(original, encoder),
        table=partial(table, encoder),
        source=f"segmentation_models_pytorch.Unet({encoder!r}, encoder_weights=None, in_channels=3, classes=1)",
        needs=("torch", "torchvision", "segmentation_models_pytorch"),
        mutations=(
            "concat_swapped",
            "shortcut_without_norm",
            "same_padding",
            "pooling_at_the_far_side",
            "epsilon",
            "activation_across_add",
        ),
    )
    for encoder in UNITS
]
