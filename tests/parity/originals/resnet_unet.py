"""`segmentation_models_pytorch.Unet` with ResNet encoders against `resnet*-unet`."""

from __future__ import annotations

from functools import partial

from parity.case import Case
from parity.rows import table_of
from zoo.weights.convert.tables import resnet

SIZES = {"resnet18": ((64, 64), (64, 96)), "resnet34": ((64, 64), (64, 96)), "resnet50": ((64, 64),), "resnet101": ((32, 64),)}


def original(encoder: str):
    """smp's network with random weights."""
    import segmentation_models_pytorch

    from parity.frameworks import TorchNetwork

    return TorchNetwork(segmentation_models_pytorch.Unet(encoder, encoder_weights=None, in_channels=3, classes=1))


CASES = [
    Case(
        name=encoder,
        entry=f"{encoder}-unet",
        sizes=SIZES[encoder],
        channels=3,
        original=partial(original, encoder),
        table=table_of(resnet.smp_rows, f"{encoder}-unet", {}),
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
    for encoder in SIZES
]
