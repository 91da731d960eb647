"""The page that lists all published weights by task, with a picture for each task where there is one."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from pages.as_is import as_is
from pages.card import card, picture_html
from pages.template import NOTE
from pages.text import plain, table
from pages.weights import main_score
from zoo.analysis import analyze
from zoo.registry import info
from zoo.render.units import exact, short_bytes
from zoo.weights.library import all_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.entry import Entry
    from zoo.weights.entry import WeightsEntry

HEADS = ("weights", "network", "score (95 % interval)", "parameters", "file", "data", "licences")


def pretrained_page(entries: Iterable[Entry]) -> str:
    """Returns the page with a table of weights for each task.

    Args:
        entries: Those that have a page of their own; cards of the weights of others stand on this one.
    """
    listed = {entry.name for entry in entries}
    found = sorted(all_weights().values(), key=lambda weights: (weights.task or "~", weights.name))
    head = f"---\ntitle: Pretrained weights\nhide: [navigation, toc]\n---\n{NOTE}\n\n# Pretrained weights"
    tasks = list(dict.fromkeys(weights.task for weights in found))
    parts = [head, _intro(found)]
    for task in tasks:
        parts += _task(task, [weights for weights in found if weights.task == task], listed)
    apart = [weights for weights in found if weights.entry not in listed]
    if apart:
        parts.append("## Networks without a page\n\nThe catalog does not list these sizes, so their cards stand here.")
        parts += [card(weights, weights.name) for weights in apart]
    return "\n\n".join(parts) + "\n"


def _intro(found: Sequence[WeightsEntry]) -> str:
    if not found:
        return "None are published. [Train](../guide/train.md) says how to make your own."
    networks = len({weights.entry for weights in found})
    return (
        f"{len(found)} file{'s' * (len(found) > 1)} of weights for {networks} network{'s' * (networks > 1)}. Each leads to its "
        "card: data, licence, protocol, scores, training curve, failures, and how to make it again. "
        "[How weights are loaded](../guide/weights.md), [how images are predicted](../guide/predict.md)."
    )


def _task(task: str, found: Sequence[WeightsEntry], listed: set[str]) -> list[str]:
    """Returns heading and table of a task, and the picture of the first of its weights that have one."""
    title = task or "Other"
    rows = [_row(weights, listed) for weights in found]
    pictures = filter(None, (picture_html(weights, "typical") for weights in found))
    shown = next(pictures, "")
    return [
        f"## {plain(title[:1].upper() + title[1:])}",
        as_is(table(HEADS, rows, f"Weights for {title}", numbers=(3, 4)) + "\n" + shown),
    ]


def _row(weights: WeightsEntry, listed: set[str]) -> tuple[str, ...]:
    own = weights.entry in listed
    address = f"{weights.entry}.html#{weights.tag}" if own else f"#{weights.name}"
    network = f'<a href="{weights.entry}.html">{weights.entry}</a>' if own else weights.entry
    params = analyze(weights.config, input_shape=_concrete(weights)).params
    licences = escape(f"weights {weights.licence}, data {weights.data_licence}")
    return (
        f'<a href="{address}">{weights.tag}</a>',
        network,
        main_score(weights),
        exact(params),
        short_bytes(weights.bytes),
        escape(weights.data),
        licences,
    )


def _concrete(weights: WeightsEntry) -> tuple[int, ...]:
    """Returns the size at which the entry's numbers are stated, with the channels that the weights read."""
    return (*info(weights.entry).numbers.input_shape[:-1], int(weights.config.input_shape[-1] or 0))
