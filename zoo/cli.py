"""The command `zoo`: list, describe, draw and count the networks of the catalog.

At a terminal it prints tables with colour, in a pipe plain aligned text, and with `--json` what a program reads. Counts are
whole numbers there, sizes are bytes, shapes are arrays without the batch:

- `zoo list`: an array of `{"name", "family", "ndim", "summary", "weights", "numbers"}`; `numbers` has the fields of
  `zoo.Numbers` and `flops`, or is null where nothing is stored (`zoo info` counts then).
- `zoo info`: `{"name", "family", "ndim", "summary", "tags", "config", "analysis_shape", "numbers", "reference"}`.
- `zoo summary`: `{"name", "numbers", "unsupported", "blocks", "layers"}`, the last two arrays with the fields of
  `zoo.analysis.BlockNumbers` and `zoo.analysis.LayerNumbers`.
- `zoo weights list`: an array of `{"name", "task", "bytes", "licence", "data", "data_licence", "default", "metrics"}`.
- `zoo weights show`: the fields of `zoo.WeightsEntry` that are set.
- `zoo weights cache`: an array of `{"name", "path", "bytes", "age", "kind", "known"}`, age in seconds.
- `zoo weights verify`: an array of the fields of `zoo.Verification`.
- `zoo diff`: the fields of `zoo.Diff`: `{"a", "b", "same_input", "totals", "blocks", "skips"}`; every number of totals and
  blocks is `{"a", "b", "delta", "ratio"}`.
- `zoo predict`: an array of `{"image", "out", "overlay", "shape", "tile", "tiles", "exact", "seconds"}`; `{"image", "error"}` for
  images that failed.

Exit status: 0; 1 where a filter lets nothing through or some of several images failed; 2 for a mistake, with one line on
standard error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer  # noqa: TID253  only the command imports this module

import zoo
from zoo import cli_predict, cli_weights
from zoo.errors import ZooError, close_matches
from zoo.render.units import exact, field_text, shape_text, short_bytes
from zoo.terminal import Column, load_keras, print_json, read_number, read_shape, say, show_fields, show_table

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    help="Residual U-Nets for Keras 3, with exact numbers and pictures.",
)


app.add_typer(cli_weights.app, name="weights")
app.command()(cli_weights.convert)
app.command()(cli_predict.predict)


def main() -> None:
    """Runs the command; a mistake of the user ends in one line on standard error."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # not every terminal has a multiplication sign
    try:
        app(prog_name="zoo")
    except ZooError as error:
        say(f"error: {error}")
        sys.exit(2)


def _complete(incomplete: str) -> list[str]:
    return zoo.list_models(incomplete + "*")


Name = Annotated[str, typer.Argument(metavar="NAME", help="Any name, listed or not.", autocompletion=_complete)]
InputShape = Annotated[str | None, typer.Option(metavar="H,W,C", help="Concrete input, such as 256,256,3.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"zoo {zoo.__version__}")
        raise typer.Exit


@app.command("list")
def list_entries(
    pattern: Annotated[str, typer.Argument(help="Wildcard over names, quoted: 'resunet-*'.")] = "*",
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    flat: Annotated[bool | None, typer.Option("--2d/--3d", help="Only networks on images, or on volumes.")] = None,
    max_params: Annotated[str | None, typer.Option(help="At most this many weights: 5e6, 5M, 2.5B.")] = None,
    max_macs: Annotated[str | None, typer.Option(help="At most this many multiply-accumulates.")] = None,
    has_weights: Annotated[
        bool | None, typer.Option("--has-weights/--no-weights", help="Only entries with published weights, or without.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the entries of the catalog."""
    from zoo.catalog import catalog_rows
    from zoo.plugins import broken_plugins

    filters: dict[str, Any] = {
        "family": family,
        "ndim": None if flat is None else 2 if flat else 3,
        "max_params": read_number("--max-params", max_params),
        "max_macs": read_number("--max-macs", max_macs),
        "has_weights": has_weights,
    }
    rows = dict(catalog_rows())
    if (max_params or max_macs) and not all("numbers" in row for row in rows.values()):
        load_keras()
    names = zoo.list_models(pattern, **filters)
    for plugin, reason in broken_plugins().items():
        say(f"note: the plug-in {plugin} could not be loaded: {reason}")
    if as_json:
        print_json([_row_fields(name, rows[name]) for name in names])
    elif names:
        columns = [Column("name"), Column("params", right=True), Column("MACs", right=True), Column("input"), Column("summary")]
        show_table(columns, [_row_cells(name, rows[name]) for name in names])
    if not names:
        say(_nothing_found(pattern, filters, rows))
        raise typer.Exit(1)


@app.command()
def info(name: Name, as_json: Json = False) -> None:
    """Describe an entry: config, numbers, reference, deviations from the original."""
    from zoo.catalog import config_fields, stored_numbers

    entry = zoo.info(name)
    if stored_numbers(entry) is None:
        load_keras()
    reference = entry.reference
    if as_json:
        print_json({
            "name": entry.name, "family": entry.family, "ndim": entry.ndim, "summary": entry.summary, "tags": entry.tags,
            "config": config_fields(entry), "analysis_shape": entry.analysis_shape,
            "numbers": _number_fields(entry.numbers), "reference": _fields(reference),
        })  # fmt: skip
        return
    authors = ", ".join(reference.authors)
    where = {
        "title": reference.title,
        "by": f"{authors} ({', '.join(filter(None, (reference.venue, str(reference.year))))})",
        "paper": reference.url,
        "code": f"{reference.code_url} (licence: {reference.licence or 'not stated'})" if reference.code_url else "",
        "result as published": reference.result,
    }
    show_fields(
        f"{entry.name}: {entry.summary}",
        {
            "Config": {field: repr(value) for field, value in _fields(entry.config).items()},
            f"Numbers at {shape_text(entry.analysis_shape)}, batch 1": _number_lines(entry.numbers),
            "Reference": where,
            "Deviations from it": {str(number): text for number, text in enumerate(reference.deviations, 1)},
        },
    )


@app.command()
def plot(
    name: Name,
    out: Annotated[Path, typer.Argument(help="File to write: .svg, .png or .pdf; a graph also as .dot.")],
    kind: Annotated[Literal["u", "graph"], typer.Option(help="The blocks as a U, or every layer.")] = "u",
    input_shape: InputShape = None,
    metric: Annotated[
        Literal["macs", "params", "output_bytes"], typer.Option(help="What colours the boxes of the U; output_bytes is memory.")
    ] = "macs",
) -> None:
    """Draw the architecture of an entry."""
    shape = read_shape("--input-shape", input_shape)
    zoo.info(name)  # a wrong name is answered before Keras loads
    load_keras()
    typer.echo(zoo.plot(name, out, kind=kind, input_shape=shape, metric=metric))


@app.command()
def summary(
    name: Name,
    input_shape: InputShape = None,
    as_json: Json = False,
) -> None:
    """Count a network per block and per layer."""
    shape = read_shape("--input-shape", input_shape)
    zoo.info(name)  # a wrong name is answered before Keras loads
    load_keras()
    report = zoo.analyze(name, input_shape=shape)
    if as_json:
        print_json({
            "name": report.name, "numbers": _number_fields(report), "unsupported": report.unsupported,
            "blocks": [_fields(block) for block in report.blocks], "layers": [_fields(layer) for layer in report.per_layer],
        })  # fmt: skip
        return
    numbers = [Column(title, right=True) for title in ("params", "MACs", "output bytes")]
    show_table(
        [Column("block"), Column("output"), Column("layers", right=True), *numbers],
        [[block.name, shape_text(block.shape), exact(block.layers), *_costs(block)] for block in report.blocks],
    )
    typer.echo()
    show_table(
        [Column("layer"), Column("operation"), Column("output"), *numbers],
        [
            [layer.name, f"{layer.op} {layer.detail}".strip(), shape_text(layer.shape), *_costs(layer)]
            for layer in report.per_layer
        ],
    )
    typer.echo()
    if report.unsupported:
        say(f"note: not understood and not counted: {', '.join(report.unsupported)}")
    show_fields(report.name, {f"Total at {shape_text(report.input_shape)}, batch 1": _number_lines(report)})


@app.command()
def diff(
    a: Name,
    b: Annotated[str, typer.Argument(metavar="OTHER", help="What it is compared with.", autocompletion=_complete)],
    input_shape: InputShape = None,
    as_json: Json = False,
) -> None:
    """Compare two networks: totals, blocks, layers and skips that differ."""
    shape = read_shape("--input-shape", input_shape)
    for name in (a, b):
        zoo.info(name)  # a wrong name is answered before Keras loads
    load_keras()
    found = zoo.diff(a, b, input_shape=shape)
    if as_json:
        from dataclasses import asdict

        print_json(asdict(found))
        return
    from zoo.render.diff_tables import notes, tables_of

    for table in tables_of(found):
        typer.echo(table.title)
        show_table([Column(head, right=column in table.right) for column, head in enumerate(table.heads)], table.rows)
        typer.echo()
    for note in notes(found):
        typer.echo(note)


def _fields(record: Any) -> dict[str, Any]:
    """Returns the fields of a flat dataclass."""
    from dataclasses import fields

    return {field.name: getattr(record, field.name) for field in fields(record)}


def _number_fields(numbers: zoo.Numbers) -> dict[str, Any]:
    names = zoo.Numbers.__dataclass_fields__  # a Report has more
    return {**{name: getattr(numbers, name) for name in names}, "flops": numbers.flops}


def _row_fields(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    numbers = row.get("numbers")
    return {
        "name": name,
        **{field: row[field] for field in ("family", "ndim", "summary", "weights")},
        "numbers": numbers and {**numbers, "flops": 2 * numbers["macs"]},
    }


def _row_cells(name: str, row: Mapping[str, Any]) -> list[str]:
    numbers = row.get("numbers")
    if numbers is None:
        return [name, "-", "-", "-", row["summary"]]
    return [name, exact(numbers["params"]), exact(numbers["macs"]), shape_text(numbers["input_shape"]), row["summary"]]


def _costs(part: Any) -> list[str]:
    return [exact(part.params), "?" if part.macs is None else exact(part.macs), exact(part.output_bytes)]


def _number_lines(numbers: zoo.Numbers) -> dict[str, str]:
    """Labels and words for the totals of one network."""
    least = "" if numbers.status == "complete" else "at least "
    return {
        "params": f"{exact(numbers.params)} ({exact(numbers.trainable_params)} trainable)",
        "MACs": f"{least}{exact(numbers.macs)}",
        "FLOPs": f"{least}{exact(numbers.flops)} (2 × MACs)",
        "weights": short_bytes(numbers.weight_bytes),
        "inference peak": f"{short_bytes(numbers.peak_bytes)} in {numbers.peak_layer}, weights not counted",
        "all activations": short_bytes(numbers.activation_bytes),
        "kept for training": short_bytes(numbers.training_activation_bytes),
        "receptive field": field_text(numbers.receptive_field),
        "layers": exact(numbers.layers),
        "status": "" if numbers.status == "complete" else "partial: an operation was not understood, zoo summary names it",
    }


def _nothing_found(pattern: str, filters: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Says how many entries each filter lets through on its own, and what exists."""
    given = {} if pattern == "*" else {repr(pattern): len(zoo.list_models(pattern))}
    for name, value in filters.items():
        if value is not None:
            given[f"{name}={value!r}"] = len(zoo.list_models(**{name: value}))
    families = sorted({row["family"] for row in rows.values()})
    near = ""
    if filters["family"] is not None and filters["family"] not in families:
        near = close_matches(filters["family"], families)
    elif not given.get(repr(pattern), 1):
        near = close_matches(pattern.strip("*?-"), [*rows, *families])
    alone = ", ".join(f"{what} (alone {count})" for what, count in given.items())
    return f"none of {len(rows)} entries matches {alone or 'anything'}{near or '.'} Families: {', '.join(families)}."
