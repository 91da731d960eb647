"""The page of the study whether residual shortcuts pay: every sentence about results is made from its numbers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from pages.as_is import as_is
from pages.card import DOCS
from pages.plot import axis, columns, dot, frame, svg
from pages.study_numbers import ENOUGH, read_study
from pages.template import NOTE
from pages.text import SCORES, facts, table
from zoo.names import parse_name
from zoo.registry import info
from zoo.render.units import exact, shape_text, short_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pages.plot import Axis
    from pages.study_numbers import Network, Study, Verdict
    from zoo.entry import Entry

FILE = DOCS / "assets" / "study" / "residual.json"
COMMAND = "python scripts/study.py --data FOLDER"
LEFT, WIDTH, TOP, ROW = 204, 760, 34, 34
"""Pixels of the figure: room for names, its width, room above, height of a row."""


def residual_page(_: Iterable[Entry] = ()) -> str:
    """Returns the page of the study that is stored, or one that says that there is none."""
    return study_page(read_study(FILE))


def study_page(study: Study | None) -> str:
    """Returns the page."""
    head = f"---\ntitle: Do residual shortcuts pay?\n---\n{NOTE}\n\n# Do residual shortcuts pay?"
    again = (
        f"## Run it again\n\n```console\n$ {COMMAND}\n```\n\nFOLDER has the nuclei data. Finished runs are kept; stopped at any "
        "moment, the same command goes on."
    )
    if study is None or not study.seeds:
        finished = f" Runs that are finished: {len(study.runs)}, but of no seed all." if study else ""
        return "\n\n".join((head, f"The study has not been run yet.{finished}", again)) + "\n"
    parts = [
        head,
        _question(study),
        f"**{conclusion(study)}** {findings(study)}",
        as_is(figure(study)),
        as_is(table_html(study)),
        f"## How far this goes\n\n{_bullets(limits(study))}",
        f"## What was held equal\n\n{_bullets(equal(study))}",
        as_is(facts(_made(study), "How the study was made")),
        again,
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _question(study: Study) -> str:
    done, planned = len(study.seeds), len(study.planned)
    seeds = f"{done} of {planned} seeds" if done < planned else f"{done} seeds"
    more = len(study.runs) - done * len(study.networks)
    rest = f" {more} more runs are finished and not shown, as their seeds are not complete." if more else ""
    return (
        f"The same short training on nuclei for {len(study.networks)} networks of about equal numbers of parameters, {seeds} "
        f"each. `{study.plain.name}` is the plain one; the others are residual.{rest}"
    )


def conclusion(study: Study) -> str:
    """Returns the answer in one sentence, as far as the seeds allow one."""
    if len(study.seeds) < ENOUGH:
        return f"Too few seeds for an answer: {len(study.seeds)} so far, {ENOUGH} are needed."
    above, below, mixed = (_of(study, verdict) for verdict in ("above", "below", "mixed"))
    if not (above or below):
        return "These runs do not tell: the seeds of every residual network overlap with those of the plain one."
    if not (below or mixed):
        return "Yes, at this budget: every residual network is above the plain one, whichever seeds are compared."
    if not above:
        return "Not clearly, at this budget: no residual network is above the plain one whichever seeds are compared."
    if not below:
        return f"For some, at this budget: {_counted(above, study)} above the plain one whichever seeds are compared."
    counted = _counted(above, study)
    return f"It depends on the network: {counted} above the plain one whichever seeds are compared, {len(below)} below."


def _counted(networks: Sequence[Network], study: Study) -> str:
    return f"{len(networks)} of {len(study.others)} residual networks {'is' if len(networks) == 1 else 'are'}"


def findings(study: Study) -> str:
    """Returns the comparison of each network with the plain one in words."""
    ranked = study.ranked()
    place = ranked.index(study.plain) + 1
    plain = f"the plain one is number {place} of {len(ranked)} with {study.mean(study.plain):.4f}"
    first = f"The highest mean {_name(study)} is that of `{ranked[0].name}`, {study.mean(ranked[0]):.4f}"
    texts = [f"{first}; {'it is the plain one' if place == 1 else plain}."]
    if len(study.seeds) >= ENOUGH:
        phrases: dict[Verdict, str] = {
            "above": "Above it whichever seeds are compared",
            "below": "Below it whichever seeds are compared",
            "mixed": "Not to be told from it, as the seeds overlap",
        }
        found = {phrase: _of(study, verdict) for verdict, phrase in phrases.items()}
        texts += [f"{phrase}: {_listed(study, networks)}." for phrase, networks in found.items() if networks]
        texts.append(paired(study))
    return " ".join([*texts, "In brackets: difference of the means." if len(texts) > 1 else ""]).strip()


def paired(study: Study) -> str:
    """Returns how often each network is above the plain one with the same seed."""
    count = len(study.seeds)
    parts = []
    for wins in range(count, -1, -1):
        names = [f"`{network.name}`" for network in study.ranked() if network in study.others and study.wins(network) == wins]
        parts += [f"{wins} of {count} for {', '.join(names)}"] if names else []
    return (
        f"Seed by seed, where both saw the same crops, a residual network is above the plain one in {'; '.join(parts)}. "
        f"Of two equal networks the one is above the other in all {count} in 1 of {2**count} cases."
    )


def _of(study: Study, verdict: Verdict) -> list[Network]:
    return [network for network in study.ranked() if network is not study.plain and study.verdict(network) == verdict]


def _listed(study: Study, networks: Iterable[Network]) -> str:
    return ", ".join(f"`{network.name}` ({signed(study.gain(network))})" for network in networks)


def signed(value: float) -> str:
    """Returns a difference with its sign: `"+0.0123"`, `"−0.0040"`."""
    return f"{value:+.4f}".replace("-", "−")


def _name(study: Study) -> str:
    return SCORES.get(study.monitor, study.monitor)


def limits(study: Study) -> Iterator[str]:
    """Yields what must not be read out of the numbers."""
    if len(study.seeds) > 1:
        gains = [study.gain(network) for network in study.others]
        yield (
            f"Two seeds of one network differ by up to {study.widest():.4f}; the means differ from the plain one's by "
            f"{signed(min(gains))} to {signed(max(gains))}."
        )
    if len(study.seeds) >= ENOUGH:
        yield (
            f"With {len(study.seeds)} seeds each, chance alone puts every seed of one network above every seed of an equal one "
            f"in 1 of {study.chance()} cases, and {len(study.others)} networks are compared with the plain one."
        )
        changed = [network for network in study.others if study.verdict(network, "last") != study.verdict(network)]
        words = {"above": "above", "below": "below", "mixed": "overlapping"}
        now = ", ".join(f"`{network.name}` is {words[study.verdict(network, 'last')]}" for network in changed)
        yield (
            f"The best round of a run is chosen on the images that it is scored on, for all by the same rule; judged by the last "
            f"round {f'it is different: {now}' if changed else 'every comparison with the plain one comes out the same'}."
        )
    bare = [f"`{network.name}`" for network in study.networks if not network.normalised]
    if bare:
        yield f"Not normalised: {', '.join(bare)}; all others are, so that a difference to them may come from that."
    yield (
        "The networks differ in more than their shortcuts: in the order of normalisation and activation, in how they change "
        "resolution, in gates. It is one data set, one recipe tuned for none of them, and a short training; long ones may end "
        "differently."
    )


def equal(study: Study) -> Iterator[str]:
    """Yields what was the same for all networks, and how far what could not be."""
    training, plain = study.recipe["training"], study.plain
    yield f"Data and split: {study.images} images of val for the scores, whole, never cropped."
    yield (
        f"Recipe: {training['steps']:,} steps of {training['batch']} crops of {shape_text(training['crop'])}, "
        f"loss {training['loss']['name']}, learning rate {training['learning_rate']:g}; scores after each of "
        f"{training['rounds']} rounds. With the same seed all networks see the same crops in the same order."
    )
    off = [network.params / plain.params - 1 for network in study.others]
    yield f"Trainable parameters: {_percent(min(off))} to {_percent(max(off))} against the plain network's {exact(plain.params)}."
    macs = [network.macs for network in study.networks]
    ratio = f"{max(macs) / min(macs):.2f} times as many"
    yield f"Not equal: MACs for a crop, {short_count(min(macs))} to {short_count(max(macs))}, {ratio}."
    for network in study.networks:
        if network.overrides:
            fields = ", ".join(f"{name}={value!r}" for name, value in network.overrides.items())
            yield f"`{network.name}` has `{fields}`, which is not its default."


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


def figure(study: Study) -> str:
    """Returns the figure: a row for each network, the best at the top, a dot for each seed and a line at the mean."""
    ranked = study.ranked()
    bottom = TOP + ROW * len(ranked)
    x = axis([value for network in ranked for value in study.scores(network)], LEFT, WIDTH - 24)
    y = axis([0, 1], bottom, TOP)
    parts = [frame(x, y), *columns(x, bottom, TOP)]
    parts.append(f'<text class="t" x="{LEFT}" y="18">{_name(study)} on val: a dot for each seed, a line at the mean</text>')
    for place, network in enumerate(ranked):
        parts += _figure_row(study, network, x, TOP + ROW * place + ROW // 2)
    means = ", ".join(f"{network.name} {study.mean(network):.4f}" for network in ranked)
    label = f"Mean {_name(study)} on val over {len(study.seeds)} seeds: {means}"
    drawn = svg(WIDTH, bottom + 28, label, parts)
    return f'<div class="zoo-scroll zoo-study" tabindex="0" role="region" aria-label="Figure of the study">\n{drawn}\n</div>'


def _figure_row(study: Study, network: Network, x: Axis, y: int) -> list[str]:
    mean, css = x.at(study.mean(network)), "b" if network is study.plain else "a"
    dots = [
        dot((x.at(run.best[study.monitor]), y), f"k {css}", f"seed {run.seed}: {run.best[study.monitor]:.4f}", 4)
        for run in study.runs_of(network)
    ]
    name = f'<text class="e i" x="{LEFT - 10}" y="{y + 4}">{escape(network.name)}</text>'
    return [name, f'<path class="m {css}" d="M{mean} {y - 11}v22"/>', *dots]


def table_html(study: Study) -> str:
    """Returns the table, a row for each network, the best first."""
    heads = ("network", "parameters", "MACs", f"{_name(study)}, mean ± s.d.", "against plain", "last round", "IoU", "minutes")
    rows = [_row(study, network) for network in study.ranked()]
    return table(heads, rows, "Table of the study", numbers=(1, 2, 3, 4, 5, 6, 7))


def _row(study: Study, network: Network) -> Sequence[str]:
    spread = f" ± {study.spread(network):.4f}" if len(study.seeds) > 1 else ""
    runs = study.runs_of(network)
    return (
        f"{_linked(network.name)}<small>{escape(info(network.name).summary)}</small>",
        exact(network.params),
        short_count(network.macs),
        f"{study.mean(network):.4f}{spread}",
        "" if network is study.plain else signed(study.gain(network)),
        f"{study.mean(network, when='last'):.4f}",
        f"{study.mean(network, 'iou'):.4f}",
        f"{sum(run.minutes for run in runs) / len(runs):.1f}",
    )


def _linked(name: str) -> str:
    """Returns a name whose base leads to the page of its family's default size."""
    base, _ = parse_name(name)
    return f'<a href="{info(base).name}.html">{base}</a>{name.removeprefix(base)}'


def _made(study: Study) -> Iterator[tuple[str, str]]:
    yield "every number", '<a href="../assets/study/residual.json">residual.json</a>'
    yield "recipe", f"<code>recipes/{escape(study.recipe_file)}</code>"
    yield "checksum of the data", f"<code>{escape(study.data)}</code>"
    yield "machine", escape("; ".join(study.machines))
    yield "commit", ", ".join(f"<code>{escape(commit)}</code>" for commit in study.commits)
    yield "versions", escape("; ".join(study.versions))
