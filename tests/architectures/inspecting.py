"""Looking into networks: built without weights, their layers by kind, and what single layers give."""

from __future__ import annotations

import keras
import numpy as np

import zoo
from zoo.registry import build_weightless


def weightless(name, **overrides):
    """The network of a name without values for its weights."""
    return build_weightless(zoo.info(name).config.replace(**overrides))


def random_image(*sizes, seed=3):
    return np.random.default_rng(seed).normal(size=(1, *sizes)).astype("float32")


def layers_of(network, kind):
    """Layers of exactly this class."""
    return [layer for layer in network.layers if type(layer).__name__ == kind]


def inputs_of(layer):
    """Names of the layers that a layer reads."""
    tensors = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor._keras_history.operation.name for tensor in tensors]


def outputs_of(network, names, image):
    """What layers give, by name."""
    tensors = {name: network.get_layer(name).output for name in names}
    return {name: np.array(value) for name, value in keras.Model(network.input, tensors)(image, training=False).items()}


def output_of(network, name, image):
    """What one layer gives."""
    return outputs_of(network, [name], image)[name]
