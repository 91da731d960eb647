"""Which tensor of `segmentation_models_pytorch.Unet` is which weight of the zoo's `resnet*-unet`; needs neither library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

UNITS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
WIDE = ("resnet50", "resnet101")

_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def table(encoder: str) -> Iterator[tuple[str, str, str]]:
    """Yields `(torch tensor, zoo layer, zoo weight)` for every tensor but the counters `num_batches_tracked`."""
    yield from _pair("encoder.conv1", "encoder.bn1", "stem1_conv1", "stem1_norm1")
    for stage, count in enumerate(UNITS[encoder], start=1):
        for unit in range(count):
            theirs, ours = f"encoder.layer{stage}.{unit}", f"enc{stage + 1}_block{unit + 1}"
            for k in (1, 2, 3) if encoder in WIDE else (1, 2):
                yield from _pair(f"{theirs}.conv{k}", f"{theirs}.bn{k}", f"{ours}_conv{k}", f"{ours}_norm{k}")
            if unit == 0 and (stage > 1 or encoder in WIDE):
                yield from _pair(f"{theirs}.downsample.0", f"{theirs}.downsample.1", f"{ours}_proj", f"{ours}_projnorm")
    for block in range(5):
        for k in (1, 2):
            theirs, ours = f"decoder.blocks.{block}.conv{k}", f"dec{4 - block}"
            yield from _pair(f"{theirs}.0", f"{theirs}.1", f"{ours}_conv{k}", f"{ours}_norm{k}")
    yield "segmentation_head.0.weight", "head0_conv", "kernel"
    yield "segmentation_head.0.bias", "head0_conv", "bias"


def _pair(conv: str, norm: str, our_conv: str, our_norm: str) -> Iterator[tuple[str, str, str]]:
    yield f"{conv}.weight", our_conv, "kernel"
    for theirs, ours in _NORM.items():
        yield f"{norm}.{theirs}", our_norm, ours


def to_keras(tensor: np.ndarray) -> np.ndarray:
    """Kernels (out, in, height, width) -> (height, width, in, out); vectors as they are."""
    return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor


def to_torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the PyTorch tensor for a Keras weight."""
    return (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else tuple(shape)


def fill(network, encoder: str, value_of) -> None:
    """Sets every weight of the zoo's network to `value_of(torch name, torch shape)`; none may be left out."""
    left = {(layer.name, weight.name): weight for layer in network.layers for weight in layer.variables}
    for name, layer, weight in table(encoder):
        variable = left.pop((layer, weight))
        variable.assign(to_keras(value_of(name, to_torch_shape(variable.shape))))
    assert not left, f"weights without a partner: {sorted(left)}"


@contextmanager
def float64() -> Iterator[None]:
    """Makes networks that are built inside compute in double precision; JAX would need a switch at its start for it.

    Gradients are compared so, as in single precision a ReLU near 0 may be on in one library and off in the other.
    """
    import keras

    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def input_gradient(network, image: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
    """Gradient of `sum(network(image) * cotangent)` by the image, on TensorFlow."""
    import tensorflow as tf

    x = tf.constant(image, dtype=network.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(network(x, training=False) * cotangent)
    return tape.gradient(total, x).numpy()


def error(received: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to the largest expected value."""
    assert received.shape == expected.shape
    return float(np.max(np.abs(received - expected)) / np.max(np.abs(expected)))
