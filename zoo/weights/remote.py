"""A file that is known to the last bit, and where it can be had."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zoo.errors import RegistryError

SHA256 = re.compile(r"[0-9a-f]{64}")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):.")
SUFFIX = re.compile(r"(?:\.[a-z0-9]+){1,3}")

LARGEST = 2**40
"""No file is said to be larger: a terabyte."""

LONGEST_NAME = 80
"""Characters of a name that are kept in a file's name, so that every file system takes it."""


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of registered size and SHA-256.

    Attributes:
        name: What people call it, such as `"resunet-v1-d4-f16.nuclei-v1"`.
        sources: Where it is, best place first: URLs such as `"package:NAME"`, `"https://…"`, `"hf:owner/repo/file"`.
        bytes: Its size.
        sha256: Its SHA-256, 64 hexadecimal digits; stored in lower case.
        suffix: Of the file's name in the cache.

    Raises:
        RegistryError: A field is missing or ill-formed.
    """

    name: str
    sources: tuple[str, ...]
    bytes: int
    sha256: str
    suffix: str = ".safetensors"

    def __post_init__(self) -> None:
        if isinstance(self.sha256, str):
            object.__setattr__(self, "sha256", self.sha256.lower())
        faults = self._faults()
        if faults:
            message = f"The file {self.name!r} cannot be used: {'; '.join(faults)}."
            raise RegistryError(message)

    def _faults(self) -> tuple[str, ...]:
        from zoo.weights.redact import redact

        faults = []
        if not (isinstance(self.name, str) and self.name):
            faults.append(f"`name` is text, received {self.name!r}")
        if not (isinstance(self.sha256, str) and SHA256.fullmatch(self.sha256)):
            faults.append(f"`sha256` is 64 hexadecimal digits, received {self.sha256!r}")
        if not isinstance(self.bytes, int) or isinstance(self.bytes, bool) or not 0 < self.bytes <= LARGEST:
            faults.append(f"`bytes` is the size of the file, from 1 to {LARGEST:,}, received {self.bytes!r}")
        if not isinstance(self.sources, tuple) or not self.sources:
            faults.append(f"`sources` is a tuple of at least one URL, received {self.sources!r}")
        else:
            bad = [url for url in self.sources if not (isinstance(url, str) and SCHEME.match(url))]
            faults += [f"the source {redact(str(url))!r} has no scheme such as https:" for url in bad]
        if not (isinstance(self.suffix, str) and SUFFIX.fullmatch(self.suffix)):
            faults.append(f"`suffix` is such as '.safetensors', in lower case, received {self.suffix!r}")
        return tuple(faults)

    @property
    def file_name(self) -> str:
        """Its name in the cache, made of hash and name alone: `"0123456789abcdef-resunet-v1.nuclei-v1.safetensors"`."""
        safe = re.sub(r"[^a-z0-9._-]+", "-", self.name.lower())
        safe = re.sub(r"\.{2,}", ".", safe)[:LONGEST_NAME].strip("-._") or "file"
        return f"{self.sha256[:16]}-{safe}{self.suffix}"


def scheme_of(url: str) -> str:
    """Returns the scheme of a URL in lower case, empty where there is none: `"https://host/file" -> "https"`."""
    match = SCHEME.match(url)
    return match[1].lower() if match else ""
