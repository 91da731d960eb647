"""Images and labels change together, and by the number of the batch alone."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from training.augmentation import Augmentation
from training.crops import Crops, chances, places
from training.data import Sample, read_split
from training.recipe import read_recipe

LABELS = (np.arange(16 * 16).reshape(16, 16) // 40).astype("uint8")
BATCH = (np.repeat(LABELS[None, ..., None], 4, axis=0).astype("float32"), np.repeat(LABELS[None], 4, axis=0))
VOLUMES = tuple(np.stack([each] * 16, axis=1) for each in BATCH)

GEOMETRY = [
    {"layer": "RandomFlip", "mode": "horizontal_and_vertical"},
    {"layer": "RandomRotation", "factor": 0.5, "fill_mode": "reflect", "interpolation": "nearest"},
    {"layer": "RandomZoom", "height_factor": [-0.3, 0.3], "fill_mode": "reflect", "interpolation": "nearest"},
    {"layer": "RandomTranslation", "height_factor": 0.2, "width_factor": 0.2, "interpolation": "nearest"},
    {"layer": "Flips", "axes": [0, 1]},
    {"layer": "Turns"},
]


@pytest.mark.parametrize("layer", GEOMETRY, ids=lambda layer: layer["layer"])
def test_labels_move_with_the_image(layer):
    images, labels = Augmentation([layer], seed=1)(*BATCH, 5)
    np.testing.assert_array_equal(images[..., 0], labels)
    assert labels.dtype == "uint8"
    assert set(np.unique(labels)) <= set(np.unique(LABELS))
    assert any((each != LABELS).any() for each in labels)


@pytest.mark.parametrize("layer", [{"layer": "Flips", "axes": [0, 2]}, {"layer": "Turns", "axes": [1, 2]}], ids=str)
def test_labels_move_with_the_volume(layer):
    images, labels = Augmentation([layer], seed=1)(*VOLUMES, 5)
    np.testing.assert_array_equal(images[..., 0], labels)
    assert any((each != VOLUMES[1][0]).any() for each in labels)


@pytest.mark.parametrize("layer", [*GEOMETRY, {"layer": "Intensity", "noise": 0.5, "gamma": 0.5}], ids=lambda each: each["layer"])
def test_a_batch_depends_on_seed_and_number_alone(layer):
    first, second = (Augmentation([layer], seed=1) for _ in range(2))
    first(*BATCH, 1)
    first(*BATCH, 2)
    for made, again in zip(first(*BATCH, 3), second(*BATCH, 3), strict=True):
        np.testing.assert_array_equal(made, again)
    others = [Augmentation([layer], seed=2)(*BATCH, 3)[0], first(*BATCH, 4)[0], first(*BATCH, 5)[0], first(*BATCH, 6)[0]]
    assert any((other != made).any() for other, made in zip(others, [first(*BATCH, 3)[0]] * 4, strict=True))


def test_intensity_leaves_labels_and_changes_what_it_says():
    inverted, labels = Augmentation([{"layer": "Intensity", "invert": 1.0}], seed=0)(*BATCH, 0)
    np.testing.assert_array_equal(inverted, -BATCH[0])
    np.testing.assert_array_equal(labels, BATCH[1])
    brighter, _ = Augmentation([{"layer": "Intensity", "brightness": 0.5, "rate": 1.0}], seed=0)(*BATCH, 0)
    shift = (brighter - BATCH[0]).reshape(4, -1)
    assert np.ptp(shift, axis=1).max() < 1e-5
    assert 0 < abs(shift).max() <= 0.5
    curved, _ = Augmentation([{"layer": "Intensity", "gamma": 0.5, "rate": 1.0}], seed=0)(*BATCH, 0)
    assert (np.diff(np.sort(curved[0].ravel())) >= 0).all()
    assert np.allclose([curved.min(), curved.max()], [BATCH[0].min(), BATCH[0].max()], atol=1e-5)


def test_each_channel_changes_by_itself_where_asked_for():
    colour = np.repeat(BATCH[0], 3, axis=-1)
    alike, _ = Augmentation([{"layer": "Intensity", "brightness": 0.5, "rate": 1.0}], seed=0)(colour, BATCH[1], 0)
    each, _ = Augmentation([{"layer": "Intensity", "brightness": 0.5, "rate": 1.0, "each_channel": True}], seed=0)(
        colour, BATCH[1], 0
    )
    assert np.ptp(alike, axis=-1).max() == 0
    assert (np.ptp(each, axis=-1) > 0).all()


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"layer": "RandomFlipp"}, "Flips, Intensity, RandomBrightness"),
        ({"layer": "Dense", "units": 3}, "Received: 'Dense'"),
        ({}, "Received: 'None'"),
        ({"layer": "Turns", "angle": 3}, "Turns cannot be made with {'angle': 3}"),
        ({"layer": "RandomFlip", "mode": "sideways", "colour": 1}, "RandomFlip cannot be made with"),
    ],
)
def test_layers_that_there_are_not(layer, words):
    with pytest.raises(SystemExit) as end:
        Augmentation([layer], seed=0)
    assert words in str(end.value)


def test_layers_of_keras_are_for_images():
    with pytest.raises(SystemExit, match="for images, not for volumes"):
        Augmentation([GEOMETRY[0]], seed=0)(*VOLUMES, 0)


def test_crops_are_cut_from_image_and_labels_alike(pictures, recipe_file):
    recipe = msgspec.structs.replace(
        read_recipe(recipe_file, ["preprocessing.normalisation='none'", "training.crop=[48, 40]"]), augmentation=()
    )
    samples = read_split(pictures, "train", recipe.data)
    images, labels = Crops(samples, recipe, length=10)[0]
    assert (images.shape, labels.shape) == ((4, 48, 40, 1), (4, 48, 40))
    bright = images[..., 0] > 115 / 255
    assert ((bright == labels).mean(axis=(1, 2)) > 0.95).all()


def test_crops_seek_the_classes_when_asked_to(pictures, recipe_file):
    small = ["training.crop=[4, 4]", "training.batch=64"]
    share = {}
    for foreground in ("0.0", "1.0"):
        changes = [*small, f"training.foreground={foreground}"]
        recipe = msgspec.structs.replace(read_recipe(recipe_file, changes), augmentation=())
        _, labels = Crops(read_split(pictures, "train", recipe.data), recipe, length=1)[0]
        share[foreground] = (labels == 1).any(axis=(1, 2)).mean()
    assert share["1.0"] > 0.95 > 0.7 > share["0.0"]


def samples_of(sizes: list[int]) -> list[Sample]:
    """Returns images of so many pixels, the first of another kind than the others."""
    kinds = ["rare", *["usual"] * (len(sizes) - 1)]
    return [
        Sample(
            name=str(index), row={"id": str(index), "kind": kind}, image=np.zeros((size, 1)), labels=np.zeros((size, 1), "uint8")
        )
        for index, (kind, size) in enumerate(zip(kinds, sizes, strict=True))
    ]


def settings(recipe_file, **values):
    return msgspec.structs.replace(read_recipe(recipe_file).training, **values)


def test_rare_kinds_are_drawn_more_often_where_asked_for(recipe_file):
    samples = samples_of([10] * 17)
    assert chances(samples, settings(recipe_file)) == pytest.approx(np.full(17, 1 / 17))
    found = chances(samples, settings(recipe_file, balance="kind"))
    assert found.sum() == pytest.approx(1)
    assert found[0] == pytest.approx(1 / (1 + 4))
    assert found[1:] == pytest.approx(np.full(16, 4 / 5 / 16))
    with pytest.raises(SystemExit, match=r"a column of split\.csv: id, kind\. Received: 'sort'"):
        chances(samples, settings(recipe_file, balance="sort"))


def test_large_images_are_drawn_more_often_where_asked_for(recipe_file):
    samples = samples_of([4, 4, 16, 64])
    assert chances(samples, settings(recipe_file, by_size=True)) == pytest.approx(np.array([2, 2, 4, 8]) / 16)
    both = chances(samples, settings(recipe_file, by_size=True, balance="kind"))
    assert both[0] / both[1] == pytest.approx(3**0.5)


def test_places_are_those_of_the_classes():
    found = places(LABELS, [1, 3, 200])
    assert [len(where) for where in found] == [40, 40]
    assert set(LABELS.ravel()[found[1]]) == {3}
    assert len(places(np.ones((300, 300), "uint8"), [1])[0]) <= 2 * 4096
