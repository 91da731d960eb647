"""Takes pictures of the built site: ten entries, home, catalog and compare, light and dark, at two widths.

    python scripts/screenshots.py FOLDER                    pictures of site/, which `make site` builds
    python scripts/screenshots.py FOLDER --whole --only compare index

A picture is named PAGE-SCHEME-WIDTH.png; it shows a window's first screens, or the whole page with `--whole`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from rich.console import Console
from rich.progress import track

import zoo
from zoo.errors import ZooError

sys.path.insert(0, str(Path(__file__).parent))
from chromium import find_chromium, launch, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SITE = Path(__file__).parent.parent / "site"
ENTRIES = (
    "resunet-v1-d5-f64",
    "resunet-v2-d5-f64",
    "resunet-v1-3d-d4-f16",
    "resnet34-unet",
    "resunet-plus-plus",
    "resunet-a",
    "unet3plus",
    "attention-resunet",
    "resenc-unet-3d",
    "multiresunet",
)
"""Entries that differ in what is hard to draw: depth, axes, skips, gates, extra heads."""
PAGES = {"home": "index.html", "catalog": "models/index.html", "compare": "models/compare.html"}
HEIGHTS = {1280: 2000, 390: 1700}
"""Heights of the window by its width, in pixels: a screen of a desk, a screen of a phone, each twice."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture to take.

    Attributes:
        name: Of the page in the picture's file name.
        path: Of the page in the site.
        scheme: Which of the two palettes.
        width: Of the window, in pixels.
    """

    name: str
    path: str
    scheme: Literal["light", "dark"]
    width: int


def pages() -> dict[str, str]:
    """Returns the paths of all pages of which pictures are taken, by name."""
    return PAGES | {name: f"models/{name}.html" for name in (zoo.info(name).name for name in ENTRIES)}


def shots(paths: dict[str, str]) -> list[Shot]:
    """Returns the pictures of some pages in both palettes and all widths."""
    found = product(paths.items(), ("light", "dark"), HEIGHTS)
    return [
        Shot(name=name, path=path, scheme=cast("Literal['light', 'dark']", scheme), width=width)
        for (name, path), scheme, width in found
    ]


def take(browser: Browser, address: str, shot: Shot, folder: Path, whole: bool) -> Path:
    """Takes one picture; returns its file.

    Raises:
        ZooError: The site has no such page.
    """
    page = browser.new_page(
        viewport={"width": shot.width, "height": HEIGHTS[shot.width]}, color_scheme=shot.scheme, reduced_motion="reduce"
    )
    answer = page.goto(address + shot.path, wait_until="networkidle")
    if answer is None or not answer.ok:
        page.close()
        message = f"the site has no page {shot.path}; run `make site`, or name a folder by --site"
        raise ZooError(message)
    file = folder / f"{shot.name}-{shot.scheme}-{shot.width}.png"
    page.screenshot(path=file, full_page=whole)
    page.close()
    return file


def main() -> int:
    """Takes the pictures; returns the exit status."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the pictures go; made if it is not there")
    parser.add_argument("--site", type=Path, default=SITE, help="the built site (default: site/)")
    parser.add_argument(
        "--only", nargs="+", metavar="PAGE", help="home, catalog, compare, an entry, or a page's path in the site"
    )
    parser.add_argument("--whole", action="store_true", help="whole pages, however long")
    args = parser.parse_args()
    known = pages()
    chosen = known if args.only is None else {Path(name).stem: known.get(name, name) for name in args.only}
    args.folder.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    todo = shots(chosen)
    with served(args.site) as address, sync_playwright() as playwright:
        browser = launch(playwright)
        for shot in track(todo, description="taking pictures", console=console, disable=not console.is_terminal):
            take(browser, address, shot, args.folder, args.whole)
        browser.close()
    print(f"{args.folder}: {len(todo)} pictures of {len(chosen)} pages")
    return 0


if __name__ == "__main__":
    try:
        find_chromium()
        sys.exit(main())
    except ZooError as error:
        sys.exit(f"error: {error}")
