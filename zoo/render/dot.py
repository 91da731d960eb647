"""Keras' own `plot_model` graph, layer by layer, made to work: no crash, no memory addresses, no system package.

`plot_model`'s default `splines="ortho"` aborts graphviz on these very networks, its node ids are memory addresses, a name
with `&` or `<` breaks its labels, and it needs a `dot` program. Here splines are smooth, nodes are numbered in order, labels
are escaped, and pygraphviz (which carries graphviz) lays out in this process; a `dot` on PATH is used where pygraphviz is
missing or does not load. A PNG or PDF is kept within what cairo and readers of PDF can show.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zoo.errors import AnalysisError, RenderError

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    Engine = Callable[[str, str], bytes]

FORMATS = ("svg", "png", "pdf", "dot")
DPI = 72
"""One pixel per point, so that the sizes in an SVG are those of the layout."""

PNG_SIDE = 32_767
"""Pixels: the most that cairo draws; it shrinks what is larger without a word to the caller."""

PDF_SIDE = 14_400
"""Points, 200 inches: the most that Acrobat shows; a PDF can be magnified, so it is shrunk to that."""

TEXT_HEIGHT = 14
"""Points of the smaller texts in Keras' labels."""

READABLE = 6
"""Pixels of the smallest text that can be read."""

_ESCAPES = {ord(c): f"&#{ord(c)};" for c in '&<>"{|}'}  # braces and bars part the fields of a record, Keras' shape of a node
_ESCAPES[ord("\\")] = "&#92;&#92;"  # one of them would make `\N` the name of the node


def keras_dot(model: keras.Model) -> str:
    """Returns the DOT text of a model's layers with shapes, the same in every process; nested models are drawn as frames.

    Raises:
        AnalysisError: The model has no graph of layers, as it is subclassed, or not built yet.
    """
    from keras.utils import model_to_dot

    dot = model_to_dot(
        _with_layers(model),
        show_shapes=True,
        show_layer_names=True,
        show_layer_activations=True,
        expand_nested=True,
        dpi=DPI,
        splines="spline",
    )
    return _renumbered(_escaped(dot.to_string()))


def draw_dot(text: str, file_format: str) -> bytes:
    """Lays out DOT text and draws it as svg, png or pdf.

    Raises:
        RenderError: The format is unknown; neither pygraphviz nor a `dot` program is there; graphviz refuses the text; or a
            PNG could not be read at the largest size that there is.
    """
    if file_format not in FORMATS:
        message = f"A graph is drawn as {', '.join(FORMATS)}. Received: format {file_format!r}"
        raise RenderError(message)
    if file_format == "dot":
        return text.encode()
    draw = _engine()
    if file_format in ("png", "pdf"):
        text = _fitted(text, file_format, draw)
    drawn = draw(text, file_format)
    # Blanks of the same length keep the offsets that a PDF states.
    return re.sub(rb"/CreationDate \([^)]*\)", lambda date: b" " * len(date[0]), drawn) if file_format == "pdf" else drawn


def _with_layers(model: Any) -> Any:
    """Returns the functional model whose layers are drawn: of a Sequential the one inside, which has its input, too."""
    import keras

    from zoo.analysis.tracer import functional_of

    inner = functional_of(model)
    if inner is None:
        message = (
            "Only a functional Keras model, or a Sequential one that is built, has a graph of layers to draw. Start a Sequential "
            "with keras.Input(...); give a subclassed model as keras.Model(inputs, outputs). "
            f"Received: {getattr(model, 'name', model)!r} of type {type(model).__name__}"
        )
        raise AnalysisError(message)
    return inner if isinstance(inner, keras.Model) else keras.Model(inner.inputs, inner.outputs)


def _engine() -> Engine:
    """Returns what draws: graphviz in this process, else the program."""
    try:
        import pygraphviz  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in (None, "pygraphviz"):
            return _program(f" pygraphviz is installed and does not load: {error}.")
        return _program()
    except (ImportError, OSError) as error:  # its extension does not fit this machine
        return _program(f" pygraphviz is installed and does not load: {error}.")
    return _draw_in_process


def _draw_in_process(text: str, file_format: str) -> bytes:
    import pygraphviz

    try:
        graph = pygraphviz.AGraph(string=text)
        graph.layout("dot")
        drawn: bytes | None = graph.draw(format=file_format)
    except (ValueError, RuntimeError, OSError) as error:
        raise RenderError(_refused(str(error))) from error
    if not drawn:
        raise RenderError(_refused(f"it draws no {file_format}"))
    return drawn


def _program(reason: str = "") -> Engine:
    """Returns a function that draws with the program `dot`; `reason` says why it is needed."""

    def draw(text: str, file_format: str) -> bytes:
        import graphviz

        try:
            return graphviz.Source(text).pipe(format=file_format, quiet=True)
        except graphviz.ExecutableNotFound:
            message = (
                "Drawing a graph needs graphviz: run `pip install pygraphviz` (which carries it), or put its program `dot` on "
                f"PATH.{reason} kind='u' needs neither."
            )
            raise RenderError(message) from None
        except graphviz.CalledProcessError as error:
            said = (error.stderr or b"").decode(errors="replace").strip() or f"status {error.returncode}"
            raise RenderError(_refused(said)) from error

    return draw


def _refused(said: str) -> str:
    return (
        f"Graphviz cannot draw this graph: {' '.join(said.split())}. Write the `.dot` file to see what it was given; "
        "kind='u' needs no graphviz."
    )


def _fitted(text: str, file_format: str, draw: Engine) -> str:
    """Returns the text with a resolution or size at which the whole picture fits into its format."""
    width, height = (DPI * float(inches) + 8 for inches in draw(text, "plain").split(maxsplit=4)[2:4])
    side = max(width, height)
    if file_format == "pdf":
        return _with_attribute(text, f'size="{PDF_SIDE // 72 - 1}"') if side > PDF_SIDE else text
    dpi = min(DPI, int(DPI * PNG_SIDE / side))
    if TEXT_HEIGHT * dpi < READABLE * DPI:
        message = (
            f"As a PNG, which has at most {PNG_SIDE:,} pixels on a side, this graph of {width:,.0f} × {height:,.0f} points would "
            f"have text {TEXT_HEIGHT * dpi / DPI:.0f} pixels high. Write .svg or .pdf, or draw kind='u'."
        )
        raise RenderError(message)
    return _with_attribute(text, f"dpi={dpi}") if dpi < DPI else text


def _with_attribute(text: str, attribute: str) -> str:
    """Sets an attribute of the graph at its end, where it overrules an earlier one."""
    head, brace, tail = text.rpartition("}")
    return f"{head}\n{attribute};\n{brace}{tail}"


def _escaped(text: str) -> str:
    """Escapes the names and shapes in Keras' labels, which writes them as they are between the tags `<b>` and `</b>`."""
    name = re.compile(r"<b>(.*?)</b>(?= \(\w+\)</font>|</font>)", re.DOTALL)
    return name.sub(lambda found: f"<b>{found[1].translate(_ESCAPES)}</b>", text)


def _renumbered(text: str) -> str:
    """Replaces the memory addresses that Keras uses as node ids by running numbers, in order of appearance."""
    addresses = re.findall(r"^(\d+) \[", text, flags=re.MULTILINE)
    numbers = {address: f"n{k + 1}" for k, address in enumerate(dict.fromkeys(addresses))}
    return re.sub(r"\b\d+\b", lambda match: numbers.get(match[0], match[0]), text)
