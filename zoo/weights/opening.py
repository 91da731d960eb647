"""From a name or a path to an open file of weights that is what it says: fetched, its head read, its manifest compared."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import IntegrityError, WeightsError
from zoo.weights.library import weights_info
from zoo.weights.metadata import Description, from_metadata
from zoo.weights.tensors import TensorFile, open_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.weights.entry import WeightsEntry
    from zoo.weights.hooks import Progress
    from zoo.weights.remote import RemoteFile

KERAS_ENDING = ".weights.h5"
ENDINGS = (".safetensors", KERAS_ENDING)
"""What weights are written as."""

HDF5_ENDINGS = (".h5", ".hdf5")
FILE_ENDINGS = (".safetensors", *HDF5_ENDINGS, ".keras", ".pt", ".pth", ".bin", ".npz")
"""Endings by which a word is known to be a file: no tag ends so."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An open file of weights, and what is known about it.

    Attributes:
        what: Its name, for messages.
        file: Of tensors, its head read.
        description: What it says about itself.
        entry: The published weights that it is; None for a file of one's own.
    """

    what: str
    file: TensorFile
    description: Description
    entry: WeightsEntry | None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.entry.classes if self.entry else self.description.card.classes


@contextmanager
def opened(weights: str | os.PathLike[str]) -> Iterator[Source]:
    """Opens weights by name or path: fetched, its head read, and compared with what the manifest says."""
    if is_path(weights):
        path, entry, what = Path(weights), None, str(weights)
        if not path.is_file():
            message = f"There is no file {what}. Give the path of a file of zoo.export_weights, or a name of zoo.list_weights()."
            raise WeightsError(message)
    else:
        entry = weights_info(str(weights))
        path, what = fetched(entry), entry.name
    with open_tensors(path, entry.sha256 if entry else None) as file:
        description = from_metadata(file.metadata, what)
        if entry is not None:
            _check_manifest(entry, description)
        yield Source(what=what, file=file, description=description, entry=entry)


def is_path(weights: str | os.PathLike[str]) -> bool:
    """Whether weights are meant by path, not by name."""
    text = os.fspath(weights)
    return not isinstance(weights, str) or text.endswith(FILE_ENDINGS) or os.sep in text or "/" in text


def is_keras_file(weights: str | os.PathLike[str]) -> bool:
    """Whether weights are a file that Keras writes."""
    return is_path(weights) and os.fspath(weights).endswith(HDF5_ENDINGS)


def remote_file(entry: WeightsEntry) -> RemoteFile:
    """Returns the file of published weights."""
    from zoo.weights.remote import RemoteFile

    return RemoteFile(name=entry.name, sources=entry.sources, bytes=entry.bytes, sha256=entry.sha256)


def fetched(entry: WeightsEntry, progress: Progress | None = None) -> Path:
    """Fetches published weights where they are not there yet; see `zoo.download`."""
    from zoo.weights.download import fetch

    return fetch(remote_file(entry), progress=progress)


def _check_manifest(entry: WeightsEntry, description: Description) -> None:
    if description.entry != entry.entry or description.config != entry.config:
        message = f"The file of {entry.name} says that it is for {description.config}; its manifest says {entry.config}."
        raise IntegrityError(message)
