"""Data sets as recipes read them, made of blobs on noise, and a recipe for each."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
from PIL import Image

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

RECIPE = """
[model]
name = "resunet-v1-d2-f4"

[data]
image = "images/{id}.png"
mask = "masks/{id}.png"
classes = {blob = 255}

[preprocessing]
channels = ["gray"]
normalisation = "image"

[[augmentation]]
layer = "RandomFlip"
mode = "horizontal_and_vertical"

[[augmentation]]
layer = "RandomRotation"
factor = 0.2
fill_mode = "reflect"

[[augmentation]]
layer = "Intensity"
gamma = 0.3
noise = 0.1

[training]
crop = [32, 32]
batch = 4
steps = 12
rounds = 4
loss = {name = "DiceCrossentropy"}
learning_rate = 1e-2
warmup = 2
ema = 0.5
statistics = 2
seed = 3

[card]
summary = "Blobs."
task = "blobs"
palette = [[230, 159, 0]]
licence = "CC0-1.0"
data = "blobs"
data_licence = "CC0-1.0"
"""

VOLUMES = (
    RECIPE.replace("resunet-v1-d2-f4", "resunet-v1-3d-d2-f4")
    .replace('"images/{id}.png"', '"{split}.npz/image_{number}"')
    .replace('"masks/{id}.png"', '"{split}.npz/label_{number}"')
    .replace("classes = {blob = 255}", "classes = {background = 0, bright = 1, brighter = 2}\nndim = 3")
    .replace('layer = "RandomFlip"\nmode = "horizontal_and_vertical"', 'layer = "Flips"\naxes = [0, 1]')
    .replace('layer = "RandomRotation"\nfactor = 0.2\nfill_mode = "reflect"', 'layer = "Turns"\naxes = [0, 1]')
    .replace("crop = [32, 32]\nbatch = 4", "crop = [16, 16, 16]\nbatch = 1")
    .replace("[[230, 159, 0]]", "[[0, 0, 0], [230, 159, 0], [86, 180, 233]]")
)


def blobs(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns an 8-bit image of bright balls on noise, and where they are."""
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    inside = np.zeros(shape, bool)
    for _ in range(4):
        centre = rng.uniform(0, shape).reshape(-1, *(1,) * len(shape))
        inside |= ((places - centre) ** 2).sum(axis=0) < rng.uniform(3, 7) ** 2
    values = np.where(inside, 170, 60) + rng.normal(0, 15, shape)
    return np.clip(values, 0, 255).astype("uint8"), inside


def write_pictures(folder: Path, train: int = 6, val: int = 3) -> Path:
    """Writes images of several odd sizes with masks."""
    rng = np.random.default_rng(0)
    rows = [(f"im{index}", "train" if index < train else "val") for index in range(train + val)]
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for index, (name, _) in enumerate(rows):
        image, inside = blobs(rng, (37 + 3 * index, 50 - index))
        Image.fromarray(image).save(folder / "images" / f"{name}.png")
        Image.fromarray((inside * 255).astype("uint8")).save(folder / "masks" / f"{name}.png")
    write_split(folder, rows)
    return folder


def write_volumes(folder: Path) -> Path:
    """Writes archives of volumes with three classes."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for split, count in (("train", 3), ("val", 2)):
        arrays = {}
        for number in range(count):
            image, inside = blobs(rng, (19, 24, 17))
            labels = inside.astype("uint8")
            labels[10:] *= 2
            arrays |= {f"image_{number:03}": image.astype("float32") * 1000, f"label_{number:03}": labels}
            rows.append((f"volume_{number:03}", split))
        np.savez(folder / f"{split}.npz", **arrays)
    write_split(folder, rows)
    return folder


def write_split(folder: Path, rows: list[tuple[str, str]]) -> None:
    """Writes `split.csv`."""
    with (folder / "split.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "split"), *rows])


def environment(backend: str = "tensorflow") -> dict[str, str]:
    """Returns the environment of a script."""
    quick = {"XLA_FLAGS": "--xla_backend_optimization_level=0"} if backend == "jax" else {}
    return {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", **quick}
