"""The page of an entry: heat-map, the way of a block's tensors, layers of a block, zoom, input sizes, no scripts, palettes."""

from __future__ import annotations

from functools import cache

import pytest

import zoo
from zoo.render.tables import totals_rows
from zoo.render.units import exact, percent, shape_text, short_bytes, short_count

pytestmark = pytest.mark.browser

NAME = "resunet-v1-d5-f64"
PAGE = f"models/{NAME}.html"
HEAT = 0.4  # of the warmest box

report = cache(zoo.analyze)


def box(page, block: str):
    """Returns the link that is a block's box in the picture."""
    return page.locator(f'.zoo-u .box[data-block="{block}"]')


def heats(page) -> dict[str, float]:
    """Returns the opacity of each block's heat."""
    found = page.locator(".zoo-u .box").evaluate_all(
        'boxes => boxes.map((box) => [box.dataset.block, getComputedStyle(box.querySelector(".o")).fillOpacity])'
    )
    return {name: float(opacity) for name, opacity in found}


def numbers_of(page) -> dict[str, object]:
    """Returns what the page says of totals and of each block, in the table, the lists and the picture."""
    rows = page.locator(".zoo-totals tbody tr").evaluate_all(
        "rows => rows.map((row) => [row.dataset.number, [...row.querySelectorAll('td')].map((cell) => cell.textContent)])"
    )
    texts = """(elements, names) => elements.map((element) => [
        element.id || element.dataset.block,
        Object.fromEntries(names.map((name) => [name, element.querySelector(`.v-${name}`)?.textContent])),
    ])"""
    listed = page.locator(".zoo-block").evaluate_all(texts, ["shape", "params", "macs", "share", "bytes"])
    drawn = page.locator(".zoo-u .box").evaluate_all(texts, ["shape", "params", "macs", "bytes"])
    header = page.locator(".zoo-u .v-totals, .zoo-u .v-memory").all_text_contents()
    return {"totals": dict(rows), "listed": dict(listed), "drawn": dict(drawn), "header": header}


def expected(numbers) -> dict[str, object]:
    """Returns what the page has to say of a report, in the form of `numbers_of`."""
    listed, drawn = {}, {}
    for block in numbers.blocks:
        share, shape = percent(block.macs, numbers.macs), shape_text(block.shape)
        listed[block.name] = {
            "shape": shape,
            "params": f"{exact(block.params)} params",
            "macs": f"{exact(block.macs)} MACs",
            "share": f"{share} of MACs",
            "bytes": short_bytes(block.output_bytes),
        }
        drawn[block.name] = {
            "shape": shape,
            "params": f"{short_count(block.params)} params",
            "macs": f"{short_count(block.macs)} MACs · {share}",
            "bytes": f"{short_bytes(block.output_bytes)} activations",
        }
    totals = {field: [value, short] for field, _, value, short in totals_rows(numbers)}
    return {"totals": totals, "listed": listed, "drawn": drawn}


def assert_shows(page, numbers) -> None:
    """Checks that every number of the page is that of a report; boxes of inputs and heads have fewer lines, heads no share."""
    found, wanted = numbers_of(page), expected(numbers)
    for name, texts in found["drawn"].items():
        assert None not in texts.values() or name.startswith(("input", "head")), name
        drawn = {key: texts[key] and text for key, text in wanted["drawn"][name].items()}
        if name.startswith("head"):
            drawn["macs"] = drawn["macs"].partition(" · ")[0]
        wanted["drawn"][name] = drawn
    header = found.pop("header")
    assert found == wanted
    assert exact(numbers.macs) in header[0]
    assert f"{short_bytes(numbers.peak_bytes)} at {numbers.peak_layer}" in header[1]
    assert f"{short_bytes(numbers.training_activation_bytes)} per image" in header[1]


def set_size(page, shape: tuple[int, ...]) -> None:
    """Types an input size into the fields of its axes, as a reader does."""
    for axis, size in zip(("height", "width") if len(shape) == 2 else ("depth", "height", "width"), shape, strict=True):
        field = page.get_by_role("spinbutton", name=axis, exact=True)
        field.fill(str(size))
        field.press("Enter")


def test_the_switch_colours_by_another_metric(visit):
    page = visit(PAGE)
    blocks = report(NAME, zoo.info(NAME).analysis_shape).blocks
    for label, metric in (("parameters", "params"), ("activation memory", "output_bytes"), ("MACs", "macs")):
        page.get_by_role("radio", name=label).check()
        values = {block.name: getattr(block, metric) for block in blocks}
        most = max(values.values())
        assert heats(page) == pytest.approx({name: HEAT * value / most for name, value in values.items()}, abs=0.0051)
        assert page.locator(".zoo-u .v-metric").text_content() == f"most {label}"
    page.get_by_role("radio", name="MACs").press("ArrowRight")  # the group is one stop of the keyboard
    assert page.get_by_role("radio", name="activation memory").is_checked()
    assert page.locator(".zoo-u .v-metric").text_content() == "most activation memory"


LIT = """() => {
    const lit = (parts) => [...document.querySelectorAll(parts)].filter((part) => Number(getComputedStyle(part).opacity) === 1);
    return {
        boxes: lit(".zoo-u .box").map(({ dataset }) => dataset.block),
        arrows: lit(".zoo-u [data-from]").map(({ dataset }) => `${dataset.from} ${dataset.to}`),
    };
}"""


def test_pointer_and_focus_light_the_way_of_a_blocks_tensors(visit):
    page = visit(PAGE)
    everything = page.evaluate(LIT)
    assert len(everything["boxes"]) == len(report(NAME, zoo.info(NAME).analysis_shape).blocks)
    arrows = sorted(way for way in everything["arrows"] if "enc2" in way.split())
    way = {"boxes": sorted({name for arrow in arrows for name in arrow.split()}), "arrows": arrows}
    assert {"enc1 enc2", "enc2 enc3", "enc2 dec2"} <= set(arrows)
    box(page, "enc2").hover()
    assert {kind: sorted(names) for kind, names in page.evaluate(LIT).items()} == way
    page.mouse.move(0, 0)
    assert page.evaluate(LIT) == everything
    box(page, "enc2").focus()
    assert {kind: sorted(names) for kind, names in page.evaluate(LIT).items()} == way
    box(page, "enc2").blur()
    assert page.evaluate(LIT) == everything


def test_enter_on_a_box_opens_its_layers_and_escape_leads_back(visit):
    page = visit(PAGE)
    layers = page.locator("details#dec1")
    assert not layers.locator("table").is_visible()
    box(page, "dec1").press("Enter")
    layers.locator("table").wait_for()
    page.wait_for_function("() => document.activeElement.matches('#dec1 > summary')")
    assert page.url.endswith("#dec1")
    names = [layer.name for layer in report(NAME, zoo.info(NAME).analysis_shape).per_layer if layer.block == "dec1"]
    assert layers.locator("tbody th[scope=row]").all_inner_texts() == names
    page.keyboard.press("Escape")
    assert not layers.locator("table").is_visible()
    assert page.evaluate("document.activeElement.dataset.block") == "dec1"
    box(page, "dec1").click()  # to where the address leads already
    layers.locator("table").wait_for()
    page.goto(page.url.replace("dec1", "enc3"))
    page.locator("details#enc3 table").wait_for()
    page.reload()
    page.locator("details#enc3 table").wait_for()


def test_the_picture_zooms_by_buttons_and_keys_and_moves_by_keys(visit):
    page = visit(PAGE)

    def place() -> dict[str, float]:
        page.wait_for_timeout(300)  # the picture glides
        frame, inner = page.locator(".zoo-figure").bounding_box(), box(page, "enc0").bounding_box()
        return {"x": inner["x"] - frame["x"], "y": inner["y"] - frame["y"], "width": inner["width"]}

    whole = place()
    page.get_by_role("button", name="Zoom in").click()
    near = place()
    assert near["width"] > 1.1 * whole["width"]
    page.locator(".zoo-figure").focus()
    page.keyboard.press("ArrowRight")
    assert place()["x"] < near["x"]
    page.keyboard.press("+")
    assert place()["width"] > near["width"]
    page.get_by_role("button", name="whole").press("Enter")
    assert place() == pytest.approx(whole, abs=1)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom out").click()
    assert place() == pytest.approx(whole, abs=1)


def test_another_input_size_gives_the_numbers_of_analyze(visit):
    page = visit(PAGE)
    stated = numbers_of(page)
    assert_shows(page, report(NAME, zoo.info(NAME).analysis_shape))
    set_size(page, (256, 384))
    assert_shows(page, report(NAME, (256, 384, 3)))
    set_size(page, (256, 100))
    assert page.get_by_role("spinbutton", name="width").get_attribute("aria-invalid") == "true"
    assert "width 100 is not a multiple of 16" in page.locator(".zoo-said").inner_text()
    assert_shows(page, report(NAME, (256, 384, 3)))
    page.get_by_role("button", name="as stated").click()
    assert page.get_by_role("spinbutton", name="width").get_attribute("aria-invalid") is None
    assert numbers_of(page) == stated


@pytest.mark.parametrize(("name", "shape"), [("resunet-v1-3d-d4-f16", (32, 64, 48, 1)), ("resunet-a-d6", (512, 256, 3))])
def test_other_sizes_of_volumes_and_of_networks_with_pooled_maps(visit, name, shape):
    page = visit(f"models/{zoo.info(name).name}.html")
    set_size(page, shape[:-1])
    assert_shows(page, report(name, shape))


def test_a_network_without_formulas_offers_the_sizes_that_were_analysed(visit):
    page = visit("models/cspdarknets-unet.html")
    choice = page.get_by_label("analysed sizes")
    sizes = choice.locator("option").all_inner_texts()
    assert len(sizes) > 1
    assert page.get_by_role("spinbutton").count() == 0
    choice.select_option(sizes[-1])
    assert_shows(page, report("cspdarknets-unet", tuple(map(int, sizes[-1].split("×")))))


def test_the_page_reads_without_scripts(visit):
    page = visit(PAGE, scripts=False)
    assert not page.locator(".zoo-tools").is_visible()
    assert page.locator(".zoo-u").is_visible()
    assert box(page, "enc0").get_attribute("href") == "#enc0"
    assert page.locator(".zoo-totals [data-number=macs]").inner_text().split()[1] == exact(zoo.info(NAME).numbers.macs)
    page.locator("details#enc0 summary").click()
    assert page.locator("details#enc0 table").is_visible()
    assert page.locator(".zoo-u .box").count() == page.locator("details.zoo-block").count()


# Contrast of each text of the picture with what it lies on: the sheet, under the heat of its box where it has one.
CONTRASTS = """() => {
    const rgb = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const luminance = (color) => {
        const [r, g, b] = color.map((value) => linear(value / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const svg = document.querySelector(".zoo-u");
    const sheet = rgb(getComputedStyle(svg.querySelector(":scope > rect.p")).fill);
    return [...svg.querySelectorAll("text")].map((text) => {
        const heat = (text.closest(".box") ?? text.closest(".src")?.previousElementSibling)?.querySelector(".o");
        const style = heat && getComputedStyle(heat);
        const ground = heat ? rgb(style.fill).map((value, k) => value * HEAT + sheet[k] * (1 - HEAT)) : sheet;
        const [dark, light] = [rgb(getComputedStyle(text).fill), ground].map(luminance).sort((a, b) => a - b);
        return [text.textContent, (light + 0.05) / (dark + 0.05)];
    });
}""".replace("HEAT", str(HEAT))
COLOURS = """() => ["text", ".o", ".p", "[data-from] path"].map((part) => {
    const { fill, stroke } = getComputedStyle(document.querySelector(`.zoo-u ${part}`));
    return `${fill} ${stroke}`;
})"""


def test_the_picture_follows_the_palette_and_its_texts_can_be_read_in_both(visit):
    page = visit(PAGE)
    seen, faint = [], {}
    for button in ("Switch to dark", "Switch to light"):
        palette = page.locator("body").get_attribute("data-md-color-scheme")
        low = {text: round(contrast, 2) for text, contrast in page.evaluate(CONTRASTS) if contrast < 4.5}
        faint |= {palette: low} if low else {}
        seen.append(page.evaluate(COLOURS))
        page.locator(f'label[title="{button}"]').click()
    light, dark = seen
    assert all(one != other for one, other in zip(light, dark, strict=True))
    assert page.evaluate(COLOURS) == light
    assert faint == {}
