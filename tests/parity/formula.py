"""Weights and images by formula, so that networks in two processes get the same numbers without a file between them.

Only `Generator.random` is used: NumPy keeps its stream the same from version to version.
"""

from __future__ import annotations

import zlib

import numpy as np


def uniform(name: str, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """Numbers in [low, high) that depend on the name and the shape only."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return (low + (high - low) * generator.random(shape)).astype("float32")


def weight(name: str, shape: tuple[int, ...], salt: str = "") -> np.ndarray:
    """Value of a tensor of a PyTorch state dict, moderate enough that a deep network stays within float32's best range.

    Another `salt` gives another set of weights.
    """
    if len(shape) > 1:  # a kernel, (out, in, height, width)
        bound = (3 / np.prod(shape[1:])) ** 0.5
        return uniform(salt + name, shape, -bound, bound)
    if name.endswith((".weight", ".running_var")):
        return uniform(salt + name, shape, 0.5, 1.5)
    return uniform(salt + name, shape, -0.2, 0.3)


def image(size: tuple[int, int]) -> np.ndarray:
    """One image, (1, H, W, 3), from -1 to 1."""
    return uniform(f"image-{size[0]}x{size[1]}", (1, *size, 3), -1.0, 1.0)


def cotangent(size: tuple[int, int]) -> np.ndarray:
    """What the output is multiplied with before its sum is differentiated, (1, H, W, 1)."""
    return uniform(f"cotangent-{size[0]}x{size[1]}", (1, *size, 1), -1.0, 1.0)
