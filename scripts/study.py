"""Do residual shortcuts pay? Trains six networks of about equal size by one recipe: `python scripts/study.py --data FOLDER`.

Each run is one of `scripts/train.py` in a folder of its own under `--out`: finished ones are kept, others go on where they were
stopped. All networks are trained with the first seed before any with the second. After each run the numbers are written anew
into `docs/assets/study/residual.json`, from which the page of the study is made.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
from pages.study import FILE
from pages.study_numbers import Network, Run, Study, study_bytes
from study_runs import Training, run_all, tail
from training.data import data_hash
from training.recipe import Recipe, read_recipe

import zoo
from zoo.terminal import Column, load_keras, show_table

ROOT = Path(__file__).resolve().parents[1]
NETWORKS: dict[str, dict[str, Any]] = {
    "unet-d4-f12": {"batch_norm": True},  # as the residual ones have it, or the two would differ in more than shortcuts
    "resunet-v1-d4-f12": {},
    "resunet-v2-d4-f7": {},
    "resunet-v2-bn-d4-f7": {},
    "deep-resunet-d4-f12": {},
    "attention-resunet-d4-f11": {},
}
"""Networks of about equal numbers of parameters with fields that differ from their defaults; the plain one first."""

SEEDS = (1, 2, 3)


def main() -> int:
    """Runs what is missing and collects; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the nuclei data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "study", help="folder of the runs (default: runs/study)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at once (default: 1)")
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "study.toml", help="default: recipes/study.toml")
    parser.add_argument("--json", type=Path, default=FILE, help="where the numbers go (default: docs/assets/study/residual.json)")
    parser.add_argument("--collect", action="store_true", help="run nothing, collect what is finished")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"`--jobs` is a number of runs from 1 on. Received: {options.jobs}")
    wanted = trainings(options.recipe, options.out.resolve())
    checksum = data_hash(options.data)
    check_data(wanted, checksum, options.data)
    study = outline(options.recipe.name, wanted, checksum, val_images(options.data))
    missing = [] if options.collect else [each for each in wanted if each.record() is None]
    print(f"{len(wanted)} runs are wanted, {len(missing)} are started now.", flush=True)

    def save() -> Study:
        found = collected(study, wanted)
        if found.runs:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_bytes(study_bytes(found))
        return found

    failed = run_all(missing, [str(options.recipe.resolve()), "--data", str(options.data.resolve())], options.jobs, save)
    print_summary(save())
    for each in failed:
        print(f"error: {each.folder.name} failed; {each.folder / 'log.txt'} ends with:\n{tail(each.folder)}", file=sys.stderr)
    return 1 if failed else 0


def trainings(recipe: Path, out: Path) -> list[Training]:
    """Returns all runs, all networks of one seed before the next.

    Raises:
        SystemExit: The recipe is none, or leaves the precision to the machine: runs of two machines would not be alike.
    """
    if read_recipe(recipe).training.precision == "auto":
        raise SystemExit(f'{recipe} leaves the precision to the machine: state it, such as training.precision = "float32".')
    found = []
    for seed in SEEDS:
        for network, overrides in NETWORKS.items():
            fields = ", ".join(f"{name} = {json.dumps(value)}" for name, value in overrides.items())
            special = (f"model.overrides={{{fields}}}",) if overrides else ()
            changes = (f"model.name={network}", f"training.seed={seed}", *special)
            resolved = read_recipe(recipe, changes)
            folder = out / f"{network}-s{seed}"
            found.append(Training(network=network, seed=seed, recipe=resolved, changes=changes, folder=folder))
    return found


def check_data(wanted: list[Training], checksum: str, data: Path) -> None:
    """Stops where finished runs are of other data.

    Raises:
        SystemExit: One is.
    """
    for each in wanted:
        record = each.record()
        if record is not None and record["data"] != checksum:
            raise SystemExit(f"{each.folder} was trained on other data than {data}: give another folder for the runs with --out.")


def val_images(data: Path) -> int:
    """Returns how many images the scores are of."""
    import csv

    with (data / "split.csv").open(newline="", encoding="utf-8") as file:
        return sum(row["split"] == "val" for row in csv.DictReader(file))


def outline(recipe_file: str, wanted: list[Training], checksum: str, images: int) -> Study:
    """Returns the study without runs: its networks with their numbers at the size of a crop."""
    load_keras()
    first = {each.network: each.recipe for each in reversed(wanted)}
    networks = tuple(network_of(name, first[name]) for name in NETWORKS)
    settings = first[next(iter(NETWORKS))].settings
    shared = {table: settings[table] for table in ("data", "preprocessing", "augmentation", "training")}
    shared["training"] = {name: value for name, value in shared["training"].items() if name != "seed"}
    return Study(recipe_file=recipe_file, recipe=shared, data=checksum, images=images, planned=SEEDS, networks=networks, runs=())


def network_of(name: str, recipe: Recipe) -> Network:
    """Returns what is counted of a network."""
    shape = (*recipe.training.crop, len(recipe.preprocessing.channels))
    config = zoo.info(name).config.replace(input_shape=shape, classes=recipe.classes, **recipe.model.overrides)
    report = zoo.analyze(config)
    normalised = any(layer.op.endswith("Normalization") for layer in report.per_layer if not layer.block.startswith("head"))
    return Network(
        name=name,
        params=report.trainable_params,
        macs=report.macs,
        normalised=normalised,
        overrides=dict(recipe.model.overrides),
    )


def collected(study: Study, wanted: list[Training]) -> Study:
    """Returns the study with the runs that are finished, and what they were made with."""
    records = [(each, record) for each in wanted if (record := each.record()) is not None]
    runs = tuple(
        Run(
            network=each.network,
            seed=each.seed,
            minutes=round(record["seconds"] / 60, 2),
            best=record["val"],
            last=record["curve"][-1],
        )
        for each, record in records
    )
    versions = (", ".join(f"{name} {version}" for name, version in record["versions"].items()) for _, record in records)
    return msgspec.structs.replace(
        study,
        runs=runs,
        machines=_distinct(record["machine"] for _, record in records),
        commits=_distinct(record["commit"] for _, record in records),
        versions=_distinct(versions),
    )


def _distinct(texts: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, texts)))


def print_summary(study: Study) -> None:
    """Prints a row for each network, the best first, of the seeds that all have."""
    print(f"{len(study.runs)} runs are finished; the seeds of all networks: {', '.join(map(str, study.seeds)) or 'none yet'}")
    if not study.seeds:
        return
    columns = [Column("network"), *(Column(title, right=True) for title in ("params", "MACs", "mean", "s.d.", "last", "IoU"))]
    rows = [
        (
            network.name, f"{network.params:,}", f"{network.macs:,}",
            *(f"{value:.4f}" for value in (
                study.mean(network), study.spread(network), study.mean(network, when="last"), study.mean(network, "iou"),
            )),
        )
        for network in study.ranked()
    ]  # fmt: skip
    show_table(columns, rows)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except zoo.ZooError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted. Finished runs are kept; the same command goes on.")
