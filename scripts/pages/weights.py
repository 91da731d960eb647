"""The part of an entry's page about its pretrained weights: a card for each, from its record."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from zoo.weights.library import all_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.weights.entry import Metric, WeightsEntry


def weights_of(entry: str) -> tuple[WeightsEntry, ...]:
    """Returns the published weights of an entry, the default ones first."""
    found = [weights for weights in all_weights().values() if weights.entry == entry]
    return tuple(sorted(found, key=lambda weights: (not weights.default, weights.name)))


def weights_section(entry: str) -> list[str]:
    """Returns the Markdown of the section; nothing where there are no weights."""
    cards = [_card(weights) for weights in weights_of(entry)]
    if not cards:
        return []
    intro = "Licences, scores and recipes are those of the record in the package. [How weights are loaded](../guide/weights.md)."
    return ["## Pretrained weights", intro, *cards]


def short_scores(weights: WeightsEntry) -> dict[str, str]:
    """Returns the scores for a cell of a table: `{"mean Dice": "0.912 (val)"}`."""
    return {metric.name: f"{metric.value:.3f} ({metric.split})" for metric in weights.metrics}


def _card(weights: WeightsEntry) -> str:
    rows = [(label, text) for label, text in _facts(weights) if text]
    table = "\n".join(["| about | these weights |", "|---|---|", *(f"| {label} | {text} |" for label, text in rows)])
    default = " (default)" if weights.default else ""
    return "\n\n".join(
        [
            f"### {weights.tag}{default}",
            escape(weights.summary),
            f'```python\nimport zoo\n\nmodel = zoo.get("{weights.name}")\n```',
            table,
        ]
    )


def _facts(weights: WeightsEntry) -> Iterable[tuple[str, str]]:
    prepare, recipe = weights.preprocessing, weights.recipe
    yield "classes", _plain(", ".join(weights.classes))
    if prepare:
        yield "images", _plain(f"{', '.join(prepare.channels)}; scaling {prepare.scaling}; normalisation {prepare.normalisation}")
    for metric in weights.metrics:
        yield _plain(metric.name), _score(metric)
    yield "trained on", f"[{_plain(weights.data)}]({weights.data_url})" if weights.data_url else _plain(weights.data)
    yield "licence of the data", _plain(weights.data_licence)
    yield "licence of the weights", _plain(weights.licence)
    yield "cite", _plain(weights.citation)
    if recipe:
        yield "made by", f"`{recipe.command}`"
        where = f"{recipe.minutes:g} minutes on {recipe.machine}; {', '.join(recipe.versions)}"
        yield "in", _plain(where)
    yield "file", f"{weights.bytes:,} bytes, {weights.dtype}, SHA-256 `{weights.sha256}`"


def _score(metric: Metric) -> str:
    interval = f" (95 % from {metric.interval[0]:.4f} to {metric.interval[1]:.4f})" if metric.interval else ""
    return _plain(f"{metric.value:.4f}{interval} on {metric.data}, {metric.split}, {metric.images} images: {metric.protocol}")


def _plain(text: str) -> str:
    """Returns text in which nothing is markup, for a cell of a table."""
    return escape(text).replace("|", "&#124;").replace("*", "&#42;").replace("_", "&#95;")
