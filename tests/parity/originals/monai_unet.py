"""`monai.networks.nets.UNet` against `monai-unet` and `monai-unet-3d`."""

from __future__ import annotations

from functools import partial
from typing import Any

from parity.case import Case
from parity.rows import table_of
from zoo.weights.convert.tables import monai_unet

FILTERS = 4
THEIR_NORMS = {"instance": "INSTANCE", "instance-affine": ("INSTANCE", {"affine": True}), "batch": "BATCH", None: None}
THEIR_ACTIVATIONS = {"leaky_relu": "LEAKYRELU", "prelu": "PRELU", "elu": "ELU", "relu": "RELU"}
FIELDS = {"norm": "instance", "activation": "prelu", "kernel": 3, "up_kernel": 3, "bias": True, "residual_units": 2}


def arguments(ndim: int, channels: int, classes: int, strides: tuple[Any, ...], fields: dict[str, Any]) -> dict[str, Any]:
    """What the original is called with."""
    return {
        "spatial_dims": ndim,
        "in_channels": channels,
        "out_channels": classes,
        "channels": tuple(FILTERS * 2**level for level in range(len(strides) + 1)),
        "strides": strides,
        "kernel_size": fields["kernel"],
        "up_kernel_size": fields["up_kernel"],
        "num_res_units": fields["residual_units"],
        "act": THEIR_ACTIVATIONS[fields["activation"]],
        "norm": THEIR_NORMS[fields["norm"]],
        "bias": fields["bias"],
    }


def original(options: dict[str, Any]):
    """The original with random weights."""
    from monai.networks.nets import UNet

    from parity.frameworks import TorchNetwork

    return TorchNetwork(UNet(**options))


def case(
    name: str, sizes: tuple[tuple[int, ...], ...], channels: int, classes: int, strides: tuple[Any, ...], **given: Any
) -> Case:
    """The original with some options."""
    ndim, fields = len(sizes[0]), {**FIELDS, **given}
    options = arguments(ndim, channels, classes, strides, fields)
    applies = {
        "concat_swapped": True,
        "same_padding": fields["kernel"] > 1,
        "transposed_same": True,
        "epsilon": fields["norm"] is not None,
        "activation_across_add": fields["residual_units"] > 0,
    }
    entry = f"monai-unet{'-3d' if ndim == 3 else ''}-d{len(strides) + 1}-f{FILTERS}"
    overrides = {"input_shape": (*[None] * ndim, channels), "classes": classes, "strides": (1, *strides), **fields}
    return Case(
        name=name,
        entry=entry,
        overrides=overrides,
        sizes=sizes,
        channels=channels,
        original=partial(original, options),
        table=table_of(monai_unet.rows, entry, overrides),
        source=f"monai.networks.nets.UNet(**{options})",
        needs=("torch", "monai"),
        mutations=tuple(mutation for mutation, does in applies.items() if does),
    )


CASES = [
    case("monai-unet", ((16, 16), (24, 40)), 1, 2, (2, 2, 2)),
    case("monai-unet-plain", ((16, 16), (8, 32)), 3, 1, (2, 2, 2), residual_units=0),
    case("monai-unet-kernels", ((16, 16), (24, 8)), 2, 3, (2, 2), residual_units=1, norm="instance-affine", kernel=5, up_kernel=7,
         activation="leaky_relu", bias=False),
    case("monai-unet-unnormalised", ((8, 8), (12, 6)), 4, 2, (1, 2), residual_units=3, norm=None, kernel=1, activation="elu"),
    case("monai-unet-3d", ((8, 8, 8), (12, 8, 16)), 1, 2, (2, 2), norm="batch"),
    case("monai-unet-3d-plain", ((8, 8, 8), (4, 16, 12)), 2, 3, (2, 2), norm="batch", residual_units=0, activation="relu"),
    case("monai-unet-3d-instance", ((8, 8, 8), (16, 8, 4)), 2, 1, (2, 2), residual_units=4),
    case("monai-unet-3d-strides", ((6, 8, 8), (9, 12, 4)), 1, 2, ((1, 2, 2), 1, (3, 2, 1)), up_kernel=5),
]  # fmt: skip
