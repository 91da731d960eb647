"""Files of tensors: safetensors with the zoo's metadata, read so that nothing in a file is trusted.

The head of a file (names, shapes, types) is read and compared before any tensor is; tensors come one at a time.
"""

from __future__ import annotations

import io
import json
import math
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

LARGEST_HEAD = 2 * 2**20
"""Bytes: ten times the head of the largest network of the catalog."""

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
STORED = ("float32", "float16", "bfloat16")
"""What weights can be written as."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """Shape and type of a tensor."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class TensorFile:
    """An open file whose head was read and found well-formed.

    Attributes:
        path: Where it is.
        specs: Shape and type of each tensor by name, in the order of the file.
        metadata: Texts that go with it.
        file: The open file.
        head: The bytes before the first tensor.
        sha256: What the whole file must hash to; None where that is not known.
    """

    path: Path
    specs: Mapping[str, TensorSpec]
    metadata: Mapping[str, str]
    file: io.FileIO
    head: bytes
    sha256: str | None

    def tensors(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields names and tensors, one at a time, and checks the hash of all that was read behind the last one.

        The library's own reader maps the file: its pages would count as memory twice over, and a file that is cut while it
        is read would kill the process. The format has no gaps, which the library has checked.

        Raises:
            IntegrityError: The file ends early, or has another hash.
        """
        import hashlib

        import numpy as np

        digest = hashlib.sha256(self.head)
        self.file.seek(len(self.head))
        for name, spec in self.specs.items():
            array = np.empty(spec.shape, _numpy_type(spec.dtype))
            filled = memoryview(array.reshape(-1).view("uint8").data)
            _read_into(self.file, filled, self.path)
            digest.update(filled)
            yield name, array
        found = digest.hexdigest()
        if self.sha256 not in (None, found):
            message = f"{self.path} is damaged: its SHA-256 is {found}, it must be {self.sha256}. Remove it and fetch it again."
            raise IntegrityError(message)


@contextmanager
def open_tensors(path: str | os.PathLike[str], sha256: str | None = None) -> Iterator[TensorFile]:
    """Opens a safetensors file and reads its head.

    Args:
        path: The file.
        sha256: What `TensorFile.tensors` must find, where it is known.

    Raises:
        IntegrityError: It cannot be read, or is not a well-formed safetensors file of floats.
    """
    path = Path(path)
    with _opened(path) as file:
        head = _head(file, path)
        specs, metadata = _parsed(path)
        end = len(head) + sum(_bytes_of(spec) for spec in specs.values())
        opened = os.fstat(file.fileno())
        if opened.st_size != end or not os.path.samestat(opened, path.stat()):
            message = f"{path} was changed while it was read; nothing was loaded. Try again when nothing writes to it."
            raise IntegrityError(message)
        yield TensorFile(path=path, specs=specs, metadata=metadata, file=file, head=head, sha256=sha256)


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 of a file."""
    import hashlib

    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tensors(path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file under its name only when it is complete; an interrupted call leaves what was there.

    Raises:
        IntegrityError: The folder cannot be written to.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path = Path(path)
    private = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        private.touch()
        mode = private.stat().st_mode
        save_file(dict(tensors), private, dict(metadata))
        _sort_metadata(private)
        private.chmod(mode)  # the library closes its files to others
        _flush(private)
        private.replace(path)
    except (OSError, SafetensorError) as error:
        message = f"{path} cannot be written: {shown_error(error)}. Give a file in a folder that you can write to."
        raise IntegrityError(message) from None
    finally:
        private.unlink(missing_ok=True)


def _sort_metadata(path: Path) -> None:
    """Puts the metadata of a file in order, in place: the library writes it in a random one, and a file has one checksum."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        head = json.loads(file.read(size))
        if "__metadata__" in head:
            head["__metadata__"] = dict(sorted(head["__metadata__"].items()))
        text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= size:  # as long as the library's, but for what the two escape differently
            file.seek(8)
            file.write(text.ljust(size))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> io.FileIO:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        message = f"{path} cannot be opened: {error.strerror or error}."
        raise IntegrityError(message) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        message = f"{path} is not a file. Give the path of a .safetensors file."
        raise IntegrityError(message)
    return io.FileIO(descriptor, "rb")


def _head(file: io.FileIO, path: Path) -> bytes:
    """Reads the head, and refuses what the library would take or take long for: huge heads and names that stand twice."""
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little") if len(prefix) == 8 else size
    if not 2 <= length <= min(size - 8, LARGEST_HEAD):
        message = (
            f"{path} is not a safetensors file, or is cut off: {size:,} bytes, of which its head would be {length:,}; "
            f"allowed are up to {LARGEST_HEAD:,} and up to the size of the file."
        )
        raise IntegrityError(message)
    head = file.read(length)
    try:
        json.loads(head.decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        message = f"{path} is not a well-formed safetensors file: {shown_error(error)}"
        raise IntegrityError(message) from None
    return prefix + head


def _read_into(file: io.FileIO, view: memoryview, path: Path) -> None:
    while view:
        count = file.readinto(view[: 2**30])
        if not count:
            message = f"{path} ends in the middle of a tensor: it is cut off. Get it again."
            raise IntegrityError(message)
        view = view[count:]


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        message = f"its head names {next(name for name in names if names.count(name) > 1)!r} twice"
        raise ValueError(message)
    return found


def _parsed(path: Path) -> tuple[dict[str, TensorSpec], dict[str, str]]:
    """Returns what the library reads in the head: specs in the order of the tensors in the file, and the metadata."""
    import safetensors

    specs = {}
    try:
        with safetensors.safe_open(str(path), framework="numpy") as handle:
            for name in handle.offset_keys():
                part = handle.get_slice(name)
                specs[name] = TensorSpec(shape=tuple(part.get_shape()), dtype=DTYPES.get(part.get_dtype(), part.get_dtype()))
            metadata = handle.metadata() or {}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        message = f"{path} is not a well-formed safetensors file: {shown_error(error)}"
        raise IntegrityError(message) from None
    foreign = sorted({spec.dtype for spec in specs.values()} - set(DTYPES.values()))
    if foreign:
        message = f"{path} has tensors of {', '.join(foreign)}; weights are of {', '.join(DTYPES.values())}."
        raise IntegrityError(message)
    return specs, metadata


def _bytes_of(spec: TensorSpec) -> int:
    return math.prod(spec.shape) * {"float64": 8, "float32": 4}.get(spec.dtype, 2)


def _numpy_type(dtype: str) -> Any:
    if dtype != "bfloat16":
        return dtype
    import ml_dtypes

    return ml_dtypes.bfloat16


def shown_error(error: BaseException) -> str:
    """Returns the message of another library in one printable line of moderate length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]
