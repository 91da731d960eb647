"""Turns a finished run into published weights: `python scripts/publish_weights.py RUN --tag nuclei-v1 --data FOLDER`.

Writes the weights as float16 into `zoo/weights/files/`, scores that file on val as `scripts/score_weights.py` does, and enters it
into the manifest.
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

import msgspec
from score_weights import scored
from train import network
from training.data import data_hash
from training.manifest import replace_in_manifest
from training.recipe import Recipe, read_recipe

import zoo
from zoo.weights.library import MANIFEST
from zoo.weights.metadata import from_metadata
from zoo.weights.tensors import file_sha256, open_tensors

ROOT = Path(__file__).resolve().parents[1]
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
    recipe = recipe_of(facts)
    name = f"{zoo.info(recipe.model.name).name}.{options.tag}"
    path = written(options.run, facts, recipe, FILES / f"{name}.safetensors")
    entry = entered(path, name, tuple(options.source))
    model = zoo.get(entry.entry, weights=path)
    replace_in_manifest(scored(entry, recipe, model, options.data))
    print(f"{path}: {entry.bytes:,} bytes.")


def recipe_of(facts: dict[str, Any]) -> Recipe:
    """Returns the recipe of a run with the card that its file has now.

    Raises:
        SystemExit: Another setting of the file has changed since.
    """
    ran = msgspec.convert(facts["recipe"], Recipe)
    precision = f"training.precision={ran.training.precision}"
    recipe = read_recipe(ROOT / "recipes" / facts["recipe_file"], [*facts["changes"], precision])
    if recipe.fingerprint != ran.fingerprint:
        sys.exit(f"recipes/{facts['recipe_file']} is no longer what was run: only its card may change after a training.")
    return recipe


def written(run: Path, facts: dict[str, Any], recipe: Recipe, path: Path) -> Path:
    """Writes the weights of a run with their card, as float16."""
    known = {field.name for field in dataclasses.fields(zoo.Card)}
    about = {name: value for name, value in recipe_fields(recipe.card).items() if name in known}
    card = zoo.Card(
        classes=tuple(recipe.data.classes), preprocessing=recipe.preprocessing, mirror_axes=recipe.mirror_axes, **about
    )
    model = network(recipe)
    zoo.load_weights(model, run / "best.weights.h5")
    path.parent.mkdir(exist_ok=True)
    monitor = recipe.training.monitor
    changes = "".join(f" --set {change}" for change in facts["changes"])
    how = zoo.Recipe(
        command=f"python scripts/train.py recipes/{facts['recipe_file']} --data FOLDER{changes}",
        settings=json.dumps(recipe.settings),
        commit=facts["commit"],
        data_sha256=facts["data"],
        versions=tuple(f"{name} {version}" for name, version in facts["versions"].items()),
        machine=facts["machine"],
        minutes=round(facts["seconds"] / 60, 1),
        monitor=monitor,
        curve=tuple((each["step"], round(each["loss"], 5), round(each[monitor], 5)) for each in facts["curve"]),
    )
    return zoo.export_weights(model, path, dataclasses.replace(card, recipe=how), dtype="float16")


def recipe_fields(table: msgspec.Struct) -> dict[str, Any]:
    """Returns the fields of a table of a recipe by name."""
    return {name: getattr(table, name) for name in table.__struct_fields__}


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


if __name__ == "__main__":
    main()
