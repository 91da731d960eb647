"""The page of a family's source, with an address for every line, and the link to where a network is built."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pages.template import NOTE
from zoo.catalog import FAMILIES_FOLDER
from zoo.registry import builder_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.entry import Entry

PACKAGE = "zoo.architectures"

LINE = "#__codelineno-0-"
"""Fragment that `pymdownx.highlight` gives to the lines of the first code of a page, before the number of the line."""


def family_module(entry: Entry) -> str | None:
    """Returns the name of the file in `zoo/architectures` that defines and builds an entry; None for one of another package."""
    package, _, module = builder_of(entry.config).__module__.rpartition(".")
    return module if package == PACKAGE and type(entry.config).__module__ == f"{package}.{module}" else None


def builder_link(entry: Entry) -> str:
    """Returns the address, from the entry's page in the built site, of the line where its `build` starts; empty if unknown.

    It is for `href` in HTML and SVG, which mkdocs leaves as they are. Entries of other packages have no such page.
    """
    module = family_module(entry)
    if module is None:
        return ""
    _, line = inspect.getsourcelines(inspect.unwrap(builder_of(entry.config)))
    return f"source/{module}.html{LINE}{line}"


def source_page(module: str, entries: Iterable[Entry]) -> str:
    """Returns the Markdown page, one folder below the entries' pages, with the whole file and links to its entries."""
    code = (Path(FAMILIES_FOLDER) / f"{module}.py").read_text(encoding="utf-8")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    links = ", ".join(f"[{entry.name}](../{entry.name}.md)" for entry in entries)
    parts = [
        f"---\ntitle: Source of {module}\nsearch: {{exclude: true}}\nhide: [navigation, toc]\n---\n{NOTE}",
        f"# Source of {module}",
        f"The file `zoo/architectures/{module}.py`, which describes and builds {links}.",
        f'{fence} {{ .python linenums="1" }}\n{code.rstrip()}\n{fence}',
    ]
    return "\n\n".join(parts) + "\n"
