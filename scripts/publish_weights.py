"""Turns a finished run into published weights: `python scripts/publish_weights.py RUN --tag nuclei-v1 --data FOLDER`.

Writes the weights as float16 into `zoo/weights/files/`, scores that file on val, and enters it into the manifest. The confusion
matrices behind the scores go into `tests/golden/scores/`, pictures of the worst images and of typical ones into
`docs/assets/weights/`.
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
import numpy as np
from evaluate import draw_typical, draw_worst
from train import network
from training.data import data_hash, read_split
from training.recipe import Recipe, read_recipe
from training.scores import confusions, scores

import zoo
from zoo.weights.library import MANIFEST
from zoo.weights.manifest import manifest_bytes, parse_manifest
from zoo.weights.metadata import from_metadata
from zoo.weights.tensors import file_sha256, open_tensors

ROOT = Path(__file__).resolve().parents[1]
FILES = Path(MANIFEST).parent / "files"
MATRICES = ROOT / "tests/golden/scores"
PICTURES = ROOT / "docs/assets/weights"


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
    entry = scored(entered(path, name, tuple(options.source)), recipe, path, options.data)
    replace_in_manifest(entry)
    print(f"{entry.name}: {entry.bytes:,} bytes; {', '.join(f'{m.name} {m.value:.4f} {m.interval}' for m in entry.metrics)}")


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
    card = zoo.Card(classes=tuple(recipe.data.classes), preprocessing=recipe.preprocessing, **about)
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


def scored(entry: zoo.WeightsEntry, recipe: Recipe, path: Path, data: Path) -> zoo.WeightsEntry:
    """Returns the entry with the scores of its file on val; keeps what is behind them."""
    model = zoo.get(entry.entry, weights=path)
    samples = read_split(data, "val", recipe.data)

    def find(image: np.ndarray) -> np.ndarray:
        return zoo.predict(model, image, progress=lambda done, total: None)

    matrices = confusions(find, samples, recipe.data)
    rows = {sample.name: matrix.tolist() for sample, matrix in zip(samples, matrices, strict=True)}
    for folder in (MATRICES, PICTURES):
        folder.mkdir(parents=True, exist_ok=True)
    (MATRICES / f"{entry.name}.json").write_text(json.dumps({"data": data_hash(data), "matrices": rows}) + "\n", encoding="utf-8")
    draw_worst(find, samples, matrices, recipe, PICTURES / f"{entry.name}.worst.jpg")
    draw_typical(find, samples, matrices, recipe, PICTURES / f"{entry.name}.typical.jpg")
    metrics = tuple(
        zoo.Metric(
            name=score.name, value=round(score.value, 4), data=recipe.card.data.partition(" ")[0], split="val",
            protocol=score.protocol, images=len(samples), interval=tuple(round(end, 4) for end in score.interval),
        )
        for score in scores(matrices, recipe.card.scores, recipe.data)
    )  # fmt: skip
    return entry.replace(metrics=metrics)


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


if __name__ == "__main__":
    main()
