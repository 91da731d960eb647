"""`ResidualEncoderUNet` and `ResidualUNet` of dynamic_network_architectures, as nnU-Net makes them, against `resenc-unet`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from parity.case import Case, Row
from parity.rows import conv, conv_norm

MOST = 12  # the cap on the channels comes early, so that some stages have a stride without a change of channels
UNITS = (1, 3, 2, 2, 1)
PLANS: dict[str, dict[str, Any]] = {
    "resenc-2d": {"strides": (1, 2, 2, 2, 2), "kernel_sizes": (3, 3, 3, 3, 3)},
    "resenc-2d-one-output": {"strides": (1, 2, 2), "kernel_sizes": (3, 3, 3), "deep_supervision": False},
    "resenc-2d-mixed": {"strides": ((1, 1), (3, 2), (1, 2), (2, 1)), "kernel_sizes": ((5, 3), (1, 3), (3, 3), (3, 7))},
    "resenc-2d-residual": {"strides": (1, 2, 2, 2), "kernel_sizes": (3, 3, 3, 3), "decoder": "residual"},
    "resenc-3d": {"strides": (1, 2, 2, 2), "kernel_sizes": (3, 3, 3, 3)},
    "resenc-3d-slices": {
        "strides": ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (1, 2, 2)),
        "kernel_sizes": ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    },
    "resenc-3d-residual": {
        "strides": ((1, 1, 1), (1, 2, 2), (2, 2, 2)),
        "kernel_sizes": ((1, 3, 3), (3, 3, 3), (3, 3, 3)),
        "decoder": "residual",
    },
}
SIZES = {
    "resenc-2d": ((32, 32), (32, 48)),
    "resenc-2d-one-output": ((8, 8), (12, 20)),
    "resenc-2d-mixed": ((12, 8), (6, 20)),
    "resenc-2d-residual": ((16, 16), (24, 16)),
    "resenc-3d": ((16, 16, 16), (16, 8, 24)),
    "resenc-3d-slices": ((2, 32, 32), (6, 16, 48)),
    "resenc-3d-residual": ((4, 8, 8), (2, 8, 12)),
}


def width(level: int) -> int:
    return min(4 * 2**level, MOST)


def original(name: str):
    """The original at one plan."""
    import torch
    from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet, ResidualUNet

    from parity.frameworks import TorchNetwork

    plan = PLANS[name]
    depth = len(plan["strides"])
    volumes = "3d" in name
    supervised = plan.get("deep_supervision", True)
    module = (ResidualUNet if "decoder" in plan else ResidualEncoderUNet)(
        input_channels=2,
        n_stages=depth,
        features_per_stage=tuple(map(width, range(depth))),
        conv_op=torch.nn.Conv3d if volumes else torch.nn.Conv2d,
        kernel_sizes=plan["kernel_sizes"],
        strides=plan["strides"],
        n_blocks_per_stage=UNITS[:depth],
        num_classes=3,
        n_conv_per_stage_decoder=1,
        conv_bias=True,
        norm_op=torch.nn.InstanceNorm3d if volumes else torch.nn.InstanceNorm2d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=torch.nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=supervised,
    )
    return TorchNetwork(module, list if supervised else None)


def unit(theirs: str, ours: str, place: int | None) -> Iterator[Row]:
    """A residual unit; `place` is that of the convolution in its shortcut, if it has one."""
    for k in (1, 2):
        yield from conv_norm(
            f"{theirs}.conv{k}.conv", f"{theirs}.conv{k}.norm", f"{ours}_conv{k}", f"{ours}_norm{k}", batch=False
        )
    if place is not None:
        skip = f"{theirs}.skip.{place}"
        yield from conv_norm(f"{skip}.conv", f"{skip}.norm", f"{ours}_proj", f"{ours}_projnorm", bias=False, batch=False)


def table(name: str) -> Iterator[Row]:
    """Which tensor is which weight."""
    plan = PLANS[name]
    depth = len(plan["strides"])
    stem = "encoder.stem.convs.0"
    yield from conv_norm(f"{stem}.conv", f"{stem}.norm", "stem0_conv1", "stem0_norm1", batch=False)
    for level in range(depth):
        ours = f"mid{level}" if level == depth - 1 else f"enc{level}"
        changes = level > 0 and width(level) != width(level - 1)
        for block in range(UNITS[level]):
            theirs = f"encoder.stages.{level}.blocks.{block}"
            yield from unit(theirs, f"{ours}_block{block + 1}", 1 if changes and block == 0 else None)
    for place in range(depth - 1):
        level = depth - 2 - place
        yield from conv(f"decoder.transpconvs.{place}", f"dec{level}_up")
        if "decoder" in plan:
            yield from unit(f"decoder.stages.{place}.blocks.0", f"dec{level}", 0)
        else:
            stage = f"decoder.stages.{place}.convs.0"
            yield from conv_norm(f"{stage}.conv", f"{stage}.norm", f"dec{level}_conv1", f"dec{level}_norm1", batch=False)
        if level == 0 or plan.get("deep_supervision", True):
            yield from conv(f"decoder.seg_layers.{place}", f"head{level}_conv")


def case(name: str) -> Case:
    plan = PLANS[name]
    depth = len(plan["strides"])
    ndim = 3 if "3d" in name else 2
    unused = [] if plan.get("deep_supervision", True) else range(depth - 2)
    return Case(
        name=name,
        entry="resenc-unet-3d" if ndim == 3 else "resenc-unet",
        overrides={
            "input_shape": (*[None] * ndim, 2),
            "classes": 3,
            "depth": depth,
            "filters": 4,
            "max_filters": MOST,
            "units": UNITS[:depth],
            **plan,
        },
        sizes=SIZES[name],
        channels=2,
        original=partial(original, name),
        table=partial(table, name),
        source=f"dynamic_network_architectures 0.4.4, {'ResidualUNet' if 'decoder' in plan else 'ResidualEncoderUNet'}, {plan}",
        needs=("torch", "dynamic_network_architectures"),
        unused=tuple(f"decoder.seg_layers.{place}.{kind}" for place in unused for kind in ("weight", "bias")),
        mutations=("concat_swapped", "shortcut_without_norm", "same_padding", "epsilon", "activation_across_add"),
    )


CASES = [case(name) for name in PLANS]
