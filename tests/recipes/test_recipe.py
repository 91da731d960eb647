"""Recipes say what is wrong with them, and data is checked before the first step."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from made_up_data import RECIPE, write_split
from PIL import Image
from training.data import IGNORE, check_classes, data_hash, read_split
from training.recipe import read_recipe

ROOT_RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", ROOT_RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_can_be_read(path):
    recipe = read_recipe(path)
    assert recipe.training.steps % recipe.training.rounds == 0


def test_the_recipes_of_the_guide_can_be_read(tmp_path):
    root = ROOT_RECIPES[0].parents[1]
    whole, short = re.findall(r"```toml\n(.*?)```", (root / "docs/guide/recipes.md").read_text(), re.DOTALL)
    (tmp_path / "nuclei.toml").write_text(whole + RECIPE[RECIPE.index("[card]") :])
    (tmp_path / "mine.toml").write_text(short)
    assert read_recipe(tmp_path / "nuclei.toml").data.region == "fov/{id}.png"
    assert read_recipe(tmp_path / "mine.toml").model.weights == "nuclei-v1"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("steps = 12", "stepz = 12", "unknown field `stepz`"),
        ("steps = 12", 'steps = "many"', "Expected `int`, got `str` - at `$.training.steps`"),
        ("batch = 4\n", "", "missing required field `batch`"),
        ("batch = 4", "batch = 0", "training.batch is at least 1, received 0"),
        ("statistics = 2", "statistics = -1", "training.statistics is at least 0, received -1"),
        ("statistics = 2", "beyond_region = true", "training.beyond_region needs data.region"),
        ("crop = [32, 32]", "crop = [32]", "as many sides, received ndim=2, crop=[32]"),
        ("ema = 0.5", 'precision = "int8"', "training.precision is one of auto, float32, mixed_bfloat16, mixed_float16"),
        ("ema = 0.5", 'monitor = "luck"', "training.monitor is one of dice, iou, f1, miou, received 'luck'"),
        ("resunet-v1-d2-f4", "resunet-v9", "model.name: Unknown model: 'resunet-v9'; did you mean 'resunet-v2'"),
        ("{blob = 255}", "{}", "data.classes gives each class a value of its own"),
        ("{blob = 255}", "{blob = 255}\nignore = [255]", "data.ignore has values that are those of classes"),
        ("[[230, 159, 0]]", "[]", "card.palette has a colour per class, received 0 for 1 classes"),
        ('channels = ["gray"]', "channels = []", "names at least one channel"),
        ("[model]", "[modell", "is not a recipe"),
    ],
)
def test_recipes_that_cannot_be_trained(tmp_path, old, new, words):
    path = tmp_path / "bad.toml"
    assert old in RECIPE
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(SystemExit) as end:
        read_recipe(path)
    assert words in str(end.value)
    assert str(path) in str(end.value)


@pytest.mark.parametrize(
    ("layers", "axes"),
    [
        ([{"layer": "RandomFlip"}], (0, 1)),
        ([{"layer": "RandomFlip", "mode": "horizontal"}, {"layer": "Turns"}], (1,)),
        ([{"layer": "Flips", "axes": [2]}, {"layer": "Flips", "axes": [0]}], (0, 2)),
        ([{"layer": "Turns"}], ()),
    ],
)
def test_a_recipe_knows_along_which_axes_it_mirrors(recipe_file, layers, axes):
    recipe = msgspec.structs.replace(read_recipe(recipe_file), augmentation=tuple(layers))
    assert recipe.mirror_axes == axes


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(SystemExit, match="No such file"):
        read_recipe(tmp_path / "none.toml")


def test_settings_change_and_change_the_fingerprint(recipe_file):
    plain = read_recipe(recipe_file)
    other = read_recipe(recipe_file, ["training.steps=99", "model.name=resunet-v2-d2-f4", "card.summary='Other.'"])
    assert (other.training.steps, other.model.name, other.card.summary) == (99, "resunet-v2-d2-f4", "Other.")
    assert plain.fingerprint != other.fingerprint
    assert plain.fingerprint == read_recipe(recipe_file, ["card.summary='Other.'"]).fingerprint
    with pytest.raises(SystemExit, match=r"table\.field=value"):
        read_recipe(recipe_file, ["steps=99"])


def test_a_recipe_takes_from_another_what_it_does_not_have(recipe_file, tmp_path):
    path = tmp_path / "larger.toml"
    path.write_text('extends = "blobs.toml"\n[model]\nname = "resunet-v1-d3-f8"\n[training]\nsteps = 20\n')
    plain, larger = read_recipe(recipe_file), read_recipe(path)
    assert (larger.model.name, larger.training.steps) == ("resunet-v1-d3-f8", 20)
    assert larger.training.crop == plain.training.crop
    assert larger.augmentation == plain.augmentation
    path.write_text('extends = "none.toml"')
    with pytest.raises(SystemExit, match="No such file"):
        read_recipe(path)


def test_samples_are_what_is_in_the_files(pictures, recipe_file):
    samples = read_split(pictures, "val", read_recipe(recipe_file).data)
    assert [sample.name for sample in samples] == ["im6", "im7", "im8"]
    mask = np.asarray(Image.open(pictures / "masks/im7.png"))
    np.testing.assert_array_equal(samples[1].labels, mask == 255)
    assert samples[1].labels.dtype == "uint8"
    assert samples[1].image.shape == mask.shape


def test_volumes_come_out_of_archives(volumes, volume_recipe):
    samples = read_split(volumes, "train", read_recipe(volume_recipe).data)
    assert [sample.image.shape for sample in samples] == [(19, 24, 17)] * 3
    assert set(np.unique(samples[0].labels)) == {0, 1, 2}


def test_outside_the_region_and_with_ignored_values_nothing_is_said(pictures, tmp_path, recipe_file):
    folder = shutil.copytree(pictures, tmp_path / "data")
    mask = np.asarray(Image.open(folder / "masks/im6.png")).copy()
    mask[0, :5] = 7
    Image.fromarray(mask).save(folder / "masks/im6.png")
    region = np.zeros_like(mask)
    region[:, :20] = 255
    (folder / "fov").mkdir()
    for name in ("im6", "im7", "im8"):
        size = Image.open(folder / f"masks/{name}.png").size
        Image.fromarray(region).resize(size).save(folder / f"fov/{name}.png")
    data = read_recipe(recipe_file, ["data.ignore=[7]", "data.region='fov/{id}.png'"]).data
    labels = read_split(folder, "val", data)[0].labels
    assert (labels[0, :5] == IGNORE).all()
    assert (labels[:, 20:] == IGNORE).all()
    assert (labels[1:, :20] != IGNORE).all()
    whole = read_recipe(recipe_file, ["data.ignore=[7]", "data.region='fov/{id}.png'", "training.beyond_region=true"])
    labels = read_split(folder, "val", whole.taught)[0].labels
    assert (labels[0, :5] == IGNORE).all()
    assert (labels[1:] != IGNORE).all()
    assert whole.data == data


def no_mask(folder):
    (folder / "masks/im2.png").unlink()


def other_size(folder):
    Image.new("L", (9, 9)).save(folder / "masks/im2.png")


def unknown_value(folder):
    mask = np.asarray(Image.open(folder / "masks/im2.png")).copy()
    mask[3, 3] = 254
    Image.fromarray(mask).save(folder / "masks/im2.png")


def broken_archive(folder):
    (folder / "train.npz").write_bytes(b"PK\x03\x04 and no more")


def empty_archive(folder):
    (folder / "train.npz").write_bytes(b"")


def text_for_an_image(folder):
    (folder / "images/im2.png").write_text("not an image")


def half_an_image(folder):
    path = folder / "images/im2.png"
    path.write_bytes(path.read_bytes()[:200])


def empty_split(folder):
    write_split(folder, [("im6", "val")])


def no_table(folder):
    (folder / "split.csv").unlink()


def other_columns(folder):
    (folder / "split.csv").write_text("name,part\nim2,train\n")


FAULTS = [
    (no_mask, ["masks/im2.png does not exist", "`split.csv` lists im2"]),
    (other_size, ["im2: its image is (43, 48), its mask (9, 9)"]),
    (unknown_value, ["im2: its mask has the values [254]", "the recipe knows [0, 255]"]),
    (text_for_an_image, ["images/im2.png cannot be read"]),
    (half_an_image, ["images/im2.png cannot be read"]),
    (empty_split, ["lists no image of the split 'train'; it has: val"]),
    (no_table, ["split.csv does not exist", "columns id and split"]),
    (other_columns, ["needs the columns id and split"]),
]


@pytest.mark.parametrize(("spoil", "words"), FAULTS, ids=[spoil.__name__ for spoil, _ in FAULTS])
def test_data_that_cannot_be_used_is_named(pictures, tmp_path, recipe_file, spoil, words):
    folder = shutil.copytree(pictures, tmp_path / "data")
    spoil(folder)
    with pytest.raises(SystemExit) as end:
        read_split(folder, "train", read_recipe(recipe_file).data)
    assert all(each in str(end.value) for each in words), str(end.value)


def test_every_faulty_file_is_named_at_once(pictures, tmp_path, recipe_file):
    folder = shutil.copytree(pictures, tmp_path / "data")
    no_mask(folder)
    (folder / "images/im4.png").write_bytes(b"")
    with pytest.raises(SystemExit) as end:
        read_split(folder, "train", read_recipe(recipe_file).data)
    assert "2 of 6 images" in str(end.value)
    assert "im2" in str(end.value)
    assert "im4" in str(end.value)


def test_values_that_are_no_numbers(volumes, tmp_path, volume_recipe):
    folder = shutil.copytree(volumes, tmp_path / "data")
    with np.load(folder / "train.npz") as file:
        arrays = dict(file)
    arrays["image_001"][0, 0, 0] = np.nan
    del arrays["label_002"]
    np.savez(folder / "train.npz", **arrays)
    with pytest.raises(SystemExit) as end:
        read_split(folder, "train", read_recipe(volume_recipe).data)
    assert "volume_001: its image has values that are not finite" in str(end.value)
    assert "no array 'label_002'" in str(end.value)


@pytest.mark.parametrize("spoil", [broken_archive, empty_archive], ids=lambda spoil: spoil.__name__)
def test_archives_that_cannot_be_read(volumes, tmp_path, volume_recipe, spoil):
    folder = shutil.copytree(volumes, tmp_path / "data")
    spoil(folder)
    with pytest.raises(SystemExit, match=r"train\.npz cannot be read"):
        read_split(folder, "train", read_recipe(volume_recipe).data)


def test_a_pattern_with_a_column_that_there_is_not(pictures, recipe_file):
    data = read_recipe(recipe_file, ["data.image='images/{name}.png'"]).data
    with pytest.raises(SystemExit, match=r"split\.csv has the columns id, split"):
        read_split(pictures, "train", data)


def test_a_class_that_no_mask_has(volumes, volume_recipe):
    data = read_recipe(
        volume_recipe,
        ["data.classes={background=0, bright=1, brighter=2, brightest=3}", "card.palette=[[0,0,0],[1,1,1],[2,2,2],[3,3,3]]"],
    ).data
    with pytest.raises(SystemExit, match="'train' has the class brightest"):
        check_classes(read_split(volumes, "train", data), data, "train")


def test_the_hash_of_data_changes_with_it(pictures, tmp_path):
    folder = shutil.copytree(pictures, tmp_path / "data")
    assert data_hash(folder) == data_hash(pictures)
    (folder / "images/im0.png").write_bytes(b"other")
    assert data_hash(folder) != data_hash(pictures)
