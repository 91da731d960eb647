"""Scores published weights anew and enters the scores: `python scripts/score_weights.py NAME --data FOLDER`.

The file is scored on val with `zoo.predict`, plainly and averaged over mirror images. The confusion matrices behind the scores go
into `tests/golden/scores/`, pictures of the worst images and of typical ones into `docs/assets/weights/`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from evaluate import draw_typical, draw_worst, recorded
from rich.console import Console
from rich.progress import track
from training.data import Sample, data_hash, read_split
from training.manifest import replace_in_manifest
from training.recipe import Recipe
from training.scores import all_scores, confusions

import zoo

ROOT = Path(__file__).resolve().parents[1]
MATRICES = ROOT / "tests/golden/scores"
PICTURES = ROOT / "docs/assets/weights"


def main() -> None:
    """Scores one file or several."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME", help="of published weights, such as resunet-v1-d4-f16.nuclei-v1")
    parser.add_argument("--data", type=Path, required=True, help="folder that they were trained on")
    options = parser.parse_args()
    for name in options.names:
        entry, recipe = zoo.weights_info(name), recorded(name)
        if entry.recipe and data_hash(options.data) != entry.recipe.data_sha256:
            sys.exit(f"{options.data} is not the data of {name}: the checksums differ.")
        replace_in_manifest(scored(entry, recipe, zoo.get(name), options.data))


def scored(entry: zoo.WeightsEntry, recipe: Recipe, model: Any, data: Path) -> zoo.WeightsEntry:
    """Returns the entry with the scores of its file on val; keeps what is behind them."""
    samples = read_split(data, "val", recipe.data)
    find = partial(zoo.predict, model, progress=lambda done, total: None)
    plain = confusions(find, _shown(samples, "images"), recipe.data)
    flips = bool(recipe.mirror_axes)
    mirrored = confusions(partial(find, flips=flips), _shown(samples, "images with flips"), recipe.data) if flips else plain[:0]
    for folder in (MATRICES, PICTURES):
        folder.mkdir(parents=True, exist_ok=True)
    kept = {"data": data_hash(data), "matrices": _rows(samples, plain)}
    kept |= {"flips": _rows(samples, mirrored)} if flips else {}
    (MATRICES / f"{entry.name}.json").write_text(json.dumps(kept) + "\n", encoding="utf-8")
    draw_worst(find, samples, plain, recipe, PICTURES / f"{entry.name}.worst.jpg")
    draw_typical(find, samples, plain, recipe, PICTURES / f"{entry.name}.typical.jpg")
    metrics = tuple(
        zoo.Metric(
            name=score.name, value=round(score.value, 4), data=recipe.card.data.partition(" ")[0], split="val",
            protocol=score.protocol, images=len(samples), interval=tuple(round(end, 4) for end in score.interval),
        )
        for score in all_scores(plain, mirrored, recipe.card.scores, recipe.data)
    )  # fmt: skip
    print(f"{entry.name}: {', '.join(f'{each.name} {each.value:.4f} {each.interval}' for each in metrics)}")
    return entry.replace(metrics=metrics)


def _shown(samples: list[Sample], what: str) -> Any:
    return track(samples, what, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)


def _rows(samples: list[Sample], matrices: np.ndarray) -> dict[str, Any]:
    return {sample.name: matrix.tolist() for sample, matrix in zip(samples, matrices, strict=True)}


if __name__ == "__main__":
    main()
