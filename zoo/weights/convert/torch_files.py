"""PyTorch files, which are pickles: read by another process, and by PyTorch's reader for tensors alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import IntegrityError, MissingExtraError
from zoo.weights.convert import torch_reader
from zoo.weights.tensors import shown_error

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = "ZOO_TORCH_PYTHON"
"""Environment variable with a Python that has PyTorch, where this one has not."""


@contextmanager
def as_safetensors(path: str) -> Iterator[str]:
    """Writes the tensors of a PyTorch file to a private safetensors file, which is removed afterwards.

    Raises:
        IntegrityError: The file is damaged, compressed, or has something else than tensors.
        MissingExtraError: PyTorch is not installed.
    """
    _check_archive(path)
    with tempfile.TemporaryDirectory(prefix="zoo-convert-") as folder:
        out = str(Path(folder) / "tensors.safetensors")
        _run(path, out)
        yield out


def _check_archive(path: str) -> None:
    """Refuses archives that are not PyTorch's, and those that would grow when they are read; older files are no archives."""
    with open(path, "rb") as file:  # noqa: PTH123  a path-like of any kind
        if file.read(2) != b"PK":
            return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        message = f"{path} is a damaged PyTorch file, perhaps cut off: {shown_error(error)}."
        raise IntegrityError(message) from error
    if not any(member.filename.endswith("data.pkl") for member in members):
        message = (
            f"{path} is a zip file, but not one of PyTorch. A .keras file holds a whole model: load it with Keras and save its "
            "weights alone, with model.save_weights('x.weights.h5')."
        )
        raise IntegrityError(message)
    size = os.path.getsize(path)  # noqa: PTH202
    stored = sum(member.file_size for member in members)
    if stored > size or any(member.compress_type != zipfile.ZIP_STORED for member in members):
        message = f"{path} unpacks to {stored:,} bytes from {size:,}; PyTorch does not compress its files, so it is refused."
        raise IntegrityError(message)


def _run(path: str, out: str) -> None:
    python = os.environ.get(PYTHON) or sys.executable
    command = [python, torch_reader.__file__, os.path.abspath(path), out]  # noqa: PTH100
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        message = f"{PYTHON}={python!r} cannot be run: {error.strerror or error}. It must name a Python that has PyTorch."
        raise MissingExtraError(message) from error
    if done.returncode == torch_reader.DONE:
        return
    if done.returncode == torch_reader.NO_TORCH:
        message = (
            f"{path} is a PyTorch file, and {python} has no PyTorch that can read it ({done.stdout.strip()}): "
            f"pip install 'resunet-zoo[torch]', or let {PYTHON} name the Python of an environment that has torch>=2.6."
        )
        raise MissingExtraError(message)
    last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
    reason = done.stdout.strip() if done.returncode == torch_reader.REFUSED else f"reading it failed: {last}"
    message = f"{path} is not a PyTorch file of tensors that can be read: {shown_error(ValueError(reason))}."
    raise IntegrityError(message)
