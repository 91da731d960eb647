"""Keras' own `plot_model` graph, layer by layer, made to work: no crash, no memory addresses, no system package.

`plot_model`'s default `splines="ortho"` aborts graphviz on these very networks, its node ids are memory addresses, and it
needs a `dot` program. Here splines are smooth, nodes are numbered in order, and pygraphviz (which carries graphviz) lays
out in this process; a `dot` on PATH is used where pygraphviz is missing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.errors import RenderError

if TYPE_CHECKING:
    import keras

FORMATS = ("svg", "png", "pdf", "dot")


def keras_dot(model: keras.Model) -> str:
    """Returns the DOT text of a model's layers with shapes, the same in every process."""
    from keras.utils import model_to_dot

    dot = model_to_dot(model, show_shapes=True, show_layer_names=True, show_layer_activations=True, dpi=72, splines="spline")
    return _renumbered(dot.to_string())


def draw_dot(text: str, file_format: str) -> bytes:
    """Lays out DOT text and draws it as svg, png or pdf.

    Raises:
        RenderError: The format is unknown, or neither pygraphviz nor a `dot` program is there.
    """
    if file_format not in FORMATS:
        message = f"A graph is drawn as {', '.join(FORMATS)}. Received: format {file_format!r}"
        raise RenderError(message)
    if file_format == "dot":
        return text.encode()
    try:
        import pygraphviz
    except ImportError:
        return _draw_with_program(text, file_format)
    graph = pygraphviz.AGraph(string=text)
    graph.layout("dot")
    return graph.draw(format=file_format)


def _draw_with_program(text: str, file_format: str) -> bytes:
    import graphviz

    try:
        return graphviz.Source(text).pipe(format=file_format)
    except graphviz.ExecutableNotFound:
        message = (
            "Drawing a graph needs graphviz: run `pip install pygraphviz` (which carries it), or put its program `dot` on PATH."
        )
        raise RenderError(message) from None


def _renumbered(text: str) -> str:
    """Replaces the memory addresses that Keras uses as node ids by running numbers, in order of appearance."""
    addresses = re.findall(r"^(\d+) \[", text, flags=re.MULTILINE)
    numbers = {address: f"n{k + 1}" for k, address in enumerate(dict.fromkeys(addresses))}
    return re.sub(r"\b\d+\b", lambda match: numbers.get(match[0], match[0]), text)
