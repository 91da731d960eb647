"""What is generated: the files of an entry, the pages about the whole catalog, the source of each family.

A new kind of file is one line in one of the three tables.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

from pages.catalog import catalog_page
from pages.compare import compare_page, layers_file
from pages.data import data_file
from pages.entry import entry_page
from pages.pretrained import pretrained_page
from pages.source import family_module, source_page
from pages.study import residual_page

import zoo
from rendering.cache import Job
from zoo.analysis import report
from zoo.analysis.graph import trace
from zoo.analysis.structure import place
from zoo.catalog import stored_numbers
from zoo.registry import build_weightless
from zoo.render.diagram import draw
from zoo.render.dot import draw_dot, keras_dot
from zoo.render.svg import to_svg
from zoo.terminal import load_keras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rendering.keys import Keys
    from zoo.analysis import Report
    from zoo.entry import Entry


@dataclass(frozen=True, kw_only=True)
class Network:
    """An entry with its network at the size at which its numbers are stated, built and analysed once for all its files."""

    entry: Entry

    @cached_property
    def model(self) -> Any:
        """The Keras model, without weights."""
        return build_weightless(self.entry.config.replace(input_shape=self.entry.analysis_shape))

    @cached_property
    def report(self) -> Report:
        """Its numbers."""
        return report(place(trace(self.model)))


ENTRY_FILES: dict[str, Callable[[Network], str | bytes]] = {
    "{}.md": lambda network: entry_page(network.entry, network.report),
    "{}.svg": lambda network: to_svg(draw(network.report)),
    "{}-graph.svg": lambda network: draw_dot(keras_dot(network.model), "svg"),
    "data/{}.js": lambda network: data_file(network.entry, network.report),
    "data/{}.layers.js": lambda network: layers_file(network.entry, network.report),
}

CATALOG_FILES: dict[str, Callable[[Sequence[Entry]], str | bytes]] = {
    "index.md": catalog_page,
    "compare.md": compare_page,
    "residual.md": residual_page,
    "weights.md": pretrained_page,
}

FAMILY_FILES: dict[str, Callable[[str, Sequence[Entry]], str | bytes]] = {
    "source/{}.md": source_page,
}


def entry_files(entry: Entry) -> dict[str, bytes]:
    """Returns the files of one entry by name; this loads Keras."""
    _load_keras()
    network = Network(entry=entry)
    return {name.format(entry.name): _bytes(make(network)) for name, make in ENTRY_FILES.items()}


def catalog_file(name: str, entries: Sequence[Entry]) -> dict[str, bytes]:
    """Returns one file about the whole catalog."""
    if any(stored_numbers(entry) is None for entry in entries):
        _load_keras()
    return {name: _bytes(CATALOG_FILES[name](entries))}


def family_files(module: str, entries: Sequence[Entry]) -> dict[str, bytes]:
    """Returns the files about one file of `zoo/architectures`."""
    return {name.format(module): _bytes(make(module, entries)) for name, make in FAMILY_FILES.items()}


def listed_entries() -> tuple[Entry, ...]:
    """Returns every entry of the catalog."""
    return tuple(zoo.info(name) for name in zoo.list_models())


def entry_job(entry: Entry, keys: Keys) -> Job:
    """Returns the job that makes an entry's files."""
    numbers = stored_numbers(entry)
    return Job(
        name=entry.name,
        names=tuple(name.format(entry.name) for name in ENTRY_FILES),
        make=partial(entry_files, entry),
        key=keys.entry(entry),
        cost=numbers.layers if numbers else 10**6,
    )


def catalog_jobs(entries: Sequence[Entry], keys: Keys) -> list[Job]:
    """Returns the jobs that make the pages about the whole catalog."""
    key = keys.whole(entries)
    return [Job(name=name, names=(name,), make=partial(catalog_file, name, entries), key=key) for name in CATALOG_FILES]


def family_jobs(entries: Iterable[Entry], keys: Keys) -> list[Job]:
    """Returns the jobs that make the pages of the families' sources."""
    members: dict[str, list[Entry]] = {}
    for entry in entries:
        module = family_module(entry)
        if module is not None:
            members.setdefault(module, []).append(entry)
    return [
        Job(
            name=f"source of {module}",
            names=tuple(name.format(module) for name in FAMILY_FILES),
            make=partial(family_files, module, tuple(family)),
            key=keys.family(module, family),
        )
        for module, family in members.items()
    ]


@cache
def _load_keras() -> None:
    load_keras()
    gc.collect()
    gc.freeze()  # Keras and TensorFlow stay: not searching them for garbage saves a fifth of the time


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
