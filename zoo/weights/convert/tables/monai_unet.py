"""`monai.networks.nets.UNet`: `monai-unet` and `monai-unet-3d`. Each of its levels is nested in the one above."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.errors import WeightsError
from zoo.weights.convert.rows import Row, conv, norm

if TYPE_CHECKING:
    from zoo.architectures.monai_unet import MonaiUNetConfig
    from zoo.weights.convert.sources import Shapes

INNER = "1.submodule."


def rows(config: MonaiUNetConfig) -> Iterator[Row]:
    """Yields which tensor is which weight."""
    units, levels = config.residual_units, config.depth - 1
    changes = config.input_shape[-1] != config.filters or max(config.level_strides[1]) > 1
    for level in range(levels):
        theirs = "model." + INNER * level
        yield from _down(f"{theirs}0", f"enc{level + 1}", level > 0 or changes, config)
        if level == 0 and not units:
            yield from conv(f"{theirs}2.conv", "dec0_up", bias=config.bias)
            continue
        yield from _block(f"{theirs}2.0" if units else f"{theirs}2", f"dec{level}", ("up", "upnorm", "upact"), config)
        if units and level == 0:
            yield from conv(f"{theirs}2.1.conv.unit0.conv", "dec0_conv1", bias=config.bias)
        elif units:
            yield from _block(f"{theirs}2.1.conv.unit0", f"dec{level}", _parts(1), config)
    yield from _down("model." + INNER * (levels - 1) + INNER[:-1], f"mid{levels}", True, config)


def _down(theirs: str, ours: str, projected: bool, config: MonaiUNetConfig) -> Iterator[Row]:
    """Rows of a unit of the encoder or the bottleneck."""
    units = config.residual_units
    for k in range(max(1, units)):
        yield from _block(f"{theirs}.conv.unit{k}" if units else theirs, ours, _parts(k + 1), config)
    if units and projected:
        yield from conv(f"{theirs}.residual", f"{ours}_proj", bias=config.bias)


def _block(theirs: str, ours: str, suffixes: tuple[str, str, str], config: MonaiUNetConfig) -> Iterator[Row]:
    """Rows of a convolution, its normalisation and its activation, as far as they have weights."""
    kinds = [f"{ours}_{suffix}" for suffix in suffixes]
    yield from conv(f"{theirs}.conv", kinds[0], bias=config.bias)
    if config.norm in ("batch", "instance-affine"):
        yield from norm(f"{theirs}.adn.N", kinds[1], batch=config.norm == "batch")
    if config.activation == "prelu":
        yield f"{theirs}.adn.A.weight", kinds[2], "alpha"


def _parts(index: int) -> tuple[str, str, str]:
    return f"conv{index}", f"norm{index}", f"act{index}"


def facts(shapes: Shapes, config: MonaiUNetConfig) -> dict[str, Any]:
    """Returns what the file tells about the network: all but the strides, the activation and what has no weights.

    Raises:
        WeightsError: The config expects weights of a normalisation or an activation where the file has none at all: which
            one without weights it is cannot be told.
    """
    units = len({name.split(".")[3] for name in shapes if name.startswith("model.0.conv.unit")})
    first = "model.0.conv.unit0" if units else "model.0"
    stem = shapes.get(f"{first}.conv.weight", ())
    if len(stem) < 3:
        return {}
    up = shapes.get("model.2.0.conv.weight" if units else "model.2.conv.weight", ())
    found = {
        "ndim": len(stem) - 2,
        "channels": stem[1],
        "filters": stem[0],
        "depth": 1 + max(name.count(INNER[:-1]) for name in shapes),
        "residual_units": units,
        "bias": f"{first}.conv.bias" in shapes,
        "kernel": stem[2],
        **_normalisation(shapes, first, config),
        **_activation(shapes, first, config),
    }
    if len(up) > 2:
        found |= {"classes": up[1], "up_kernel": up[2]}
    return found


def _normalisation(shapes: Shapes, first: str, config: MonaiUNetConfig) -> dict[str, str]:
    if f"{first}.adn.N.running_mean" in shapes:
        return {"norm": "batch"}
    if f"{first}.adn.N.weight" in shapes:
        return {"norm": "instance-affine"}
    if config.norm in ("instance", None):
        return {}
    message = (
        f"The file has no weights of normalisations, and norm={config.norm!r} has some. Say which the network was made with: "
        "norm='instance', which is MONAI's default, or norm=None."
    )
    raise WeightsError(message)


def _activation(shapes: Shapes, first: str, config: MonaiUNetConfig) -> dict[str, str]:
    if f"{first}.adn.A.weight" in shapes:
        return {"activation": "prelu"}
    if config.activation != "prelu":
        return {}
    message = (
        "The file has no slopes of PReLUs, and activation='prelu' has some. Say which activation the network was made with, such "
        "as activation='relu' or activation='leaky_relu'."
    )
    raise WeightsError(message)
