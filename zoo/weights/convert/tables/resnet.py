"""ResNets of torchvision, and `segmentation_models_pytorch.Unet` around them: `resnet*-unet`.

smp names the encoder's tensors as torchvision does, with `encoder.` before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.weights.convert.rows import Row, conv_norm

if TYPE_CHECKING:
    from zoo.architectures.resnet_unet import ResNetUNetConfig
    from zoo.weights.convert.sources import Shapes

COUNTERS = ("*num_batches_tracked",)
"""Of PyTorch's batch normalisations; they say nothing about what the network computes."""

CLASSIFIER = ("fc.weight", "fc.bias")
"""The classifier that a segmentation network has no use for."""


def encoder_rows(config: ResNetUNetConfig, prefix: str = "") -> Iterator[Row]:
    """Yields the rows of the encoder."""
    from zoo.architectures.resnet_unet import BLOCKS, BOTTLENECKS

    wide = config.encoder in BOTTLENECKS
    yield from conv_norm(f"{prefix}conv1", f"{prefix}bn1", "stem1_conv1", "stem1_norm1", bias=False)
    for stage, count in enumerate(BLOCKS[config.encoder], start=1):
        for unit in range(count):
            theirs, ours = f"{prefix}layer{stage}.{unit}", f"enc{stage + 1}_block{unit + 1}"
            for k in (1, 2, 3) if wide else (1, 2):
                yield from conv_norm(f"{theirs}.conv{k}", f"{theirs}.bn{k}", f"{ours}_conv{k}", f"{ours}_norm{k}", bias=False)
            if unit == 0 and (stage > 1 or wide):
                down = f"{theirs}.downsample"
                yield from conv_norm(f"{down}.0", f"{down}.1", f"{ours}_proj", f"{ours}_projnorm", bias=False)


def smp_rows(config: ResNetUNetConfig) -> Iterator[Row]:
    """Yields the rows of the whole network."""
    yield from encoder_rows(config, "encoder.")
    for block in range(5):
        for k in (1, 2):
            theirs, ours = f"decoder.blocks.{block}.conv{k}", f"dec{4 - block}"
            yield from conv_norm(f"{theirs}.0", f"{theirs}.1", f"{ours}_conv{k}", f"{ours}_norm{k}", bias=False)
    yield from conv_norm("segmentation_head.0", None, "head0_conv", None)


def encoder_facts(shapes: Shapes, config: Any, prefix: str = "") -> dict[str, Any]:
    """Returns which ResNet it is, as far as the zoo has it, and the channels of its images."""
    from zoo.architectures.resnet_unet import BLOCKS, BOTTLENECKS

    facts: dict[str, Any] = {}
    stem = shapes.get(f"{prefix}conv1.weight", ())
    if len(stem) > 2:
        facts |= {"ndim": len(stem) - 2, "channels": stem[1]}
    units = tuple(_units(shapes, f"{prefix}layer{stage}.") for stage in (1, 2, 3, 4))
    wide = f"{prefix}layer1.0.conv3.weight" in shapes
    encoders = [name for name, blocks in BLOCKS.items() if blocks == units and (name in BOTTLENECKS) == wide]
    return facts | ({"encoder": encoders[0]} if encoders else {})


def smp_facts(shapes: Shapes, config: Any) -> dict[str, Any]:
    """Returns which encoder it has, and the channels of its images and its output."""
    head = shapes.get("segmentation_head.0.weight", ())
    return encoder_facts(shapes, config, "encoder.") | ({"classes": head[0]} if head else {})


def _units(shapes: Shapes, stage: str) -> int:
    return len({name[len(stage) :].partition(".")[0] for name in shapes if name.startswith(stage)})
