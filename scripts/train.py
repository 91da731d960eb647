"""Trains a network by a recipe: `python scripts/train.py recipes/nuclei.toml --data FOLDER`.

Everything goes into `--out`: the best weights, the state to go on from, the record of the run, its curve and some pictures.
Stopped at any moment, the same command goes on and ends with the same weights as if it had not been stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import msgspec
from training.crops import Crops
from training.data import check_classes, data_hash, read_split
from training.finding import finder
from training.losses import losses_of
from training.pictures import draw_curve, draw_overlays, evenly
from training.recipe import Recipe, read_recipe
from training.rounds import Rounds

import zoo


def main() -> None:
    """Runs one recipe."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path, help="a TOML file, see recipes/")
    parser.add_argument("--data", type=Path, required=True, help="folder with split.csv, images and masks")
    parser.add_argument("--out", type=Path, help="folder for the results; by default runs/RECIPE")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.FIELD=VALUE", help="another value for a setting")
    parser.add_argument("--restart", action="store_true", help="start anew where --out has a run already")
    parser.add_argument("--check", action="store_true", help="read and check the data, then stop")
    options = parser.parse_args()
    recipe = read_recipe(options.recipe, options.set)
    train, val = read_split(options.data, "train", recipe.taught), read_split(options.data, "val", recipe.data)
    check_classes(train, recipe.data, "train")
    if options.check:
        print(f"{len(train)} images of train and {len(val)} of val can be used.")
        return
    out = options.out or Path("runs") / options.recipe.stem
    out.mkdir(parents=True, exist_ok=True)
    if options.restart:
        (out / "state.npz").unlink(missing_ok=True)
    recipe = prepared(recipe)
    about = facts(options, recipe)
    model = compiled(recipe)
    training = recipe.training
    crops = Crops(train, recipe, length=max(training.steps // training.rounds, 1))
    rounds = fit(model, crops, Rounds(crops, val, recipe, out, about["data"]), recipe, out)
    model.load_weights(out / "best.weights.h5")
    record = {**about, "seconds": rounds.curve[-1]["seconds"], "curve": rounds.curve, "val": rounds.best}
    (out / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draw_curve(rounds.curve, recipe, out / "curve.png")
    draw_overlays(finder(model, recipe), evenly(val), recipe, out / "overlays.png")
    print(f"best round: {json.dumps(rounds.best)}\nEverything is in {out}.")


def prepared(recipe: Recipe) -> Recipe:
    """Sets seed, determinism and precision in Keras, and returns the recipe with the precision that this machine gives."""
    training = recipe.training
    precision = fitting(training.precision)
    keras.utils.set_random_seed(training.seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(precision)
    return msgspec.structs.replace(recipe, training=msgspec.structs.replace(training, precision=precision))


def fitting(precision: str) -> str:
    """Returns the dtype policy that this machine gives for a recipe's precision.

    TensorFlow on a CPU without AVX-512 has no convolution in bfloat16: there it is `float32`, and a line says so.
    """
    if precision == "auto":
        has_gpu = any(device.startswith("gpu") for device in keras.distribution.list_devices())
        return "mixed_bfloat16" if has_gpu else "float32"
    try:
        keras.layers.Conv2D(4, 3, dtype=precision)(keras.ops.ones((1, 8, 8, 3)))
    except Exception:  # noqa: BLE001  each backend has errors of its own for what it cannot compute
        print(f"{precision} cannot be computed by {keras.backend.backend()} on this machine: float32 is taken.", flush=True)
        return "float32"
    return precision


def compiled(recipe: Recipe) -> keras.Model:
    """Returns the network, which gives logits, with optimizer and losses."""
    training = recipe.training
    begin = {"weights": recipe.model.weights or None, "adapt": recipe.model.adapt or None}
    model = network(recipe, head_activation=None, **begin)
    rounds = max(training.steps // training.rounds, 1) * training.rounds
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(rounds - training.warmup, 1), warmup_target=training.learning_rate, warmup_steps=training.warmup
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=training.weight_decay, clipnorm=training.clipnorm or None,
        use_ema=training.ema > 0, ema_momentum=training.ema or 0.99,
    )  # fmt: skip
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)
    loss, weights = losses_of(model, recipe)
    model.compile(optimizer, loss, loss_weights=weights, jit_compile=keras.backend.backend() == "jax")
    return model


def network(recipe: Recipe, **changes: Any) -> keras.Model:
    """Returns the recipe's network for images of any size."""
    shape = (*(None,) * recipe.data.ndim, len(recipe.preprocessing.channels))
    try:
        return zoo.get(recipe.model.name, classes=recipe.classes, input_shape=shape, **recipe.model.overrides, **changes)
    except zoo.ZooError as error:
        raise SystemExit(f"The network of the recipe, table [model], cannot be made: {error}") from None


def fit(model: keras.Model, crops: Crops, rounds: Rounds, recipe: Recipe, out: Path) -> Rounds:
    """Trains from the beginning or from where the run stopped, and returns the rounds."""
    rounds.set_model(model)
    if rounds.take_up():
        print(f"{out} goes on after round {rounds.done} of {recipe.training.rounds}.", flush=True)
    if rounds.exhausted or rounds.done == recipe.training.rounds:
        return rounds
    model.fit(
        crops, epochs=recipe.training.rounds, initial_epoch=rounds.done, shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[rounds, keras.callbacks.TensorBoard(out / "logs"), keras.callbacks.TerminateOnNaN()],
    )  # fmt: skip
    return rounds


def facts(options: argparse.Namespace, recipe: Recipe) -> dict[str, Any]:
    """Returns what made these weights."""
    backend = keras.backend.backend()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "recipe_file": options.recipe.name,
        "changes": options.set,
        "recipe": recipe.settings,
        "data": data_hash(options.data),
        "machine": f"{os.cpu_count()} cores of {platform.machine()}",
        "commit": commit,
        "versions": {name: version(name) for name in ("resunet-zoo", "keras", backend, "numpy")},
    }


if __name__ == "__main__":
    main()
