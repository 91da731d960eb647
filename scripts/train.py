"""Trains a network by a recipe: `python scripts/train.py recipes/nuclei-d3-f8.toml --data FOLDER`.

Writes into `--out` the weights, a log of the scores on val, and the settings with which it ran.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from training.crops import Crops
from training.folders import Sample, data_hash, read_split
from training.scores import score

import zoo
from zoo.weights.preprocessing import Preprocessing

LOSS = "bce + dice"


def main() -> None:
    """Runs one recipe."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with split.csv, images and masks")
    parser.add_argument("--out", type=Path, help="folder for the results; by default runs/RECIPE")
    parser.add_argument("--steps", type=int, help="other number of steps, for a try")
    options = parser.parse_args()
    recipe = tomllib.loads(options.recipe.read_text(encoding="utf-8"))
    if options.steps:
        recipe["training"]["steps"] = options.steps
    out = options.out or Path("runs") / options.recipe.stem
    out.mkdir(parents=True, exist_ok=True)
    run({**recipe, "file": options.recipe.name}, options.data, out)


def run(recipe: dict[str, Any], data: Path, out: Path) -> None:
    """Trains, scores on val, and writes `weights.weights.h5` and `run.json`."""
    settings = recipe["training"]
    keras.utils.set_random_seed(settings["seed"])
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in recipe["preprocessing"].items()}
    prepare = Preprocessing(**fields)
    source = {key: recipe["data"][key] for key in ("images", "masks", "mask_values")}
    train, val = (read_split(data, split, **source) for split in ("train", "val"))
    classes = len(recipe["data"]["classes"])
    if (classes, settings["loss"]) != (1, LOSS):
        sys.exit(f"This script trains one class with loss = {LOSS!r}. Received: {classes} classes, loss = {settings['loss']!r}")
    model = zoo.get(recipe["model"]["name"], classes=classes, input_shape=(None, None, len(prepare.channels)))
    steps = settings["steps"]
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - settings["warmup"], warmup_target=settings["learning_rate"], warmup_steps=settings["warmup"]
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=settings["weight_decay"], use_ema=True, ema_momentum=settings["ema"], clipnorm=1.0
    )
    model.compile(optimizer, loss=binary_loss, jit_compile=False)
    crops = Crops(train, prepare, crop=settings["crop"], batch=settings["batch"], steps=steps, seed=settings["seed"])
    log = Log(model, val, prepare, every=max(steps // 10, 1))
    begin = time.time()
    model.fit(crops, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=1 if sys.stdout.isatty() else 2, callbacks=[log])
    optimizer.finalize_variable_values(model.trainable_variables)
    final = score(model, val, prepare)
    print(f"final: {final}")
    model.save_weights(out / "weights.weights.h5")
    facts = {
        "recipe_file": recipe.pop("file"), "machine": f"{os.cpu_count()} cores of {platform.machine()}",
        "recipe": recipe, "data": data_hash(data), "val": final, "curve": log.curve, "seconds": round(time.time() - begin),
        "commit": _commit(), "versions": {name: version(name) for name in ("keras", keras.backend.backend(), "numpy")},
    }  # fmt: skip
    (out / "run.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def binary_loss(truth: Any, probability: Any) -> Any:
    """Returns binary cross-entropy plus one minus the soft Dice of each image."""
    axes = tuple(range(1, len(probability.shape)))
    entropy = keras.ops.mean(keras.losses.binary_crossentropy(truth, probability), axis=axes[:-1])
    both = keras.ops.sum(truth * probability, axis=axes)
    dice = (2 * both + 1) / (keras.ops.sum(truth, axis=axes) + keras.ops.sum(probability, axis=axes) + 1)
    return entropy + 1 - dice


class Log(keras.callbacks.Callback):
    """Scores a few images of val with the averaged weights from time to time."""

    def __init__(self, model: keras.Model, val: list[Sample], prepare: Preprocessing, every: int) -> None:
        super().__init__()
        self.val, self.prepare, self.every = val[::8], prepare, every
        self.curve: list[dict[str, float]] = []
        self.begin = time.time()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Scores after every so many steps."""
        if (batch + 1) % self.every:
            return
        network = self.model
        kept = network.get_weights()
        network.optimizer.finalize_variable_values(network.trainable_variables)
        found = score(network, self.val, self.prepare)
        network.set_weights(kept)
        self.curve.append({"step": batch + 1, "loss": float((logs or {}).get("loss", 0)), **found})
        print(f"{time.time() - self.begin:7.0f} s  {self.curve[-1]}", flush=True)


def _commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
