"""The compare page: any two entries by form, by keys and by address, with the numbers of the catalog."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from test_site_access import barriers

import zoo

pytestmark = pytest.mark.browser

PAGE = "models/compare.html"
A, B = "resunet-v1-d5-f64", "deep-resunet-d4-f64"


def totals(page) -> dict[str, list[str]]:
    """Returns the cells of each row of the totals by its label, once they are there."""
    page.locator(".zoo-pair-totals").wait_for()
    rows = page.locator(".zoo-pair-totals tbody tr").all()
    return {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows}


def state(page) -> dict[str, str]:
    """Returns what the address says."""
    return {key: value for key, (value,) in parse_qs(urlsplit(page.url).query).items()}


def said(page, text: str) -> None:
    """Waits until the status line says something."""
    page.locator(".zoo-pair-said", has_text=text).wait_for()


def test_an_address_is_a_pair(visit):
    page = visit(f"{PAGE}?a=resunet-v1-d4-f16&b=unet-d5-f32")  # both stated at 256 x 256 x 3
    a, b = (zoo.info(name).numbers for name in ("resunet-v1-d4-f16", "unet-d5-f32"))
    found = totals(page)
    assert found["parameters"][:3] == [f"{a.params:,}", f"{b.params:,}", f"+{b.params - a.params:,}"]
    assert found["MACs"][:3] == [f"{a.macs:,}", f"{b.macs:,}", f"+{b.macs - a.macs:,}"]
    assert found["layers"][:2] == [f"{a.layers}", f"{b.layers}"]
    said(page, "both at 256×256×3; batch 1.")
    assert [image.get_attribute("alt").split(":")[0] for image in page.locator(".zoo-figures img").all()] == [
        "The U of resunet-v1-d4-f16",
        "The U of unet-d5-f32",
    ]
    assert all(
        image.evaluate("image => image.decode().then(() => image.naturalWidth > 0)") for image in page.locator("figure img").all()
    )


def test_without_an_address_there_is_a_pair_too(visit):
    page = visit(PAGE)
    said(page, " against ")
    assert set(state(page)) == {"a", "b"}


def test_a_pair_is_chosen_by_keys_and_kept_in_the_address(visit):
    page = visit(f"{PAGE}?a={A}&b={B}")
    said(page, f"{A} against {B}")
    page.get_by_label("Second network").focus()
    page.keyboard.type("unet3plus")  # focus selects what was there
    page.keyboard.press("Enter")
    said(page, f"{A} against unet3plus-d5-f64")
    assert state(page) == {"a": A, "b": "unet3plus-d5-f64"}
    page.reload()
    said(page, f"{A} against unet3plus-d5-f64")
    page.get_by_role("button", name="Swap").press("Enter")
    said(page, f"unet3plus-d5-f64 against {A}")
    assert state(page) == {"a": "unet3plus-d5-f64", "b": A}


def test_back_from_an_entry_finds_the_pair_again(visit):
    page = visit(f"{PAGE}?a=unet&b=resunet-v2")
    said(page, "unet-d5-f64 against resunet-v2-d5-f64")
    page.get_by_role("link", name="what the numbers mean").click()
    page.go_back()
    said(page, "unet-d5-f64 against resunet-v2-d5-f64")


def test_a_wrong_name_gets_near_ones_to_choose(visit):
    page = visit(f"{PAGE}?a={A}&b=resunt-v2")
    said(page, "No entry is called “resunt-v2”")
    field = page.get_by_label("Second network")
    assert field.get_attribute("aria-invalid") == "true"
    assert page.locator(".zoo-compare").is_hidden()
    page.locator(".zoo-pair-said").get_by_role("button").first.press("Enter")
    said(page, f"{A} against resunet-v2-")
    assert field.get_attribute("aria-invalid") is None
    assert page.locator(".zoo-compare").is_visible()


def test_another_input_size_gives_other_numbers_and_stays_in_the_address(visit):
    page = visit(f"{PAGE}?a={A}&b={B}")
    said(page, "both at 256×256×3")
    small = totals(page)
    page.get_by_label("Input size").select_option("512×512")
    said(page, "both at 512×512×3")
    large = totals(page)
    assert [int(cell.replace(",", "")) for cell in large["MACs"][:2]] == [
        4 * int(cell.replace(",", "")) for cell in small["MACs"][:2]
    ]
    assert large["parameters"] == small["parameters"]
    assert state(page) == {"a": A, "b": B, "input": "512x512"}
    page.reload()
    said(page, "both at 512×512×3")
    page = visit(f"{PAGE}?a={A}&b={B}&input=320x480")
    said(page, "both at 320×480×3")


def test_images_and_volumes_are_compared_at_their_own_sizes(visit):
    page = visit(f"{PAGE}?a=resunet-v1&b=resunet-v1-3d")
    said(page, "no size suits both")
    assert page.get_by_label("Input size").is_disabled()


def test_a_block_opens_to_its_layers_by_keys(visit):
    page = visit(f"{PAGE}?a={A}&b={B}")
    button = page.get_by_role("button", name="mid4 → mid3")
    assert button.get_attribute("aria-expanded") == "false"
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    inner = page.locator(f"#{button.get_attribute('aria-controls')}")
    assert inner.is_visible()
    assert "Conv2D 3x3, 1024 channels, 9,438,208 parameters each" in inner.inner_text()
    page.get_by_role("button", name="Open all blocks").click()
    assert page.locator(".zoo-inner:visible").count() == page.locator(".zoo-inner").count() > 8
    assert "− removed enc3 → dec3, concat" in page.locator(".zoo-skips").inner_text()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pictures_have_the_palette_of_the_page_and_nothing_is_a_barrier(visit, dark):
    page = visit(f"{PAGE}?a={A}&b=attention-resunet", dark=dark)
    page.get_by_role("button", name="Open all blocks").click()
    ends = {False: "#zoo-light", True: "#zoo-dark"}
    assert all(image.get_attribute("src").endswith(ends[dark]) for image in page.locator(".zoo-figures img").all())
    assert barriers(page) == {}
    page.evaluate(f"document.body.dataset.mdColorScheme = {'default' if dark else 'slate'!r}")
    page.locator(f'.zoo-figures img[src$="{ends[not dark]}"]').nth(1).wait_for()


def test_on_a_telephone_nothing_sticks_out(visit):
    page = visit(f"{PAGE}?a={A}&b={B}", width=390, height=844)
    page.get_by_role("button", name="Open all blocks").click()
    page.get_by_label("Pictures below each other, larger").check()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_the_families_are_compared(visit):
    page = visit(PAGE, scripts=False)
    assert page.locator("noscript p", has_text="allow scripts in your browser").is_visible()
    assert page.locator(".zoo-pair").is_hidden()
    row = page.locator(".zoo-families tr", has=page.get_by_role("link", name="resunet-v2-d5-f64", exact=True))
    v1, v2 = (zoo.info(name).numbers for name in ("resunet-v1", "resunet-v2"))
    assert f"×{v2.macs / v1.macs:.2f}" in row.inner_text()


def test_it_works_from_a_folder(visit, light_site):
    page = visit(f"{PAGE}?a=unet&b={B}", base=light_site.as_uri() + "/")
    said(page, f"unet-d5-f64 against {B}")
    page.get_by_label("First network").fill(A)
    said(page, f"{A} against {B}")
    assert state(page) == {"a": A, "b": B}
    page.reload()
    said(page, f"{A} against {B}")
