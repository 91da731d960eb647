"""The errors of the zoo: every failure that a user can cause is a `ZooError`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class ZooError(Exception):
    """Base of every error that the zoo raises on purpose."""


class UnknownModelError(ZooError, LookupError):
    """No entry has the name that was asked for."""


class ConfigError(ZooError, ValueError):
    """A field of a config does not exist or has a value that it cannot take."""


class RegistryError(ZooError, ValueError):
    """An entry cannot be registered: ill-formed name, duplicate, or a broken plug-in."""


class WeightsError(ZooError):
    """Base of every error about pretrained weights; on its own: they do not fit what they were asked for."""


class UnknownWeightsError(WeightsError, LookupError):
    """No weights have the name that was asked for."""


class DownloadError(WeightsError, OSError):
    """A file could not be fetched, or not be put into the cache; the message lists what was tried."""


class IntegrityError(WeightsError, ValueError):
    """A file is not what it must be: its hash, size, format, names, shapes or values are wrong."""


class MissingExtraError(ZooError, ImportError):
    """A package that only some entries need is not installed; the message has the command that installs it."""


class AnalysisError(ZooError, ValueError):
    """A model cannot be analysed: not a functional Keras model, or no concrete input shape."""


class RenderError(ZooError, RuntimeError):
    """A picture cannot be made: unknown format, or no engine that draws it."""


class ImageError(ZooError, ValueError):
    """An image cannot be read, is not of a kind that the network takes, or a result cannot be written.

    Attributes:
        results: Of several images, what the others gave, by path.
    """

    results: Mapping[Any, Any] = {}


def close_matches(word: str, options: Iterable[str]) -> str:
    """Returns `"; did you mean 'a' or 'b'?"` for the options nearest to `word`, or an empty string."""
    import difflib  # costs a millisecond: only when something went wrong

    near = difflib.get_close_matches(word, list(options), n=3, cutoff=0.6)
    return "; did you mean " + " or ".join(repr(match) for match in near) + "?" if near else ""
