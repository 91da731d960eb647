"""Scores, and that the numbers on the cards are those of the files."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from training.data import IGNORE, read_split
from training.recipe import Recipe, read_recipe
from training.scores import MONITORS, all_scores, confusions, mean_dice, overlaps, scored_classes, scores, summary

import zoo

ROOT = Path(__file__).parents[2]
ALL_DATA = Path(os.environ.get("ZOO_DATA", ROOT.parent / "shared/data"))
PUBLISHED = [name for name in zoo.list_weights() if zoo.weights_info(name).sources[0].startswith("package:")]
SMALLEST = min(PUBLISHED, key=lambda name: zoo.weights_info(name).bytes)
FIRST = 4
"""So many images of val are scored again; the card has all of them."""


def stored(name: str) -> dict[str, np.ndarray]:
    """Returns the confusion matrix of each image that is behind the card."""
    return json.loads((ROOT / f"tests/golden/scores/{name}.json").read_text())


def recipe_of(name: str) -> Recipe:
    return msgspec.convert(json.loads(zoo.weights_info(name).recipe.settings), Recipe)


def confusion(found: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    return zoo.metrics.scores(labels, found, classes=classes).confusion


def test_what_is_ignored_counts_nowhere(pictures, recipe_file):
    data = read_recipe(recipe_file).data
    sample = read_split(pictures, "val", data)[0]
    labels = sample.labels.copy()
    labels[5:] = IGNORE
    matrices = confusions(lambda image: np.ones(image.shape, "uint8"), [dataclasses.replace(sample, labels=labels)], data)
    inside = int((labels == 1).sum())
    np.testing.assert_array_equal(matrices, [[[0, 5 * labels.shape[1] - inside], [0, inside]]])


def test_overlaps_are_those_of_their_definition():
    rng = np.random.default_rng(0)
    labels, found = rng.integers(0, 4, (2, 5, 30, 30))
    matrices = np.stack([confusion(f, t, 4) for f, t in zip(found, labels, strict=True)])
    dice, iou = overlaps(matrices)
    for image in range(5):
        for index in range(4):
            one, other = labels[image] == index, found[image] == index
            assert dice[image, index] == pytest.approx(2 * (one & other).sum() / (one.sum() + other.sum()))
            assert iou[image, index] == pytest.approx((one & other).sum() / (one | other).sum())


def test_a_class_neither_there_nor_found_counts_as_one_and_one_found_wrongly_as_zero():
    empty, wrong = np.array([[9, 0], [0, 0]]), np.array([[8, 1], [0, 0]])
    assert mean_dice(np.stack([empty]), [1]) == 1
    assert mean_dice(np.stack([wrong]), [1]) == 0
    assert mean_dice(np.stack([empty, wrong]), [1]) == 0.5


def test_pooled_scores_are_over_all_pixels_together():
    one, other = np.array([[90, 0], [0, 10]]), np.array([[0, 50], [50, 0]])
    found = summary(np.stack([one, other]), [1])
    assert found == {"dice": 0.5, "iou": 0.5, "f1": pytest.approx(20 / 120), "miou": pytest.approx(10 / 110)}


def test_the_interval_is_a_bootstrap_over_images(recipe_file):
    data = read_recipe(recipe_file).data
    rng = np.random.default_rng(1)
    dice = rng.beta(20, 2, 400)
    matrices = np.array([[[1000, 0], [round(2000 * (1 - d) / d), 1000]] for d in dice])
    (score,) = scores(matrices, ["dice"], data)
    error = dice.std() / np.sqrt(len(dice))
    assert score.value == pytest.approx(dice.mean(), abs=1e-3)
    assert score.interval == pytest.approx((dice.mean() - 1.96 * error, dice.mean() + 1.96 * error), abs=0.3 * error)


def test_several_classes_are_scored_one_by_one_without_the_background(volume_recipe):
    data = read_recipe(volume_recipe).data
    assert scored_classes(data) == [1, 2]
    matrices = np.stack([np.diag([5, 5, 5]) + 1] * 3)
    assert [score.name for score in scores(matrices, ["dice"], data)] == ["mean Dice", "mean Dice, bright", "mean Dice, brighter"]


def test_scores_agree_with_the_metrics_of_the_zoo():
    rng = np.random.default_rng(0)
    labels, found = rng.integers(0, 3, (2, 4, 16, 16))
    matrices = np.stack([confusion(f, t, 3) for f, t in zip(found, labels, strict=True)])
    metric = zoo.metrics.Dice(classes=3, per="image")
    metric.update_state(labels, np.eye(3, dtype="float32")[found])
    assert float(metric.result()) == pytest.approx(mean_dice(matrices, [0, 1, 2]), abs=1e-6)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_number_of_a_card_comes_from_its_matrices(name):
    entry, recipe = zoo.weights_info(name), recipe_of(name)
    matrices, mirrored = (np.array(list(stored(name)[kind].values())) for kind in ("matrices", "flips"))
    assert entry.mirror_axes == recipe.mirror_axes != ()
    assert (matrices.sum(axis=(1, 2)) == mirrored.sum(axis=(1, 2))).all()
    found = all_scores(matrices, mirrored, recipe.card.scores, recipe.data)
    assert [metric.name for metric in entry.metrics] == [score.name for score in found]
    for metric, score in zip(entry.metrics, found, strict=True):
        assert metric.value == pytest.approx(score.value, abs=6e-5)
        assert metric.interval == pytest.approx(score.interval, abs=6e-5)
        assert (metric.protocol, metric.images) == (score.protocol, len(matrices))
    assert stored(name)["data"] == entry.recipe.data_sha256


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_record_says_how_the_weights_were_made(name):
    entry, recipe = zoo.weights_info(name), recipe_of(name)
    how = entry.recipe
    file = ROOT / how.command.split()[2]
    now = read_recipe(file, [f"training.precision={recipe.training.precision}"])
    assert now.fingerprint == recipe.fingerprint, f"{file} is no longer what made {name}"
    assert [row[0] for row in how.curve] == list(
        range(
            recipe.training.steps // recipe.training.rounds,
            recipe.training.steps + 1,
            recipe.training.steps // recipe.training.rounds,
        )
    )[: len(how.curve)]
    best = max(row[2] for row in how.curve)
    shown = next(metric for metric in entry.metrics if metric.name == MONITORS[how.monitor][0])
    assert shown.value == pytest.approx(best, abs=5e-3)  # training scores float32 weights, the card those of the file
    assert len(how.commit) == 40
    assert how.minutes > 0


@pytest.mark.parametrize(("name", "flips"), [*((name, False) for name in PUBLISHED), (SMALLEST, True)])
def test_the_file_scores_what_its_card_says_on_a_fixed_part_of_the_data(name, flips, script, tmp_path):
    folder = ALL_DATA / zoo.weights_info(name).metrics[0].data
    if not folder.is_dir():
        pytest.skip("needs the data: ZOO_DATA=FOLDER")
    arguments = ["--first", FIRST, "--json", "--matrices", "matrices.json", *["--flips"] * flips]
    done = script("evaluate.py", name, "--data", folder, *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "matrices.json").read_text())["matrices"]
    expected = dict(list(stored(name)["flips" if flips else "matrices"].items())[:FIRST])
    assert list(found) == list(expected)
    for image, matrix in found.items():
        difference = np.abs(np.array(matrix) - expected[image]).sum()
        assert difference <= 2e-4 * np.sum(matrix), image
    recipe = recipe_of(name)
    again = scores(np.array(list(expected.values())), recipe.card.scores, recipe.data)
    for row, score in zip(json.loads(done.stdout), again, strict=True):
        assert (row["name"], row["images"]) == (score.name, FIRST)
        assert row["value"] == pytest.approx(score.value, abs=2e-3)


def test_the_second_observer_has_the_score_that_the_card_of_vessels_says():
    folder = ALL_DATA / "vessels-chasedb1"
    if not folder.is_dir():
        pytest.skip("needs the data: ZOO_DATA=FOLDER")
    data = read_recipe(ROOT / "recipes/vessels.toml").data
    first = read_split(folder, "val", data)
    second = read_split(folder, "val", msgspec.structs.replace(data, mask="masks_2nd/{id}.png", region=""))
    matrices = np.stack([confusion(b.labels, a.labels, 2) for a, b in zip(first, second, strict=True)])
    (said,) = (each for each in zoo.weights_info("resunet-v1-d4-f16.vessels-v1").published if "observer" in each.model)
    assert said.value == pytest.approx(summary(matrices, [1])["f1"], abs=6e-4)
