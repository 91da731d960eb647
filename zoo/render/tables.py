"""A report as Markdown tables: blocks, layers, and totals with all digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.render.units import exact, field_text, percent, shape_text, short_bytes, short_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.analysis import Report
    from zoo.entry import Numbers


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Returns a Markdown table; the columns in `right` are aligned right."""
    rules = ["---:" if column in right else "---" for column in range(len(header))]
    lines = [header, rules, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def totals_rows(numbers: Numbers) -> tuple[tuple[str, str, str, str], ...]:
    """Returns the totals of a network: for each the field that it comes from, its name, and its exact and short value."""
    n = numbers
    return (
        ("input_shape", "input", shape_text(n.input_shape), ""),
        ("params", "parameters", exact(n.params), short_count(n.params)),
        ("trainable_params", "trainable parameters", exact(n.trainable_params), short_count(n.trainable_params)),
        ("macs", "MACs", exact(n.macs), short_count(n.macs)),
        ("flops", "FLOPs (2 × MACs)", exact(n.flops), short_count(n.flops)),
        ("weight_bytes", "weights", f"{exact(n.weight_bytes)} bytes", short_bytes(n.weight_bytes)),
        ("half_weight_bytes", "weights as float16 or bfloat16", f"{exact(2 * n.params)} bytes", short_bytes(2 * n.params)),
        ("peak_bytes", "inference peak of activations", f"{exact(n.peak_bytes)} bytes", short_bytes(n.peak_bytes)),
        ("peak_layer", "layer during which it happens", n.peak_layer, ""),
        ("activation_bytes", "sum of all layer outputs", f"{exact(n.activation_bytes)} bytes", short_bytes(n.activation_bytes)),
        (
            "training_activation_bytes",
            "kept for the backward pass, per image",
            f"{exact(n.training_activation_bytes)} bytes",
            short_bytes(n.training_activation_bytes),
        ),
        ("receptive_field", "receptive field", field_text(n.receptive_field), ""),
        ("layers", "layers", exact(n.layers), ""),
    )


def totals_table(numbers: Numbers) -> str:
    """Returns the totals of a network, one per row, exact and short."""
    rows = [(name, value, short) for _, name, value, short in totals_rows(numbers)]
    return markdown_table(("number", "exact", "short"), rows, right=(1, 2))


def block_table(report: Report) -> str:
    """Returns one row per block and the sum below."""
    rows = [
        (
            f"`{block.name}`",
            shape_text(block.shape),
            exact(block.layers),
            exact(block.params),
            exact(block.macs),
            percent(block.macs, report.macs),
            short_bytes(block.output_bytes),
        )
        for block in report.blocks
    ]
    total = (
        "**total**",
        "",
        exact(report.layers),
        exact(report.params),
        exact(report.macs),
        "",
        short_bytes(report.activation_bytes),
    )
    header = ("block", "output", "layers", "parameters", "MACs", "share", "activations")
    return markdown_table(header, [*rows, total], right=(2, 3, 4, 5, 6))


def layer_table(report: Report) -> str:
    """Returns one row per layer, in the order in which they run."""
    rows = [
        (
            f"`{row.name}`",
            row.op,
            row.detail.replace("|", "\\|"),
            shape_text(row.shape),
            exact(row.params),
            "unknown" if row.macs is None else exact(row.macs),
        )
        for row in report.per_layer
    ]
    return markdown_table(("layer", "operation", "detail", "output", "parameters", "MACs"), rows, right=(4, 5))
