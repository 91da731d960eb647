"""Counting weights without allocating any."""

from __future__ import annotations

from math import prod

import zoo
from zoo.registry import build_weightless


def counted(name, **overrides):
    """Returns (all weights, trainable weights, layers) of a network that is built without allocating any."""
    network = build_weightless(zoo.info(name).config.replace(**overrides))
    trainable = sum(prod(weight.shape) for weight in network.trainable_weights)
    return network.count_params(), trainable, len(network.layers)


def shape(*sizes):
    return {"input_shape": sizes}
