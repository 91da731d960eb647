"""Enters a further training of published weights: `python scripts/repeat_weights.py NAME RUN`.

RUN is what `scripts/train.py` wrote for the same recipe and data, with another seed, precision or backend, or once more as it
was. Its score stands on the card from then on: so near one comes in making the weights again.
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
from train import network
from training.manifest import replace_in_manifest
from training.recipe import Recipe

import zoo

FREE = ("seed", "precision")
"""Settings that a further training may change: it is still one by the same recipe."""


def main() -> None:
    """Enters one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of published weights, such as resunet-v1-d3-f8.nuclei-v1")
    parser.add_argument("run", type=Path, help="folder that scripts/train.py wrote")
    options = parser.parse_args()
    try:
        entry = zoo.weights_info(options.name)
        facts = json.loads((options.run / "run.json").read_text(encoding="utf-8"))
    except (zoo.ZooError, OSError, ValueError) as error:
        sys.exit(str(error))
    repeat = repeated(entry, facts, options.run)
    replace_in_manifest(entry.replace(repeats=(*(each for each in entry.repeats if each != repeat), repeat)))
    print(f"{entry.name}, trained again: {repeat}")


def repeated(entry: zoo.WeightsEntry, facts: dict[str, Any], run: Path) -> zoo.Repeat:
    """Returns what a run says of how near one comes.

    Raises:
        SystemExit: It is of other data or of another recipe.
    """
    if entry.recipe is None or facts["data"] != entry.recipe.data_sha256:
        sys.exit(f"{run} was trained on other data than {entry.name}: the checksums differ.")
    first, again = msgspec.json.decode(entry.recipe.settings, type=Recipe), msgspec.convert(facts["recipe"], Recipe)
    changed = {field: value for field in FREE if (value := getattr(again.training, field)) != getattr(first.training, field)}
    back = msgspec.structs.replace(again.training, **{field: getattr(first.training, field) for field in FREE})
    if msgspec.structs.replace(again, training=back).fingerprint != first.fingerprint:
        sys.exit(f"{run} is of another recipe than {entry.name}: only {' and '.join(FREE)} may differ.")
    return zoo.Repeat(
        score=round(facts["val"][first.training.monitor], 5),
        changes=tuple(f"training.{field}={value}" for field, value in changed.items()),
        same_weights=same_weights(entry, first, run / "best.weights.h5"),
        versions=tuple(f"{name} {version}" for name, version in facts["versions"].items()),
        machine=facts["machine"],
    )


def same_weights(entry: zoo.WeightsEntry, recipe: Recipe, path: Path) -> bool:
    """Returns whether a run's weights, rounded as the published ones are, are these."""
    model = network(recipe)
    zoo.load_weights(model, path)
    ours = zoo.get(entry.name)
    pairs = zip(ours.get_weights(), model.get_weights(), strict=True)
    return all(np.array_equal(one, other.astype(entry.dtype).astype(one.dtype)) for one, other in pairs)


if __name__ == "__main__":
    main()
