"""The page of a family's source, with an address for every line, and the link to where a network is built."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from pages.as_is import as_is
from pages.template import NOTE
from zoo.catalog import FAMILIES_FOLDER
from zoo.registry import builder_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.entry import Entry

PACKAGE = "zoo.architectures"


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
    return f"source/{module}.html#line-{line}"


def source_page(module: str, entries: Iterable[Entry]) -> str:
    """Returns the Markdown page, one folder below the entries' pages, with the whole file and links to its entries."""
    code = (Path(FAMILIES_FOLDER) / f"{module}.py").read_text(encoding="utf-8")
    links = ", ".join(f"[{entry.name}](../{entry.name}.md)" for entry in entries)
    parts = [
        f"---\ntitle: Source of {module}\nsearch: {{exclude: true}}\nhide: [navigation, toc]\n---\n{NOTE}",
        f"# Source of {module}",
        f"The file `zoo/architectures/{module}.py`, which describes and builds {links}.",
        as_is(code_html(code)),
    ]
    return "\n\n".join(parts) + "\n"


def code_html(code: str) -> str:
    """Returns Python code in the colours of the site's code, with a number and an id for each line: `line-1` and so on.

    `pymdownx.highlight` can give ids to lines, but then to those of every code of the site, some of them twice.
    """
    from pygments import highlight  # type: ignore[import-untyped]
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
    from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

    lines = highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip("\n").split("\n")
    width = len(str(len(lines)))
    numbered = (
        f'<span id="line-{number}"><span class="linenos" data-linenos="{number:>{width}} "></span>{line}\n</span>'
        for number, line in enumerate(lines, start=1)
    )
    return f'<div class="highlight zoo-source"><pre><span></span><code>{"".join(numbered)}</code></pre></div>'
