"""Packages that an install may lack: imported when they are needed, with an error that says how to get them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from zoo.errors import MissingExtraError


def extra_package(package: str, *, extra: str, what: str) -> Any:
    """Imports a package of an extra.

    Args:
        package: Its name.
        extra: Which extra of the zoo brings it.
        what: What needs it, in the plural, such as `"NIfTI files"`.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return import_module(package)
    except ImportError:
        message = f"{what} need the package {package}, which is not installed: pip install 'resunet-zoo[{extra}]'"
    raise MissingExtraError(message)
