"""PNG and PDF of the U show what its SVG shows: the same texts at the same places, in the same colours, on every machine."""

from __future__ import annotations

import io
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import image

import zoo
from zoo.render import look, raster, svg
from zoo.render.diagram import Diagram, Role, draw
from zoo.render.links import LinkKind
from zoo.render.svg import to_svg

SMALL = "resunet-v1-d3-f8"
# Together they have every role and kind of arrow: gates, signals, loops, skips that are added, several heads, no U.
NAMES = ["resunet-plus-plus-d4-f16", "unet3plus-d4-f8", "r2unet-attention", "resnet34-unet", "resunet-v1-3d", "segresnet", SMALL]


@pytest.fixture(scope="module", params=NAMES)
def diagram(request: pytest.FixtureRequest) -> Diagram:
    return draw(zoo.analyze(request.param))


@pytest.fixture(scope="module")
def shown(diagram: Diagram) -> np.ndarray:
    return pixels(raster.to_image(diagram, "png"))


def pixels(content: bytes) -> np.ndarray:
    return np.round(255 * image.imread(io.BytesIO(content), format="png")[..., :3]).astype(int)


def colour(text: str) -> list[int]:
    return [int(text[k : k + 2], 16) for k in (1, 3, 5)]


def test_a_png_is_twice_the_size(diagram: Diagram, shown: np.ndarray) -> None:
    assert shown.shape == (2 * diagram.height, 2 * diagram.width, 3)


def test_boxes_have_their_colours_at_their_places(diagram: Diagram, shown: np.ndarray) -> None:
    for box in diagram.boxes:
        inside = shown[2 * box.y + 10, 2 * box.x + box.width]
        assert inside.tolist() == colour(look.heat(box.share)), box.name
        border = shown[2 * box.y - 2 : 2 * box.y + 3, 2 * box.x + 40]  # where no arrow arrives
        assert colour(look.PALETTE[look.BORDERS[box.role]]) in border.tolist(), box.name


def test_arrows_run_where_the_diagram_says_and_end_in_a_head(diagram: Diagram, shown: np.ndarray) -> None:
    for arrow in diagram.arrows:
        ink = colour(look.PALETTE[look.STROKES[arrow.kind].colour])
        for (x1, y1), (x2, y2) in zip(arrow.points, arrow.points[1:], strict=False):
            along = shown[2 * min(y1, y2) : 2 * max(y1, y2) + 1, 2 * min(x1, x2) : 2 * max(x1, x2) + 1].reshape(-1, 3)
            drawn = (np.abs(along - ink).max(axis=1) < 60).mean()
            assert drawn > (0.2 if look.STROKES[arrow.kind].dashes else 0.6), arrow
        x, y = (round(2 * sum(axis) / 3) for axis in zip(*look.head(arrow.points), strict=True))
        assert shown[y, x].tolist() == ink, arrow


def test_every_text_stands_where_the_svg_has_it(diagram: Diagram, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def note(self: object, at: tuple[int, int], text: str, style: str = "plain", anchor: str = "start") -> None:
        written.append((text, *at, svg._CLASSES[style], svg._CLASSES[anchor]))

    monkeypatch.setattr(raster._Page, "text", note)
    raster.to_image(diagram, "png")
    root = ElementTree.fromstring(to_svg(diagram))
    expected = []
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        css = set((text.get("class") or "").split())
        style, anchor = css & {"t", "n", "m"}, css & {"c", "e"}
        expected.append((text.text, int(text.get("x")), int(text.get("y")), "".join(style), "".join(anchor)))
    assert sorted(written) == sorted(expected)


def test_the_styles_are_those_of_the_svg() -> None:
    """The SVG says its colours, widths and dashes in CSS; they are read from there."""
    rules: dict[str, dict[str, str]] = {}
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", svg._STYLE.replace(svg._DARK, "")):
        declared = dict(part.split(":", 1) for part in body.split(";") if ":" in part)
        for selector in selectors.split(","):
            rules.setdefault(selector.strip(), {}).update(declared)
    light = {key.removeprefix("--z"): value for key, value in rules[".zoo-u"].items() if key.startswith("--z")}
    short = {"#fff": "#ffffff"}
    assert {name: short.get(light[name[0]], light[name[0]]) for name in look.PALETTE} == look.PALETTE
    for role in get_args(Role):
        border = rules.get(f".zoo-u .{role} .o", rules[".zoo-u .o"])["stroke"]
        assert border == f"var(--z{look.BORDERS[role][0]})", role
    assert float(rules[".zoo-u .o"]["stroke-width"]) == look.BORDER
    for kind in get_args(LinkKind):
        own = {**rules[".zoo-u .a"], **rules.get(f".zoo-u .{kind}", {}), **rules.get(f".zoo-u .a.{kind}", {})}
        line = {**rules[".zoo-u .a path"], **rules.get(f".zoo-u .{kind} path", {})}
        stroke = look.STROKES[kind]
        assert own["--zc"] == f"var(--z{stroke.colour[0]})", kind
        assert float(line["stroke-width"]) == stroke.width, kind
        assert line.get("stroke-dasharray") == (stroke.dashes and " ".join(map(str, stroke.dashes))), kind
    assert f'rx="{look.CORNER}"' in to_svg(draw(zoo.analyze(SMALL)))


@pytest.mark.parametrize("share", [0, 0.004, 0.3, 0.5, 0.777, 1])
def test_heat_is_the_opacity_of_the_svg_over_the_paper(share: float) -> None:
    opacity = float(svg._opacity(share))
    expected = opacity * np.array(colour(look.PALETTE["heat"])) + (1 - opacity) * 255
    assert np.abs(colour(look.heat(share)) - expected).max() <= 0.5


def test_the_head_of_an_arrow_is_that_of_the_svg(diagram: Diagram) -> None:
    heads = re.findall(r'class="w" d="([^"]*)z"', to_svg(diagram))
    assert [look.head(arrow.points) for arrow in diagram.arrows] == [tuple(corners(path)) for path in heads]


def corners(path: str) -> list[tuple[int, int]]:
    """The points of a path of straight lines."""
    points: list[tuple[int, int]] = [(0, 0)]
    for letter, numbers in re.findall(r"([MLHVlhv])([^MLHVlhv]*)", path):
        (x, y), values = points[-1], [int(number) for number in numbers.split()]
        base = (x, y) if letter.islower() else (0, 0)
        across = base[0] + values[0] if letter in "MLHlh" else x
        down = base[1] + values[-1] if letter in "MLVlv" else y
        points.append((across, down))
    return points[1:]


def drawn_elsewhere(code: str, folder: Path, **environment: str) -> str:
    """Runs code on the diagram of the small network in a fresh Python without Keras, which loads pyplot by itself."""
    kept = folder / "diagram"
    kept.write_bytes(pickle.dumps(draw(zoo.analyze(SMALL))))
    start = "import pathlib, pickle, sys\ndiagram = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
    command = [sys.executable, "-c", start + code, str(kept)]
    return subprocess.run(command, env=environment or None, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("file_format", raster.FORMATS)
def test_the_bytes_are_the_same_whatever_matplotlib_is_set_to(file_format: str, tmp_path: Path) -> None:
    """A user's settings in a file and in the program change nothing, and are as they were afterwards."""
    settings = tmp_path / "matplotlibrc"
    settings.write_text(
        "font.size: 30\nlines.linewidth: 9\npdf.fonttype: 3\nsavefig.bbox: tight\nsavefig.facecolor: black\nbackend: svg\n"
        "text.color: red\npath.sketch: 5, 100, 2\nfigure.dpi: 40\nsavefig.dpi: 40\naxes.facecolor: blue\npdf.compression: 0\n"
    )
    code = f"""
import matplotlib
matplotlib.rcParams["font.family"] = "serif"
before = dict(matplotlib.rcParams)
from zoo.render.raster import to_image
pathlib.Path("u").write_bytes(to_image(diagram, {file_format!r}))
print(dict(matplotlib.rcParams) == before, matplotlib.get_backend(), "matplotlib.pyplot" in sys.modules, "keras" in sys.modules)
"""
    said = drawn_elsewhere(code, tmp_path, MATPLOTLIBRC=str(settings), MPLCONFIGDIR=str(tmp_path))
    assert said.split() == ["True", "svg", "False", "False"]
    assert (tmp_path / "u").read_bytes() == raster.to_image(draw(zoo.analyze(SMALL)), file_format)


def test_no_date_and_no_machine_in_a_file() -> None:
    content = raster.to_image(draw(zoo.analyze(SMALL)), "pdf")
    assert b"CreationDate" not in content
    assert str(Path.home()).encode() not in content
    assert b"Software" not in raster.to_image(draw(zoo.analyze(SMALL)), "png")


def test_matplotlib_is_loaded_for_a_png_only(tmp_path: Path) -> None:
    code = """
from zoo.render.picture import _drawn
for ending in ("svg", "png"):
    _drawn(diagram, ending)
    print("matplotlib" in sys.modules)
"""
    assert drawn_elsewhere(code, tmp_path).split() == ["False", "True"]


def test_without_matplotlib_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(zoo.RenderError, match=r"as \.png by matplotlib: run `pip install matplotlib`, or write \.svg"):
        zoo.plot(SMALL, tmp_path / "u.png")
    assert zoo.plot(SMALL, tmp_path / "u.svg").exists()


def test_unknown_format() -> None:
    with pytest.raises(zoo.RenderError, match=r"drawn as png or pdf\. Received: format 'gif'"):
        raster.to_image(draw(zoo.analyze(SMALL)), "gif")


@pytest.mark.parametrize("file_format", raster.FORMATS)
@pytest.mark.parametrize("title", ["$x_1$", r"$\frac{$", "Straße – 2×", "{% 100 %}"])
def test_any_name_is_text_and_no_formula(title: str, file_format: str) -> None:
    drawn = draw(zoo.analyze(SMALL))
    labels = tuple(replace(label, text=title) if label.style == "title" else label for label in drawn.labels)
    assert raster.to_image(replace(drawn, title=title, labels=labels), file_format)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="there is no program pdftotext")
def test_text_of_a_pdf_can_be_selected(diagram: Diagram, tmp_path: Path) -> None:
    path = tmp_path / "u.pdf"
    path.write_bytes(raster.to_image(diagram, "pdf"))
    said = subprocess.run(["pdftotext", "-raw", str(path), "-"], capture_output=True, text=True, check=True).stdout
    words = said.split()
    texts = [label.text for label in diagram.labels] + [label.text for box in diagram.boxes for label in box.texts]
    texts += [arrow.label for arrow in diagram.arrows]
    assert sorted(words) == sorted(word for text in texts for word in text.split())
