"""How Keras names weights in HDF5 files, in both of its formats, and one way to name them that tables can refer to.

Keras 2 (`model.save_weights("x.h5")`, `model.save("x.h5")`, which Keras 3 still writes) has a group per layer, and in it the
weight's own name, with or without a number behind it: `conv2d_17/conv2d_17/kernel:0`; a whole model has it all under
`model_weights`. Keras 3 (`model.save_weights("x.weights.h5")`) names layers by their class and counts them in the order of
`model.layers`: `layers/conv2d_3/vars/0`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.weights.convert.rows import KERAS_NORM

if TYPE_CHECKING:
    from collections.abc import Iterable

_OLD = re.compile(r"(?:model_weights/)?(?P<layer>[^/]+)/(?:.+/)?(?P<weight>[a-z_]+)(?::\d+)?")
_NEW = re.compile(r"layers/(?P<kind>conv[23]d|batch_normalization)(?:_(?P<number>\d{1,9}))?/vars/(?P<place>\d)")
_AUTO = re.compile(r"(?P<kind>conv[23]d|batch_normalization)(?:_(?P<number>\d{1,9}))?")

OPTIMIZER = ("optimizer_weights/*", "optimizer/*", "top_level_model_weights/*", "model_weights/top_level_model_weights/*")
"""What belongs to training, or to no layer."""

CONVOLUTION, NORMALISATION = "convolution", "normalisation"


def by_layer(names: Iterable[str]) -> dict[str, str]:
    """Names weights of the old format by their layer: `{"Conv0_1/Conv0_1/kernel:0": "Conv0_1/kernel"}`."""
    found = {name: _OLD.fullmatch(name) for name in names}
    return {name: f"{match['layer']}/{match['weight']}" for name, match in found.items() if match and not _is_training(name)}


def by_number(names: Iterable[str]) -> dict[str, str]:
    """Names weights of the old format by the place of their layer among those of its kind, counted from 1.

    Keras 2 numbers layers in the order in which they are made, and goes on counting from model to model: only the order
    matters. `{"conv2d_17/conv2d_17/kernel:0": "convolution 1/kernel"}`.
    """
    named = by_layer(names)
    layers = {name: _AUTO.fullmatch(given.partition("/")[0]) for name, given in named.items()}
    numbers = {name: (_kind(match), int(match["number"] or 0)) for name, match in layers.items() if match}
    places = _places(numbers.values())
    return {name: f"{number[0]} {places[number]}/{named[name].partition('/')[2]}" for name, number in numbers.items()}


def by_place(names: Iterable[str]) -> dict[str, str]:
    """Names weights of the new format by the place of their layer: `{"layers/conv2d/vars/0": "convolution 1/kernel"}`."""
    found = {name: match for name in names if (match := _NEW.fullmatch(name))}
    numbers = {name: (_kind(match), int(match["number"] or 0)) for name, match in found.items()}
    places = _places(numbers.values())
    weights = {CONVOLUTION: ("kernel", "bias"), NORMALISATION: KERAS_NORM}
    named = {}
    for name, number in numbers.items():
        kinds, place = weights[number[0]], int(found[name]["place"])
        if place < len(kinds):
            named[name] = f"{number[0]} {places[number]}/{kinds[place]}"
    return named


def is_old(names: Iterable[str]) -> bool:
    """Whether a file has the format of Keras 2."""
    return any(name.endswith("kernel") or ":" in name for name in names)


def is_new(names: Iterable[str]) -> bool:
    """Whether a file has the format of Keras 3."""
    return any(name.startswith("layers/") for name in names)


def _kind(match: re.Match[str]) -> str:
    return CONVOLUTION if match["kind"].startswith("conv") else NORMALISATION


def _places(numbers: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Counts the numbers of each kind from 1, the lowest first."""
    places: dict[tuple[str, int], int] = {}
    count: dict[str, int] = {}
    for kind, number in sorted(set(numbers)):
        count[kind] = count.get(kind, 0) + 1
        places[kind, number] = count[kind]
    return places


def _is_training(name: str) -> bool:
    return name.startswith(("optimizer", "top_level_model_weights/", "model_weights/top_level_model_weights/"))
