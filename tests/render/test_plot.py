from __future__ import annotations

import builtins
import re
from pathlib import Path
from xml.etree import ElementTree

import keras
import pytest

import zoo
from zoo.render import dot


def own_model() -> keras.Model:
    inputs = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(2, 3, strides=2, padding="same")(inputs)
    return keras.Model(inputs, keras.layers.Conv2DTranspose(1, 2, strides=2)(x), name="own")


@pytest.mark.parametrize(
    "model", ["resunet-v1-d3-f8", zoo.info("resunet-v1-d3-f12").config.replace(input_shape=(32, 32, 3)), own_model()]
)
@pytest.mark.parametrize(
    ("kind", "ending"), [("u", "svg"), ("graph", "svg"), ("graph", "png"), ("graph", "pdf"), ("graph", "dot")]
)
def test_every_format(model: object, kind: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"net.{ending}"
    assert zoo.plot(model, path, kind=kind) == path
    content = path.read_bytes()
    starts = {"svg": (b"<?xml", b"<svg"), "png": (b"\x89PNG",), "pdf": (b"%PDF",), "dot": (b"digraph",)}[ending]
    assert content.startswith(starts)
    if ending == "svg":
        ElementTree.fromstring(content)
    assert [child.name for child in tmp_path.iterdir()] == [path.name], "no temporary file is left"


def test_every_layer_is_in_the_graph() -> None:
    model = zoo.get("resunet-v1-d3-f8", input_shape=(32, 32, 3))
    text = dot.keras_dot(model)
    assert all(f"<b>{layer.name}</b>" in text for layer in model.layers)
    assert not re.search(r"\d{9,}", text), "node ids are no memory addresses"
    assert "splines=spline" in text


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("net.png", "u", r"kind='u' is written to \.svg; kind='graph' can"),
        ("net.gif", "graph", r"is written to \.svg, \.png, \.pdf, \.dot"),
        ("net", "u", r"is written to \.svg"),
        ("net.svg", "grap", r"did you mean 'graph'\?"),
        ("missing/net.svg", "u", "does not exist; make it first"),
    ],
)
def test_bad_targets(path: str, kind: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(zoo.RenderError, match=message):
        zoo.plot("resunet-v1-d3-f8", tmp_path / path, kind=kind)
    assert not list(tmp_path.iterdir())


def test_failure_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "net.svg"
    path.mkdir()  # a folder of that name cannot be replaced by a file
    with pytest.raises(zoo.RenderError, match="Cannot write"):
        zoo.plot("resunet-v1-d3-f8", path)
    assert [child.name for child in tmp_path.iterdir()] == ["net.svg"]


def without_pygraphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name == "pygraphviz":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_a_dot_program_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\ncat > /dev/null\necho '<svg/>'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    without_pygraphviz(monkeypatch)
    assert dot.draw_dot("digraph { a }", "svg") == b"<svg/>\n"


def test_no_engine_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    without_pygraphviz(monkeypatch)
    with pytest.raises(zoo.RenderError, match="pip install pygraphviz"):
        dot.draw_dot("digraph { a }", "svg")


def test_pygraphviz_needs_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert b"<svg" in dot.draw_dot("digraph { a -> b }", "svg")


def test_unknown_format() -> None:
    with pytest.raises(zoo.RenderError, match="Received: format 'gif'"):
        dot.draw_dot("digraph { a }", "gif")
