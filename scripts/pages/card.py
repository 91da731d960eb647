"""The card of published weights, from its record: use, scores, curve, failures, others' scores, data, how to make it again."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from pages.as_is import as_is
from pages.curve import curve_html
from pages.text import SCORES, facts, link, number_range, plain, table
from zoo.registry import info

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.weights.entry import Metric, Recipe, WeightsEntry

DOCS = Path(__file__).resolve().parents[2] / "docs"
RECIPE_FILE = re.compile(r"recipes/([\w.-]+)\.toml")


PICTURES = {
    "worst": ("with the lowest Dice", "Not typical: the images of val with the lowest Dice, the worst at the top."),
    "typical": ("around the median Dice", "Typical: the images of val whose Dice is nearest to the median."),
}
"""Which images of val are shown of weights: in words, and what the caption says first."""


def picture_file(name: str, which: str) -> Path:
    """Returns where the picture of the worst or of typical images is, if there is one."""
    return DOCS / "assets" / "weights" / f"{name}.{which}.jpg"


def card(weights: WeightsEntry, name: str = "") -> str:
    """Returns the Markdown of a card; what the record does not say is left out.

    Args:
        weights: What it is about.
        name: Its title, with which its ids begin; by default the tag, which is enough among the weights of one network.
    """
    default = " (default)" if weights.default else ""
    tag = name or weights.tag
    parts = [
        f"### {tag}{default} {{ #{tag} }}",
        plain(weights.summary),
        usage(weights),
        *_titled("Scores", "scores", tag, as_is(scores_html(weights)) if weights.metrics else ""),
        *_titled("What they fail on", "failures", tag, failures(weights)),
        *_titled("Training", "training", tag, as_is(curve) if (curve := _curve(weights)) else ""),
        *_titled("Ours and published", "published", tag, as_is(published_html(weights)) if weights.published else ""),
        *_titled("Data, licence, file", "data", tag, as_is(facts(_about(weights), f"Data, licence and file of {weights.name}"))),
        as_is(making_html(weights, weights.recipe)) if weights.recipe else "",
    ]
    return "\n\n".join(filter(None, parts))


def usage(weights: WeightsEntry) -> str:
    """Returns how the weights are used, in Python and on the command line."""
    image = "scan.nii.gz" if info(weights.entry).ndim == 3 else "image.png"
    return (
        f'```python\nimport zoo\n\nclasses = zoo.predict(zoo.get("{weights.name}"), "{image}")\n```\n\n'
        f"```console\n$ zoo predict {image} --model {weights.name} --overlay overlay.png\n```"
    )


def scores_html(weights: WeightsEntry) -> str:
    """Returns the table of the scores."""
    rows = [
        (escape(each.name), f"{each.value:.4f}", number_range(each.interval), _measured_on(each), escape(each.protocol))
        for each in weights.metrics
    ]
    heads = ("score", "value", "95 % interval", "on", "protocol")
    return table(heads, rows, f"Scores of {weights.name}", numbers=(1, 2))


def _measured_on(metric: Metric) -> str:
    images = f", {metric.images} images" if metric.images else ""
    return escape(f"{metric.data}, {metric.split}{images}")


def failures(weights: WeightsEntry) -> str:
    """Returns what the weights fail on, and the picture of the worst images where there is one."""
    listed = "\n".join(f"- {plain(text)}" for text in weights.weaknesses)
    return "\n\n".join(filter(None, [listed, as_is(picture) if (picture := picture_html(weights, "worst")) else ""]))


def picture_html(weights: WeightsEntry, which: str) -> str:
    """Returns the picture of the worst or of typical images, or nothing where there is none."""
    from PIL import Image

    path = picture_file(weights.name, which)
    if not path.is_file():
        return ""
    with Image.open(path) as picture:
        width, height = picture.size
    words, begin = PICTURES[which]
    alt = f"The images of val {words} of {weights.name}, a row for each: the image, the truth, what was found"
    caption = f"{begin} From left to right: image, truth, found. Images: {weights.data}, {weights.data_licence}."
    return (
        f'<figure class="zoo-results"><img src="../assets/weights/{escape(path.name)}" width="{width}" height="{height}" '
        f'loading="lazy" alt="{escape(alt)}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _curve(weights: WeightsEntry) -> str:
    return curve_html(weights.recipe, weights.name) if weights.recipe else ""


def published_html(weights: WeightsEntry) -> str:
    """Returns our scores over all classes beside those of others, and why they differ in more than the network."""
    classes = tuple(f", {name}" for name in weights.classes)
    ours = [
        (f"<b>{escape(weights.name)}</b>", escape(each.name), f"{each.value:.4f}", f"this page: {_measured_on(each)}", "–")
        for each in weights.metrics
        if not each.name.endswith(classes)
    ]
    others = [
        (escape(each.model), escape(each.metric), f"{each.value:.4f}", link(each.source, each.source), escape(each.difference))
        for each in weights.published
    ]
    heads = ("network", "score", "value", "source", "not comparable because")
    return table(heads, [*ours, *others], f"Scores of {weights.name} and published ones", numbers=(2,))


def _about(weights: WeightsEntry) -> Iterator[tuple[str, str]]:
    prepare = weights.preprocessing
    yield "classes", ", ".join(_classes(weights))
    if prepare:
        yield "images", escape(f"{', '.join(prepare.channels)}; scaling {prepare.scaling}; normalisation {prepare.normalisation}")
    if weights.mirror_axes is not None:
        axes = ", ".join(map(str, weights.mirror_axes))
        yield "mirror images in training", f"along axes {axes}" if axes else "none"
    yield "trained on", link(weights.data_url, weights.data)
    yield "licence of the data", escape(weights.data_licence)
    yield "licence of the weights", escape(weights.licence)
    yield "cite", escape(weights.citation)
    yield "file", f"{weights.bytes:,} bytes, {escape(weights.dtype)}, SHA-256 <code>{weights.sha256}</code>"


def _classes(weights: WeightsEntry) -> Iterator[str]:
    """Yields the names of the classes, each with the colour of its mask."""
    palette = [*weights.palette, *[None] * (len(weights.classes) - len(weights.palette))]
    for name, colour in zip(weights.classes, palette, strict=True):
        red, green, blue = colour or (0, 0, 0)
        swatch = f'<span class="zoo-swatch" style="background:rgb({red},{green},{blue})"></span>' if colour else ""
        yield swatch + escape(name)


def making_html(weights: WeightsEntry, recipe: Recipe) -> str:
    """Returns how the weights are made again, folded away."""
    minutes = f"{recipe.minutes:g} minutes" if recipe.minutes else ""
    rows = [
        ("made in", escape(" on ".join(filter(None, (minutes, recipe.machine))))),
        ("commit", f"<code>{escape(recipe.commit)}</code>" if recipe.commit else ""),
        ("versions", escape(", ".join(recipe.versions))),
        ("checksum of the data", f"<code>{escape(recipe.data_sha256)}</code>" if recipe.data_sha256 else ""),
    ]
    settings = _settings(recipe)
    every = f"<p>Every setting:</p>\n<pre><code>{escape(settings)}</code></pre>" if settings else ""
    commands = escape("\n".join(_commands(weights, recipe)))
    return (
        f"<details><summary>How to make {weights.name} again</summary>\n<p>FOLDER is where the data is.</p>\n"
        f"<pre><code>{commands}</code></pre>\n{repeats_html(weights, recipe)}\n"
        f"{facts(rows, f'How {weights.name} was made')}\n{every}\n</details>"
    )


def repeats_html(weights: WeightsEntry, recipe: Recipe) -> str:
    """Returns how near further trainings came, or that there was none."""
    if not weights.repeats or not recipe.curve:
        return "<p>No second training by this recipe was recorded, so how near one comes was not measured.</p>"
    first = max(row[2] for row in recipe.curve)
    rows = [
        (
            f"<code>{escape(' '.join(each.changes))}</code>" if each.changes else "no change",
            f"{each.score:.4f}",
            f"{each.score - first:+.4f}",
            "those of the file, to the last bit" if each.same_weights else "others",
            escape(", ".join(filter(None, (each.machine, *each.versions)))),
        )
        for each in weights.repeats
    ]
    score = f"{SCORES.get(recipe.monitor, recipe.monitor)} on val"
    heads = ("trained again with", score, "difference", "weights", "on")
    return table(heads, rows, f"Further trainings by the recipe of {weights.name}", numbers=(1, 2))


def _commands(weights: WeightsEntry, recipe: Recipe) -> Iterator[str]:
    """Yields the commands that train, score and publish; a record without the data's table needs the recipe for the scores."""
    found = RECIPE_FILE.search(recipe.command)
    run = f"runs/{found[1]}" if found else "RUN"
    reads = f" --recipe {found[0]}" if found and '"image"' not in recipe.settings else ""
    yield recipe.command
    yield f"python scripts/evaluate.py {weights.name} --data FOLDER{reads}"
    yield f"python scripts/publish_weights.py {run} --tag {weights.tag} --data FOLDER"


def _settings(recipe: Recipe) -> str:
    """Returns the settings as indented JSON, or as they are where they are not JSON."""
    try:
        return json.dumps(json.loads(recipe.settings), indent=1, ensure_ascii=False)
    except ValueError:
        return recipe.settings


def _titled(title: str, key: str, tag: str, body: str) -> tuple[str, ...]:
    return (f"#### {title} {{ #{tag}-{key} }}", body) if body else ()
