"""`plot`: a network as a picture in a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.config import ModelConfig
from zoo.errors import RenderError, close_matches

if TYPE_CHECKING:
    import keras

KINDS = {"u": ("svg",), "graph": ("svg", "png", "pdf", "dot")}
"""Kinds of picture and the file endings that each can be written to."""


def plot(
    model: keras.Model | ModelConfig | str,
    path: str | os.PathLike[str],
    kind: Literal["u", "graph"] = "u",
    input_shape: Any = None,
) -> Path:
    """Draws a network into a file; the ending of `path` chooses the format.

    Args:
        model: A name, a config, or any functional Keras model.
        path: Where to write: `.svg` for the U; `.svg`, `.png`, `.pdf` or `.dot` for the graph.
        kind: `"u"` draws the blocks as a U with shapes and costs; `"graph"` draws every layer, as Keras' `plot_model`.
        input_shape: Concrete sizes for the numbers of the U; see `zoo.analyze`.

    Returns:
        The path that was written.

    Raises:
        RenderError: The kind or the ending is unknown, the folder does not exist, or no graphviz is there.
    """
    path = Path(path)
    file_format = _checked_format(kind, path)
    content = u_svg(model, input_shape).encode() if kind == "u" else graph_picture(model, file_format)
    _write_whole(path, content)
    return path


def u_svg(model: keras.Model | ModelConfig | str, input_shape: Any = None) -> str:
    """Returns the U of a network as SVG text."""
    from zoo.analysis import analyze
    from zoo.render.diagram import draw
    from zoo.render.svg import to_svg

    return to_svg(draw(analyze(model, input_shape)))


def graph_picture(model: keras.Model | ModelConfig | str, file_format: str) -> bytes:
    """Returns the layer graph of a network; by name or config no weights are allocated."""
    from zoo.registry import build_weightless, info
    from zoo.render.dot import draw_dot, keras_dot

    if isinstance(model, str):
        entry = info(model)
        model = entry.config.replace(input_shape=entry.analysis_shape)
    if isinstance(model, ModelConfig):
        model = build_weightless(model)
    return draw_dot(keras_dot(model), file_format)


def _checked_format(kind: str, path: Path) -> str:
    if kind not in KINDS:
        near = close_matches(str(kind), KINDS) or "."
        message = f"`kind` is 'u' (blocks as a U) or 'graph' (every layer){near} Received: kind={kind!r}"
        raise RenderError(message)
    file_format = path.suffix.lower().removeprefix(".")
    if file_format not in KINDS[kind]:
        endings = ", ".join(f".{ending}" for ending in KINDS[kind])
        other = "; kind='graph' can" if kind == "u" and file_format in KINDS["graph"] else ""
        message = f"kind={kind!r} is written to {endings}{other}. Received: path={str(path)!r}"
        raise RenderError(message)
    if not path.parent.is_dir():
        message = f"The folder {str(path.parent)!r} does not exist; make it first. Received: path={str(path)!r}"
        raise RenderError(message)
    return file_format


def _write_whole(path: Path, content: bytes) -> None:
    """Writes beside the target and moves, so that a failure never leaves half a file under the final name."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        message = f"Cannot write {str(path)!r}: {error.strerror or error}"
        raise RenderError(message) from error
