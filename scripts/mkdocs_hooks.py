"""What mkdocs does beyond its plug-ins: HTML that passes as it is, and a search that works in pages opened from disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.plugins import event_priority
from pages.as_is import ids_in, put_back, take_out

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

_parts: dict[str, list[str]] = {}


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Takes out what is HTML already."""
    text, _parts[page.file.src_uri] = take_out(markdown)
    return text


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Tells mkdocs, which looks whether links lead to an id, of the ids in what was taken out."""
    page.present_anchor_ids = (page.present_anchor_ids or set()) | ids_in(_parts[page.file.src_uri])
    return html


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Puts back what was taken out, and names the theme's search dialog, as every dialog needs a name."""
    return put_back(output.replace('role="dialog">', 'role="dialog" aria-label="Search">'), _parts[page.file.src_uri])


@event_priority(-100)  # after the search has written its index
def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Writes the index of the search as a script, too: a page opened from disk may load scripts but no data.

    Material's own script asks for it there, under this name. `docs/assets/search.js` is the other half.
    """
    index = Path(config.site_dir) / "search" / "search_index.json"
    data = json.loads(index.read_text(encoding="utf-8"))
    data["config"]["fields"]["title"]["boost"] = 3  # by default a word in any title outweighs the whole title of a paper
    index.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
    index.with_suffix(".js").write_text(f"var __index = {index.read_text(encoding='utf-8')}", encoding="utf-8")
