"""What each generated file depends on, as checksums: sources, the catalog's rows, versions of packages, settings of Keras.

A dependency too many costs time, one that is missed leaves a stale page. So an entry depends on every module of the zoo but
other families' and the command line's, and a page about the whole catalog on all of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pages.card import PICTURES
from pages.source import family_module
from pages.weights import weights_of

from rendering.files import digest, read, stamps
from rendering.inputs import package_versions, source_files
from zoo import catalog
from zoo.weights.library import all_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.entry import Entry
    from zoo.weights.entry import WeightsEntry

KERAS_DEFAULTS = {"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}
"""What Keras writes into its settings where there are none yet: the first run makes the file, which changes nothing."""

PACKAGES = ("keras", "tensorflow", "jax", "numpy", "keras-cv", "pydot", "pygraphviz", "graphviz", "Pygments")
"""Packages whose versions may change what is rendered."""

APART = ("__main__.py", "cli.py", "cli_weights.py", "catalog.json")
"""Files of `zoo` that no page is made with, and the catalog, whose rows count one by one."""


class Keys:
    """The keys of all jobs for the sources as they are now.

    Attributes:
        root: Folder of the repository, with `zoo` and `scripts`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.families = root / "zoo" / "architectures"
        self.zoo = [path for path in source_files(root / "zoo") if path.relative_to(root / "zoo").as_posix() not in APART]
        self.pages = [*source_files(root / "scripts" / "pages"), root / "scripts" / "rendering" / "makers.py"]
        self.pictures = root / "docs" / "assets" / "weights"
        self.study = source_files(root / "docs" / "assets" / "study")
        self.stamps = stamps(self._sources)

    def entry(self, entry: Entry) -> str | None:
        """Returns the key of an entry's own files; None for one of another package, whose sources are not known."""
        family = family_module(entry)
        if family is None:
            return None
        weights = weights_of(entry.name)
        return _key(self._shared, self._family(family), entry, catalog.stored_rows(family), weights, self._pictures(weights))

    def family(self, module: str, entries: Iterable[Entry]) -> str:
        """Returns the key of the page with a family's source."""
        return _key(self._shared, self._family(module), tuple(entries))

    def whole(self, entries: Iterable[Entry]) -> str | None:
        """Returns the key of a page about all entries."""
        entries = tuple(entries)
        if any(family_module(entry) is None for entry in entries):
            return None
        rows = [catalog.stored_rows(module) for module in catalog.family_modules()]
        weights = sorted(all_weights().values(), key=lambda each: each.name)
        assets = (self._pictures(weights), digest(self.study, self.root))
        return _key(digest([*self.zoo, *self.pages], self.root), self._environment, entries, rows, weights, assets)

    def still_hold(self) -> bool:
        """Tells whether no source was touched since; what was made meanwhile may be of another version, put back since."""
        return self.stamps == stamps(self._sources)

    @property
    def _sources(self) -> list[Path]:
        assets = [*source_files(self.pictures), *self.study]
        return [*self.zoo, *self.pages, *assets, self.root / "zoo" / "catalog.json"]

    @cached_property
    def _shared(self) -> str:
        own = [path for path in self.zoo if path.parent != self.families or path.name.startswith("_")]
        return _key(digest([*own, *self.pages], self.root), self._environment)

    @cached_property
    def _environment(self) -> dict[str, Any]:
        home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
        return {
            "versions": package_versions(PACKAGES),
            "settings": {**KERAS_DEFAULTS, **_keras_settings(home / "keras.json"), **_backend_by_environment()},
            "program": _dot_program(),
        }

    def _pictures(self, weights: Iterable[WeightsEntry]) -> str:
        """Returns a checksum over the pictures of weights, be they there or not."""
        return digest([self.pictures / f"{each.name}.{which}.jpg" for each in weights for which in PICTURES], self.root)

    def _family(self, module: str) -> str:
        return digest([self.families / f"{module}.py"], self.root)


def _backend_by_environment() -> dict[str, str]:
    """Returns the backend that the environment names, which goes before the settings."""
    named = os.environ.get("KERAS_BACKEND")
    return {"backend": named} if named else {}


def _keras_settings(path: Path) -> dict[str, Any]:
    """Returns what the file says; nothing where it is missing or, as for Keras, cannot be read."""
    try:
        found = json.loads(read(path) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _dot_program() -> str:
    """Returns the version of the `dot` that draws where pygraphviz is missing."""
    try:
        import pygraphviz  # noqa: F401
    except (ImportError, OSError):
        try:
            return subprocess.run(["dot", "-V"], capture_output=True, text=True, check=False).stderr.strip()
        except OSError:
            return "none"
    return ""


def _key(*parts: Any) -> str:
    """Returns a checksum over texts, entries and what JSON can hold."""
    return hashlib.sha256(json.dumps(parts, default=repr, sort_keys=True).encode()).hexdigest()
