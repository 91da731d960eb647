"""Turns a finished run into published weights: `python scripts/publish_weights.py RUN --tag nuclei-v1 --data FOLDER`.

Writes the weights as float16 into `zoo/weights/files/`, scores that file on val, and enters it into the manifest.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from training.folders import data_hash, read_split
from training.scores import PROTOCOL, measured

import zoo
from zoo.weights.library import MANIFEST
from zoo.weights.manifest import manifest_bytes, parse_manifest
from zoo.weights.metadata import from_metadata
from zoo.weights.tensors import file_sha256, open_tensors

FILES = Path(MANIFEST).parent / "files"


def main() -> None:
    """Publishes one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder that scripts/train.py wrote")
    parser.add_argument("--tag", required=True, help="such as nuclei-v1")
    parser.add_argument("--data", type=Path, required=True, help="folder that it was trained on")
    parser.add_argument("--source", action="append", default=[], help="further places of the file, as URLs")
    options = parser.parse_args()
    facts = json.loads((options.run / "run.json").read_text(encoding="utf-8"))
    if data_hash(options.data) != facts["data"]:
        sys.exit(f"{options.data} is not the data of {options.run}: the checksums differ.")
    name = f"{facts['recipe']['model']['name']}.{options.tag}"
    path = written(options.run, facts, FILES / f"{name}.safetensors")
    entry = scored(entered(path, name, tuple(options.source)), facts, path, options.data)
    replace_in_manifest(entry)
    print(f"{entry.name}: {entry.bytes:,} bytes; {', '.join(f'{m.name} {m.value:.4f} {m.interval}' for m in entry.metrics)}")


def written(run: Path, facts: dict[str, Any], path: Path) -> Path:
    """Writes the weights of a run with their card, as float16."""
    recipe = facts["recipe"]
    prepare = zoo.Preprocessing(**tuples(recipe["preprocessing"]))
    card = zoo.Card(classes=tuple(recipe["data"]["classes"]), preprocessing=prepare, **tuples(recipe["card"]))
    model = zoo.get(
        recipe["model"]["name"],
        classes=len(card.classes),
        input_shape=(*(None,) * recipe["data"].get("ndim", 2), len(prepare.channels)),
    )
    zoo.load_weights(model, run / "weights.weights.h5")
    path.parent.mkdir(exist_ok=True)
    how = zoo.Recipe(
        command=f"python scripts/train.py recipes/{facts['recipe_file']} --data FOLDER",
        settings=json.dumps(recipe["training"]),
        commit=facts["commit"],
        data_sha256=facts["data"],
        versions=tuple(f"{name} {version}" for name, version in facts["versions"].items()),
        machine=facts["machine"],
        minutes=round(facts["seconds"] / 60, 1),
    )
    return zoo.export_weights(model, path, dataclasses.replace(card, recipe=how), dtype="float16")


def entered(path: Path, name: str, mirrors: tuple[str, ...]) -> zoo.WeightsEntry:
    """Returns what the manifest says of a file, by what it says of itself."""
    with open_tensors(path) as file:
        found = from_metadata(file.metadata, path.name)
        dtypes = {spec.dtype for spec in file.specs.values()}
    default = zoo.info(found.entry).config
    overrides = {
        field.name: getattr(found.config, field.name)
        for field in dataclasses.fields(default)
        if getattr(found.config, field.name) != getattr(default, field.name)
    }
    card = {field.name: getattr(found.card, field.name) for field in dataclasses.fields(zoo.Card)}
    return zoo.WeightsEntry(
        **card,
        name=name,
        sources=(f"package:{path.name}", *mirrors),
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
        dtype=dtypes.pop(),
        overrides=tuple(overrides.items()),
        probe=found.probe,
    )


def scored(entry: zoo.WeightsEntry, facts: dict[str, Any], path: Path, data: Path) -> zoo.WeightsEntry:
    """Returns the entry with the scores of its file on val."""
    recipe = facts["recipe"]
    source = {key: recipe["data"][key] for key in ("images", "masks", "mask_values")}
    model = zoo.get(entry.entry, weights=path)
    found = measured(model, read_split(data, "val", **source), entry.preprocessing)
    metrics = tuple(
        zoo.Metric(
            name=label, value=round(mean, 4), data=recipe["card"]["data"].partition(" ")[0], split="val", protocol=PROTOCOL,
            images=count, interval=tuple(round(end, 4) for end in interval),
        )
        for label, (mean, interval, count) in found.items()
    )  # fmt: skip
    return entry.replace(metrics=metrics)


def replace_in_manifest(entry: zoo.WeightsEntry) -> None:
    """Writes the manifest with this entry in it, sorted by name; the first weights of a network are its default."""
    manifest = Path(MANIFEST)
    known = parse_manifest(manifest.read_bytes(), str(manifest)) if manifest.exists() else ()
    others = tuple(each for each in known if each.name != entry.name)
    default = not any(each.entry == entry.entry and each.default for each in others)
    entries = sorted((*others, entry.replace(default=default)), key=lambda each: each.name)
    manifest.write_bytes(manifest_bytes(tuple(entries)))


def tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Returns a table of a recipe with tuples for its lists, nested ones too."""
    return {name: as_tuple(value) for name, value in values.items()}


def as_tuple(value: Any) -> Any:
    """Returns tuples for lists."""
    return tuple(as_tuple(item) for item in value) if isinstance(value, list) else value


if __name__ == "__main__":
    main()
