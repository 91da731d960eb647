"""Faults of a port that a count of weights cannot see, put into a built Keras network one at a time.

Each function changes what some layers of the network do, leaves all weights as they are, and returns how many layers it
touched: 0 where the network has nothing of the kind.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

EPSILON = 1e-3

NORMS = (keras.layers.BatchNormalization, keras.layers.GroupNormalization)
ACTIVATIONS = (keras.layers.Activation, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ReLU)


def concat_swapped(network: Any) -> int:
    """Concatenates in the opposite order."""
    found = _layers(network, keras.layers.Concatenate)
    for layer in found:
        layer.call = _before(layer.call, lambda tensors: list(reversed(tensors)))
    return len(found)


def shortcut_without_norm(network: Any) -> int:
    """Passes over the normalisations of shortcuts."""
    found = [layer for layer in _layers(network, *NORMS) if layer.name.endswith("_projnorm")]
    for layer in found:
        layer.call = _unchanged
    return len(found)


def same_padding(network: Any) -> int:
    """Pads before strided convolutions at the far side, as Keras' "same" does for even sizes."""
    found = [layer for layer in network.layers if type(layer).__name__.startswith("ZeroPadding")]
    for layer in found:
        layer.call = _padding_at_the_far_side(layer)
    return len(found)


def transposed_same(network: Any) -> int:
    """Crops transposed convolutions at the far side only, as Keras' "same" does for small kernels."""
    crops = [layer for layer in network.layers if type(layer).__name__.startswith("Cropping") and layer.name.endswith("_crop")]
    found = [layer for layer in crops if any(before for before, _ in _pairs(layer.cropping))]
    for layer in found:
        layer.cropping = tuple((0, before + after) for before, after in _pairs(layer.cropping))
    return len(found)


def pooling_at_the_far_side(network: Any) -> int:
    """Keeps the other ones of the pixels of a pooling that is centred, as Keras' "same" does for even sizes."""
    found = [layer for layer in network.layers if layer.name.endswith("_pool_subsample")]
    for layer in found:
        layer.call = _before(layer.call, lambda x: ops.roll(x, [-1] * (len(x.shape) - 2), axis=list(range(1, len(x.shape) - 1))))
    return len(found)


def epsilon(network: Any) -> int:
    """Adds 1e-3 to every variance, Keras' default; nothing is touched where that is what the network has."""
    found = [layer for layer in _layers(network, *NORMS) if layer.epsilon != EPSILON]
    for layer in found:
        layer.epsilon = EPSILON
    return len(found)


def activation_across_add(network: Any) -> int:
    """Moves the activation behind a residual sum into its last branch; where there is none, puts a ReLU behind the sum."""
    found = _layers(network, keras.layers.Add)
    for layer in found:
        readers = [node.operation for node in layer._outbound_nodes]
        if len(readers) == 1 and isinstance(readers[0], ACTIVATIONS):
            layer.call = _adding_activated(layer.call, readers[0].call)
            readers[0].call = _unchanged
        else:
            layer.call = _then(layer.call, ops.relu)
    return len(found)


MUTATIONS = {
    function.__name__: function
    for function in (
        concat_swapped,
        shortcut_without_norm,
        same_padding,
        transposed_same,
        pooling_at_the_far_side,
        epsilon,
        activation_across_add,
    )
}


def _layers(network: Any, *kinds: type) -> list[Any]:
    return [layer for layer in network.layers if isinstance(layer, kinds)]


def _unchanged(inputs: Any, *args: Any, **kwargs: Any) -> Any:
    return inputs


def _before(call: Any, change: Any) -> Any:
    return lambda inputs, *args, **kwargs: call(change(inputs), *args, **kwargs)


def _then(call: Any, change: Any) -> Any:
    return lambda inputs, *args, **kwargs: change(call(inputs, *args, **kwargs))


def _adding_activated(call: Any, activation: Any) -> Any:
    return lambda tensors: call([*tensors[:-1], activation(tensors[-1])])


def _pairs(value: Any) -> tuple[tuple[int, int], ...]:
    return tuple((size, size) if isinstance(size, int) else tuple(size) for size in value)


def _padding_at_the_far_side(layer: Any) -> Any:
    widths = [(0, 0), *((0, before + after) for before, after in _pairs(layer.padding)), (0, 0)]
    return lambda inputs: ops.pad(inputs, widths)
