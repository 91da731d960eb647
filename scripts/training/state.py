"""What a run needs to go on exactly where it stopped, in one file that is never half written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np


def save_state(path: Path, model: keras.Model, facts: dict[str, Any]) -> None:
    """Writes the variables of the network and its optimizer, and the facts, under another name first."""
    arrays = {f"variable_{index}": keras.ops.convert_to_numpy(each) for index, each in enumerate(_variables(model))}
    hidden = path.with_name(path.name + ".part")
    with hidden.open("wb") as file:
        np.savez(file, facts=np.frombuffer(json.dumps(facts).encode(), "uint8"), **arrays)
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(path)


def load_state(path: Path, model: keras.Model) -> dict[str, Any]:
    """Sets every variable to what was saved, and returns the facts.

    Raises:
        SystemExit: The file is damaged or of another network.
    """
    variables = _variables(model)
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(file["facts"].tobytes())
            arrays = [file[f"variable_{index}"] for index in range(len(variables))]
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise SystemExit(f"{path} cannot be taken up: {error}. Remove it to start anew.") from None
    if any(array.shape != tuple(each.shape) for array, each in zip(arrays, variables, strict=True)):
        raise SystemExit(f"{path} is of another network. Remove it to start anew.")
    for array, each in zip(arrays, variables, strict=True):
        each.assign(array)
    return facts


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def restart_average(model: keras.Model) -> None:
    """Lets the averages begin from the weights of now, so that those of before the first steps do not count for long."""
    for average, each in _averages(model):
        average.assign(_copied(each))


@contextmanager
def averaged(model: keras.Model, batches: Iterable[np.ndarray] = ()) -> Iterator[None]:
    """Within it the network has its averaged weights, if the optimizer keeps them.

    The moving statistics of batch normalisation are those of the weights of now; where there are batches of images, those of
    the averaged weights are taken from them.
    """
    pairs = _averages(model)
    kept = [(each, _copied(each)) for each in model.variables]
    for average, each in pairs:
        each.assign(_copied(average))
    try:
        take_statistics(model, batches)
        yield
    finally:
        for each, value in kept:
            each.assign(value)


def take_statistics(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Sets the moving statistics of batch normalisation to their mean over batches, as stochastic weight averaging needs it.

    Source:
        P. Izmailov et al., Averaging weights leads to wider optima and better generalization, UAI 2018, section 3.2.
    """
    layers = [each for each in model._flatten_layers() if isinstance(each, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    try:
        for number, images in enumerate(batches):
            for layer in layers:
                layer.momentum = number / (number + 1)
            model(images, training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def _averages(model: keras.Model) -> list[tuple[Any, Any]]:
    """Returns each averaged value with the variable that it is of; none where the optimizer does not average."""
    optimizer = model.optimizer
    if not optimizer.use_ema:
        return []
    return list(zip(optimizer._model_variables_moving_average, optimizer._trainable_variables, strict=True))


def _copied(variable: Any) -> np.ndarray:
    """Returns the value: a copy, since two variables that share memory are lost when JAX hands it on."""
    return np.array(keras.ops.convert_to_numpy(variable))
