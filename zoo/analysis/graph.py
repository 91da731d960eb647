"""The immutable picture of a built network.

`trace` makes it from a Keras model; everything after it (numbers, diagrams, tables) is a pure function of `Graph`. Shapes
have no batch axis; all numbers are for one image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]
Side = Literal["encoder", "bottleneck", "decoder", "skip", ""]

DTYPE_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1, "complex64": 8,
    "complex128": 16, "int64": 8, "uint64": 8, "int32": 4, "uint32": 4, "int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One variable of a layer: its name, shape and dtype, and whether training changes it.

    Attributes:
        counted: Whether it is counted with this node; False where an earlier node has it too.
    """

    name: str
    shape: Shape
    dtype: str
    trainable: bool
    counted: bool = True

    @property
    def size(self) -> int:
        """Number of scalars."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in bytes in its own dtype."""
        return self.size * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True, kw_only=True)
class Window:
    """What an operation does along one spatial axis: which inputs an output position `p` sees.

    Attributes:
        kind: `"slide"` (convolution, pooling): from `p * stride - before`, `size` taps that are `dilation` apart.
            `"spread"` (transposed convolution): the positions from which a slide would have reached `p`.
            `"repeat"` (nearest up-sampling): `p // stride`. `"resize"`: `size` taps around the aligned pixel centre.
            `"pick"`: `p * source // target`.
            `"adaptive"` (pooling to a fixed size): from `p * source // target` to just before the next one.
            `"cells"`: all of the cell of `size` positions that `p` lies in.
            `"shift"` (padding, cropping): `p - before`. `"whole"`: the whole axis. `"attend"`: `p` of the first input, all of
            the others. `"unknown"`: not understood. A single window of the last three kinds holds for every axis.
        size: Taps; of a cell, its positions.
        stride: Step from one output to the next, in inputs; for spread and repeat, in outputs.
        dilation: Distance between taps.
        before: Padding at the near side; negative for cropping.
        source: Size of the input along the axis, for resize.
        target: Size of the output along the axis, for resize.
    """

    kind: Literal["slide", "spread", "repeat", "resize", "pick", "adaptive", "cells", "shift", "whole", "attend", "unknown"]
    size: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0
    source: int = 0
    target: int = 0


@dataclass(frozen=True, kw_only=True)
class Node:
    """One call of one layer or operation.

    Attributes:
        name: Name of the layer; later calls of a shared layer are `name@2`, layers of a nested model `model/name`.
        op: Class of a Keras layer such as `"Conv2D"`, `"ops.Add"` for an operation, `"module.Class"` for a foreign layer.
        inputs: Names of the tensors that it reads, in order.
        shapes: Shapes of its outputs, without the batch.
        dtype: Of its first output.
        dtypes: Of each output, where they differ; else empty.
        weights: Variables of the layer, also where an earlier node counts them.
        windows: One per spatial axis for operations that move or mix positions, else empty.
        dims: Sizes that its cost needs besides shapes and weights, such as the contracted axes of a product.
        activation: Name of the activation that it applies last; empty for none.
        inner: Scalars inside the layer that its gradient needs, such as the scores of an attention.
        detail: Kernel, stride and the like in words, for tables.
        level: Rank of its resolution, 0 = full.
        side: Encoder, bottleneck, decoder, or skip for what works on a skip; empty where the graph has no U.
        block: Name of its block, such as `"enc0"`.
        block_level: Level at which its block stands; an attention gate also has layers of the coarser level.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    dtype: str
    dtypes: tuple[str, ...] = ()
    weights: tuple[Weight, ...] = ()
    windows: tuple[Window, ...] = ()
    dims: tuple[int, ...] = ()
    activation: str = ""
    inner: int = 0
    detail: str = ""
    level: int = 0
    side: Side = ""
    block: str = ""
    block_level: int = 0

    @property
    def shape(self) -> Shape:
        """Shape of the first output."""
        return self.shapes[0]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its output tensors: the node's own name, then `name:1`, `name:2`."""
        return tuple(self.name if k == 0 else f"{self.name}:{k}" for k in range(len(self.shapes)))

    @property
    def params(self) -> int:
        """Scalars in the weights that are counted here."""
        return sum(weight.size for weight in self.weights if weight.counted)

    @property
    def trainable_params(self) -> int:
        """Scalars that training changes, counted here."""
        return sum(weight.size for weight in self.weights if weight.counted and weight.trainable)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights that are counted here."""
        return sum(weight.bytes for weight in self.weights if weight.counted)

    @property
    def tensor_bytes(self) -> tuple[int, ...]:
        """Bytes of each output for one image."""
        dtypes = self.dtypes or (self.dtype,) * len(self.shapes)
        return tuple(math.prod(shape) * DTYPE_BYTES[dtype] for shape, dtype in zip(self.shapes, dtypes, strict=True))

    @property
    def output_bytes(self) -> int:
        """Bytes of all outputs for one image."""
        return sum(self.tensor_bytes)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A network as nodes in the order in which they run.

    Attributes:
        name: Name of the model.
        nodes: Inputs first.
        inputs: Names of the input tensors.
        outputs: Names of the output tensors.
        output_names: The keys of a dictionary of outputs, in the same order; else empty.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    output_names: tuple[str, ...] = ()

    @cached_property
    def producer(self) -> dict[str, Node]:
        """The node that makes each tensor."""
        return {tensor: node for node in self.nodes for tensor in node.outputs}

    @cached_property
    def shape_of(self) -> dict[str, Shape]:
        """The shape of each tensor, without the batch."""
        return {tensor: shape for node in self.nodes for tensor, shape in zip(node.outputs, node.shapes, strict=True)}

    @cached_property
    def bytes_of(self) -> dict[str, int]:
        """The size of each tensor in bytes, for one image."""
        return {tensor: size for node in self.nodes for tensor, size in zip(node.outputs, node.tensor_bytes, strict=True)}

    @cached_property
    def consumers(self) -> dict[str, tuple[Node, ...]]:
        """The nodes that read each tensor."""
        found: dict[str, list[Node]] = {tensor: [] for tensor in self.producer}
        for node in self.nodes:
            for tensor in dict.fromkeys(node.inputs):
                found[tensor].append(node)
        return {tensor: tuple(nodes) for tensor, nodes in found.items()}

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """Returns the shapes that a node reads."""
        return tuple(self.shape_of[tensor] for tensor in node.inputs)

    @property
    def input_shape(self) -> Shape:
        """Shape of the first input."""
        return self.shape_of[self.inputs[0]]

    @property
    def ndim(self) -> int:
        """Number of spatial axes of the first input."""
        return max(len(self.input_shape) - 1, 0)


def trace(model: keras.Model, input_shape: Any = None) -> Graph:
    """Reads a functional Keras model at a concrete input size, without running or changing it.

    Args:
        model: A functional or sequential model; nested models are entered, shared layers give one node per call.
        input_shape: `(H, W, C)` or `(D, H, W, C)`, or a list of shapes for several inputs; by default the model's own.

    Raises:
        AnalysisError: The model is not functional, its input size is open and none was given, or it does not fit.
    """
    from zoo.analysis.tracer import traced  # the tracer makes graphs: no cycle at import

    return traced(model, input_shape)
