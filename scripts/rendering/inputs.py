"""What generated files are made from: sources, versions of packages."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

from rendering.files import files_under

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_APART = re.compile(r"(^|/)(\.|__pycache__/)")


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Returns the versions of Python and of packages; empty for those that are not installed."""
    from importlib import metadata  # once it is loaded, each look-up of a name asks it for plug-ins, which takes long

    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = ""
    return versions


def source_files(folder: Path) -> list[Path]:
    """Returns all files in a folder and its folders that are not hidden or made by Python."""
    return [folder / name for name in files_under(folder) if not _APART.search(name)]
