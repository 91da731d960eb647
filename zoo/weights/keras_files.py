"""Files that Keras writes, `.weights.h5`: read through the same checks as all others, never by Keras' own functions.

Such a file has no names of our layers as keys: it counts classes, `layers/conv2d_3/vars/0`. The name of the layer stands in an
attribute beside it, which is compared where it is there.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.errors import IntegrityError, WeightsError
from zoo.weights.load import check_names, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import keras
    import numpy as np

FLOATS = ("float64", "float32", "float16", "bfloat16")

PASSED_OVER = ("optimizer/", "vars/")
"""What a compiled model adds, and what a model itself may have; weights are those of the layers."""


@contextmanager
def keras_tensors(path: Path, model: keras.Model) -> Iterator[Iterator[tuple[str, np.ndarray]]]:
    """Gives the tensors of a file by the paths of the model's variables, after names and shapes were compared.

    Raises:
        IntegrityError: The file is damaged, has what Keras does not write, or does not have the model's tensors.
        WeightsError: The model has layers within layers, of which the file does not say which is which.
    """
    from zoo.weights import hdf5

    places = places_of(model)
    variables = variables_of(model)
    found = {name: spec for name, spec in hdf5.datasets(path).items() if _is_weight(name)}
    expected = {place: tuple(variables[name].shape) for place, name in places.items()}
    for name, spec in found.items():
        if spec.dtype not in FLOATS:
            message = f"{path}: {hdf5.quoted(name)} is of {spec.dtype}; weights are of {', '.join(FLOATS)}. Nothing was loaded."
            raise IntegrityError(message)
    check_names({name: spec.shape for name, spec in found.items()}, expected, str(path), model.name)
    _check_layer_names(path, {place: variables[name].path.split("/")[0] for place, name in places.items()})
    values = hdf5.read(path, {place: found[place] for place in places})
    yield ((places[place], values.pop(place)) for place in places)


def save_keras_file(model: keras.Model, path: Path) -> Path:
    """Writes a file of Keras, under its name only when it is complete.

    Raises:
        IntegrityError: The file cannot be written.
    """
    private = path.with_name(f".{os.getpid()}.part-{path.name}")
    try:
        model.save_weights(private, overwrite=True)
        private.replace(path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}. Give a file in a folder that you can write to."
        raise IntegrityError(message) from None
    finally:
        private.unlink(missing_ok=True)
    return path


def places_of(model: keras.Model) -> dict[str, str]:
    """Returns the path of each variable by its place in a file of Keras: `{"layers/conv2d/vars/0": "enc0_conv1/kernel"}`.

    Raises:
        WeightsError: The model has layers within layers.
    """
    from keras.src.utils.naming import to_snake_case

    counts: dict[str, int] = {}
    places: dict[str, str] = {}
    for layer in model.layers:
        kind = to_snake_case(type(layer).__name__)
        count = counts[kind] = counts.get(kind, -1) + 1
        own: dict[str, Any] = {}
        layer.save_own_variables(own)
        group = kind if count == 0 else f"{kind}_{count}"
        places.update({f"layers/{group}/vars/{key}": variable.path for key, variable in own.items()})
    if sorted(places.values()) != sorted(variables_of(model)):
        message = f"{model.name} has layers within layers, which files of Keras do not name: use a .safetensors file."
        raise WeightsError(message)
    return places


def _is_weight(name: str) -> bool:
    return not name.startswith(PASSED_OVER) and "/seed_generator/" not in name


def _check_layer_names(path: Path, layers: Mapping[str, str]) -> None:
    """Compares the names of layers that newer versions of Keras write; files of older ones have none."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        for place, expected in layers.items():
            attributes = file[place.rpartition("/")[0]].attrs
            stored = attributes.get("name") if "name" in attributes else None
            if stored is not None and str(stored) != expected:
                message = (
                    f"{path} was saved of another network: {place} belongs to the layer {str(stored)[:80]!r} there, to "
                    f"{expected!r} here. Nothing was loaded."
                )
                raise IntegrityError(message)
