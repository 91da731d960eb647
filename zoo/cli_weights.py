"""The commands about weights: `zoo weights list | show | download | verify | import | cache`, and `zoo convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer  # noqa: TID253  only the command imports this module

import zoo
from zoo.render.units import short_bytes
from zoo.terminal import Column, load_keras, print_json, read_setting, say, show_fields, show_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.weights.cache import CachedFile
    from zoo.weights.remote import RemoteFile

app = typer.Typer(no_args_is_help=True, help="List, fetch, check and import pretrained weights.")


def _complete(incomplete: str) -> list[str]:
    return zoo.list_weights(incomplete + "*")


Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as resunet-v1-d3-f8.nuclei-v1.", autocompletion=_complete)]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Names, or wildcards in quotes: 'resunet-*'.", autocompletion=_complete)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_all(
    pattern: Annotated[str, typer.Argument(help="Wildcard over names, quoted: '*.nuclei-*'.")] = "*",
    task: Annotated[str | None, typer.Option(help="Wildcard over what they do.")] = None,
    licence: Annotated[str | None, typer.Option(help="Wildcard over the licence of the weights.")] = None,
    data_licence: Annotated[str | None, typer.Option(help="Wildcard over the licence of the training data.")] = None,
    as_json: Json = False,
) -> None:
    """List published weights."""
    from zoo.weights.library import broken_manifests

    names = zoo.list_weights(pattern, task=task, licence=licence, data_licence=data_licence)
    for plugin, reason in broken_manifests().items():
        say(f"note: the plug-in {plugin} could not be loaded: {reason}")
    entries = [zoo.weights_info(name) for name in names]
    if as_json:
        fields = ("name", "task", "bytes", "licence", "data", "data_licence", "default")
        print_json([{**{field: getattr(entry, field) for field in fields}, "metrics": _scores(entry)} for entry in entries])
    elif entries:
        columns = [
            Column("name"),
            Column("task"),
            Column("size", right=True),
            Column("licence"),
            Column("data"),
            Column("scores"),
        ]
        show_table(
            columns,
            [
                [entry.name, entry.task, short_bytes(entry.bytes), entry.licence, entry.data, _score_text(entry)]
                for entry in entries
            ],
        )
    if not entries:
        say(f"none of {len(zoo.list_weights())} weights matches. `zoo weights list` shows all.")
        raise typer.Exit(1)


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show all that is known about weights: data, licences, scores, how they were made, where they are."""
    from zoo.weights.manifest import to_fields

    entry = zoo.weights_info(name)
    if as_json:
        print_json(to_fields(entry))
        return
    recipe, prepare = entry.recipe, entry.preprocessing
    show_fields(
        f"{entry.name}: {entry.summary}",
        {
            "Weights": {
                "network": entry.entry,
                "differs in": ", ".join(f"{field}={value!r}" for field, value in entry.overrides),
                "classes": ", ".join(entry.classes),
                "images": f"{', '.join(prepare.channels)}; scaling {prepare.scaling}, normalisation {prepare.normalisation}"
                if prepare
                else "",
                "licence": entry.licence,
                "file": f"{short_bytes(entry.bytes)}, {entry.dtype}, SHA-256 {entry.sha256}",
                **{f"source {place}": url for place, url in enumerate(entry.sources, 1)},
            },
            "Data": {"name": entry.data, "url": entry.data_url, "licence": entry.data_licence, "cite": entry.citation},
            "Scores": {
                each.name: f"{each.value:.4f} on {each.data} {each.split} ({each.images} images; {each.protocol})"
                for each in entry.metrics
            },
            "Recipe": {
                "command": recipe.command,
                "commit": recipe.commit,
                "versions": ", ".join(recipe.versions),
                "time": f"{recipe.minutes:g} minutes on {recipe.machine}",
                **{f"again {place}": _repeat_text(each) for place, each in enumerate(entry.repeats, 1)},
            }
            if recipe
            else {},
        },
    )


@app.command()
def download(names: Names) -> None:
    """Fetch weights into the cache and print where they are."""
    for name in _expanded(names):
        typer.echo(zoo.download(name))


@app.command()
def verify(names: Names, as_json: Json = False) -> None:
    """Hash weights anew, load them, and compare what they compute with what was published."""
    listed = _expanded(names)
    load_keras()
    found = [zoo.verify(name) for name in listed]
    if as_json:
        from dataclasses import asdict

        print_json([{**asdict(each), "path": str(each.path)} for each in found])
        return
    show_table(
        [
            Column("name"), Column("tensors", right=True), Column("largest error", right=True), Column("allowed", right=True),
            Column("backend"), Column("SHA-256"),
        ],
        [
            [each.name, str(each.tensors), f"{each.error:.1e}", f"{each.tolerance:.0e}", each.backend, f"{each.sha256[:16]}…"]
            for each in found
        ],
    )  # fmt: skip


@app.command("import")
def import_file(file: Annotated[Path, typer.Argument(help="A file that was brought here by hand, under any name.")]) -> None:
    """Take a hand-carried file into the cache; its hash says which weights it is."""
    from zoo.weights import cache

    found, path = cache.import_file(file, _known())
    typer.echo(f"{found.name}: {path}")


@app.command("cache")
def cache_command(
    prune: Annotated[bool, typer.Option("--prune", help="Remove what nobody needs: broken downloads, unknown files.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="With --prune: remove known weights, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --prune: only tell.")] = False,
    as_json: Json = False,
) -> None:
    """List the cache folder, or clean it up."""
    from zoo.weights import cache, places

    if (everything or dry_run) and not prune:
        say("error: --all and --dry-run belong to --prune.")
        raise typer.Exit(2)
    known = _known()
    items = cache.prune(known, everything=everything, dry_run=dry_run) if prune else cache.cached_files(known)
    if as_json:
        print_json([{**_cached_fields(item), "path": str(item.path)} for item in items])
        return
    if items:
        show_table(
            [Column("name"), Column("size", right=True), Column("kind"), Column("file")],
            [[item.name, short_bytes(item.bytes), item.kind, item.path.name] for item in items],
        )
    total = short_bytes(sum(item.bytes for item in items))
    did = ("would be removed from" if dry_run else "removed from") if prune else "in"
    typer.echo(f"{len(items)} files, {total}, {did} {places.cache_folder()}")


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights of another project: .pt, .pth, .safetensors, .h5.")],
    entry: Annotated[str, typer.Option("--to", metavar="ENTRY", help="Name of the zoo's network that they are for.")],
    source: Annotated[str | None, typer.Option("--from", metavar="SOURCE", help="The table, where it is not clear.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; by default FILE with .zoo.safetensors.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, float16 or bfloat16.")] = "float32",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="What the file does not tell: --set strides=[2,2,1].")
    ] = None,
) -> None:
    """Convert weights of another project into a file of the zoo."""
    overrides = dict(read_setting("--set", text) for text in settings or ())
    zoo.info(entry).config.replace(**overrides)  # a wrong name is answered before Keras loads
    load_keras()
    from zoo.weights.export import export_converted

    converted = zoo.convert(file, entry, source=source, **overrides)
    path = export_converted(converted, out or file.with_suffix(".zoo.safetensors"), dtype=dtype)
    if converted.unused:
        say(f"note: left out on purpose: {', '.join(converted.unused[:5])}{', …' if len(converted.unused) > 5 else ''}")
    how = ", adapt='encoder'" if converted.scope == "encoder" else ""
    call = f"zoo.get({converted.config.name!r}, weights={str(path)!r}{how})"
    say(f"{len(converted.tensors)} tensors by the table {converted.source}: {call}")
    typer.echo(path)


def _expanded(patterns: Iterable[str]) -> list[str]:
    """Returns the names that wildcards stand for; names and paths are left as they are."""
    names: list[str] = []
    for pattern in patterns:
        found = zoo.list_weights(pattern) if set(pattern) & set("*?[") else [pattern]
        if not found:
            message = f"No weights match {pattern!r}. `zoo weights list` shows all."
            raise zoo.UnknownWeightsError(message)
        names += found
    return list(dict.fromkeys(names))


def _known() -> list[RemoteFile]:
    from zoo.weights.library import all_weights
    from zoo.weights.opening import remote_file

    return [remote_file(entry) for entry in all_weights().values()]


def _cached_fields(item: CachedFile) -> dict[str, Any]:
    return {field: getattr(item, field) for field in ("name", "bytes", "age", "kind", "known")}


def _scores(entry: zoo.WeightsEntry) -> list[dict[str, Any]]:
    return [{field: getattr(metric, field) for field in ("name", "value", "data", "split")} for metric in entry.metrics]


def _score_text(entry: zoo.WeightsEntry) -> str:
    return ", ".join(f"{metric.name} {metric.value:.3f} ({metric.split})" for metric in entry.metrics)


def _repeat_text(repeat: zoo.Repeat) -> str:
    same = "the same weights to the last bit" if repeat.same_weights else "other weights"
    return f"{repeat.score:.4f} with {', '.join(repeat.changes) or 'no change'}: {same}; {', '.join(repeat.versions)}"
