"""Comparing a file with a table and a network, before its tensors are read and after."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zoo.errors import IntegrityError
from zoo.weights.hdf5 import quoted
from zoo.weights.load import ENCODER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

    from zoo.config import ModelConfig
    from zoo.weights.convert.files import ForeignFile
    from zoo.weights.convert.sources import Shapes, Source

FLOATS = ("float32", "float16", "bfloat16", "float64")
"""Types that become float32: the first three as they are, the last one rounded."""

SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be read.

    Attributes:
        tensors: Name in the file of each variable of the network.
        copies: Other names in the file, whose tensors must be equal to that of the first one.
        unused: Names in the file that the table leaves out on purpose.
    """

    tensors: Mapping[str, str]
    copies: Mapping[str, str]
    unused: tuple[str, ...]


def network_shapes(config: ModelConfig, scope: str) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a network's variables by path, all or those of the encoder."""
    from zoo.registry import build_weightless

    shapes = {variable.path: tuple(variable.shape) for variable in build_weightless(config).variables}
    if scope == "all":
        return shapes
    return {path: shape for path, shape in shapes.items() if path.startswith(ENCODER)}


def planned(file: ForeignFile, source: Source, config: ModelConfig, names: Mapping[str, str], variables: Shapes) -> Plan:
    """Compares names, types and shapes of a file with the table and the network; reads no tensor.

    Args:
        file: The file.
        source: Its table.
        config: Of the network.
        names: Name in the table of each name in the file that has one.
        variables: Shapes of the network's variables by path.

    Raises:
        IntegrityError: Tensors are missing, unknown, of another type or shape; the message names them.
    """
    rows = {theirs: f"{layer}/{kind}" for theirs, layer, kind in source.rows(config)}
    _check_table(rows, variables, source)
    firsts, copies = _by_table(file, names, rows)
    patterns = source.unused(config)
    left = [name for name in file.specs if names.get(name, name) not in rows]
    unused = tuple(name for name in left if any(fnmatchcase(names.get(name, name), pattern) for pattern in patterns))
    faults = {
        "missing from the file": [theirs for theirs in rows if theirs not in firsts],
        "unknown to the table": sorted(set(left) - set(unused)),
    }
    _refuse(file.path, f"is not what the table {source.name!r} has for {config.name!r}", faults)
    tensors = {ours: firsts[theirs] for theirs, ours in rows.items()}
    _check_specs(file, source, tensors, copies, variables)
    return Plan(tensors=tensors, copies=copies, unused=unused)


def read(file: ForeignFile, plan: Plan, source: Source, shapes: Shapes) -> dict[str, np.ndarray]:
    """Reads the tensors of a plan and returns them by variable: float32, in Keras' layout, finite.

    Raises:
        IntegrityError: Tensors have values that are not finite, or copies of one tensor differ.
    """
    import numpy as np

    arrays = file.read([*plan.tensors.values(), *plan.copies])
    different = [name for name, first in plan.copies.items() if not np.array_equal(arrays[name], arrays[first])]
    _refuse(file.path, "has several copies of a tensor", {"different from the other copy": different})
    found = {ours: _to_keras(arrays[theirs], shapes[ours], source.layout) for ours, theirs in plan.tensors.items()}
    broken = [plan.tensors[ours] for ours, array in found.items() if not np.isfinite(array).all()]
    _refuse(file.path, "has values that no network can use", {"not finite (NaN or infinity)": broken})
    return found


def _by_table(file: ForeignFile, names: Mapping[str, str], rows: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the name in the file of each name in the table, and copies: further names with which name they must agree."""
    firsts: dict[str, str] = {}
    copies: dict[str, str] = {}
    for name in file.specs:
        theirs = names.get(name, name)
        if theirs not in rows:
            continue
        first = firsts.setdefault(theirs, name)
        if first != name and file.same.get(name, name) != file.same.get(first, first):
            copies[name] = first
    return firsts, copies


def _check_table(rows: Mapping[str, str], variables: Shapes, source: Source) -> None:
    """A table that does not cover a network is a fault of the zoo; it must not pass for a conversion."""
    odd = set(rows.values()) ^ set(variables)
    if odd or len(set(rows.values())) != len(rows):
        message = (
            f"The table {source.name!r} does not cover this network; please report it with the config. {_listed(sorted(odd))}"
        )
        raise IntegrityError(message)


def _check_specs(
    file: ForeignFile, source: Source, tensors: Mapping[str, str], copies: Mapping[str, str], variables: Shapes
) -> None:
    """Compares types and shapes with the variables, and those of copies with each other."""
    needed = {theirs: original_shape(variables[ours], ours, source.layout) for ours, theirs in tensors.items()}
    faults = {
        "of a type that is no weight's": [
            f"{quoted(name)} is {file.specs[name].dtype}" for name in needed if file.specs[name].dtype not in FLOATS
        ],
        "of another shape": [
            f"{quoted(theirs)} is {file.specs[theirs].shape} where {ours} needs {needed[theirs]}"
            for ours, theirs in tensors.items()
            if file.specs[theirs].shape != needed[theirs]
        ],
        "different from the other copy": [
            quoted(name) for name, first in copies.items() if file.specs[name] != file.specs[first]
        ],
    }
    _refuse(file.path, f"does not fit (table {source.name!r})", faults, names=False)


def original_shape(shape: tuple[int, ...], variable: str, layout: str) -> tuple[int, ...]:
    """Returns the shape that the original's tensor must have for a variable of the network."""
    if layout == "keras":
        return shape
    if variable.endswith("/kernel"):
        return (shape[-1], shape[-2], *shape[:-2])
    return (math.prod(shape),)


def _to_keras(tensor: np.ndarray, shape: tuple[int, ...], layout: str) -> np.ndarray:
    """Kernels (out, in, ...) -> (..., in, out), transposed ones alike; all others take the variable's shape; float32."""
    import numpy as np

    if layout == "torch" and tensor.ndim > 1:
        tensor = tensor.transpose(*range(2, tensor.ndim), 1, 0)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as such
        return np.array(tensor.reshape(shape), dtype="float32", order="C")


def _refuse(path: str, what: str, faults: Mapping[str, Iterable[str]], *, names: bool = True) -> None:
    """Raises if there is a fault; names at most ten of each kind, then says how many there are."""
    found = {kind: list(values) for kind, values in faults.items()}
    parts = [f"{len(values):,} {kind}: {_listed(values, names=names)}" for kind, values in found.items() if values]
    if parts:
        message = f"{path} {what}: {'; '.join(parts)}. Nothing was converted."
        raise IntegrityError(message)


def _listed(values: list[str], *, names: bool = True) -> str:
    shown = ", ".join(quoted(value) if names else value for value in values[:SHOWN])
    return shown if len(values) <= SHOWN else f"{shown} and {len(values) - SHOWN:,} more"
