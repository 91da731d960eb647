"""What is compared: an original network at a tiny size, the zoo's network that must equal it, and which weight is which.

Nothing here needs PyTorch or Keras; the files in `originals` describe one family each.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from parity import formula

FOLDER = Path(__file__).parent
FIXTURES = FOLDER / "fixtures"

Row = tuple[str, str, str]
"""`(tensor of the original, layer of the zoo's network, weight of that layer)`."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One original at one size.

    Attributes:
        name: Name of the fixture.
        entry: Name for `zoo.get`.
        overrides: Fields for `zoo.get`, besides `head_activation=None`.
        sizes: Spatial sizes of the images.
        channels: Of the images.
        original: Makes the original in evaluation mode, as a `Network` of `parity.frameworks`; runs where its libraries are.
        table: Yields which tensor of the original is which weight, each exactly once.
        source: What was run, with its version or commit, for the provenance.
        needs: Modules that the recording interpreter must have.
        checkout: "owner/name@commit" of a clone that it needs; see `checkout_folder`.
        layout: Of the original's kernels: "torch" is (out, in, ...), "keras" the zoo's own.
        unused: Tensors of the original that its forward pass does not use.
        mutations: Names in `parity.mutations` that the recorded outputs must notice; all others must not apply.
        tolerance: Largest error in double precision when the original runs live.
    """

    name: str
    entry: str
    sizes: tuple[tuple[int, ...], ...]
    original: Callable[[], Any]
    table: Callable[[], Iterable[Row]]
    source: str
    mutations: tuple[str, ...]
    overrides: dict[str, Any] = field(default_factory=dict)
    channels: int = 1
    needs: tuple[str, ...] = ("torch",)
    checkout: str = ""
    layout: Literal["torch", "keras"] = "torch"
    unused: tuple[str, ...] = ()
    tolerance: float = 1e-9

    def value(self, name: str, kind: str, shape: tuple[int, ...], salt: str = "") -> np.ndarray:
        """Returns the value of one tensor in the original's own shape; another salt gives another set of weights."""
        fan_in = math.prod(shape[:-1] if self.layout == "keras" else shape[1:])
        return formula.weight(salt + name, kind, shape, fan_in)

    def images(self) -> Iterable[np.ndarray]:
        """Yields an image (1, *size, channels) per size."""
        return (formula.image((*size, self.channels)) for size in self.sizes)

    @property
    def fixture(self) -> Path:
        """File of what was recorded."""
        return FIXTURES / f"{self.name}.npz"


def all_cases() -> dict[str, Case]:
    """Returns the cases of all files in `originals` by name."""
    modules = sorted(path.stem for path in (FOLDER / "originals").glob("*.py") if path.stem != "__init__")
    cases = [case for module in modules for case in importlib.import_module(f"parity.originals.{module}").CASES]
    named = {case.name: case for case in cases}
    assert len(named) == len(cases), "two cases have one name"
    return named


def checkout_folder(checkout: str) -> Path:
    """Returns where the clone of "owner/name@commit" is: `$ZOO_ORIGINALS/owner+name`."""
    repository = checkout.partition("@")[0]
    return Path(os.environ.get("ZOO_ORIGINALS", FOLDER / "checkouts")) / repository.replace("/", "+")


def original_shape(case: Case, shape: tuple[int, ...], kind: str) -> tuple[int, ...]:
    """Returns the shape of the original's tensor for a Keras weight."""
    if case.layout == "keras":
        return tuple(shape)
    return (shape[-1], shape[-2], *shape[:-2]) if kind == "kernel" else (math.prod(shape),)


def to_keras(case: Case, tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Kernels (out, in, ...) -> (..., in, out), transposed ones likewise; anything else takes the shape of the weight."""
    if case.layout == "torch" and tensor.ndim > 1:
        tensor = tensor.transpose(*range(2, tensor.ndim), 1, 0)
    return tensor.reshape(shape)


def fill(network: Any, case: Case, salt: str = "") -> None:
    """Sets every weight of the zoo's network to that of the original; none may be left out."""
    left = {(layer.name, weight.name): weight for layer in network.layers for weight in layer.variables}
    for theirs, layer, kind in case.table():
        variable = left.pop((layer, kind))
        value = case.value(theirs, kind, original_shape(case, variable.shape, kind), salt)
        variable.assign(to_keras(case, value, variable.shape))
    assert not left, f"weights without a partner: {sorted(left)}"


def thin(array: np.ndarray, most: int = 1500) -> np.ndarray:
    """Returns about `most` values of an array, evenly spread over all positions and channels."""
    step = max(1, array.size // most)
    while math.gcd(step, array.size) > 1:
        step += 1
    return array.reshape(-1)[::step]


def label(kind: str, image: np.ndarray) -> str:
    """Returns the key of an array in a fixture: `output0_64x96`."""
    return f"{kind}_{'x'.join(map(str, image.shape[1:-1]))}"
