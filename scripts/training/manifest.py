"""Entering weights into the manifest of the package."""

from __future__ import annotations

from pathlib import Path

import zoo
from zoo.weights.library import MANIFEST
from zoo.weights.manifest import manifest_bytes, parse_manifest


def replace_in_manifest(entry: zoo.WeightsEntry) -> None:
    """Writes the manifest with this entry in it, sorted by name; the first weights of a network are its default.

    Repeats of the same run are kept.
    """
    manifest = Path(MANIFEST)
    known = parse_manifest(manifest.read_bytes(), str(manifest)) if manifest.exists() else ()
    others = tuple(each for each in known if each.name != entry.name)
    before = next((each for each in known if each.name == entry.name), None)
    if before and before.recipe and entry.recipe and before.recipe.curve == entry.recipe.curve and not entry.repeats:
        entry = entry.replace(repeats=before.repeats)
    default = not any(each.entry == entry.entry and each.default for each in others)
    entries = sorted((*others, entry.replace(default=default)), key=lambda each: each.name)
    manifest.write_bytes(manifest_bytes(tuple(entries)))
