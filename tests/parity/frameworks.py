"""Originals in the libraries that they were written for, all driven alike: names of tensors, setting them, running.

Each method imports its library when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity import formula

Outputs = list[np.ndarray]


class TorchNetwork:
    """A PyTorch module in evaluation mode and double precision; tensors that it has twice count once.

    Args:
        module: The original.
        outputs: Turns what the module returns into a list of tensors in the zoo's order of outputs.
    """

    def __init__(self, module: Any, outputs: Callable[[Any], list[Any]] | None = None) -> None:
        self.module = module.eval().double()
        self.pick = outputs or (lambda result: [result])

    def tensors(self) -> dict[str, Any]:
        """Returns parameters and running statistics by name."""
        named = [*self.module.named_parameters(), *self.module.named_buffers()]
        return {name: tensor for name, tensor in named if not name.endswith("num_batches_tracked")}

    def parameters(self) -> int:
        """Returns the number of learnable scalars."""
        return sum(tensor.numel() for tensor in self.module.parameters())

    def assign(self, tensor: Any, value: np.ndarray) -> None:
        """Sets one of `tensors`."""
        import torch

        with torch.no_grad():
            tensor.copy_(torch.tensor(value))

    def run(self, image: np.ndarray) -> tuple[Outputs, np.ndarray]:
        """Returns the outputs and the gradient of `sum(output * cotangent)` by the image, all channels last."""
        import torch

        x = torch.tensor(np.moveaxis(image, -1, 1), dtype=torch.float64, requires_grad=True)
        outputs = self.pick(self.module(x))
        arrays = [np.moveaxis(output.detach().numpy(), 1, -1) for output in outputs]
        total = 0
        for place, (output, array) in enumerate(zip(outputs, arrays, strict=True)):
            weights = np.moveaxis(formula.cotangent(place, array.shape), -1, 1)
            total = total + (output * torch.tensor(weights, dtype=torch.float64)).sum()
        total.backward()
        return arrays, np.moveaxis(x.grad.numpy(), 1, -1)


class KerasNetwork:
    """A Keras model that was built in double precision, on the TensorFlow backend.

    Its tensors are named `layer/weight`.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def tensors(self) -> dict[str, Any]:
        """Returns all weights by name."""
        return {f"{layer.name}/{weight.name}": weight for layer in self.model.layers for weight in layer.variables}

    def parameters(self) -> int:
        """Returns the number of trainable scalars."""
        return sum(int(np.prod(weight.shape)) for weight in self.model.trainable_weights)

    def assign(self, tensor: Any, value: np.ndarray) -> None:
        """Sets one of `tensors`."""
        tensor.assign(value)

    def run(self, image: np.ndarray) -> tuple[Outputs, np.ndarray]:
        """Returns the outputs and the gradient of `sum(output * cotangent)` by the image."""
        return keras_run(self.model, image)


def keras_run(model: Any, image: np.ndarray) -> tuple[Outputs, np.ndarray]:
    """Outputs and input gradient of a Keras model on TensorFlow; several outputs in the order in which the model has them."""
    import tensorflow as tf

    x = tf.constant(image, dtype=model.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = in_order(model(x, training=False))
        total = 0
        for place, output in enumerate(outputs):
            total += tf.reduce_sum(output * tf.cast(formula.cotangent(place, tuple(output.shape)), output.dtype))
    return [output.numpy() for output in outputs], tape.gradient(total, x).numpy()


def in_order(outputs: Any) -> list[Any]:
    """Returns one output, a list or a dictionary of them as a list."""
    if isinstance(outputs, dict):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


class float64:
    """Makes Keras models that are built inside compute in double precision; JAX would need a switch at its start for it.

    Gradients are compared so, as in single precision a ReLU near 0 may be on in one library and off in the other.
    """

    def __enter__(self) -> None:
        import keras

        self.before = keras.config.floatx(), keras.config.dtype_policy()
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")

    def __exit__(self, *error: object) -> None:
        import keras

        keras.config.set_floatx(self.before[0])
        keras.config.set_dtype_policy(self.before[1])
