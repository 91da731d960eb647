"""The `STUNet` of the authors' repository against `stunet-*`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from parity.case import Case, Row, checkout_folder
from parity.rows import conv, conv_norm

CHECKOUT = "uni-medical/STU-Net@0652eaf"
FILE = "nnUNet-1.7.1/nnunet/network_architecture/STUNet.py"
UNITS = {"s": 1, "b": 1, "l": 2, "h": 3}
LEVELS = 6
PLANS: dict[str, dict[str, Any]] = {
    "stunet-s-one-output": {"strides": ((1, 1, 1), *[(2, 2, 2)] * 2, *[(1, 1, 1)] * 3), "deep_supervision": False},
    "stunet-b": {"strides": ((1, 1, 1), *[(2, 2, 2)] * 3, *[(1, 1, 1)] * 2)},
    "stunet-l-slices": {
        "strides": ((1, 1, 1), (1, 2, 2), (2, 2, 2), (1, 1, 1), (1, 2, 1), (1, 1, 1)),
        "kernel_sizes": ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    },
    "stunet-h": {
        "strides": ((1, 1, 1), (2, 2, 2), (1, 3, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
        "kernel_sizes": ((3, 3, 3), (5, 3, 1), (3, 3, 3), (1, 1, 1), (3, 3, 3), (1, 3, 5)),
    },
}
SIZES = {  # with a handful of positions in the bottleneck at least, as normalising fewer makes much of rounding errors
    "stunet-s-one-output": ((16, 16, 8), (8, 12, 20)),
    "stunet-b": ((16, 16, 16), (24, 16, 32)),
    "stunet-l-slices": ((4, 16, 16), (6, 8, 20)),
    "stunet-h": ((6, 12, 6), (4, 12, 16)),
}


def original(name: str):
    """The original at one plan, imported without the rest of nnU-Net."""
    import importlib.util
    import sys
    from types import ModuleType

    import torch

    from parity.frameworks import TorchNetwork

    stubs = {part: ModuleType(part) for part in ("nnunet", "nnunet.network_architecture")}
    for part, kind, stub in (
        ("initialization", "InitWeights_He", lambda slope: lambda module: None),
        ("neural_network", "SegmentationNetwork", torch.nn.Module),
    ):
        stubs[f"nnunet.network_architecture.{part}"] = ModuleType(part)
        setattr(stubs[f"nnunet.network_architecture.{part}"], kind, stub)
    sys.modules.update(stubs)
    spec = importlib.util.spec_from_file_location("stunet_original", checkout_folder(CHECKOUT) / FILE)
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)

    plan = PLANS[name]
    module = theirs.STUNet(
        2,
        3,
        depth=[UNITS[name[7]]] * LEVELS,
        dims=[2 * multiple for multiple in (1, 2, 4, 8, 16, 16)],
        pool_op_kernel_sizes=plan.get("strides", [(2, 2, 2)] * LEVELS)[1:],
        conv_kernel_sizes=plan.get("kernel_sizes", [(3, 3, 3)] * LEVELS),
    )
    module.do_ds = plan.get("deep_supervision", True)
    return TorchNetwork(module, list if module.do_ds else None)


def stage(theirs: str, ours: str, count: int) -> Iterator[Row]:
    """A row of residual units, the first of which has a convolution in its shortcut."""
    for block in range(count):
        for k in (1, 2):
            unit, name = f"{theirs}.{block}", f"{ours}_block{block + 1}"
            yield from conv_norm(f"{unit}.conv{k}", f"{unit}.norm{k}", f"{name}_conv{k}", f"{name}_norm{k}", batch=False)
    yield from conv(f"{theirs}.0.conv3", f"{ours}_block1_proj")


def table(name: str) -> Iterator[Row]:
    """Which tensor is which weight."""
    count = UNITS[name[7]]
    for level in range(LEVELS):
        yield from stage(f"conv_blocks_context.{level}", f"mid{level}" if level == LEVELS - 1 else f"enc{level}", count)
    for place in range(LEVELS - 1):
        level = LEVELS - 2 - place
        yield from conv(f"upsample_layers.{place}.conv", f"dec{level}_upconv")
        yield from stage(f"conv_blocks_localization.{place}", f"dec{level}", count)
        if level == 0 or PLANS[name].get("deep_supervision", True):
            yield from conv(f"seg_outputs.{place}", f"head{level}_conv")


def case(name: str) -> Case:
    plan = PLANS[name]
    unused = [] if plan.get("deep_supervision", True) else range(LEVELS - 2)
    return Case(
        name=name,
        entry=name[:8],
        overrides={"input_shape": (None, None, None, 2), "classes": 3, "filters": 2, **plan},
        sizes=SIZES[name],
        channels=2,
        original=partial(original, name),
        table=partial(table, name),
        source=f"{FILE} of the authors' repository, dims from 2 on, {UNITS[name[7]]} units per stage, {plan}",
        checkout=CHECKOUT,
        unused=tuple(f"seg_outputs.{place}.{kind}" for place in unused for kind in ("weight", "bias")),
        mutations=("concat_swapped", "same_padding", "epsilon", "activation_across_add"),
    )


CASES = [case(name) for name in PLANS]
