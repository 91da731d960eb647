"""Losses and metrics against MONAI's, which run in a process of their own; see `parity.test_live` for the interpreter."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from segmentation_probe import probabilities, value_and_gradient

from zoo.losses import ClDice, Dice, DiceCrossentropy, Focal, Jaccard, Tversky
from zoo.metrics import scores

pytestmark = pytest.mark.parity

BATCHES = {
    "one class": (1, (12, 10)),
    "two": (2, (12, 10)),
    "four": (4, (9, 9)),
    "volume": (1, (7, 6, 8)),
    "volume of two": (2, (6, 6, 6)),
}


def batch(channels: int, size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Labels with every class in each image, and logits that know something of them."""
    rng = np.random.default_rng(len(size) + channels)
    labels = rng.integers(0, max(channels, 2), (3, *size)).astype("uint8")
    logits = rng.normal(size=(*labels.shape, channels))
    return labels, (logits + (labels[..., None] == (np.arange(channels) if channels > 1 else 1))).astype("float32")


@pytest.fixture(scope="module")
def monai(tmp_path_factory):
    python = os.environ.get("ZOO_PARITY_PYTHON", sys.executable)
    if python == sys.executable and importlib.util.find_spec("monai") is None:
        pytest.skip("needs monai, here or in the interpreter that ZOO_PARITY_PYTHON names")
    folder = tmp_path_factory.mktemp("monai")
    arrays = {}
    for name, made in BATCHES.items():
        arrays[f"{name}/labels"], arrays[f"{name}/logits"] = batch(*made)
    np.savez(folder / "in.npz", **arrays)
    command = [python, "-m", "parity.monai_losses", str(folder / "in.npz"), str(folder / "out.npz")]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(folder / "out.npz")


def ours(channels: int) -> dict[str, object]:
    """The same losses; MONAI's Jaccard has twice the counts of pixels, so that ours is half of its `smooth`."""
    options = {"from_logits": True, "ignore": None}
    found = {
        "dice": Dice(smooth=0.5, **options),
        "dice of the batch": Dice(smooth=0.5, batch=True, **options),
        "jaccard": Jaccard(smooth=0.25, **options),
        "tversky": Tversky(alpha=0.3, beta=0.7, smooth=0.5, **options),
        "dice and cross-entropy": DiceCrossentropy(dice_weight=0.5, crossentropy_weight=2.0, smooth=0.5, **options),
        "focal": Focal(gamma=1.5, **options),
    }
    if channels < 3:
        found["cldice"] = ClDice(**options)
    if channels > 1:
        found["dice without background"] = Dice(smooth=0.5, include_background=False, **options)
    return found


@pytest.mark.parametrize("name", BATCHES)
def test_losses_and_their_gradients_are_those_of_monai(monai, name):
    channels, size = BATCHES[name]
    labels, logits = batch(channels, size)
    for kind, loss in ours(channels).items():
        values, slope = value_and_gradient(loss, labels, logits)
        expected, theirs = monai[f"{name}/{kind}"], monai[f"{name}/{kind}/gradient"]
        if expected.ndim == 0:  # MONAI has the mean over the batch
            values, theirs = values.mean(), theirs * len(labels)
        np.testing.assert_allclose(values, expected, rtol=1e-5, err_msg=kind)
        np.testing.assert_allclose(slope, theirs, atol=1e-4 * np.abs(theirs).max(), err_msg=kind)


@pytest.mark.parametrize("name", BATCHES)
def test_scores_are_those_of_monai(monai, name):
    channels, size = BATCHES[name]
    labels, logits = batch(channels, size)
    p = probabilities(logits)
    found = p[..., 0] > 0.5 if channels == 1 else p.argmax(axis=-1)
    each = [scores(t, f, classes=channels) for t, f in zip(labels, found, strict=True)]
    np.testing.assert_allclose([one.dice for one in each], monai[f"{name}/scores of dice"], rtol=1e-6)
    np.testing.assert_allclose([one.iou for one in each], monai[f"{name}/scores of iou"], rtol=1e-6)
