"""Cards of pretrained weights and the list of all: what they say is what the records say, and nothing in these is markup."""

from __future__ import annotations

import json
import re
import shutil
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import zoo
from zoo.weights import library
from zoo.weights.entry import Published

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
from pages import card as cards
from pages import pretrained, weights
from pages.as_is import take_out
from pages.curve import curve_html
from pages.plot import axis
from pages.text import plain
from rendering.keys import Keys

ROOT = Path(__file__).parents[1]
NASTY = '<script>alert("x")</script> *bold* _it_ [link](javascript:x) `code` a|b & {: #id } <!-- end as is -->'

METRICS = (
    zoo.Metric(
        name="mean Dice", value=0.91234, data="cells", split="val", protocol="per image", images=64, interval=(0.9, 0.92)
    ),
    zoo.Metric(name="mean Dice, cell", value=0.8765, data="cells", split="val", protocol="per image"),
    zoo.Metric(name="F1", value=0.7, data="cells", split="test", protocol="over all pixels", images=3),
)  # fmt: skip
RECIPE = zoo.Recipe(
    command="python scripts/train.py recipes/cells.toml --data FOLDER --set training.seed=4",
    settings='{"data": {"image": "images/{id}.png"}, "training": {"steps": 5000}}',
    commit="c0ffee" * 6,
    data_sha256="d" * 64,
    versions=("keras 3.15.1", "tensorflow 2.21.0"),
    machine="2 cores of x86_64",
    minutes=45.4,
    monitor="dice",
    curve=((250, 1.25, 0.5), (500, 0.75, 0.8125), (750, 0.5, 0.75)),
)
BARE = zoo.WeightsEntry(
    name="unet-d5-f32.cells-v1",
    sources=("https://example.org/cells.safetensors",),
    bytes=2048,
    sha256="a" * 64,
    licence="CC0-1.0",
    data_licence="CC-BY-4.0",
)
FULL = BARE.replace(
    summary="Cells.",
    task="cells",
    classes=("background", "cell"),
    palette=((0, 0, 0), (1, 2, 3)),
    preprocessing=zoo.Preprocessing(channels=("gray",), normalisation="image"),
    data="Cells (2020)",
    data_url="https://example.org/cells",
    citation="A. Author, Cells",
    metrics=METRICS,
    recipe=RECIPE,
    weaknesses=("Cells that touch.", "Faint cells."),
    published=(
        Published(model="Net A", metric="IoU", value=0.8312, source="https://example.org/paper", difference="Other images."),
        Published(model="Net B", metric="F1", value=0.7, source="A book, page 3", difference="Counts objects."),
    ),
    default=True,
)


class Parser(HTMLParser):
    """Reads the texts of rows of tables, and every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


@pytest.fixture
def docs(tmp_path, monkeypatch):
    """A folder of pages without pictures of weights."""
    monkeypatch.setattr(cards, "DOCS", tmp_path)
    (tmp_path / "assets" / "weights").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def published(monkeypatch):
    """`published(FULL, …)` makes these the only weights there are."""

    def publish(*entries):
        monkeypatch.setattr(library, "_origins", lambda: [("the test", entries)])

    return publish


def draw(docs: Path, name: str, which: str = "worst") -> None:
    Image.new("RGB", (30, 40)).save(docs / "assets" / "weights" / f"{name}.{which}.jpg")


def facts(html: str) -> dict[str, str]:
    return {row[0]: row[1] for row in Parser(html).rows if len(row) == 2}


def test_every_number_of_a_card_is_that_of_the_record(docs):
    parsed = Parser(cards.card(FULL))
    assert [row for row in parsed.rows if len(row) == 5] == [
        ["score", "value", "95 % interval", "on", "protocol"],
        ["mean Dice", "0.9123", "0.9000 to 0.9200", "cells, val, 64 images", "per image"],
        ["mean Dice, cell", "0.8765", "", "cells, val", "per image"],
        ["F1", "0.7000", "", "cells, test, 3 images", "over all pixels"],
        ["network", "score", "value", "source", "not comparable because"],
        [FULL.name, "mean Dice", "0.9123", "this page: cells, val, 64 images", "–"],
        [FULL.name, "F1", "0.7000", "this page: cells, test, 3 images", "–"],
        ["Net A", "IoU", "0.8312", "https://example.org/paper", "Other images."],
        ["Net B", "F1", "0.7000", "A book, page 3", "Counts objects."],
    ]
    assert facts(cards.card(FULL)) == {
        "classes": "background, cell",
        "images": "gray; scaling dtype; normalisation image",
        "trained on": "Cells (2020)",
        "licence of the data": "CC-BY-4.0",
        "licence of the weights": "CC0-1.0",
        "cite": "A. Author, Cells",
        "file": f"2,048 bytes, float32, SHA-256 {'a' * 64}",
        "made in": "45.4 minutes on 2 cores of x86_64",
        "commit": "c0ffee" * 6,
        "versions": "keras 3.15.1, tensorflow 2.21.0",
        "checksum of the data": "d" * 64,
    }
    links = [values["href"] for tag, values in parsed.tags if tag == "a"]
    assert links == ["https://example.org/paper", "https://example.org/cells"]
    assert [values["style"] for tag, values in parsed.tags if tag == "span"] == ["background:rgb(0,0,0)", "background:rgb(1,2,3)"]


def test_a_card_has_its_parts_in_order_and_says_how_to_use_the_weights(docs):
    text = cards.card(FULL)
    titles = re.findall(r"^#{3,4} (.+?) \{ #([\w.-]+) \}$", text, flags=re.MULTILINE)
    assert titles == [
        ("cells-v1 (default)", "cells-v1"),
        ("Scores", "cells-v1-scores"),
        ("What they fail on", "cells-v1-failures"),
        ("Training", "cells-v1-training"),
        ("Ours and published", "cells-v1-published"),
        ("Data, licence, file", "cells-v1-data"),
    ]
    assert 'zoo.predict(zoo.get("unet-d5-f32.cells-v1"), "image.png")' in text
    assert "$ zoo predict image.png --model unet-d5-f32.cells-v1 --overlay" in text
    assert "- Cells that touch&#46;\n- Faint cells&#46;" in text
    volume = BARE.replace(name="resunet-v1-3d-d3-f8.cells-v1")
    assert "$ zoo predict scan.nii.gz" in cards.card(volume)


def test_a_card_says_how_to_make_the_weights_again(docs):
    commands = unescape(re.findall(r"<pre><code>(.+?)</code></pre>", cards.card(FULL), flags=re.DOTALL)[0])
    assert commands.splitlines() == [
        RECIPE.command,
        "python scripts/evaluate.py unet-d5-f32.cells-v1 --data FOLDER",
        "python scripts/publish_weights.py runs/cells --tag cells-v1 --data FOLDER",
    ]
    settings = unescape(re.findall(r"<pre><code>(.+?)</code></pre>", cards.card(FULL), flags=re.DOTALL)[1])
    assert json.loads(settings) == json.loads(RECIPE.settings)
    older = zoo.Recipe(command=RECIPE.command, settings="no JSON")
    text = cards.card(FULL.replace(recipe=older))
    assert "evaluate.py unet-d5-f32.cells-v1 --data FOLDER --recipe recipes/cells.toml" in text
    assert "<pre><code>no JSON</code></pre>" in text
    unknown = cards.card(FULL.replace(recipe=zoo.Recipe(command="by hand")))
    assert "publish_weights.py RUN --tag cells-v1" in unknown
    assert "Every setting" not in unknown


def test_a_card_says_how_near_further_trainings_came(docs):
    assert "No second training by this recipe was recorded" in cards.card(FULL)
    other = zoo.Repeat(
        score=0.8003, changes=("training.seed=5", "training.precision=float32"), machine="a GPU", versions=("jax 0.7",)
    )
    text = cards.card(FULL.replace(repeats=(zoo.Repeat(score=0.8125, same_weights=True), other)))
    assert "No second training" not in text
    rows = Parser(text).rows
    assert ["trained again with", "Dice on val", "difference", "weights", "on"] in rows
    assert ["no change", "0.8125", "+0.0000", "those of the file, to the last bit", ""] in rows
    assert ["training.seed=5 training.precision=float32", "0.8003", "-0.0122", "others", "a GPU, jax 0.7"] in rows


def test_what_a_record_does_not_say_is_left_out(docs):
    text = cards.card(BARE)
    assert set(facts(text)) == {"licence of the data", "licence of the weights", "file"}
    assert re.findall(r"^#### ([^{]+?) \{", text, flags=re.MULTILINE) == ["Data, licence, file"]
    for absent in ("<svg", "<img", "<details", "None", "nan", "()", "(default)"):
        assert absent not in text
    plain_recipe = cards.card(FULL.replace(recipe=zoo.Recipe(command="by hand")))
    assert not {"made in", "commit", "versions", "checksum of the data"} & set(facts(plain_recipe))
    assert "<svg" not in plain_recipe


def test_nothing_in_a_record_is_markup(docs):
    """Texts reach the page whole, and the page has the tags and links that it has with harmless ones."""
    metric = zoo.Metric(name=NASTY, value=0.5, data=NASTY, split=NASTY, protocol=NASTY)
    said = Published(model=NASTY, metric=NASTY, value=0.5, source=NASTY, difference=NASTY)

    def made(text: str) -> str:
        return cards.card(
            FULL.replace(
                summary=text, classes=(text, "b"), data=text, data_url="javascript:x", citation=text, licence=text, dtype=text,
                data_licence=text, weaknesses=(text,), metrics=(_with(metric, text),), published=(_with(said, text),),
                recipe=zoo.Recipe(command=text, settings=text, commit=text, machine=text, versions=(text,), data_sha256=text,
                                  monitor=text, curve=RECIPE.curve),
                repeats=(zoo.Repeat(score=0.5, changes=(text,), machine=text, versions=(text,)),),
            )
        )  # fmt: skip

    nasty, harmless = made(NASTY), made("harmless")
    assert [tag for tag, _ in Parser(nasty).tags] == [tag for tag, _ in Parser(harmless).tags]
    assert not any(
        "javascript" in (value or "") for _, values in Parser(nasty).tags for key, value in values.items() if key == "href"
    )
    assert len(take_out(nasty)[1]) == len(take_out(harmless)[1])
    markdown = take_out(nasty)[0]
    assert not re.search(r"[*`\[|]", "".join(line for line in markdown.splitlines() if "bold" in line))
    assert unescape(markdown).count(NASTY) == 2
    assert [NASTY, "0.5000", "-0.3125", "others", f"{NASTY}, {NASTY}"] in Parser(nasty).rows
    assert [row for row in Parser(nasty).rows if len(row) == 5][1] == [NASTY, "0.5000", "", f"{NASTY}, {NASTY}", NASTY]


def _with(record, text):
    names = [name for name, value in vars(record).items() if value == NASTY]
    return type(record)(**{**vars(record), **dict.fromkeys(names, text)})


def test_plain_text_stays_on_its_line():
    assert plain("1. one\n# two  3") == "1&#46; one &#35; two 3"


def test_the_curve_has_a_point_for_each_round_and_is_described():
    html = curve_html(RECIPE, "these weights")
    loss, score = html.split("<svg")[1:]
    assert re.findall(r"<title>(.+?)</title>", loss) == ["step 250: 1.2500", "step 500: 0.7500", "step 750: 0.5000"]
    assert re.findall(r"<title>(.+?)</title>", score) == ["step 250: 0.5000", "step 500: 0.8125", "step 750: 0.7500"]
    labels = [values["aria-label"] for tag, values in Parser(html).tags if tag == "svg"]
    assert labels == [
        "loss on crops of train, training of these weights: 1.2500 at step 250, 0.5000 at step 750",
        "Dice on val, training of these weights: 0.5000 at step 250, 0.7500 at step 750, best 0.8125 at step 500",
    ]
    assert all(values["role"] == "img" for tag, values in Parser(html).tags if tag == "svg")
    assert "step 500, with the best Dice on val: 0.8125" in html
    circles = [(values["cx"], values["cy"], values["r"]) for tag, values in Parser(score).tags if tag == "circle"]
    assert [radius for *_, radius in circles] == ["3", "5", "3"]
    assert re.search(r'<polyline class="b" points="(.+?)"', score)[1] == " ".join(f"{x},{y}" for x, y, _ in circles)
    assert min(circles, key=lambda circle: int(circle[1])) == circles[1], "the best point is the highest"
    assert curve_html(zoo.Recipe(command="x"), "these weights") == ""


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((0, 5000), ["0", "1,000", "2,000", "3,000", "4,000", "5,000"]),
        ((0.612, 0.893), ["0.6", "0.7", "0.8", "0.9"]),
        ((0.871, 0.8797), ["0.870", "0.872", "0.874", "0.876", "0.878", "0.880"]),
        ((-0.3, 0.4), ["-0.4", "-0.2", "0.0", "0.2", "0.4"]),
    ],
)
def test_axes_have_round_numbers_around_the_values(values, texts):
    made = axis(values, 100, 0)
    assert [made.text(tick) for tick in made.ticks] == texts
    assert (made.at(made.ticks[0]), made.at(made.ticks[-1])) == (100, 0)


def test_an_axis_of_one_value_has_two_ends():
    made = axis([0.8], 0, 100)
    assert made.ticks[0] <= 0.8 <= made.ticks[-1]
    assert 0 <= made.at(0.8) <= 100


def test_the_picture_of_failures_stands_only_where_it_is(docs):
    assert "<img" not in cards.card(FULL)
    draw(docs, FULL.name)
    parsed = Parser(cards.card(FULL))
    (image,) = [values for tag, values in parsed.tags if tag == "img"]
    assert image["src"] == f"../assets/weights/{FULL.name}.worst.jpg"
    assert (image["width"], image["height"]) == ("30", "40")
    assert FULL.name in image["alt"]
    assert "the images of val with the lowest Dice" in cards.card(FULL)
    assert f"Images: {FULL.data}, {FULL.data_licence}." in cards.card(FULL)
    assert "<img" not in cards.card(BARE.replace(name="unet-d5-f32.cells-v2"))


def test_the_section_of_an_entry_leads_to_each_card(docs, published):
    second = FULL.replace(name="unet-d5-f32.roads-v1", task="roads", default=False)
    published(second, FULL, BARE.replace(name="unet-d5-f64.cells-v1"))
    text = "\n\n".join(weights.weights_section("unet-d5-f32"))
    assert text.index("### cells-v1 (default)") < text.index("### roads-v1"), "the default ones first"
    links = [values["href"] for tag, values in Parser(text).tags if tag == "a" and values["href"].startswith("#")]
    assert links == ["#cells-v1", "#roads-v1"]
    for link in links:
        assert f"{{ {link} }}" in text
    assert "unet-d5-f64" not in text
    assert "Weights of this network" not in "".join(weights.weights_section("unet-d5-f64")), "no overview of a single one"
    assert weights.weights_section("vnet-f16") == []


def test_ids_and_labels_stand_once_on_a_page(docs, published):
    published(FULL, BARE.replace(name="unet-d5-f32.cells-v2"))
    text = "\n\n".join(weights.weights_section("unet-d5-f32"))
    ids = re.findall(r"\{ #([\w.-]+) \}", text)
    labels = [values["aria-label"] for _, values in Parser(text).tags if "aria-label" in values]
    assert len(set(ids)) == len(ids)
    assert len(set(labels)) == len(labels)


def test_the_list_has_every_file_by_task(docs, published):
    roads = FULL.replace(name="unet-d5-f64.roads-v2", task="roads", bytes=3 * 2**20, metrics=())
    published(FULL, roads, BARE.replace(name="unet-d5-f64.misc-v1"))
    text = pretrained.pretrained_page(zoo.info(name) for name in zoo.list_models("unet-*"))
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == ["Cells", "Roads", "Other"]
    assert "3 files of weights for 2 networks" in text
    rows = [row for row in Parser(text).rows if row[0] != "weights"]
    params = {name: f"{zoo.info(name).numbers.params:,}" for name in ("unet-d5-f32", "unet-d5-f64")}
    licences = "weights CC0-1.0, data CC-BY-4.0"
    score = "mean Dice 0.9123 (0.9000 to 0.9200), val, 64 images"
    assert rows == [
        ["cells-v1", "unet-d5-f32", score, params["unet-d5-f32"], "2.00 KiB", "Cells (2020)", licences],
        ["roads-v2", "unet-d5-f64", "", params["unet-d5-f64"], "3.00 MiB", "Cells (2020)", licences],
        ["misc-v1", "unet-d5-f64", "", params["unet-d5-f64"], "2.00 KiB", "", licences],
    ]
    links = [values["href"] for tag, values in Parser(text).tags if tag == "a"]
    assert links[:2] == ["unet-d5-f32.html#cells-v1", "unet-d5-f32.html"]
    assert "<img" not in text
    draw(docs, FULL.name, "typical")
    text = pretrained.pretrained_page(zoo.info(name) for name in zoo.list_models("unet-*"))
    assert text.count("<img") == 1
    assert text.index("<img") < text.index("## Roads")


def test_weights_of_a_network_without_a_page_have_their_card_on_the_list(docs, published):
    published(FULL)
    text = pretrained.pretrained_page([])
    assert f"### {FULL.name} (default) {{ #{FULL.name} }}" in text
    links = [values["href"] for tag, values in Parser(text).tags if tag == "a"]
    assert links[0] == f"#{FULL.name}"
    assert "unet-d5-f32.html" not in text


def test_the_list_says_where_there_is_nothing(docs, published):
    published()
    assert "None are published" in pretrained.pretrained_page([])


def test_pages_are_made_anew_where_their_pictures_or_the_study_change(tmp_path):
    for name in ("zoo/architectures", "scripts/pages"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    entry = zoo.info(zoo.weights_info(zoo.list_weights()[0]).entry)
    other = zoo.info("unet-d5-f32")

    def keys():
        made = Keys(tmp_path)
        return [made.entry(entry), made.entry(other), made.whole([entry])]

    before, assets = keys(), tmp_path / "docs" / "assets"
    (assets / "weights").mkdir(parents=True)
    draw(tmp_path / "docs", zoo.list_weights(entry.name)[0])
    drawn = keys()
    assert [one == two for one, two in zip(before, drawn, strict=True)] == [False, True, False]
    (assets / "study").mkdir()
    (assets / "study" / "residual.json").write_text("{}")
    assert [one == two for one, two in zip(drawn, keys(), strict=True)] == [True, True, False]
