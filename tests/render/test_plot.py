from __future__ import annotations

import builtins
import itertools
import os
import re
import shutil
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import keras
import pytest

import zoo
from zoo.render import dot, picture

SMALL = "resunet-v1-d3-f8"
STARTS = {"svg": (b"<?xml", b"<svg"), "png": (b"\x89PNG",), "pdf": (b"%PDF",), "dot": (b"digraph",)}
FORMATS = [(kind, ending) for kind, endings in picture.KINDS.items() for ending in endings]


def own_model(name: str = "own", **options: object) -> keras.Model:
    inputs = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(2, 3, strides=2, padding="same", **options)(inputs)
    return keras.Model(inputs, keras.layers.Conv2DTranspose(1, 2, strides=2)(x), name=name)


def sequential() -> keras.Model:
    layers = keras.layers.Conv2D(2, 3, strides=2, padding="same"), keras.layers.Conv2DTranspose(1, 2, strides=2)
    return keras.Sequential([keras.Input((16, 16, 1)), *layers], name="chain")


def with_two_inputs_and_a_nested_model() -> keras.Model:
    inner = own_model("inner")
    a, b = keras.Input((16, 16, 1), name="left"), keras.Input((16, 16, 1), name="right")
    x = keras.layers.Add()([inner(a), b])
    return keras.Model([a, b], [keras.layers.Conv2D(1, 1, name="first")(x), x], name="two")


MODELS = {
    "name": lambda: SMALL,
    "config": lambda: zoo.info("resunet-v1-d3-f12").config.replace(input_shape=(32, 32, 3)),
    "own": own_model,
    "sequential": sequential,
    "nested": with_two_inputs_and_a_nested_model,
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize(("kind", "ending"), FORMATS)
def test_every_format(model: object, kind: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"net.{ending}"
    assert zoo.plot(model(), path, kind=kind) == path
    content = path.read_bytes()
    assert content.startswith(STARTS[ending])
    if ending == "svg":
        ElementTree.fromstring(content)
    assert [child.name for child in tmp_path.iterdir()] == [path.name], "no temporary file is left"


def test_every_layer_is_in_the_graph() -> None:
    model = zoo.get(SMALL, input_shape=(32, 32, 3))
    text = dot.keras_dot(model)
    assert all(f"<b>{layer.name}</b>" in text for layer in model.layers)
    assert not re.search(r"\d{9,}", text), "node ids are no memory addresses"
    assert "splines=spline" in text


def test_a_nested_model_is_a_frame_around_its_layers() -> None:
    model = with_two_inputs_and_a_nested_model()
    text = dot.keras_dot(model)
    assert "subgraph cluster_inner" in text
    inner = model.get_layer("inner")
    assert all(f"<b>{layer.name}</b>" in text for layer in (*inner.layers, *model.layers) if layer is not inner)


def test_a_sequential_shows_its_input() -> None:
    assert "InputLayer" in dot.keras_dot(sequential())


@pytest.mark.parametrize("name", ["a&b", "a<b", "a{b|c}", 'a"b', "a\\Nb", "モデル", "<b>", "</b>", "$x$"])
def test_any_name_stands_in_the_graph_as_it_is(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    model = own_model()
    model.layers[1].name = name
    root = ElementTree.fromstring(dot.draw_dot(dot.keras_dot(model), "svg"))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert name in texts
    assert "Error" not in capfd.readouterr().err


def test_an_activation_without_a_name_is_shown() -> None:
    text = dot.draw_dot(dot.keras_dot(own_model(activation=lambda x: x)), "svg").decode()
    assert "&lt;lambda&gt;" in text


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv = keras.layers.Conv2D(2, 3)

    def call(self, x: object) -> object:
        return self.conv(x)


@pytest.mark.parametrize("kind", ["u", "graph"])
@pytest.mark.parametrize(
    "model", [Subclassed(), keras.Sequential([keras.layers.Conv2D(2, 3)]), keras.layers.Dense(1), None, 3], ids=repr
)
def test_what_has_no_graph_of_layers(model: object, kind: str, tmp_path: Path) -> None:
    with pytest.raises(zoo.AnalysisError, match=r"functional|Sequential"):
        zoo.plot(model, tmp_path / "net.svg", kind=kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("net.dot", "u", r"kind='u' is written to \.svg, \.png, \.pdf; kind='graph' can"),
        ("net.gif", "graph", r"is written to \.svg, \.png, \.pdf, \.dot"),
        ("net", "u", r"is written to \.svg"),
        (".svg", "u", r"is written to \.svg"),
        ("net.svg", "grap", r"did you mean 'graph'\?"),
        ("missing/net.svg", "u", "does not exist; make it first"),
        ("x" * 300 + ".svg", "u", "Cannot write .*: File name too long"),
        ("a\0b.svg", "u", "Cannot write .*null byte"),
    ],
)
def test_bad_targets(path: str, kind: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(zoo.RenderError, match=message):
        zoo.plot(SMALL, tmp_path / path, kind=kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [3, b"net.svg"])
def test_no_path_at_all(path: object) -> None:
    with pytest.raises(zoo.RenderError, match=r"`path` is a file name or a pathlib\.Path\. Received: path="):
        zoo.plot(SMALL, path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "mac"}, r"`metric` is 'params', 'macs', 'output_bytes'; did you mean 'macs'\? Received: metric='mac'"),
        ({"metric": "params", "kind": "graph"}, "Only kind='u' colours its boxes"),
        ({"input_shape": (8, 8, 1), "kind": "graph"}, "shapes that the model was built with"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(zoo.RenderError, match=message):
        zoo.plot(own_model(), **options)


def test_input_shape_and_metric_are_used() -> None:
    pictures = {shape: zoo.plot(SMALL, input_shape=shape).svg for shape in [(64, 64, 3), (32, 48, 3)]}
    assert all("×".join(map(str, shape)) in svg for shape, svg in pictures.items())
    assert "(None, 32, 48, 3)" in zoo.plot(SMALL, kind="graph", input_shape=(32, 48, 3)).svg
    config = zoo.info(SMALL).config
    assert "(None, 32, 48, 3)" in zoo.plot(config, kind="graph", input_shape=(32, 48, 3)).svg
    shares = {
        metric: [box.share for box in zoo.plot(SMALL, metric=metric).source.boxes]
        for metric in ("macs", "params", "output_bytes")
    }
    assert len(set(map(tuple, shares.values()))) == 3


@pytest.mark.parametrize("path", ["NET.SVG", "net.Png", "pictures/net.pdf"])
def test_a_path_is_a_string_or_path_with_any_case_and_needs_no_folder(path: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    for given in (path, Path(path)):
        assert zoo.plot(own_model(), given) == Path(path)
        assert Path(path).read_bytes().startswith(STARTS[path[-3:].lower()])


def test_a_long_name_is_written(tmp_path: Path) -> None:
    assert zoo.plot(own_model(), tmp_path / ("x" * 251 + ".svg")).exists()


def test_a_folder_in_the_way_stays(tmp_path: Path) -> None:
    path = tmp_path / "net.svg"
    path.mkdir()  # a folder of that name cannot be replaced by a file
    with pytest.raises(zoo.RenderError, match="Cannot write"):
        zoo.plot(SMALL, path)
    assert [child.name for child in tmp_path.iterdir()] == ["net.svg"]


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_a_full_disk_keeps_the_old_file(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"net.{ending}"
    path.write_bytes(b"old")

    def fails(self: Path, content: bytes) -> None:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(zoo.RenderError, match=r"Cannot write '.*': No space left on device"):
        zoo.plot(own_model(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(zoo.RenderError, match="Permission denied"):
        zoo.plot(own_model(), tmp_path / "net.svg")


def test_the_command_has_the_same_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from zoo.cli import main

    out = tmp_path / "u.svg"
    options = ["--input-shape", "32,48,3", "--metric", "params"]
    monkeypatch.setattr("sys.argv", ["zoo", "plot", SMALL, str(out), *options])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_text() == zoo.plot(SMALL, input_shape=(32, 48, 3), metric="params").svg


# --- engines of graphviz ---


def without_pygraphviz(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name == "pygraphviz":
            raise error or ModuleNotFoundError("No module named 'pygraphviz'", name="pygraphviz")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


BROKEN = [
    None,
    ImportError("libexpat.so.1: cannot open shared object file"),
    OSError("invalid ELF header"),
    ModuleNotFoundError("No module named 'pygraphviz._graphviz'", name="pygraphviz._graphviz"),
]


@pytest.mark.parametrize("error", BROKEN, ids=["missing", "library", "header", "extension"])
def test_a_dot_program_is_enough(error: Exception | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\ncat > /dev/null\necho '<svg/>'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    without_pygraphviz(monkeypatch, error)
    assert dot.draw_dot("digraph { a }", "svg") == b"<svg/>\n"


@pytest.mark.skipif(shutil.which("dot") is None, reason="there is no program dot")
@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_the_real_program_draws_the_same_layers(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pygraphviz(monkeypatch)
    model = zoo.get(SMALL, input_shape=(32, 32, 3))
    content = zoo.plot(model, tmp_path / f"net.{ending}", kind="graph").read_bytes()
    assert content.startswith(STARTS[ending])
    if ending == "svg":
        assert all(f">{layer.name}<" in content.decode() for layer in model.layers)


@pytest.mark.parametrize("error", BROKEN, ids=["missing", "library", "header", "extension"])
def test_no_engine_at_all(error: Exception | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    without_pygraphviz(monkeypatch, error)
    with pytest.raises(zoo.RenderError, match="pip install pygraphviz") as raised:
        zoo.plot(own_model(), tmp_path / "net.svg", kind="graph")
    assert error is None or f"pygraphviz is installed and does not load: {error}." in str(raised.value)
    for ending in picture.KINDS["u"]:
        assert zoo.plot(own_model(), tmp_path / f"net.{ending}").exists(), "the U needs no graphviz"


def test_pygraphviz_needs_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert b"<svg" in dot.draw_dot("digraph { a -> b }", "svg")


@pytest.mark.parametrize("engine", ["pygraphviz", "program"])
def test_what_graphviz_refuses_is_said(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine == "program":
        program = tmp_path / "dot"
        program.write_text("#!/bin/sh\ncat > /dev/null\necho 'maze.c:315: Assertion failed' >&2\nexit 134\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        without_pygraphviz(monkeypatch)
    said = {"pygraphviz": "Invalid Input", "program": "maze.c:315: Assertion failed"}[engine]
    with pytest.raises(zoo.RenderError, match=rf"Graphviz cannot draw this graph: {said}\. Write the `\.dot` file"):
        dot.draw_dot("digraph { a ->", "svg")


def test_unknown_format() -> None:
    with pytest.raises(zoo.RenderError, match="Received: format 'gif'"):
        dot.draw_dot("digraph { a }", "gif")


# --- sizes that a format cannot hold ---


def tower(storeys: int) -> str:
    return f"digraph {{ dpi=72; node [shape=box]; {' -> '.join(f'n{k}' for k in range(storeys))} }}"


def png_size(content: bytes) -> tuple[int, int]:
    return struct.unpack(">II", content[16:24])


def test_a_tall_png_is_drawn_smaller_and_whole(capfd: pytest.CaptureFixture[str]) -> None:
    width, height = png_size(dot.draw_dot(tower(600), "png"))  # 43,172 points high
    assert 32_000 < height <= 32_767
    assert width < 70
    assert "too large" not in capfd.readouterr().err


def test_a_png_that_nobody_could_read_is_refused() -> None:
    message = r"this graph of \d+ × 10\d,\d{3} points would have text 4 pixels high\. Write \.svg or \.pdf"
    with pytest.raises(zoo.RenderError, match=message):
        dot.draw_dot(tower(1400), "png")


def test_a_tall_pdf_fits_on_a_page_that_every_reader_shows() -> None:
    content = dot.draw_dot(tower(1400), "pdf")
    streams = re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)
    boxes = [box for part in (content, *map(inflated, streams)) for box in re.findall(rb"/MediaBox \[([^\]]*)\]", part)]
    assert [float(number) <= 14_400 for number in boxes[0].split()] == [True] * 4
    assert float(boxes[0].split()[3]) > 14_000


def inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream.rstrip(b"\r\n"))
    except zlib.error:
        return b""


@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "dot"])
def test_a_graph_has_the_same_bytes_twice(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = dot.draw_dot(dot.keras_dot(zoo.get(SMALL)), ending)
    keras.utils.clear_session()
    assert dot.draw_dot(dot.keras_dot(zoo.get(SMALL)), ending) == first
    assert b"CreationDate" not in first


# --- in a notebook ---


@pytest.fixture(scope="module")
def pictures() -> dict[str, zoo.Picture]:
    return {"u": zoo.plot(SMALL), "graph": zoo.plot(SMALL, kind="graph")}


@pytest.mark.parametrize(("kind", "ending"), FORMATS)
def test_a_picture_is_saved_as_plot_writes_it(kind: str, ending: str, pictures, tmp_path: Path) -> None:
    saved = pictures[kind].save(tmp_path / f"a.{ending}")
    assert saved == tmp_path / f"a.{ending}"
    assert saved.read_bytes() == zoo.plot(SMALL, tmp_path / f"b.{ending}", kind=kind).read_bytes()


def test_a_picture_is_refused_where_plot_refuses(pictures, tmp_path: Path) -> None:
    with pytest.raises(zoo.RenderError, match="kind='graph' can"):
        pictures["u"].save(tmp_path / "u.dot")


@pytest.mark.parametrize("kind", ["u", "graph"])
def test_a_picture_is_short_in_a_terminal(kind: str, pictures) -> None:
    assert repr(pictures[kind]) == f"Picture(name='{SMALL}', kind='{kind}')"


@pytest.mark.parametrize("kind", ["u", "graph"])
def test_an_image_and_a_piece_of_a_page(kind: str, pictures) -> None:
    """The methods by which IPython shows an object; what is in a page is one element without a declaration of a document."""
    assert pictures[kind]._repr_svg_() == pictures[kind].svg
    html = pictures[kind]._repr_html_()
    assert not re.search(r"<\?|<!DOCTYPE", html)
    shown = ElementTree.fromstring(html)
    assert shown.tag == {"u": "{http://www.w3.org/2000/svg}svg", "graph": "div"}[kind]
    if kind == "u":
        assert "max-width:100%" in shown.get("style")
        return
    width = float(shown[0].get("viewBox").split()[2])
    assert "overflow:auto" in shown.get("style")
    assert f"min-width:{width / 2:.0f}px" in shown[0].get("style")


def test_pictures_in_one_page_do_not_clash(pictures) -> None:
    shown = [p._repr_html_() for p in (*pictures.values(), zoo.plot(SMALL, input_shape=(64, 64, 3)), zoo.plot("unet-d3-f8"))]
    ids = [set(re.findall(r'\bid="([^"]+)"', html)) for html in shown]
    assert all(ids)
    assert not any(a & b for a, b in itertools.combinations(ids, 2))
    for html, own in zip(shown, ids, strict=True):
        named = {name for names in re.findall(r'aria-labelledby="([^"]+)"', html) for name in names.split()}
        assert named <= own, "what names a picture is still found"
        for style in re.findall(r"<style>(.*?)</style>", html):
            rules = re.findall(r"([^{}]+)\{[^{}]*\}", re.sub(r"@media[^{]*\{(.*?\})\}", r"\1", style))
            assert rules
            assert all(".zoo-u" in selector for rule in rules for selector in re.split(r",(?![^(]*\))", rule))


def test_a_report_has_a_picture() -> None:
    assert picture.picture_of(zoo.analyze(SMALL)) == zoo.plot(SMALL)
