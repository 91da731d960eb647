"""Values, gradients and scores of every loss and metric on a fixed batch, which every backend must give alike.

`python segmentation_probe.py` prints them for the backend of KERAS_BACKEND.
"""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
from keras import ops

import zoo.losses
import zoo.metrics

SETTINGS = [
    {"name": "DiceCrossentropy"},
    {"name": "DiceCrossentropy", "batch_dice": True, "include_background": False, "smooth": 0.0},
    {"name": "Dice"},
    {"name": "Dice", "batch": True, "smooth": 0.0},
    {"name": "Jaccard"},
    {"name": "Tversky"},
    {"name": "FocalTversky"},
    {"name": "Crossentropy"},
    {"name": "Focal"},
    {"name": "LovaszSoftmax"},
    {"name": "LovaszSoftmax", "average": "all"},
    {"name": "ClDice"},
    {"name": "Sum", "parts": [{"name": "Dice"}, {"name": "Focal", "weight": 0.5, "gamma": 1.0}]},
]
METRICS = [
    *({"name": name} for name in ("Dice", "IoU", "Precision", "Recall", "F1", "Accuracy")),
    {"name": "IoU", "per": "dataset", "average": "none", "empty": None},
    {"name": "Dice", "average": "pooled"},
]
SIZES = {1: (9, 8), 3: (9, 8), 2: (5, 6, 4)}


def settings(channels: int) -> list[dict[str, object]]:
    """Returns settings of losses for so many channels, by turns with and without logits; fewer of them for volumes."""
    if channels == 2:
        return [{"name": name, "from_logits": True} for name in ("DiceCrossentropy", "LovaszSoftmax", "ClDice")]
    hinge = [{"name": "LovaszHinge"}] if channels == 1 else []
    weights = [1.0, 2.0, 0.5][: max(channels, 2)]
    weighted = [{"name": name, "class_weights": weights} for name in ("DiceCrossentropy", "Focal", "Jaccard")]
    every = [*SETTINGS, *hinge, *weighted]
    return [{**one, "from_logits": (place + channels) % 4 < 2} for place, one in enumerate(every)]


def batch(channels: int, size: tuple[int, ...] = (9, 8), images: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels `(N, *spatial)`, some ignored, the last image without label 1, and logits `(N, *spatial, C)`."""
    rng = np.random.default_rng(len(size) * 10 + channels)
    labels = rng.integers(0, max(channels, 2), (images, *size)).astype("uint8")
    labels[-1][labels[-1] == 1] = 0
    labels[rng.random(labels.shape) < 0.15] = 255
    return labels, rng.normal(size=(*labels.shape, channels)).astype("float32")


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns what sigmoid or softmax make of logits."""
    if logits.shape[-1] == 1:
        return 1 / (1 + np.exp(-logits))
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def value_and_gradient(loss: keras.losses.Loss, labels: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the loss of each image and the gradient of their sum by the output."""
    output = ops.convert_to_tensor(output)
    if keras.backend.backend() == "jax":
        import jax

        def total(output: object) -> object:
            values = loss.call(labels, output)
            return ops.sum(values), values

        (_, values), slope = jax.value_and_grad(total, has_aux=True)(output)
        return np.asarray(values), np.asarray(slope)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(output)
        values = loss.call(labels, output)
    return values.numpy(), tape.gradient(values, output).numpy()


def losses() -> dict[str, list[float]]:
    """Returns the values of every loss, and a sum and a spread of its gradient, for images and a volume."""
    found = {}
    for channels, size in SIZES.items():
        labels, logits = batch(channels, size)
        for one in settings(channels):
            loss = zoo.losses.from_settings(one)
            output = logits if one["from_logits"] else probabilities(logits)
            values, slope = value_and_gradient(loss, labels, output)
            found[f"{channels} {json.dumps(one)}"] = [*values.tolist(), float(np.abs(slope).sum()), float((slope**2).sum())]
    return found


def metrics() -> dict[str, list[float]]:
    """Returns the results of every metric after two batches."""
    found = {}
    for channels, size in SIZES.items():
        labels, logits = batch(channels, size)
        for one in METRICS:
            metric = getattr(zoo.metrics, one["name"])(classes=channels, **{k: v for k, v in one.items() if k != "name"})
            for part in (slice(0, 2), slice(2, 3)):
                metric.update_state(labels[part], probabilities(logits[part]))
            result = metric.result()
            values = result.values() if isinstance(result, dict) else [result]
            found[f"{channels} {json.dumps(one)}"] = [float(value) for value in values]
    return found


if __name__ == "__main__":
    json.dump({"backend": keras.backend.backend(), "losses": losses(), "metrics": metrics()}, sys.stdout)
