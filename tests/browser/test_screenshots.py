"""The command that takes pictures of the site: what it takes, and what it says where a page is missing."""

from __future__ import annotations

import pytest
import screenshots

from zoo.errors import ZooError

PNG = b"\x89PNG\r\n\x1a\n"


def test_every_page_of_which_pictures_are_taken_is_in_the_site(site):
    assert [path for path in screenshots.pages().values() if not (site / path).is_file()] == []
    assert len(screenshots.ENTRIES) == 10


@pytest.mark.browser
def test_a_picture_has_the_size_of_its_window_and_the_colours_of_its_palette(browser, served_site, tmp_path):
    files = {}
    for shot in screenshots.shots({"home": "index.html"}):
        files[shot.scheme, shot.width] = file = screenshots.take(browser, served_site, shot, tmp_path, whole=False)
        content = file.read_bytes()
        assert file.name == f"home-{shot.scheme}-{shot.width}.png"
        assert content.startswith(PNG)
        assert int.from_bytes(content[16:20]) == shot.width
    assert set(files) == {("light", 1280), ("light", 390), ("dark", 1280), ("dark", 390)}
    assert files["light", 390].read_bytes() != files["dark", 390].read_bytes()


@pytest.mark.browser
def test_a_missing_page_is_named(browser, served_site, tmp_path):
    (shot, *_) = screenshots.shots({"gone": "gone.html"})
    with pytest.raises(ZooError, match=r"no page gone\.html; run `make site`, or name a folder by --site"):
        screenshots.take(browser, served_site, shot, tmp_path, whole=False)
