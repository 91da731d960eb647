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


def weight(name: str, kind: str, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Value of a tensor of an original, moderate enough that a deep network stays within float32's best range.

    `kind` is what Keras calls such a weight: "kernel", "gamma", "moving_variance", "alpha", or anything else for a shift.
    """
    if kind == "kernel":
        bound = (3 / fan_in) ** 0.5
        return uniform(name, shape, -bound, bound)
    if kind in ("gamma", "moving_variance"):
        return uniform(name, shape, 0.5, 1.5)
    if kind == "alpha":
        return uniform(name, shape, 0.1, 0.4)
    return uniform(name, shape, -0.2, 0.3)


def image(shape: tuple[int, ...]) -> np.ndarray:
    """One image (1, *shape), channels last, from -1 to 1."""
    return uniform(f"image-{shape}", (1, *shape), -1.0, 1.0)


def cotangent(place: int, shape: tuple[int, ...]) -> np.ndarray:
    """What output number `place`, (1, ...) and channels last, is multiplied with before its sum is differentiated."""
    return uniform(f"cotangent-{place}-{shape}", shape, -1.0, 1.0)
