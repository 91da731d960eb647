"""The immutable picture of a built network; `trace` is the only reader of Keras models.

Everything after it (numbers, diagrams, tables) is a pure function of `Graph`. Shapes have no batch axis; all numbers are
for one image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import keras

Shape = tuple[int, ...]

DTYPE_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "uint64": 8, "int32": 4, "uint32": 4,
    "int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One variable of a layer: its name, shape and dtype, and whether training changes it."""

    name: str
    shape: Shape
    dtype: str
    trainable: bool

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
            `"shift"` (padding, cropping): `p - before`. `"whole"`: the whole axis.
        size: Taps.
        stride: Step from one output to the next, in inputs; for spread and repeat, in outputs.
        dilation: Distance between taps.
        before: Padding at the near side; negative for cropping.
        source: Size of the input along the axis, for resize.
        target: Size of the output along the axis, for resize.
    """

    kind: Literal["slide", "spread", "repeat", "resize", "shift", "whole"]
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
        dtype: Of its outputs.
        weights: Variables of the layer, also where an earlier node counts them.
        counts: Whether its weights are counted here: only the first call of a shared layer does.
        windows: One per spatial axis for operations that move or mix positions, else empty.
        dims: Contracted sizes of products: the equation's axes of an einsum layer, and the like.
        detail: Kernel, stride and the like in words, for tables.
        level: Rank of its resolution, 0 = full.
        side: Encoder, bottleneck or decoder; empty where the graph has no U.
        block: Name of its block, such as `"enc0"`.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    dtype: str
    weights: tuple[Weight, ...] = ()
    counts: bool = True
    windows: tuple[Window, ...] = ()
    dims: tuple[int, ...] = ()
    detail: str = ""
    level: int = 0
    side: Literal["encoder", "bottleneck", "decoder", ""] = ""
    block: str = ""

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
        return sum(weight.size for weight in self.weights) if self.counts else 0

    @property
    def trainable_params(self) -> int:
        """Scalars that training changes, counted here."""
        return sum(weight.size for weight in self.weights if weight.trainable) if self.counts else 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights that are counted here."""
        return sum(weight.bytes for weight in self.weights) if self.counts else 0

    @property
    def output_bytes(self) -> int:
        """Bytes of all outputs for one image."""
        return sum(math.prod(shape) for shape in self.shapes) * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A network as nodes in the order in which they run.

    Attributes:
        name: Name of the model.
        nodes: Inputs first.
        inputs: Names of the input tensors.
        outputs: Names of the output tensors.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def producer(self) -> dict[str, Node]:
        """The node that makes each tensor."""
        return {tensor: node for node in self.nodes for tensor in node.outputs}

    @cached_property
    def shape_of(self) -> dict[str, Shape]:
        """The shape of each tensor, without the batch."""
        return {tensor: shape for node in self.nodes for tensor, shape in zip(node.outputs, node.shapes, strict=True)}

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
        return len(self.input_shape) - 1


@dataclass
class _Tracer:
    """Collects nodes while Keras runs a model's graph over symbolic tensors."""

    nodes: list[Node] = field(default_factory=list)
    tensor_names: dict[int, str] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)  # tensors stay alive, so that their ids stay theirs
    calls: dict[int, int] = field(default_factory=dict)
    counted: set[int] = field(default_factory=set)

    def run(self, model: Any, tensors: Iterable[Any], prefix: str) -> Any:
        """Runs a functional model's graph, noting each call; returns its outputs."""

        def watched(op: Any) -> Any:
            return lambda *args, **kwargs: self.call(op, args, kwargs, prefix)

        # The one private method that the zoo calls: what Functional.compute_output_spec itself does.
        return model._run_through_graph(list(tensors), operation_fn=watched)

    def call(self, op: Any, args: Any, kwargs: Any, prefix: str) -> Any:
        """Notes one call; enters nested functional models."""
        from keras import tree

        inner = functional_of(op)
        if inner is not None:
            call = self.count_call(op)
            tensors = [tensor for tensor in tree.flatten((args, kwargs)) if id(tensor) in self.tensor_names]
            return self.run(inner, tensors, f"{prefix}{op.name}{call}/")
        outputs = op.compute_output_spec(*args, **kwargs)
        read = [self.tensor_names[id(t)] for t in tree.flatten((args, kwargs)) if id(t) in self.tensor_names]
        self.add(op, f"{prefix}{op.name}{self.count_call(op)}", read, tree.flatten(outputs))
        return outputs

    def count_call(self, op: Any) -> str:
        """Returns "" for the first call of an operation, then "@2", "@3"."""
        self.calls[id(op)] = self.calls.get(id(op), 0) + 1
        return "" if self.calls[id(op)] == 1 else f"@{self.calls[id(op)]}"

    def add(self, op: Any, name: str, read: list[str], outputs: list[Any]) -> None:
        """Appends the node of one call."""
        from zoo.analysis.keras_layers import describe

        shapes = tuple(tuple(tensor.shape[1:]) for tensor in outputs)
        fresh = [variable for variable in getattr(op, "weights", ()) if id(variable) not in self.counted]
        self.counted.update(id(variable) for variable in fresh)
        node = Node(
            name=name,
            inputs=tuple(read),
            shapes=shapes,
            dtype=str(outputs[0].dtype),
            weights=_weights_of(op),
            counts=bool(fresh),
            **describe(op, tuple(self.shapes[tensor] for tensor in read), shapes),
        )
        self.nodes.append(node)
        for tensor, label in zip(outputs, node.outputs, strict=True):
            self.name_tensor(tensor, label)

    def name_tensor(self, tensor: Any, name: str) -> None:
        """Remembers the name of a symbolic tensor."""
        self.kept.append(tensor)
        self.tensor_names[id(tensor)] = name
        self.shapes[name] = tuple(tensor.shape[1:])


def trace(model: keras.Model, input_shape: Any = None) -> Graph:
    """Reads a functional Keras model at a concrete input size, without running it.

    Args:
        model: A functional or sequential model; nested models are entered, shared layers give one node per call.
        input_shape: `(H, W, C)` or `(D, H, W, C)`, or a list of shapes for several inputs; by default the model's own.

    Raises:
        AnalysisError: The model is not functional, its input size is open and none was given, or it does not fit.
    """
    inner = functional_of(model)
    if inner is None:
        message = (
            "Only functional (or built sequential) Keras models can be analysed: the graph of a subclassed model is hidden in "
            f"its `call`. Received: {type(model).__name__} {getattr(model, 'name', model)!r}"
        )
        raise AnalysisError(message)
    shapes = _concrete_shapes(inner, input_shape)
    tracer = _Tracer()
    tensors = _input_tensors(inner, shapes, tracer)
    try:
        outputs = tracer.run(inner, tensors, "")
    except ValueError as error:
        message = f"{model.name!r} does not accept the input shape {_shown(shapes)}: {error}"
        raise AnalysisError(message) from error
    from keras import tree

    names = tuple(tracer.tensor_names[id(tensor)] for tensor in tree.flatten(outputs))
    inputs = tuple(tracer.tensor_names[id(tensor)] for tensor in tensors)
    return Graph(name=model.name, nodes=tuple(tracer.nodes), inputs=inputs, outputs=names)


def functional_of(model: Any) -> Any:
    """Returns the functional model inside: itself, what a built Sequential holds, or None."""
    import keras

    if isinstance(model, keras.Sequential):
        return getattr(model, "_functional", None)
    return model if type(model).__name__ == "Functional" and isinstance(model, keras.Model) else None


def _input_tensors(model: Any, shapes: tuple[Shape, ...], tracer: _Tracer) -> list[Any]:
    import keras

    tensors = []
    for given, shape in zip(model.inputs, shapes, strict=True):
        name = given.name
        tensor = keras.KerasTensor((1, *shape), dtype=given.dtype, name=name)
        tracer.name_tensor(tensor, name)
        tracer.nodes.append(Node(name=name, op="InputLayer", inputs=(), shapes=(shape,), dtype=str(given.dtype)))
        tensors.append(tensor)
    return tensors


def _concrete_shapes(model: Any, input_shape: Any) -> tuple[Shape, ...]:
    """Returns a concrete shape for each input, checked against what the model was built for."""
    built = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    if input_shape is None:
        shapes = built
    elif len(built) == 1 and all(size is None or hasattr(size, "__index__") for size in input_shape):
        shapes = [tuple(input_shape)]
    else:
        shapes = [tuple(shape) for shape in input_shape]
    fits = len(shapes) == len(built) and all(
        len(shape) == len(own) and all(size == fixed or fixed is None for size, fixed in zip(shape, own, strict=True))
        for shape, own in zip(shapes, built, strict=True)
    )
    if not fits:
        message = (
            f"The input shape does not fit {model.name!r}, which was built for {_shown(built)}. "
            f"Received: input_shape={input_shape!r}; give its sizes without the batch, channels last."
        )
        raise AnalysisError(message)
    if any(size is None for shape in shapes for size in shape):
        message = (
            f"{model.name!r} was built for {_shown(built)}; numbers need a concrete size. "
            f"Give input_shape, for example {_shown([tuple(size or 256 for size in shape) for shape in shapes])}."
        )
        raise AnalysisError(message)
    return tuple(tuple(int(size) for size in shape) for shape in shapes)


def _weights_of(op: Any) -> tuple[Weight, ...]:
    trainable = {id(variable) for variable in getattr(op, "trainable_weights", ())}
    return tuple(
        Weight(name=v.name, shape=tuple(v.shape), dtype=str(v.dtype), trainable=id(v) in trainable)
        for v in getattr(op, "weights", ())
    )


def _shown(shapes: Iterable[Shape]) -> str:
    return " and ".join(str(shape) for shape in shapes)
