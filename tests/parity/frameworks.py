"""Originals in the libraries that they were written for, all driven alike: names of tensors, setting them, running.

Each method imports its library when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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


class MxnetNetwork:
    """A Gluon block in evaluation mode and double precision.

    Args:
        block: The original.
        channels: Of the images.
        size: Spatial sizes of an image that it takes, from which it learns the shapes of its tensors.
        outputs: Turns what the block returns into a list of tensors in the zoo's order of outputs.
    """

    def __init__(
        self, block: Any, channels: int, size: tuple[int, ...], outputs: Callable[[Any], list[Any]] | None = None
    ) -> None:
        import mxnet

        self.block = block
        self.pick = outputs or (lambda result: [result])
        block.initialize()
        block.cast("float64")
        block(mxnet.nd.zeros((1, channels, *size), dtype="float64"))

    def tensors(self) -> dict[str, Any]:
        """Returns parameters and running statistics by the attributes that lead to them."""
        return self.block._collect_params_with_prefix()

    def parameters(self) -> int:
        """Returns the number of learnable scalars."""
        return sum(int(np.prod(tensor.shape)) for tensor in self.tensors().values() if tensor.grad_req != "null")

    def assign(self, tensor: Any, value: np.ndarray) -> None:
        """Sets one of `tensors`."""
        import mxnet

        tensor.set_data(mxnet.nd.array(value, dtype="float64"))

    def run(self, image: np.ndarray) -> tuple[Outputs, np.ndarray]:
        """Returns the outputs and the gradient of `sum(output * cotangent)` by the image, all channels last."""
        import mxnet

        x = mxnet.nd.array(np.moveaxis(image, -1, 1), dtype="float64")
        x.attach_grad()
        with mxnet.autograd.record(train_mode=False):
            outputs = self.pick(self.block(x))
            total = 0
            for place, output in enumerate(outputs):
                size = (output.shape[0], *output.shape[2:], output.shape[1])
                weights = np.moveaxis(formula.cotangent(place, size), -1, 1)
                total = total + (output * mxnet.nd.array(weights, dtype="float64")).sum()
        total.backward(train_mode=False)
        return [np.moveaxis(output.asnumpy(), 1, -1) for output in outputs], np.moveaxis(x.grad.asnumpy(), 1, -1)


def keras_run(model: Any, image: np.ndarray) -> tuple[Outputs, np.ndarray]:
    """Outputs and input gradient of a Keras model on TensorFlow; several outputs in the order in which the model has them."""
    import tensorflow as tf

    _double_all_through(model)
    x = tf.constant(image, dtype=model.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = in_order(model(x, training=False))
        total = 0
        for place, output in enumerate(outputs):
            total += tf.reduce_sum(output * tf.cast(formula.cotangent(place, tuple(output.shape)), output.dtype))
    return [output.numpy() for output in outputs], tape.gradient(total, x).numpy()


def _double_all_through(model: Any) -> None:
    """Mends the layers that TensorFlow does not compute in double precision, in a model that is in double precision.

    Poolings of volumes go plane by plane and then across planes, as there is no kernel for them on the CPU, but for images.
    Leaky ReLUs multiply by their slope, which TensorFlow's own rounds to single precision.
    """
    for layer in model.layers if model.compute_dtype == "float64" else ():
        if type(layer).__name__ in ("MaxPooling3D", "AveragePooling3D"):
            layer.call = partial(_pooled_by_planes, layer)
        elif type(layer).__name__ == "LeakyReLU":
            layer.call = partial(_leaky, layer)


def _leaky(layer: Any, x: Any) -> Any:
    import tensorflow as tf

    return tf.where(x > 0, x, x * tf.constant(float(layer.negative_slope), x.dtype))


def _pooled_by_planes(layer: Any, x: Any) -> Any:
    import tensorflow as tf

    pool = tf.nn.max_pool2d if type(layer).__name__ == "MaxPooling3D" else tf.nn.avg_pool2d
    (deep, *size), (step, *steps), padding = layer.pool_size, layer.strides, layer.padding.upper()
    images, planes, height, width, channels = x.shape
    x = pool(tf.reshape(x, (images * planes, height, width, channels)), size, steps, padding)
    height, width = x.shape[1:3]
    x = pool(tf.reshape(x, (images, planes, height * width, channels)), (deep, 1), (step, 1), padding)
    return tf.reshape(x, (images, x.shape[1], height, width, channels))


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
