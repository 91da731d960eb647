"""Fetchers that lean on optional packages: Hugging Face, Kaggle, and the file systems of fsspec."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingExtraError
from zoo.extras import extra_package
from zoo.weights.attempts import FetchFault, Kind
from zoo.weights.fetchers import FetchRequest, Partial
from zoo.weights.redact import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 2**20
KAGGLE_PARTS = 5
"""Owner, model, framework, variation and version come before the path."""


def fetch_hf(request: FetchRequest) -> Partial:
    """Fetches `hf:owner/repo/path@revision` from Hugging Face, with the token that huggingface_hub knows.

    Address and token come from huggingface_hub; the transfer is ours, with all of its checks, and can be resumed.
    """
    import dataclasses

    from zoo.weights.http import fetch_http

    repository, path, revision = _hf_parts(request.url)
    huggingface_hub = extra_package("huggingface_hub", extra="hf", what="hf: URLs")
    if extra_package("huggingface_hub.constants", extra="hf", what="hf: URLs").HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE forbids Hugging Face"
        raise FetchFault(reason, Kind.REFUSED)
    endpoint = os.environ.get("HF_ENDPOINT") or None
    url = huggingface_hub.hf_hub_url(repository, path, revision=revision, endpoint=endpoint)
    token = huggingface_hub.get_token()
    headers = (("Authorization", f"Bearer {token}"),) if token else ()
    return fetch_http(dataclasses.replace(request, url=url, headers=headers))


def fetch_kaggle(request: FetchRequest) -> Iterator[bytes]:
    """Fetches `kaggle:owner/model/framework/variation/version/path` with kagglehub, into a temporary folder."""
    from zoo.weights.parts import scratch_folder

    parts = request.url.partition(":")[2].strip("/").split("/")
    if len(parts) <= KAGGLE_PARTS or not all(parts) or not parts[4].isdigit() or {".", ".."} & set(parts):
        reason = "kaggle: URLs are kaggle:owner/model/framework/variation/version/path"
        raise FetchFault(reason, Kind.REFUSED)
    kagglehub = extra_package("kagglehub", extra="kaggle", what="kaggle: URLs")
    if request.folder is None:
        reason = "kagglehub needs a folder to download into"
        raise FetchFault(reason, Kind.REFUSED)
    handle, path = "/".join(parts[:KAGGLE_PARTS]), "/".join(parts[KAGGLE_PARTS:])
    with scratch_folder(request.folder, request.final) as folder:
        fetched = kagglehub.model_download(handle, path=path, output_dir=str(folder))
        with open(fetched, "rb") as file:  # noqa: PTH123  kagglehub gives text
            while data := file.read(CHUNK):
                yield data


def knows_fsspec(scheme: str) -> bool | None:
    """Tells whether fsspec has a file system for a scheme; None where fsspec is not installed."""
    try:
        from fsspec import available_protocols
    except ImportError:
        return None
    return scheme in available_protocols()


def fetch_fsspec(request: FetchRequest) -> Partial:
    """Fetches a URL of any scheme that fsspec knows, such as `s3://bucket/file`."""
    import fsspec

    if "::" in request.url:  # chains wrap other file systems, and so go around the checks of https:
        reason = "chained URLs of fsspec are not taken; name the file system that has the file"
        raise FetchFault(reason, Kind.REFUSED)
    try:
        system, path = fsspec.core.url_to_fs(request.url)
    except ImportError as error:  # its words name the package that the scheme needs
        raise MissingExtraError(printable(str(error))) from None
    size = system.info(path).get("size")
    if None not in (size, request.size) and size != request.size:
        reason = f"the file there has {size:,} bytes, not {request.size:,}"
        raise FetchFault(reason, Kind.WRONG)
    return Partial(start=request.start, chunks=_chunks(system, path, request.start))


def _chunks(system: Any, path: str, start: int) -> Iterator[bytes]:
    with system.open(path, "rb") as file:
        file.seek(start)
        while data := file.read(CHUNK):
            yield data


def _hf_parts(url: str) -> tuple[str, str, str | None]:
    """Splits `hf:owner/repo/path@revision` into repository, path, and revision, None where it has none."""
    rest, at, revision = url.partition(":")[2].strip("/").rpartition("@")
    if not at:
        rest, revision = revision, ""
    parts = rest.split("/")
    if len(parts) < 3 or not all(parts) or {".", ".."} & set(parts) or (at and not revision):
        reason = "hf: URLs are hf:owner/repo/path@revision"
        raise FetchFault(reason, Kind.REFUSED)
    return "/".join(parts[:2]), "/".join(parts[2:]), revision or None
