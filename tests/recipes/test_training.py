"""Runs of `scripts/train.py`: the loss falls, a killed run ends as one that was not, and TensorFlow and JAX take one recipe."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from made_up_data import SCRIPTS, environment
from PIL import Image

import zoo
from zoo.weights import library

ALL_DATA = Path(os.environ.get("ZOO_DATA", Path(__file__).parents[3] / "shared/data"))
NUCLEI = ALL_DATA / "nuclei-dsb2018"
needs_data = pytest.mark.skipif(not NUCLEI.is_dir(), reason="needs the data: ZOO_DATA=FOLDER, with nuclei-dsb2018 in it")


def record(out: Path) -> dict:
    return json.loads((out / "run.json").read_text())


def state(out: Path) -> dict[str, np.ndarray]:
    with np.load(out / "state.npz") as file:
        return {name: file[name] for name in file.files if name != "facts"}


@pytest.fixture(scope="module")
def plain(pictures, tmp_path_factory):
    """A run that nothing disturbs."""
    from made_up_data import RECIPE

    folder = tmp_path_factory.mktemp("plain")
    (folder / "blobs.toml").write_text(RECIPE)
    done = subprocess.run(
        [sys.executable, SCRIPTS / "train.py", "blobs.toml", "--data", pictures, "--out", "out"],
        env=environment(), cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "out"


def test_the_loss_falls_and_everything_is_written(plain):
    facts = record(plain)
    losses = [each["loss"] for each in facts["curve"]]
    assert losses[-1] < 0.9 * losses[0]
    assert [each["step"] for each in facts["curve"]] == [3, 6, 9, 12]
    assert facts["val"] == max(facts["curve"], key=lambda each: each["dice"])
    assert facts["recipe"]["training"]["weight_decay"] == 1e-4  # settings that the file leaves out are resolved
    assert len(facts["data"]) == 64
    assert {"keras", "tensorflow", "numpy", "resunet-zoo"} == set(facts["versions"])
    for name in ("curve.png", "overlays.png"):
        assert Image.open(plain / name).size > (200, 200)
    assert list(plain.glob("logs/**/events*"))
    assert not list(plain.glob("*part*"))


def test_the_best_weights_have_the_best_score(plain, pictures, recipe_file):
    from train import network
    from training.data import read_split
    from training.finding import finder
    from training.recipe import read_recipe
    from training.scores import confusions, scored_classes, summary

    recipe = read_recipe(recipe_file)
    model = network(recipe, head_activation=None)
    model.load_weights(plain / "best.weights.h5")
    samples = read_split(pictures, "val", recipe.data)
    found = summary(confusions(finder(model, recipe), samples, recipe.data), scored_classes(recipe.data))
    assert found == pytest.approx({name: record(plain)["val"][name] for name in found}, abs=1e-6)


def test_killed_at_any_moment_it_goes_on_to_the_same_weights(plain, pictures, tmp_path, recipe_file):
    out = tmp_path / "out"
    command = [sys.executable, SCRIPTS / "train.py", recipe_file, "--data", pictures, "--out", out]
    rng = np.random.default_rng()
    kills = 0
    for _ in range(3):
        before = (out / "state.npz").stat().st_mtime_ns if (out / "state.npz").exists() else 0
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:  # until it has written another state, and a little longer
            path = out / "state.npz"
            if path.exists() and path.stat().st_mtime_ns != before:
                time.sleep(rng.uniform(0, 0.3))
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
                break
            time.sleep(0.02)
    assert kills >= 2
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "goes on after round" in done.stdout
    ours, theirs = state(out), state(plain)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, err_msg=name)
    scores = [[{k: v for k, v in each.items() if k != "seconds"} for each in record(run)["curve"]] for run in (out, plain)]
    assert scores[0] == scores[1]


def test_a_finished_run_is_not_run_again_and_other_settings_are_refused(plain, pictures, script, recipe_file):
    again = script("train.py", recipe_file, "--data", pictures, "--out", plain)
    assert again.returncode == 0, again.stderr
    assert "goes on after round 4 of 4" in again.stdout
    other = script("train.py", recipe_file, "--data", pictures, "--out", plain, "--set", "training.learning_rate=0.5")
    assert other.returncode == 1
    assert "has a run of other settings. Give another folder with --out, or start anew with --restart." in other.stderr


def test_a_run_is_not_taken_up_with_other_data(recipe_file, tmp_path):
    from train import compiled
    from training.recipe import read_recipe
    from training.rounds import Rounds
    from training.state import save_state

    recipe = read_recipe(recipe_file, ["training.precision=float32"])
    model = compiled(recipe)
    save_state(tmp_path / "state.npz", model, {"fingerprint": recipe.fingerprint, "data": "one", "curve": []})
    for data, taken in (("one", True), ("other", False)):
        rounds = Rounds(None, [], recipe, tmp_path, data)
        rounds.set_model(model)
        if taken:
            assert rounds.take_up()
        else:
            with pytest.raises(SystemExit, match="a run of other data"):
                rounds.take_up()


def test_a_volume_on_jax_and_on_tensorflow(volumes, script, volume_recipe, tmp_path):
    for backend in ("tensorflow", "jax"):
        done = script("train.py", volume_recipe, "--data", volumes, "--out", backend, backend=backend)
        assert done.returncode == 0, done.stderr
        facts = record(tmp_path / backend)
        assert backend in facts["versions"]
        losses = [each["loss"] for each in facts["curve"]]
        assert losses[-1] < losses[0]
        assert facts["curve"][-1].keys() == {"step", "seconds", "loss", "dice", "iou", "f1", "miou"}


@pytest.mark.parametrize(
    ("scores", "stops"),
    [([], False), ([0.5], False), ([0.5, 0.6, 0.6], False), ([0.5, 0.6, 0.6, 0.4], True), ([0.5, 0.6, 0.6, 0.7], False)],
)
def test_patience_counts_rounds_without_a_better_score(recipe_file, tmp_path, scores, stops):
    from training.recipe import read_recipe
    from training.rounds import Rounds

    rounds = Rounds(None, [], read_recipe(recipe_file, ["training.patience=2"]), tmp_path)
    rounds.curve = [{"dice": score} for score in scores]
    assert rounds.exhausted is stops
    forever = Rounds(None, [], read_recipe(recipe_file), tmp_path)
    forever.curve = rounds.curve
    assert forever.exhausted is False


def test_a_loss_that_is_no_number_ends_the_run_and_spoils_nothing(recipe_file, tmp_path):
    from training.recipe import read_recipe
    from training.rounds import Rounds

    rounds = Rounds(None, [], read_recipe(recipe_file), tmp_path)
    with pytest.raises(SystemExit, match=r"no longer a number in round 2.*learning_rate"):
        rounds.on_epoch_end(1, {"loss": float("nan")})
    assert not list(tmp_path.glob("*.npz"))


def test_a_state_that_is_damaged_is_named(recipe_file, tmp_path):
    from train import compiled
    from training.recipe import read_recipe
    from training.state import load_state

    model = compiled(read_recipe(recipe_file, ["training.precision=float32"]))
    for content in (b"", b"PK\x03\x04 and no more"):
        (tmp_path / "state.npz").write_bytes(content)
        with pytest.raises(SystemExit, match="cannot be taken up"):
            load_state(tmp_path / "state.npz", model)


def test_averaged_weights_have_statistics_of_their_own(recipe_file):
    from train import compiled
    from training.recipe import read_recipe
    from training.state import averaged, restart_average

    model = compiled(read_recipe(recipe_file, ["training.precision=float32"]))
    first = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(model.inputs, first.input)
    rng = np.random.default_rng(0)
    restart_average(model)
    for each in model.trainable_variables:  # the weights go on, the averages stay
        each.assign(each + rng.normal(0, 1, each.shape))
    batches = [rng.normal(3 * index, 1, (2, 32, 32, 1)).astype("float32") for index in range(3)]
    now = [np.array(each) for each in model.variables]
    momentum = first.momentum
    with averaged(model, batches):
        seen = [np.asarray(before(batch)) for batch in batches]
        np.testing.assert_allclose(first.moving_mean, np.mean([each.mean((0, 1, 2)) for each in seen], 0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(first.moving_variance, np.mean([each.var((0, 1, 2)) for each in seen], 0), rtol=1e-4)
    for each, value in zip(model.variables, now, strict=True):
        np.testing.assert_array_equal(each, value)
    assert first.momentum == momentum


def test_bad_data_stops_before_anything_is_made(script, recipe_file, tmp_path):
    (tmp_path / "split.csv").write_text("id,split\nim0,train\nim1,val\n")
    done = script("train.py", recipe_file, "--data", tmp_path)
    assert done.returncode == 1
    assert "\n1 of 1 images of 'train' cannot be used:\n  " in f"\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_what_lies_beyond_the_region_is_learned_where_asked_for(script, pictures, recipe_file, tmp_path):
    folder = shutil.copytree(pictures, tmp_path / "data")
    (folder / "fov").mkdir()
    for path in (folder / "masks").iterdir():
        Image.new("L", Image.open(path).size).save(folder / "fov" / path.name)
    arguments = ("train.py", recipe_file, "--data", folder, "--check", "--set", "data.region='fov/{id}.png'")
    nothing, all_of_it = script(*arguments), script(*arguments, "--set", "training.beyond_region=true")
    assert "No mask of the split 'train' has the class blob" in nothing.stderr
    assert "6 images of train and 3 of val can be used." in all_of_it.stdout


def test_outputs_of_deep_supervision_learn_from_coarser_labels(recipe_file):
    from train import network
    from training.losses import losses_of
    from training.recipe import read_recipe

    recipe = read_recipe(
        recipe_file,
        ["model.name='resenc-unet-d3-f8'", "data.classes={background=0, blob=255}", "card.palette=[[0,0,0],[1,1,1]]"],
    )
    model = network(recipe, head_activation=None)
    losses, weights = losses_of(model, recipe)
    assert list(weights.values()) == [1.0, 0.5]
    labels = np.random.default_rng(0).integers(0, 2, (2, 32, 32))
    outputs = {"segmentation": np.zeros((2, 32, 32, 2), "float32"), "segmentation_1": np.zeros((2, 16, 16, 2), "float32")}
    outputs["segmentation_1"][..., 1] = np.where(labels[:, ::2, ::2], 20, -20)
    fine, coarse = (float(keras.ops.mean(losses[name](labels, outputs[name]))) for name in outputs)
    assert coarse < 1e-3 < fine


@pytest.mark.parametrize(("instructions", "precision"), [("DEFAULT", "float32"), ("AVX2", "mixed_bfloat16")])
def test_where_a_precision_cannot_be_computed_float32_is_taken(instructions, precision, tmp_path):
    code = f"import train; print('it is', train.fitting({precision!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(SCRIPTS), "ONEDNN_MAX_CPU_ISA": instructions},
    )  # fmt: skip
    assert "it is float32" in done.stdout, done.stderr
    assert ("mixed_bfloat16 cannot be computed by tensorflow on this machine" in done.stdout) == (precision != "float32")


def test_training_begins_with_the_weights_of_the_recipe(recipe_file):
    from train import compiled
    from training.recipe import read_recipe

    name, changes = "resunet-v1-d3-f8", ["model.name=resunet-v1-d3-f8", "model.weights=nuclei-v1"]
    begun = compiled(read_recipe(recipe_file, [*changes, "model.adapt=mean"]))
    wanted = zoo.get(name, weights="nuclei-v1", input_shape=(None, None, 1), adapt="mean")
    for one, other in zip(begun.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(SystemExit, match=r"table \[model\], cannot be made: .*channels"):
        compiled(read_recipe(recipe_file, changes))


@pytest.fixture
def named(plain, recipe_file, tmp_path):
    """The undisturbed run as published weights."""
    import publish_weights
    from training.recipe import read_recipe

    name = "resunet-v1-d2-f4.blobs-v1"
    recipe = read_recipe(recipe_file, ["training.precision=float32"])
    path = publish_weights.written(plain, record(plain), recipe, tmp_path / "blobs.safetensors")
    entry = publish_weights.entered(path, name, ()).replace(sources=(path.as_uri(),))
    zoo.add_weights(entry)
    yield entry
    library.forget_manifests()


def test_a_further_training_says_how_near_it_came(named, plain, recipe_file, tmp_path):
    import repeat_weights
    from train import network
    from training.recipe import read_recipe

    facts = record(plain)
    again = repeat_weights.repeated(named, facts, plain)
    assert (again.changes, again.same_weights) == ((), True)
    assert again.score == pytest.approx(facts["val"]["dice"], abs=1e-5)

    network(read_recipe(recipe_file)).save_weights(tmp_path / "best.weights.h5")
    facts["recipe"]["training"]["seed"] = 9
    other = repeat_weights.repeated(named, facts, tmp_path)
    assert (other.changes, other.same_weights) == (("training.seed=9",), False)

    facts["recipe"]["training"]["batch"] = 5
    with pytest.raises(SystemExit, match=r"of another recipe than .*blobs-v1: only seed and precision may differ"):
        repeat_weights.repeated(named, facts, tmp_path)
    with pytest.raises(SystemExit, match="trained on other data"):
        repeat_weights.repeated(named, {**facts, "data": "0" * 64}, tmp_path)


def test_further_trainings_stay_with_the_run_that_they_repeat(named, tmp_path, monkeypatch):
    from training import manifest

    path = tmp_path / "manifest.json"
    monkeypatch.setattr(manifest, "MANIFEST", path)
    repeat = zoo.Repeat(score=0.5, changes=("training.seed=9",))
    manifest.replace_in_manifest(named.replace(repeats=(repeat,)))
    manifest.replace_in_manifest(named.replace(summary="Other words."))
    (kept,) = manifest.parse_manifest(path.read_bytes(), "it")
    assert (kept.summary, kept.repeats, kept.default) == ("Other words.", (repeat,), True)
    manifest.replace_in_manifest(named.replace(recipe=zoo.Recipe(command="anew", curve=((1, 2.0, 0.5),))))
    (other,) = manifest.parse_manifest(path.read_bytes(), "it")
    assert other.repeats == ()


def test_networks_with_other_tasks_are_refused(recipe_file):
    from train import network
    from training.losses import losses_of
    from training.recipe import read_recipe

    recipe = read_recipe(recipe_file, ["model.name='resunet-a'"])
    with pytest.raises(SystemExit, match="boundary, color, distance"):
        losses_of(network(recipe), recipe)


@needs_data
def test_a_few_steps_on_real_crops(script, tmp_path):
    few = [
        "model.name=resunet-v1-d3-f8",
        "training.precision=float32",
        "training.steps=30",
        "training.rounds=3",
        "training.crop=[64, 64]",
        "training.warmup=3",
    ]
    settings = [part for each in [*few, "training.ema=0.5"] for part in ("--set", each)]
    done = script("train.py", SCRIPTS.parent / "recipes/nuclei.toml", "--data", NUCLEI, "--out", "out", *settings)
    assert done.returncode == 0, done.stderr
    losses = [each["loss"] for each in record(tmp_path / "out")["curve"]]
    assert losses[-1] < 0.8 * losses[0]
