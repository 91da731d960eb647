"""The study of residual shortcuts: what is collected from runs, and that the page says what the numbers say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

import zoo

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
import study as script
import study_runs
from pages import study as page
from pages.study_numbers import Network, Run, Study, read_study, study_bytes
from training.recipe import read_recipe

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "study.toml"
PLAIN, ONE, TWO = "unet-d4-f12", "resunet-v1-d4-f12", "resunet-v2-d4-f7"
NETWORKS = (
    Network(name=PLAIN, params=1000, macs=200, normalised=True, overrides={"batch_norm": True}),
    Network(name=ONE, params=1050, macs=250, normalised=True),
    Network(name=TWO, params=980, macs=300, normalised=False),
)
PLAINLY = (0.80, 0.82, 0.81)
"""Scores of the plain network in these tests."""


def made(scores: dict[str, tuple[float, ...]], last: dict[str, tuple[float, ...]] | None = None, planned=(1, 2, 3)) -> Study:
    """Returns a study with these scores per network, the first one of seed 1."""
    runs = [
        Run(
            network=name,
            seed=seed,
            minutes=2.0 + seed,
            best={"dice": value, "iou": value - 0.1},
            last={"dice": (last or scores)[name][seed - 1], "iou": 0.5},
        )
        for name, values in scores.items()
        for seed, value in enumerate(values, 1)
    ]
    recipe = read_recipe(RECIPE).settings
    return Study(
        recipe_file="study.toml", recipe=recipe, data="d" * 64, images=64, planned=planned, networks=NETWORKS, runs=tuple(runs),
        machines=("2 cores of x86_64",), commits=("c0ffee",), versions=("keras 3.15.1",),
    )  # fmt: skip


def rows(html: str) -> list[list[str]]:
    """Returns the texts of the cells of a table's rows."""
    found = re.findall(r"<tr>(.+?)</tr>", html)
    return [
        [unescape(re.sub("<small>.*?</small>|<.+?>", "", cell)) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in found
    ]


def test_means_ranks_and_differences():
    study = made({PLAIN: PLAINLY, ONE: (0.83, 0.85, 0.87), TWO: (0.81, 0.70, 0.74)})
    assert [network.name for network in study.ranked()] == [ONE, PLAIN, TWO]
    assert study.mean(study.others[0]) == pytest.approx(0.85)
    assert study.gain(study.others[0]) == pytest.approx(0.04)
    assert study.spread(study.others[0]) == pytest.approx(0.02)
    assert study.widest() == pytest.approx(0.11)
    assert study.chance() == 20
    assert rows(page.table_html(study)) == [
        ["network", "parameters", "MACs", "Dice, mean ± s.d.", "against plain", "last round", "IoU", "minutes"],
        [ONE, "1,050", "250", "0.8500 ± 0.0200", "+0.0400", "0.8500", "0.7500", "4.0"],
        [PLAIN, "1,000", "200", "0.8100 ± 0.0100", "", "0.8100", "0.7100", "4.0"],
        [TWO, "980", "300", "0.7500 ± 0.0557", "−0.0600", "0.7500", "0.6500", "4.0"],
    ]


@pytest.mark.parametrize(
    ("one", "two", "sentence"),
    [
        ((0.83, 0.84, 0.85), (0.83, 0.84, 0.90), "Yes, at this budget: every residual network is above the plain one"),
        ((0.83, 0.84, 0.85), (0.79, 0.84, 0.81), "For some, at this budget: 1 of 2 residual networks is above the plain one"),
        ((0.83, 0.84, 0.85), (0.70, 0.71, 0.72), "It depends on the network: 1 of 2 residual networks is above"),
        (
            (0.79, 0.84, 0.85),
            (0.70, 0.71, 0.72),
            "Not clearly, at this budget: no residual network is above the plain one whichever seeds are compared.",
        ),
        ((0.79, 0.84, 0.85), (0.79, 0.84, 0.81), "These runs do not tell: the seeds of every residual network overlap"),
    ],
)
def test_the_answer_follows_the_numbers(one, two, sentence):
    study = made({PLAIN: PLAINLY, ONE: one, TWO: two})
    assert page.conclusion(study).startswith(sentence)
    assert f"**{page.conclusion(study)}**" in page.study_page(study)


def test_a_plain_network_that_wins_is_said_to_win():
    text = page.study_page(made({PLAIN: (0.90, 0.91, 0.92), ONE: (0.85, 0.86, 0.84), TWO: (0.80, 0.95, 0.79)}))
    assert "Not clearly, at this budget" in text
    assert f"The highest mean Dice is that of `{PLAIN}`, 0.9100; it is the plain one." in text
    assert f"Below it whichever seeds are compared: `{ONE}` (−0.0600)." in text
    assert f"Not to be told from it, as the seeds overlap: `{TWO}` (−0.0633)." in text
    assert "Above it" not in text
    assert f"above the plain one in 1 of 3 for `{TWO}`; 0 of 3 for `{ONE}`. Of two equal" in text
    assert "Yes" not in text


def test_seeds_that_touch_are_not_told_apart():
    study = made({PLAIN: PLAINLY, ONE: (0.82, 0.83, 0.84), TWO: (0.80, 0.79, 0.78)})
    assert [study.verdict(network) for network in study.others] == ["mixed", "mixed"]


def test_seeds_that_not_all_networks_have_are_left_out():
    study = made({PLAIN: PLAINLY, ONE: (0.90, 0.91, 0.92), TWO: (0.70,)})
    assert study.seeds == (1,)
    assert study.mean(study.others[0]) == pytest.approx(0.90)
    text = page.study_page(study)
    assert "1 of 3 seeds each." in text
    assert "4 more runs are finished and not shown" in text
    assert "Too few seeds for an answer: 1 so far, 3 are needed." in text
    assert "±" not in "".join(cell for row in rows(page.table_html(study))[1:] for cell in row)
    for claim in ("whichever seeds are compared", "Yes", "Not clearly, at this budget", "nan"):
        assert claim not in text


def test_what_the_last_round_says_is_said():
    scores = {PLAIN: PLAINLY, ONE: (0.83, 0.84, 0.85), TWO: (0.70, 0.71, 0.72)}
    same = page.study_page(made(scores))
    assert "every comparison with the plain one comes out the same" in same
    other = page.study_page(made(scores, last={**scores, ONE: (0.70, 0.84, 0.85)}))
    assert f"judged by the last round it is different: `{ONE}` is overlapping." in other


def test_what_was_held_equal_is_counted():
    text = page.study_page(made(dict.fromkeys((PLAIN, ONE, TWO), PLAINLY)))
    assert "Trainable parameters: −2.0 % to +5.0 % against the plain network's 1,000." in text
    assert "MACs for a crop, 200 to 300, 1.50 times as many." in text
    assert f"`{PLAIN}` has `batch_norm=True`, which is not its default." in text
    assert f"Not normalised: `{TWO}`;" in text
    training = read_recipe(RECIPE).training
    assert f"{training.steps:,} steps of {training.batch} crops of {training.crop[0]}×{training.crop[1]}" in text


def test_the_figure_has_a_dot_for_each_seed_and_is_described():
    study = made({PLAIN: PLAINLY, ONE: (0.83, 0.85, 0.87), TWO: (0.81, 0.70, 0.74)})
    svg = page.figure(study)
    titles = re.findall(r"<title>(.+?)</title>", svg)
    assert titles[:3] == ["seed 1: 0.8300", "seed 2: 0.8500", "seed 3: 0.8700"]
    assert len(titles) == 9
    assert f"over 3 seeds: {ONE} 0.8500, {PLAIN} 0.8100, {TWO} 0.7500" in svg
    places = [int(x) for x in re.findall(r'cx="(\d+)"', svg)]
    assert places[0] < places[1] < places[2]
    lines = [int(x) for x in re.findall(r'class="m [ab]" d="M(\d+) ', svg)]
    assert lines == sorted(lines, reverse=True), "the best network is at the top, furthest to the right"


def test_a_study_that_was_not_run_has_no_numbers(tmp_path):
    assert read_study(tmp_path / "residual.json") is None
    text = page.study_page(None)
    assert "The study has not been run yet." in text
    assert "python scripts/study.py --data FOLDER" in text
    assert not re.search(r"0\.\d", text)
    begun = page.study_page(made({PLAIN: (0.8,), ONE: (0.9,)}))
    assert "not been run yet. Runs that are finished: 2, but" in begun


def test_a_study_is_read_as_it_was_written(tmp_path):
    study = made({PLAIN: PLAINLY, ONE: PLAINLY, TWO: PLAINLY})
    (tmp_path / "residual.json").write_bytes(study_bytes(study))
    assert page.study_page(read_study(tmp_path / "residual.json")) == page.study_page(study)


@pytest.fixture
def data(tmp_path):
    """A data folder as far as collecting reads it."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "split.csv").write_text("id,split\na,train\nb,val\nc,val\n")
    return folder


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Two small networks, two seeds, counted without Keras; the numbers go into the test's own folder."""
    monkeypatch.setattr(script, "FILE", tmp_path / "study.json")
    monkeypatch.setattr(script, "NETWORKS", {"unet-d2-f4": {"batch_norm": True}, "resunet-v1-d2-f4": {}})
    monkeypatch.setattr(script, "SEEDS", (1, 2))
    counted = lambda name, recipe: Network(name=name, params=10, macs=20, normalised=True)  # noqa: E731
    monkeypatch.setattr(script, "network_of", counted)
    monkeypatch.setattr(script, "load_keras", lambda: None)


def finish(each: study_runs.Training, data: str, dice: float) -> None:
    """Writes the record of a run as train.py does."""
    first, best = (
        {"step": step, "seconds": 90.0, "loss": 0.5, "dice": value, "iou": value - 0.1}
        for step, value in ((300, dice), (600, 0.5))
    )
    each.folder.mkdir(parents=True, exist_ok=True)
    record = {
        "recipe": each.recipe.settings, "data": data, "machine": "a machine", "commit": "c0ffee", "versions": {"keras": "3"},
        "seconds": 180.0, "curve": [first, best], "val": first,
    }  # fmt: skip
    (each.folder / "run.json").write_text(json.dumps(record))


def call(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["study.py", *map(str, arguments)])
    return script.main()


def test_runs_are_wanted_seed_by_seed(tmp_path):
    wanted = script.trainings(RECIPE, tmp_path)
    assert [(each.seed, each.network) for each in wanted] == [(seed, name) for seed in (1, 2, 3) for name in script.NETWORKS]
    assert {each.recipe.training.seed for each in wanted[:6]} == {1}
    assert wanted[0].recipe.model.overrides == {"batch_norm": True}
    assert "model.overrides={batch_norm = true}" in wanted[0].changes
    assert len({each.folder for each in wanted}) == len(wanted)
    assert len({each.recipe.fingerprint for each in wanted}) == len(wanted)


def test_the_precision_is_the_same_on_every_machine(tmp_path):
    text = RECIPE.read_text().replace("nuclei.toml", str(RECIPE.parent / "nuclei.toml"))
    text = text.replace('precision = "float32"', 'precision = "auto"')
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(SystemExit, match=r"study.toml leaves the precision to the machine: state it"):
        script.trainings(tmp_path / "study.toml", tmp_path)


def test_finished_runs_are_collected(tmp_path, data, small, monkeypatch, capsys):
    wanted = script.trainings(RECIPE, tmp_path / "runs")
    checksum = script.data_hash(data)
    for each, dice in zip(wanted, (0.8, 0.9, 0.6), strict=False):
        finish(each, checksum, dice)
    target = tmp_path / "study.json"
    arguments = ("--data", data, "--out", tmp_path / "runs", "--collect")
    assert call(monkeypatch, *arguments) == 0
    study = read_study(target)
    assert [(run.network, run.seed, run.best["dice"], run.last["dice"], run.minutes) for run in study.runs] == [
        ("unet-d2-f4", 1, 0.8, 0.5, 3.0), ("resunet-v1-d2-f4", 1, 0.9, 0.5, 3.0), ("unet-d2-f4", 2, 0.6, 0.5, 3.0),
    ]  # fmt: skip
    assert (study.images, study.data, study.planned, study.seeds) == (2, checksum, (1, 2), (1,))
    assert (study.machines, study.commits, study.versions) == (("a machine",), ("c0ffee",), ("keras 3",))
    assert "seed" not in study.recipe["training"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "3 runs are finished; the seeds of all networks: 1"
    assert lines[3].split() == ["resunet-v1-d2-f4", "10", "20", "0.9000", "nan", "0.5000", "0.8000"]


def test_runs_of_other_settings_or_data_do_not_count(tmp_path, data, small, monkeypatch):
    first, second, *_ = script.trainings(RECIPE, tmp_path / "runs")
    finish(first, script.data_hash(data), 0.8)
    assert first.record() is not None
    changed = json.loads((first.folder / "run.json").read_text())
    changed["recipe"]["training"]["steps"] += 1
    (first.folder / "run.json").write_text(json.dumps(changed))
    assert first.record() is None
    finish(second, "of other data", 0.8)
    with pytest.raises(SystemExit, match=r"resunet-v1-d2-f4-s1 was trained on other data than .* with --out"):
        call(monkeypatch, "--data", data, "--out", tmp_path / "runs", "--collect")


FAKE = """
import json, sys
out = sys.argv[sys.argv.index("--out") + 1]
print("says", *sys.argv[1:])
open(out + "/called", "a").write("x")
sys.exit(1 if "resunet" in out and out.endswith("s1") else 0)
"""


def test_missing_runs_are_started_and_failures_are_told(tmp_path, data, small, monkeypatch, capfd):
    """A stand-in for train.py writes down how it was called; one of its runs fails, one is finished already."""
    (tmp_path / "train.py").write_text(FAKE)
    monkeypatch.setattr(study_runs, "SCRIPT", tmp_path / "train.py")
    wanted = script.trainings(RECIPE, tmp_path / "runs")
    finish(wanted[0], script.data_hash(data), 0.8)
    (tmp_path / "runs" / "unet-d2-f4-s2").mkdir()
    (tmp_path / "runs" / "unet-d2-f4-s2" / "run.json").write_text((wanted[0].folder / "run.json").read_text())  # of another seed
    target = tmp_path / "study.json"
    status = call(monkeypatch, "--data", data, "--out", tmp_path / "runs", "--jobs", 2)
    assert status == 1
    called = sorted(path.parent.name for path in (tmp_path / "runs").glob("*/called"))
    assert called == ["resunet-v1-d2-f4-s1", "resunet-v1-d2-f4-s2", "unet-d2-f4-s2"]
    log = (tmp_path / "runs" / "unet-d2-f4-s2" / "log.txt").read_text()
    assert f"says {RECIPE} --data {data}" in log
    assert "--set model.name=unet-d2-f4 --set training.seed=2 --set model.overrides={batch_norm = true}" in log
    said = capfd.readouterr()
    assert "4 runs are wanted, 3 are started now." in said.out
    assert "[3/3]" in said.out
    assert said.err.count("error:") == 3, "a run that leaves no record has failed, whatever its status"
    assert "resunet-v1-d2-f4-s1 failed" in said.err
    assert [run.seed for run in read_study(target).runs] == [1]


def test_the_networks_are_of_about_one_size():
    program = (
        "import study, json; w = study.trainings(study.ROOT / 'recipes/study.toml', study.ROOT); print(json.dumps([[n.name, "
        "n.params, n.normalised] for n in (study.network_of(e.network, e.recipe) for e in w[:6])]))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "scripts", capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    params = {name: count for name, count, _ in found}
    middle = params[next(name for name in params if name.startswith("resunet-v1-"))]
    assert {name: count for name, count in params.items() if abs(count / middle - 1) > 0.1} == {}
    assert [name for name, _, normalised in found if not normalised] == [
        name for name in params if name.startswith("resunet-v2-d")
    ]
    assert len({re.search(r"-d(\d+)-", name)[1] for name in params}) == 1, "of one depth"
    for name in params:
        assert zoo.info(name).config.ndim == 2
