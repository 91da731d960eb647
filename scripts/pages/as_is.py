"""HTML that passes through mkdocs as it is, past the Markdown parser and the index of the search, which take long over it.

A page puts such a part between two comments; `scripts/mkdocs_hooks.py` takes the part out before the page is read and puts
it back when the page is done. Without the hook mkdocs takes its time and makes the same page.
"""

from __future__ import annotations

import re

OPEN, CLOSE = "<!-- as is -->", "<!-- end as is -->"
_PART = re.compile(rf"^{OPEN}\n(.*?)\n{CLOSE}$", flags=re.DOTALL | re.MULTILINE)
_HOLE = re.compile(r"<!-- as is (\d+) -->")
_ID = re.compile(r"""\sid=["']([^"']+)["']""")


def as_is(html: str) -> str:
    """Returns a block for a Markdown page; its text is not found by the search, and `.md` in its links is not resolved."""
    return f"{OPEN}\n{html.strip()}\n{CLOSE}"


def take_out(markdown: str) -> tuple[str, list[str]]:
    """Returns the page with a hole for each part, and the parts."""
    parts: list[str] = []

    def hole(match: re.Match[str]) -> str:
        parts.append(match[1])
        return f"<!-- as is {len(parts) - 1} -->"

    return _PART.sub(hole, markdown), parts


def put_back(html: str, parts: list[str]) -> str:
    """Returns the finished page with the parts in their holes."""
    return _HOLE.sub(lambda match: parts[int(match[1])], html) if parts else html


def ids_in(parts: list[str]) -> set[str]:
    """Returns the ids in the parts, to which links may lead."""
    return {name for part in parts for name in _ID.findall(part)}
