"""`ResidualEncoderUNet` and `ResidualUNet` of dynamic_network_architectures, as nnU-Net makes them, against `resenc-unet`."""

from __future__ import annotations

from functools import partial
from typing import Any

from parity.case import Case
from parity.rows import table_of
from zoo.weights.convert.tables import resenc_unet

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


def case(name: str) -> Case:
    plan = PLANS[name]
    depth = len(plan["strides"])
    ndim = 3 if "3d" in name else 2
    unused = [] if plan.get("deep_supervision", True) else range(depth - 2)
    entry = "resenc-unet-3d" if ndim == 3 else "resenc-unet"
    sizes = {"depth": depth, "filters": 4, "max_filters": MOST, "units": UNITS[:depth]}
    overrides = {"input_shape": (*[None] * ndim, 2), "classes": 3, **sizes, **plan}
    return Case(
        name=name,
        entry=entry,
        overrides=overrides,
        sizes=SIZES[name],
        channels=2,
        original=partial(original, name),
        table=table_of(resenc_unet.rows, entry, overrides),
        source=f"dynamic_network_architectures 0.4.4, {'ResidualUNet' if 'decoder' in plan else 'ResidualEncoderUNet'}, {plan}",
        needs=("torch", "dynamic_network_architectures"),
        unused=tuple(f"decoder.seg_layers.{place}.{kind}" for place in unused for kind in ("weight", "bias")),
        mutations=("concat_swapped", "shortcut_without_norm", "same_padding", "epsilon", "activation_across_add"),
    )


CASES = [case(name) for name in PLANS]
