"""Putting tensors into a network: compared before they are read, checked before they are assigned, all or none.

`load_file` is the whole way: head of the file, plan, tensors, values.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import IntegrityError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import keras
    import numpy as np

    from zoo.weights.adapt import Adapt, Change

Shapes = Mapping[str, tuple[int, ...]]

ENCODER = ("stem", "enc")
"""What the names of the encoder's layers start with."""

log = logging.getLogger("zoo.weights")


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What loading did, by paths of variables such as `"enc0_conv1/kernel"`.

    Attributes:
        weights: Name or path of what was loaded.
        loaded: Taken as they are.
        adapted: Changed to fit, as was asked for.
        fresh: Variables of the network that kept their values.
        unused: Tensors of the file that the network has no place for.
    """

    weights: str
    loaded: tuple[str, ...]
    adapted: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{self.weights}: {len(self.loaded)} tensors loaded"]
        parts += [
            f"{len(names)} {what} ({_some(names)})" for what in ("adapted", "fresh", "unused") if (names := getattr(self, what))
        ]
        return "; ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done with each tensor.

    Attributes:
        expected: Names and shapes that the file must have, exactly.
        takes: Tensors that go into the variable of the same name; with a function where they are changed on the way.
    """

    expected: Shapes
    takes: Mapping[str, Change | None]


def variables_of(model: keras.Model) -> dict[str, Any]:
    """Returns the variables of a model by path.

    Raises:
        WeightsError: Two variables have one path, so that no name could say which is meant.
    """
    found: dict[str, Any] = {}
    for variable in model.weights:
        if variable.path in found:
            message = f"Two variables of {model.name!r} are called {variable.path!r}: give every layer a name of its own."
            raise WeightsError(message)
        found[variable.path] = variable
    return found


def plain_plan(model: keras.Model) -> Plan:
    """Returns the plan for a file with exactly the tensors of the model."""
    shapes = {path: tuple(variable.shape) for path, variable in variables_of(model).items()}
    return Plan(expected=shapes, takes=dict.fromkeys(shapes))


def encoder_alone(plan: Plan, adapt: Adapt, what: str) -> Plan:
    """Returns the plan for a file that has the encoder and nothing else.

    Raises:
        WeightsError: More than the encoder was asked for.
    """
    if adapt.scope != "encoder":
        message = f"{what} have the encoder alone. Ask for it: adapt='encoder' leaves the rest of the network as it is."
        raise WeightsError(message)
    expected = {name: shape for name, shape in plan.expected.items() if name.startswith(ENCODER)}
    return Plan(expected=expected, takes={name: change for name, change in plan.takes.items() if name in expected})


def check_names(shapes: Shapes, expected: Shapes, what: str, owner: str) -> None:
    """Compares a file with what it must have, by names and shapes.

    Raises:
        IntegrityError: Tensors are missing, unexpected or of another shape; the message names them.
    """
    missing = [name for name in expected if name not in shapes]
    unexpected = [name for name in shapes if name not in expected]
    misshapen = [
        f"{name} {shapes[name]} instead of {expected[name]}"
        for name in expected
        if name in shapes and shapes[name] != expected[name]
    ]
    faults = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    found = [f"{len(names)} {what_is_wrong}: {_some(names)}" for what_is_wrong, names in faults.items() if names]
    if found:
        message = f"{what} does not fit {owner}: {'; '.join(found)}. Nothing was loaded."
        raise IntegrityError(message)


def assign(model: keras.Model, tensors: Iterable[tuple[str, np.ndarray]], plan: Plan, what: str) -> LoadReport:
    """Reads all tensors, checks them, and only then gives them to the model; a failure on the way undoes all of it.

    Beside the tensors that were read there is never more than one copy of one of them: while they are assigned, the place of
    each is taken by the value that it replaces.

    Raises:
        IntegrityError: A tensor has values that are not finite, or whatever reading them raises.
    """
    variables = variables_of(model)
    names: set[str] = set()
    staged: dict[str, np.ndarray] = {}
    for name, tensor in tensors:
        _check_finite(name, tensor, what)
        names.add(name)
        if name in plan.takes:
            change = plan.takes[name]
            staged[name] = tensor if change is None else change(tensor, _value(variables[name]))
            _check_fits(name, staged[name], variables[name], what)
    taken = tuple(staged)
    _commit(variables, staged)
    report = LoadReport(
        weights=what,
        loaded=tuple(name for name in taken if plan.takes[name] is None),
        adapted=tuple(name for name in taken if plan.takes[name] is not None),
        fresh=tuple(name for name in variables if name not in taken),
        unused=tuple(sorted(names - set(taken))),
    )
    log.info("%s", report)
    return report


def _commit(variables: Mapping[str, Any], staged: dict[str, np.ndarray]) -> None:
    """Assigns the arrays, each of which is let go on the way, so that two copies of one tensor at most are there at once."""
    import keras

    kept: dict[str, Any] = {}
    try:
        for name in list(staged):
            variable = variables[name]
            kept[name] = _kept(variable)
            variable.assign(keras.ops.convert_to_tensor(staged.pop(name), dtype=variable.dtype))
    except BaseException:
        for name, value in kept.items():
            variables[name].assign(value)
        raise


def _kept(variable: Any) -> Any:
    """Returns the value that a variable has now, which stays what it is when the variable is assigned to.

    TensorFlow and JAX give a variable a new buffer then, so that the old one needs no copy; PyTorch writes into it.
    """
    import keras

    value = variable.value
    if keras.backend.backend() == "tensorflow":
        return value.read_value()
    return value if keras.backend.backend() == "jax" else keras.ops.copy(value)


def _value(variable: Any) -> np.ndarray:
    """Returns a copy of the variable's value."""
    import keras
    import numpy as np

    return np.array(keras.ops.convert_to_numpy(variable.value), copy=True)


def _check_finite(name: str, tensor: np.ndarray, what: str) -> None:
    import numpy as np

    for part in _pieces(tensor):
        if not np.isfinite(part.astype("float32") if part.dtype.kind != "f" else part).all():
            message = f"{what}: the tensor {name!r} has values that are not finite (NaN or infinity). Nothing was loaded."
            raise IntegrityError(message)


def _pieces(tensor: np.ndarray, size: int = 2**20) -> Iterator[np.ndarray]:
    flat = tensor.reshape(-1)
    return (flat[start : start + size] for start in range(0, flat.size, size))


def _check_fits(name: str, value: np.ndarray, variable: Any, what: str) -> None:
    if tuple(value.shape) != tuple(variable.shape):
        message = f"{what}: {name} would be {value.shape}, the network has {tuple(variable.shape)}. Nothing was loaded."
        raise IntegrityError(message)


def _some(names: Iterable[str], most: int = 5) -> str:
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
