"""The files of the site, without a browser: every link leads somewhere, nothing is loaded from elsewhere, scripts are small."""

from __future__ import annotations

import pytest
from links import defect, links_of

import zoo

MOST_SCRIPT = 50_000  # bytes: what a page may load of scripts that are not the theme's


def test_every_entry_has_its_page(site):
    assert [name for name in zoo.list_models() if not (site / "models" / f"{name}.html").is_file()] == []


def test_every_link_and_file_of_every_page_is_there(site, pages):
    wrong = {}
    for page in pages:
        links = links_of(page)
        found = [defect(site, page, address, loaded=False) for address in links.targets]
        found += [defect(site, page, address, loaded=True) for address in links.loaded]
        if found := sorted(set(found) - {None}):
            wrong[str(page.relative_to(site))] = found
    assert wrong == {}


def test_links_of_pictures_lead_somewhere(site):
    pictures = sorted((site / "models").glob("*.svg"))
    wrong = {path.name: {defect(site, path, target, loaded=False) for target in links_of(path).targets} for path in pictures}
    assert {name: found - {None} for name, found in wrong.items() if found - {None}} == {}


def test_no_page_has_an_id_twice(site, pages):
    assert {str(page.relative_to(site)): ids for page in pages if (ids := links_of(page).repeated)} == {}


def test_no_page_loads_much_script_besides_the_themes(site, pages):
    sizes = {}
    for page in pages:
        own = {(page.parent / address).resolve() for address in links_of(page).scripts if "://" not in address}
        own = {path for path in own if "javascripts" not in path.parts and path.parent.name not in ("data", "search")}
        sizes[str(page.relative_to(site))] = sum(path.stat().st_size for path in own if path.is_file())
    assert {page: size for page, size in sizes.items() if size > MOST_SCRIPT} == {}


@pytest.mark.parametrize(
    ("address", "loaded", "message"),
    [
        ("other.html#here", False, None),
        ("other.html#there", False, "leads to no id"),
        ("gone.html", False, "leads to no file"),
        ("../outside.html", False, "leads to no file"),
        ("/other.html", False, "fails where the site is under a sub-path"),
        (".", False, "is a folder"),
        ("https://example.org/paper", False, None),
        ("https://example.org/font.css", True, "from elsewhere"),
        ("//example.org/font.css", True, "from elsewhere"),
    ],
)
def test_a_wrong_address_is_named(tmp_path, address, loaded, message):
    (tmp_path / "outside.html").write_text("")
    site = tmp_path / "site"
    site.mkdir()
    page = site / "page.html"
    page.write_text("")
    (site / "other.html").write_text('<p id="here">')
    found = defect(site, page, address, loaded)
    assert found is None if message is None else message in found
