"""`plot`: a network as a picture, in a file or in a notebook."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from zoo.config import ModelConfig
from zoo.errors import RenderError, close_matches

if TYPE_CHECKING:
    import keras

    from zoo.analysis import Report
    from zoo.render.diagram import Diagram, Metric

Kind = Literal["u", "graph"]
KINDS: dict[str, tuple[str, ...]] = {"u": ("svg", "png", "pdf"), "graph": ("svg", "png", "pdf", "dot")}
"""Kinds of picture and the file endings that each can be written to."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawn network. A notebook shows it where it is the last line of a cell.

    Attributes:
        name: Name of the network.
        kind: `"u"` (blocks as a U) or `"graph"` (every layer).
        svg: The picture as SVG text.
        source: What it is drawn from: the geometry of the U, or DOT text.
    """

    name: str
    kind: Kind
    svg: str = field(repr=False)
    source: Diagram | str = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the picture into a file; the ending of `path` chooses the format, as in `zoo.plot`.

        Raises:
            RenderError: See `zoo.plot`.
        """
        target, file_format = _checked_target(self.kind, path)
        content = self.svg.encode() if file_format == "svg" else _drawn(self.source, file_format)
        _write_whole(target, content)
        return target

    def _repr_svg_(self) -> str:
        """What a notebook keeps as an image."""
        return self.svg

    def _repr_html_(self) -> str:
        """What a notebook shows in its page: the U fits the width; the graph, which is long, scrolls in a frame."""
        svg = _with_own_ids(self.svg[self.svg.index("<svg") :])
        if self.kind == "u":
            return _styled(svg, "max-width:100%;height:auto")
        found = re.search(r'viewBox="\S+ \S+ ([\d.]+)', svg)
        width = float(found[1]) if found else 0
        # Not below half its size, so that it can be read; smaller than it is, so that its first layer is in sight.
        svg = _styled(svg, f"width:100%;min-width:{width / 2:.0f}px;max-width:{width:.0f}px;height:auto")
        return f'<div style="max-height:80vh;overflow:auto">{svg}</div>'


def _styled(svg: str, style: str) -> str:
    return svg.replace("<svg ", f'<svg style="{style}" ', 1)


@overload
def plot(
    model: keras.Model | ModelConfig | str,
    path: str | os.PathLike[str],
    kind: Kind = "u",
    input_shape: Any = None,
    metric: Metric = "macs",
) -> Path: ...
@overload
def plot(
    model: keras.Model | ModelConfig | str, path: None = None, kind: Kind = "u", input_shape: Any = None, metric: Metric = "macs"
) -> Picture: ...


def plot(
    model: keras.Model | ModelConfig | str,
    path: str | os.PathLike[str] | None = None,
    kind: Kind = "u",
    input_shape: Any = None,
    metric: Metric = "macs",
) -> Path | Picture:
    """Draws a network into a file, or for a notebook.

    Args:
        model: A name, a config, or any functional Keras model.
        path: Where to write; the ending chooses the format: `.svg`, `.png` or `.pdf`, for the graph also `.dot`. Without a
            path the picture is returned, which notebooks show.
        kind: `"u"` draws the blocks as a U with shapes and costs; `"graph"` draws every layer, as Keras' `plot_model`.
        input_shape: Concrete sizes for the numbers of the U, see `zoo.analyze`; for a graph, of a name or config only.
        metric: What the colour of the U's boxes shows: `"macs"`, `"params"` or `"output_bytes"`.

    Returns:
        The path that was written, or a `zoo.Picture`.

    Raises:
        RenderError: The kind, ending or metric is unknown, the folder does not exist, the file cannot be written, or a graph
            is asked for and no graphviz is there or it fails.
        AnalysisError: The model is not functional, or the input shape is open or does not fit.
        UnknownModelError: No entry has this name.
        ConfigError: The network cannot be built for this input shape.
    """
    _check_options(kind, metric, model, input_shape)
    target, file_format = (None, "svg") if path is None else _checked_target(kind, path)
    name, source = _u(model, input_shape, metric) if kind == "u" else _graph(model, input_shape)
    content = _drawn(source, file_format)
    if target is None:
        return Picture(name=name, kind=kind, svg=content.decode(), source=source)
    _write_whole(target, content)
    return target


def picture_of(report: Report, metric: Metric = "macs") -> Picture:
    """Returns the U of an analysed network."""
    from zoo.render.diagram import draw

    diagram = draw(report, metric)
    return Picture(name=report.name, kind="u", svg=_drawn(diagram, "svg").decode(), source=diagram)


def _u(model: keras.Model | ModelConfig | str, input_shape: Any, metric: Metric) -> tuple[str, Diagram]:
    """Returns name and geometry of a U."""
    from zoo.analysis import analyze
    from zoo.render.diagram import draw

    report = analyze(model, input_shape)
    return report.name, draw(report, metric)


def _graph(model: keras.Model | ModelConfig | str, input_shape: Any) -> tuple[str, str]:
    """Returns name and DOT text of a layer graph; by name or config no weights are allocated."""
    from zoo.registry import build_weightless, info
    from zoo.render.dot import keras_dot

    if isinstance(model, str):
        entry = info(model)
        model = entry.config.replace(input_shape=entry.analysis_shape if input_shape is None else input_shape)
    elif isinstance(model, ModelConfig) and input_shape is not None:
        model = model.replace(input_shape=input_shape)
    built = build_weightless(model) if isinstance(model, ModelConfig) else model
    text = keras_dot(built)
    return str(built.name), text


def _drawn(source: Diagram | str, file_format: str) -> bytes:
    """Returns the content of a file; what a format needs is imported when it is asked for."""
    if isinstance(source, str):
        from zoo.render.dot import draw_dot

        return draw_dot(source, file_format)
    if file_format == "svg":
        from zoo.render.svg import to_svg

        return to_svg(source).encode()
    from zoo.render.raster import to_image

    return to_image(source, file_format)


def _check_options(kind: str, metric: str, model: object, input_shape: Any) -> None:
    from zoo.render.diagram import METRICS

    if kind not in KINDS:
        near = close_matches(str(kind), KINDS) or "."
        message = f"`kind` is 'u' (blocks as a U) or 'graph' (every layer){near} Received: kind={kind!r}"
        raise RenderError(message)
    if metric not in METRICS:
        near = close_matches(str(metric), METRICS) or "."
        message = f"`metric` is {', '.join(map(repr, METRICS))}{near} Received: metric={metric!r}"
        raise RenderError(message)
    if kind == "graph" and metric != "macs":
        message = f"Only kind='u' colours its boxes by a metric. Received: kind='graph', metric={metric!r}"
        raise RenderError(message)
    if kind == "graph" and input_shape is not None and not isinstance(model, str | ModelConfig):
        message = (
            "A graph shows the shapes that the model was built with; `input_shape` goes with a name, a config, or kind='u'. "
            f"Received: input_shape={input_shape!r}"
        )
        raise RenderError(message)


def _checked_target(kind: str, path: str | os.PathLike[str]) -> tuple[Path, str]:
    """Returns the path and the format that its ending chooses."""
    try:
        target = Path(path)
    except TypeError:
        message = f"`path` is a file name or a pathlib.Path. Received: path={path!r}"
        raise RenderError(message) from None
    file_format = target.suffix.lower().removeprefix(".")
    if file_format not in KINDS[kind]:
        endings = ", ".join(f".{ending}" for ending in KINDS[kind])
        other = "; kind='graph' can" if kind == "u" and file_format in KINDS["graph"] else ""
        message = f"kind={kind!r} is written to {endings}{other}. Received: path={str(target)!r}"
        raise RenderError(message)
    try:
        there = target.parent.is_dir()
    except OSError as error:  # such as a folder that one may not enter
        message = f"Cannot write {str(target)!r}: {error.strerror or error}"
        raise RenderError(message) from error
    if not there:
        message = f"The folder {str(target.parent)!r} does not exist; make it first. Received: path={str(target)!r}"
        raise RenderError(message)
    return target, file_format


def _with_own_ids(svg: str) -> str:
    """Marks all ids with a digest of the picture: several pictures in one page would otherwise share them."""
    mark = f"zoo{hashlib.sha256(svg.encode()).hexdigest()[:8]}-"

    def marked(found: re.Match[str]) -> str:
        return f'{found[1]}="{" ".join(mark + name for name in found[2].split())}"'

    svg = re.sub(r'\b(id|aria-labelledby|aria-describedby)="([^"]+)"', marked, svg)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{mark}", svg)


def _write_whole(path: Path, content: bytes) -> None:
    """Writes beside the target and moves, so that a failure never leaves half a file under the final name."""
    partial = path.with_name(f".zoo-{secrets.token_hex(8)}.part")  # short, and of this call alone
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except (OSError, ValueError) as error:  # a ValueError: no file can have this name
        message = f"Cannot write {str(path)!r}: {getattr(error, 'strerror', None) or error}"
        raise RenderError(message) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
