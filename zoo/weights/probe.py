"""A network's answer to one image that every machine can make: what `zoo.verify` compares.

The image is made with whole numbers only, so it is the same to the bit everywhere; the answer differs by rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.weights.entry import Probe, ProbeOutput

if TYPE_CHECKING:
    import keras
    import numpy as np

    from zoo.weights.preprocessing import Preprocessing

SEED = 2015
SIDE = {2: 64, 3: 32}
"""Side of the image in pixels or voxels, unless the network needs larger ones."""

VALUES = 64
"""How many values of an output are kept."""

BLOBS = 12


def probe_image(shape: tuple[int, ...], seed: int = SEED) -> np.ndarray:
    """Returns bright, noisy balls on a dark ground, uint8: `(H, W, C)` or `(D, H, W, C)`."""
    import random

    import numpy as np

    rng = random.Random(seed)
    *sizes, channels = shape
    image = np.full(shape, 20, "int64")
    grid = np.indices(sizes)
    for _ in range(BLOBS):
        centre = [rng.randrange(size) for size in sizes]
        radius = rng.randrange(2, max(3, min(sizes) // 6))
        distance = sum((axis - place) ** 2 for axis, place in zip(grid, centre, strict=True))
        colour = np.array([rng.randrange(60, 200) for _ in range(channels)])
        image += (distance <= radius * radius)[..., None] * colour
    noise = np.frombuffer(rng.randbytes(image.size), "uint8").reshape(shape) // 16
    return np.minimum(image + noise, 255).astype("uint8")


def probe_shape(model: keras.Model, multiples: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the shape of the probe's image for a model: its own where that is fixed, else a small allowed one."""
    *given, channels = model.inputs[0].shape[1:]
    side = SIDE[len(given)]
    sizes = (size or -(-side // multiple) * multiple for size, multiple in zip(given, multiples, strict=True))
    return (*sizes, channels)


def run_probe(model: keras.Model, shape: tuple[int, ...], seed: int, prepare: Preprocessing | None) -> tuple[ProbeOutput, ...]:
    """Returns what the model computes for the probe's image."""
    import keras
    import numpy as np

    image = probe_image(shape, seed)
    fits = prepare is not None and len(prepare.channels) == shape[-1]
    x = prepare(image, ndim=len(shape) - 1) if prepare and fits else image.astype("float32") / 255
    outputs = model(x[None], training=False)
    listed = list(outputs.values()) if isinstance(outputs, dict) else outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return tuple(_summary(np.asarray(keras.ops.convert_to_numpy(output))[0].astype("float64")) for output in listed)


def make_probe(model: keras.Model, multiples: tuple[int, ...], prepare: Preprocessing | None) -> Probe:
    """Returns the probe of a model as it is."""
    shape = probe_shape(model, multiples)
    return Probe(shape=shape, seed=SEED, outputs=run_probe(model, shape, SEED, prepare))


def probe_error(found: tuple[ProbeOutput, ...], expected: tuple[ProbeOutput, ...]) -> float:
    """Returns the largest difference of any number, as a part of the range of its output; infinite where shapes differ."""
    import math

    if [output.shape for output in found] != [output.shape for output in expected]:
        return math.inf
    errors = [0.0]
    for one, other in zip(found, expected, strict=True):
        extent = max(other.maximum - other.minimum, 1e-9)
        pairs = zip(_numbers(one), _numbers(other), strict=True)
        errors += [abs(a - b) / extent for a, b in pairs]
    return max(errors) if all(map(math.isfinite, errors)) else math.inf


def _numbers(output: ProbeOutput) -> tuple[float, ...]:
    return (output.mean, output.std, output.minimum, output.maximum, *output.values)


def _summary(output: np.ndarray) -> ProbeOutput:
    import numpy as np

    places = np.linspace(0, output.size - 1, min(VALUES, output.size)).round().astype(int)
    return ProbeOutput(
        shape=output.shape,
        mean=_rounded(output.mean()),
        std=_rounded(output.std()),
        minimum=_rounded(output.min()),
        maximum=_rounded(output.max()),
        values=tuple(map(_rounded, output.reshape(-1)[places])),
    )


def _rounded(value: float) -> float:
    return float(f"{float(value):.7g}")
