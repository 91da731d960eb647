"""Scores published or own weights: `python scripts/evaluate.py resunet-v1-d4-f16.nuclei-v1 --data FOLDER`.

Prints the table of scores that the weights' card has, from `zoo.predict` on whole images; with `--flips` what it has with flips.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from training.data import data_hash, read_split
from training.pictures import draw_overlays
from training.recipe import Recipe, read_recipe
from training.scores import MONITORS, Score, confusions, overlaps, scored_classes, scores

import zoo
from zoo.weights.opening import opened


def main() -> None:
    """Evaluates one file of weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help="a name such as resunet-v1-d4-f16.nuclei-v1, or a file that the zoo wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder with split.csv, images and masks")
    parser.add_argument("--split", default="val")
    parser.add_argument("--recipe", type=Path, help="how the data is read; by default as the weights' record says")
    parser.add_argument("--flips", action="store_true", help="average over mirror images")
    parser.add_argument("--first", type=int, help="only so many images")
    parser.add_argument("--scores", nargs="+", choices=MONITORS, help="which scores, by default those of the card")
    parser.add_argument("--pictures", type=Path, help="PNG to draw of the images with the lowest scores")
    parser.add_argument("--matrices", type=Path, help="JSON file for the confusion matrix of each image")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    recipe = read_recipe(options.recipe) if options.recipe else recorded(options.weights)
    samples = read_split(options.data, options.split, recipe.data)[: options.first]
    model = zoo.get(*options.weights.rsplit(".", 1)) if not Path(options.weights).is_file() else loaded(options.weights)

    def find(image: np.ndarray) -> np.ndarray:
        return zoo.predict(model, image, flips=options.flips, progress=lambda done, total: None)

    shown = track(samples, "images", console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
    matrices = confusions(find, shown, recipe.data)
    found = scores(matrices, options.scores or list(recipe.card.scores), recipe.data)
    print(as_json(found, len(samples)) if options.json else "", end="")
    if not options.json:
        print_table(found, f"{options.weights}: {len(samples)} images of {options.split}")
    if options.matrices:
        rows = {sample.name: matrix.tolist() for sample, matrix in zip(samples, matrices, strict=True)}
        options.matrices.write_text(json.dumps({"data": data_hash(options.data), "matrices": rows}) + "\n", encoding="utf-8")
    if options.pictures:
        draw_worst(find, samples, matrices, recipe, options.pictures)


def recorded(weights: str) -> Recipe:
    """Returns the recipe in the record of weights.

    Raises:
        SystemExit: They have none.
    """
    try:
        with opened(weights) as source:
            card = source.entry or source.description.card
            settings = card.recipe.settings if card.recipe else ""
        return msgspec.convert(json.loads(settings), Recipe)
    except zoo.ZooError as error:
        raise SystemExit(f"error: {error}") from None
    except (ValueError, msgspec.ValidationError):
        raise SystemExit(f"{weights} does not say how its data is read: give the recipe with --recipe.") from None


def loaded(path: str) -> Any:
    """Returns the network of a file, with its weights."""
    with opened(path) as source:
        entry = source.description.entry
    return zoo.get(entry, weights=path)


def print_table(found: list[Score], title: str) -> None:
    """Prints the scores as an aligned table."""
    table = Table("score", "value", "95 % from", "to", title=title, title_justify="left")
    for score in found:
        table.add_row(score.name, *(f"{value:.4f}" for value in (score.value, *score.interval)))
    Console(width=max(Console().width, 80)).print(table)


def as_json(found: list[Score], images: int) -> str:
    """Returns the scores for programs."""
    rows = [
        {"name": each.name, "value": each.value, "interval": each.interval, "images": images, "protocol": each.protocol}
        for each in found
    ]
    return json.dumps(rows, indent=1) + "\n"


def draw_worst(find: Any, samples: list[Any], matrices: np.ndarray, recipe: Recipe, path: Path, count: int = 4) -> None:
    """Draws the images with the lowest Dice, the worst first."""
    dice = _dice(matrices, recipe)
    _draw(find, samples, dice, np.argsort(dice, kind="stable")[:count], recipe, path)


def draw_typical(find: Any, samples: list[Any], matrices: np.ndarray, recipe: Recipe, path: Path, count: int = 2) -> None:
    """Draws the images whose Dice is nearest to the median."""
    dice = _dice(matrices, recipe)
    _draw(find, samples, dice, np.argsort(abs(dice - np.median(dice)), kind="stable")[:count], recipe, path)


def _dice(matrices: np.ndarray, recipe: Recipe) -> np.ndarray:
    return overlaps(matrices)[0][:, scored_classes(recipe.data)].mean(axis=1)


def _draw(find: Any, samples: list[Any], dice: np.ndarray, chosen: np.ndarray, recipe: Recipe, path: Path) -> None:
    titles = [f"{samples[index].name[:16]}: Dice {dice[index]:.3f}" for index in chosen]
    draw_overlays(find, [samples[index] for index in chosen], recipe, path, titles)


if __name__ == "__main__":
    main()
