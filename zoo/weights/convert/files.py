"""Files of tensors of other projects: the names, shapes and types in them first, then the tensors that are asked for.

Which format a file has is told by its first bytes, not by its name.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from zoo.errors import IntegrityError
from zoo.weights import hdf5
from zoo.weights.hdf5 import file_size, quoted
from zoo.weights.tensors import TensorSpec, shown_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np

NUMPY_NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip

ALIASES = "aliases"


@dataclass(frozen=True, kw_only=True)
class ForeignFile:
    """A file whose list of tensors was read.

    Attributes:
        path: Of the file.
        layout: Of its kernels: "keras" in HDF5 files, "torch" in others.
        specs: Shape and type of each tensor, by its name in the file.
        read: Returns the named tensors as they are stored.
        same: Tensors that the file stores once under several names: the one that is stored, by the other names.
    """

    path: str
    layout: Literal["torch", "keras"]
    specs: Mapping[str, TensorSpec]
    read: Callable[[Iterable[str]], dict[str, np.ndarray]]
    same: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[ForeignFile]:
    """Opens a file of any format that is known: HDF5, safetensors, PyTorch's.

    Raises:
        IntegrityError: It has none of these formats, is damaged, or has what a file of weights must not have.
        MissingExtraError: It is PyTorch's, and PyTorch is not installed.
        WeightsError: There is no such file.
    """
    path = os.fspath(path)
    size = file_size(path)
    with open(path, "rb") as file:  # noqa: PTH123  a path-like of any kind
        start = file.read(16)
    if start.startswith(hdf5.SIGNATURE):
        yield _hdf5(path, size)
    elif start[:2] in (b"PK", b"\x80\x02", b"\x80\x04"):
        from zoo.weights.convert.torch_files import as_safetensors

        with as_safetensors(path) as converted:
            yield _safetensors(converted, path)
    elif len(start) > 8 and int.from_bytes(start[:8], "little") <= size and start[8:9] == b"{":
        yield _safetensors(path, path)
    else:
        message = (
            f"{path} is of no format that can be converted, or cut off ({size:,} bytes). Formats are HDF5 (.h5, .weights.h5), "
            "safetensors (.safetensors) and PyTorch (.pt, .pth)."
        )
        raise IntegrityError(message)


def _hdf5(path: str, size: int) -> ForeignFile:
    specs = hdf5.datasets(path, most_bytes=size)

    def read(names: Iterable[str]) -> dict[str, np.ndarray]:
        return hdf5.read(path, {name: specs[name] for name in names}, most_bytes=size)

    return ForeignFile(path=path, layout="keras", specs=specs, read=read)


def _safetensors(path: str, shown: str) -> ForeignFile:
    """Reads the head of a safetensors file; `shown` is the file that messages name."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as handle:
            parts = {name: handle.get_slice(name) for name in handle.keys()}  # noqa: SIM118  it is no dict
            own = {name: _spec(tuple(part.get_shape()), part.get_dtype()) for name, part in parts.items()}
            aliases = json.loads((handle.metadata() or {}).get(ALIASES, "{}")) if path != shown else {}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise _damaged(shown, error) from error

    def read(names: Iterable[str]) -> dict[str, np.ndarray]:
        import ml_dtypes  # noqa: F401  NumPy knows bfloat16 through it

        try:
            with safetensors.safe_open(path, framework="numpy") as handle:
                return {name: handle.get_tensor(aliases.get(name, name)) for name in names}
        except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
            raise _damaged(shown, error) from error

    specs = own | {name: own[target] for name, target in aliases.items()}
    return ForeignFile(path=shown, layout="torch", specs=specs, read=read, same=aliases)


def _spec(shape: tuple[int, ...], dtype: str) -> TensorSpec:
    return TensorSpec(shape=shape, dtype=NUMPY_NAMES.get(dtype, quoted(dtype)))


def _damaged(path: str, error: Exception) -> IntegrityError:
    return IntegrityError(f"{path} is not a safetensors file that can be read, or is cut off: {shown_error(error)}.")
