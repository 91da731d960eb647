"""A network's fingerprint that every backend must give: weights by formula, a fixed input, a few output values.

Keras' own seeded initialisers differ between backends, so each variable is filled from NumPy, seeded by its path.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import keras
import numpy as np

import zoo
from zoo.registry import build_weightless

GOLDEN = Path(__file__).parent / "golden" / "outputs.json"
VALUES = 12
TOLERANCE = 1e-4  # of the spread of the output


def values(variable: keras.Variable) -> np.ndarray:
    """Returns the values of a variable, which follow from its path and shape alone."""
    noise = np.random.default_rng(zlib.crc32(variable.path.encode())).standard_normal(variable.shape, dtype="float32")
    kind = variable.path.rsplit("/", 1)[-1]
    if kind == "kernel":
        return noise * np.sqrt(1.5 / max(noise[..., 0].size, 1)).astype("float32")
    return np.exp(0.2 * noise) if kind in ("gamma", "moving_variance") else noise * np.float32(0.1)


def fill(model: keras.Model) -> None:
    """Gives every variable of a model its values."""
    for variable in model.variables:
        variable.assign(values(variable))


def run(model: keras.Model, image: np.ndarray) -> dict[str, np.ndarray]:
    """Calls a model that was built without weights on the values of its variables; compiled where the backend is slow else."""
    trainable = [values(variable) for variable in model.trainable_variables]
    fixed = [values(variable) for variable in model.non_trainable_variables]

    def call(trainable: object, fixed: object, image: object) -> object:
        return model.stateless_call(trainable, fixed, image, training=False)[0]

    if keras.backend.backend() == "jax":
        import jax

        call = jax.jit(call)
    return named(call(trainable, fixed, image))


HEAVY = 10_000_000  # weights; heavier networks are probed at a width of 8, which all families take
# These normalise channels over the bottleneck's positions: two that are nearly alike blow up rounding errors.
ROOMY = ("mednext", "resenc-unet", "stunet")


def small(entry: zoo.Entry) -> zoo.ModelConfig:
    """Returns the entry's config with logits, at a size that runs in a moment."""
    fields = {"filters": 8} if entry.params > HEAVY and entry.config.sizes.get("filters", 0) > 8 else {}
    if entry.family == "resenc-unet":  # with all its units random weights make too much of rounding errors
        depth = entry.config.sizes["depth"]
        fields |= {"units": (1,) * depth, "strides": (1, 2, 2, 2, 2, 2, 1, 1, 1)[:depth]}
    config = entry.config.replace(head_activation=None, **fields)
    return config.replace(input_shape=shape_for(config))


def named(outputs: object) -> dict[str, np.ndarray]:
    """Returns what a network gives by name: a network with one output has one without a name."""
    outputs = outputs if isinstance(outputs, dict) else {"": outputs}
    return {name: np.asarray(value) for name, value in outputs.items()}


def shape_for(config: zoo.ModelConfig) -> tuple[int, ...]:
    """The smallest input that is not square and has a bottleneck of more than one position; odd where any size works."""
    positions = (2, 3, 1) if config.family in ROOMY else (1, 2, 1)
    sizes = [multiple * times for multiple, times in zip(config.size_multiples, positions, strict=False)]
    if not config.takes_open_sizes:  # made for one size, and a square one
        sizes = [2 * max(config.size_multiples)] * config.ndim
    if max(config.size_multiples) == 1:
        sizes = [37, 53] if config.ndim == 2 else [33, 19, 21]  # TensorFlow averages large volumes in float32, naively
    return (*sizes, config.input_shape[-1])


def outputs(name: str) -> dict[str, dict[str, object]]:
    """Returns the shape, mean, spread and some values of each output's logits."""
    config = small(zoo.info(name))
    model = build_weightless(config)
    image = np.random.default_rng(7).standard_normal((1, *config.input_shape), dtype="float32")
    return {output: record(logits) for output, logits in run(model, image).items()}


def record(logits: np.ndarray) -> dict[str, object]:
    """Returns the shape, mean, spread and some values."""
    flat = logits.reshape(-1)
    picked = np.linspace(0, flat.size - 1, VALUES).astype(int)
    return {
        "shape": list(logits.shape),
        "mean": float(flat.mean()),
        "spread": float(flat.std()),
        "values": [float(value) for value in flat[picked]],
    }


def differences(found: dict[str, dict[str, object]], golden: dict[str, dict[str, object]]) -> float:
    """Returns the largest difference of all outputs, each in units of the golden output's spread."""
    if found.keys() != golden.keys():
        return float("inf")
    return max(difference(found[name], golden[name]) for name in golden)


def difference(found: dict[str, object], golden: dict[str, object]) -> float:
    """Returns the largest difference of one output, in units of the golden output's spread."""
    if found["shape"] != golden["shape"]:
        return float("inf")
    both = [[values["mean"], values["spread"], *values["values"]] for values in (found, golden)]
    return float(np.max(np.abs(np.subtract(*both))) / golden["spread"])


def main() -> int:
    """Checks names given on the command line against the golden file on the backend of KERAS_BACKEND."""
    golden = json.loads(GOLDEN.read_text())
    worst = {name: differences(outputs(name), golden[name]) for name in sys.argv[1:]}
    print(json.dumps(worst))
    return int(max(worst.values()) > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
