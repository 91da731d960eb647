"""What a page of the site names: the ids in it, and the addresses that it links to or loads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

if TYPE_CHECKING:
    from pathlib import Path

XLINK = "{http://www.w3.org/1999/xlink}"
# Values of rel of a <link> that loads something; the others only say something.
LOADING = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "prev", "next"}


@dataclass
class Links:
    """Of one page.

    Attributes:
        ids: Everything that a fragment can lead to.
        repeated: Ids that stand more than once.
        targets: Addresses of links.
        loaded: Addresses of scripts, styles, pictures and frames, which a browser asks for by itself.
        scripts: Those of `loaded` that are scripts.
    """

    ids: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    targets: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links = Links()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        for name in {values.get("id"), values.get("name") if tag == "a" else None} - {None, ""}:
            (self.links.repeated if name in self.links.ids else self.links.ids).add(name)
        if tag in ("a", "area", "use"):
            self.links.targets += [values[key] for key in ("href", "xlink:href") if key in values]
        elif tag == "link":
            loads = LOADING & set(values.get("rel", "").split())
            (self.links.loaded if loads else self.links.targets).append(values.get("href", ""))
        elif tag in ("script", "img", "iframe", "source", "object", "embed", "image"):
            addresses = [values[key] for key in ("src", "data", "href", "xlink:href") if key in values]
            self.links.loaded += addresses
            self.links.scripts += addresses if tag == "script" else []


@cache
def links_of(page: Path) -> Links:
    """Returns what a page or an SVG file names."""
    parser = _Parser()
    if page.suffix == ".svg":  # ten times as fast, which large graphs need
        for _, element in ElementTree.iterparse(page):
            attributes = [(name.replace(XLINK, "xlink:"), value) for name, value in element.attrib.items()]
            parser.handle_starttag(element.tag.rpartition("}")[2], attributes)
        return parser.links
    parser.feed(page.read_text(encoding="utf-8"))
    parser.close()
    return parser.links


def defect(site: Path, page: Path, address: str, loaded: bool) -> str | None:
    """Returns what is wrong with an address that stands in a page, or None.

    Addresses of other hosts are for readers to follow and are not followed here; nothing may be loaded from one.
    """
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        outside = parts.scheme not in ("data", "blob") and loaded
        return f"loads {address} from elsewhere" if outside else None
    if parts.path.startswith("/"):
        return f"{address} fails where the site is under a sub-path or in a folder"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        return f"{address} is a folder, which a site on disk cannot open"
    if not target.is_file() or site not in target.parents:
        return f"{address} leads to no file of the site"
    fragment = unquote(parts.fragment)
    if fragment and target.suffix in (".html", ".svg") and fragment not in links_of(target).ids:
        return f"{address} leads to no id on that page"
    return None
