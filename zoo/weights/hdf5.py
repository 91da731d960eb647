"""Reading tensors from HDF5 files of unknown origin: nothing is followed, and nothing is read before it was compared.

HDF5 can point to other files (external links, external storage, virtual datasets), to itself (soft links, a second name for
the same group), declare far more than it stores, and run filters. None of that is in a file that Keras writes, so all of it
is refused while the file is walked. Only then are tensors read, and only those that the caller asks for.

Attributes are not read: everything that a table of names needs is in the paths of the datasets.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.errors import IntegrityError, WeightsError
from zoo.weights.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_OBJECTS = 50_000
"""Groups and datasets of a file; a network of a thousand layers with its optimizer has about 10,000."""

MOST_LEVELS = 32
LARGEST_CHUNK = 2**20
"""Bytes of a chunk that may be larger than its dataset: HDF5 makes such ones for datasets that can grow."""


def datasets(path: str | os.PathLike[str], *, most_bytes: int | None = None) -> dict[str, TensorSpec]:
    """Walks a file and returns what it declares, by path such as `"layers/conv2d/vars/0"`; reads no data.

    Args:
        path: An HDF5 file.
        most_bytes: Largest declared size of one dataset; the size of the file by default, as nothing may be compressed.

    Raises:
        IntegrityError: The file is no readable HDF5 file, or has something that a file of weights does not need.
        WeightsError: There is no such file.
    """
    with _opened(path) as file:
        return _walked(file, path, file_size(path) if most_bytes is None else most_bytes)


def read(
    path: str | os.PathLike[str], names: Iterable[str] | Mapping[str, TensorSpec], *, most_bytes: int | None = None
) -> dict[str, np.ndarray]:
    """Reads some datasets; each is checked as `datasets` checks it, along the way to it, before it is read.

    Args:
        path: An HDF5 file.
        names: Paths of datasets as `datasets` gives them. As a mapping, shapes and types must still be those given there.
        most_bytes: See `datasets`.

    Returns:
        The arrays as they are stored, in the order of `names`.

    Raises:
        IntegrityError: See `datasets`; or a dataset is missing, or is not what `names` says.
        WeightsError: There is no such file.
    """
    import numpy as np

    expected: Mapping[str, TensorSpec] = names if isinstance(names, Mapping) else {}
    limit = file_size(path) if most_bytes is None else most_bytes
    arrays = {}
    with _opened(path) as file:
        for name in names:
            dataset = _at(file, name, path)
            spec = _checked(dataset, name, path, limit)
            if spec != expected.get(name, spec):
                raise _refused(path, f"{quoted(name)} is {spec}, not {expected[name]} as before")
            arrays[name] = np.asarray(dataset[()])
    return arrays


def quoted(name: str, *, limit: int = 120) -> str:
    """Returns a name that a file gives in quotes, printable and not too long."""
    text = ascii(name)
    return text if len(text) <= limit else f"{text[: limit - 4]}...{text[0]}"


def file_size(path: str | os.PathLike[str]) -> int:
    """Returns the size of a file in bytes.

    Raises:
        WeightsError: There is no such file.
    """
    if not os.path.isfile(path):  # noqa: PTH113  a path-like of any kind
        what = "is a folder or a device" if os.path.exists(path) else "does not exist"  # noqa: PTH110
        message = f"A file of weights is needed. Received: {os.fspath(path)!r}, which {what}."
        raise WeightsError(message)
    return os.path.getsize(path)  # noqa: PTH202


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Opens a file; whatever the library raises, then or later, is an `IntegrityError`."""
    import h5py

    file_size(path)
    with open(path, "rb") as start:  # noqa: PTH123  a path-like of any kind
        if start.read(len(SIGNATURE)) != SIGNATURE:
            raise _refused(path, "it does not start like one")
    try:
        with h5py.File(path, "r", locking=False) as file:  # read-only folders have no locks
            yield file
    except IntegrityError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError, UnicodeError) as error:
        raise _refused(path, f"the HDF5 library says: {quoted(str(error), limit=200)}") from error


def _walked(file: Any, path: str | os.PathLike[str], limit: int) -> dict[str, TensorSpec]:
    """Returns all datasets; groups are visited with a stack, and no object twice."""
    import h5py

    found: dict[str, TensorSpec] = {}
    seen: set[int] = set()
    count = 0
    waiting: list[tuple[str, Any]] = [("", file["/"])]
    while waiting:
        prefix, group = waiting.pop()
        count += len(group)
        if count > MOST_OBJECTS:
            raise _refused(path, f"it has more than {MOST_OBJECTS:,} objects")
        for link in group:
            name = _checked_name(prefix, link, path)
            member = _member(group, link, name, path)
            _see_once(member, seen, name, path)
            if isinstance(member, h5py.Group):
                waiting.append((f"{name}/", member))
            else:
                found[name] = _checked(member, name, path, limit)
    return found


def _at(file: Any, name: str, path: str | os.PathLike[str]) -> Any:
    """Returns the dataset of a path, link by link."""
    import h5py

    member = file["/"]
    for link in name.split("/"):
        if not isinstance(member, h5py.Group):
            raise _refused(path, f"it has no dataset {quoted(name)}")
        member = _member(member, link, name, path)
    if not isinstance(member, h5py.Dataset):
        raise _refused(path, f"it has no dataset {quoted(name)}")
    return member


def _member(group: Any, link: str, name: str, path: str | os.PathLike[str]) -> Any:
    """Returns what a link of a group leads to, if it leads there itself."""
    import h5py

    kind = group.get(link, getlink=True)
    if kind is None:
        raise _refused(path, f"it has no dataset {quoted(name)}")
    if not isinstance(kind, h5py.HardLink):
        what = "another file" if isinstance(kind, h5py.ExternalLink) else "another place"
        raise _refused(path, f"{quoted(name)} is a link to {what}")
    member = group[link]
    if not isinstance(member, (h5py.Group, h5py.Dataset)):
        raise _refused(path, f"{quoted(name)} is neither a group nor a dataset")
    return member


def _checked_name(prefix: str, link: str, path: str | os.PathLike[str]) -> str:
    name = prefix + link
    if not link.isprintable() or ".." in link or link in (".", ""):
        raise _refused(path, f"{quoted(name)} is not a name that a layer or a weight can have")
    if name.count("/") >= MOST_LEVELS:
        raise _refused(path, f"its groups are nested more than {MOST_LEVELS} deep, under {quoted(name)}")
    return name


def _see_once(member: Any, seen: set[int], name: str, path: str | os.PathLike[str]) -> None:
    """Refuses a second name of one object: a group within itself would never end."""
    import h5py

    address = h5py.h5o.get_info(member.id).addr
    if address in seen:
        raise _refused(path, f"{quoted(name)} is a second name of another object")
    seen.add(address)


def _checked(dataset: Any, name: str, path: str | os.PathLike[str], limit: int) -> TensorSpec:
    """Returns what a dataset declares; refuses what is not plain numbers that are stored, as they are, in this file."""
    made = dataset.id.get_create_plist()
    if dataset.is_virtual or made.get_external_count():
        raise _refused(path, f"{quoted(name)} is kept in another file")
    if dataset.dtype.kind not in "fiub" or dataset.dtype.hasobject or dataset.dtype.subdtype:
        raise _refused(path, f"{quoted(name)} has the type {dataset.dtype}, which is not one of plain numbers")
    if dataset.shape is None:
        raise _refused(path, f"{quoted(name)} is empty: it has no shape")
    if made.get_nfilters():
        raise _refused(path, f"{quoted(name)} is compressed or filtered; `h5repack -f NONE IN OUT` stores it plainly")
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    if size > limit:
        raise _refused(path, f"{quoted(name)} declares {size:,} bytes, more than the {limit:,} that are allowed")
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > max(size, LARGEST_CHUNK):
        raise _refused(path, f"{quoted(name)} has chunks of {dataset.chunks}, which are larger than the tensor {dataset.shape}")
    if dataset.id.get_storage_size() < size:
        raise _refused(path, f"{quoted(name)} declares {size:,} bytes and stores {dataset.id.get_storage_size():,}")
    return TensorSpec(shape=tuple(dataset.shape), dtype=dataset.dtype.name)


def _refused(path: str | os.PathLike[str], reason: str) -> IntegrityError:
    return IntegrityError(f"{os.fspath(path)} is not an HDF5 file of weights that the zoo reads: {reason}.")
