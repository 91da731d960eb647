"""Networks whose weights make outputs that differ from place to place."""

from __future__ import annotations

from functools import cache

import numpy as np

import zoo

OWN = "resunet-v1-d3-f8.nuclei-v1"


@cache
def nuclei():
    """The weights of the package, loaded once."""
    return zoo.get(OWN)


@cache
def network(name: str, **overrides):
    """A network with random weights that are large enough for outputs far from one another."""
    model = zoo.get(name, **dict(overrides))
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if len(weight.shape) > 1:
            spread = 2 / np.sqrt(np.prod(weight.shape[:-1]))
            weight.assign(rng.normal(0, spread, weight.shape))
    return model
