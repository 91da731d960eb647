"""The part of an entry's page about its pretrained weights, and what other pages say of them in a cell."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from pages.as_is import as_is
from pages.card import card
from pages.text import number_range, table
from zoo.render.units import short_bytes
from zoo.weights.library import all_weights

if TYPE_CHECKING:
    from zoo.weights.entry import WeightsEntry


def weights_of(entry: str) -> tuple[WeightsEntry, ...]:
    """Returns the published weights of an entry, the default ones first."""
    found = [weights for weights in all_weights().values() if weights.entry == entry]
    return tuple(sorted(found, key=lambda weights: (not weights.default, weights.name)))


def weights_section(entry: str) -> list[str]:
    """Returns the Markdown of the section; nothing where there are no weights."""
    found = weights_of(entry)
    if not found:
        return []
    intro = (
        "Licences, scores and recipes are those of the record in the package. [How weights are loaded](../guide/weights.md), "
        "[how images are predicted](../guide/predict.md), [all weights](weights.md)."
    )
    overview = [as_is(_overview(found))] if len(found) > 1 else []
    return ["## Pretrained weights", intro, *overview, *(card(weights) for weights in found)]


def short_scores(weights: WeightsEntry) -> dict[str, str]:
    """Returns the scores for a cell of a table: `{"mean Dice": "0.912 (val)"}`."""
    return {metric.name: f"{metric.value:.3f} ({metric.split})" for metric in weights.metrics}


def main_score(weights: WeightsEntry) -> str:
    """Returns the first score with its interval and what it was measured on, as HTML; nothing where there is none."""
    if not weights.metrics:
        return ""
    first = weights.metrics[0]
    interval = f" ({number_range(first.interval)})" if first.interval else ""
    images = f", {first.images} images" if first.images else ""
    return escape(f"{first.name} {first.value:.4f}{interval}, {first.split}{images}")


def _overview(found: tuple[WeightsEntry, ...]) -> str:
    rows = [
        (f'<a href="#{each.tag}">{each.tag}</a>', escape(each.task), main_score(each), escape(each.data), short_bytes(each.bytes))
        for each in found
    ]
    heads = ("weights", "task", "score (95 % interval)", "data", "file")
    return table(heads, rows, "Weights of this network", numbers=(4,))
