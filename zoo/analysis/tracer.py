"""Runs a functional Keras model's graph over symbolic tensors and notes each call: the only reader of Keras models."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zoo.analysis.graph import DTYPE_BYTES, Graph, Node, Weight
from zoo.analysis.keras_layers import Call, describe, wrapped
from zoo.analysis.shapes import concrete_shapes, shown
from zoo.analysis.windows import UNKNOWN
from zoo.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.analysis.graph import Shape


@dataclass
class _Tracer:
    """Collects nodes; the model's own layers and their records of calls are left as they are."""

    trainable: frozenset[int]
    nodes: list[Node] = field(default_factory=list)
    tensor_names: dict[int, str] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)  # tensors stay alive, so that their ids stay theirs
    names: set[str] = field(default_factory=set)
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

        arguments = _arguments(op, args, kwargs)
        known = [tensor for tensor in tree.flatten(list(arguments.values())) if id(tensor) in self.tensor_names]
        inner = functional_of(op)
        if inner is not None:
            return self.run(inner, _for_inputs(inner, args, known), self.unique(prefix + op.name) + "/")
        read = [self.tensor_names[id(tensor)] for tensor in known]
        outputs = self.fresh(_output_spec(op, args, kwargs, [self.shapes[name] for name in read]))
        self.add(op, self.unique(prefix + op.name), arguments, read, tree.flatten(outputs))
        return outputs

    def unique(self, name: str) -> str:
        """Returns the name for its first use, then `name@2`, `name@3`."""
        found, count = name, 1
        while found in self.names:
            count += 1
            found = f"{name}@{count}"
        self.names.add(found)
        return found

    def fresh(self, outputs: Any) -> Any:
        """Returns the outputs with new tensors for those that an operation passes on as they are."""
        import keras

        return keras.tree.map_structure(
            lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype) if id(tensor) in self.tensor_names else tensor, outputs
        )

    def add(self, op: Any, name: str, arguments: dict[str, Any], read: list[str], outputs: list[Any]) -> None:
        """Appends the node of one call."""
        shapes = tuple(tuple(tensor.shape[1:]) for tensor in outputs)
        dtypes = tuple(_dtype(tensor, name) for tensor in outputs)
        inputs = tuple(self.shapes[tensor] for tensor in read)
        call = Call(op=wrapped(op), arguments=arguments, inputs=inputs, outputs=shapes, dtype=dtypes[0])
        # without the batch in front of every output, its shape means something else: it is not understood
        batched = all(len(tensor.shape) == 0 or tensor.shape[0] == 1 for tensor in outputs)
        fields = describe(call) if batched else {"op": f"{type(op).__name__} across the batch", "windows": (UNKNOWN,)}
        node = Node(
            name=name,
            inputs=tuple(read),
            shapes=shapes,
            dtype=dtypes[0],
            dtypes=dtypes if len(set(dtypes)) > 1 else (),
            weights=self.weights_of(op),
            **fields,
        )
        self.nodes.append(node)
        for tensor, label in zip(outputs, node.outputs, strict=True):
            self.name_tensor(tensor, label)

    def weights_of(self, op: Any) -> tuple[Weight, ...]:
        """Returns the variables of a layer, counting those that no earlier node has."""
        found = []
        for v in getattr(op, "weights", ()):
            shape, new = tuple(v.shape), id(v) not in self.counted
            self.counted.add(id(v))
            trainable = id(v) in self.trainable
            found.append(Weight(name=v.name, shape=shape, dtype=_dtype(v, v.path), trainable=trainable, counted=new))
        return tuple(found)

    def name_tensor(self, tensor: Any, name: str) -> None:
        """Remembers the name of a symbolic tensor."""
        self.kept.append(tensor)
        self.names.add(name)
        self.tensor_names[id(tensor)] = name
        self.shapes[name] = tuple(tensor.shape[1:])


def traced(model: Any, input_shape: Any = None) -> Graph:
    """See `zoo.analysis.graph.trace`."""
    inner = functional_of(model)
    if inner is None:
        raise AnalysisError(_not_functional(model))
    shapes = concrete_shapes(inner, model.name, input_shape)
    owners = [model] if hasattr(model, "weights") else inner.operations  # a keras.Function owns nothing itself
    weights = [v for owner in owners for v in getattr(owner, "weights", ())]
    tracer = _Tracer(trainable=frozenset(id(v) for owner in owners for v in getattr(owner, "trainable_weights", ())))
    tensors = _input_tensors(inner, shapes, tracer)
    try:
        outputs = tracer.run(inner, tensors, "")
    except AnalysisError as error:
        message = f"{model.name!r} cannot be analysed at the input shape {shown(shapes)}: {error}"
        raise AnalysisError(message) from error
    outside = [v.path for v in weights if id(v) not in tracer.counted]
    if outside:
        message = (
            f"{model.name!r} has weights that its graph does not use: {', '.join(outside[:3])}"
            f"{' and others' if len(outside) > 3 else ''}. Analyse keras.Model(model.inputs, model.outputs) instead."
        )
        raise AnalysisError(message)
    names = tuple(tracer.tensor_names[id(tensor)] for tensor in _in_order(outputs))
    inputs = tuple(tracer.tensor_names[id(tensor)] for tensor in tensors)
    keys = tuple(map(str, outputs)) if isinstance(outputs, dict) else ()
    return Graph(name=model.name, nodes=tuple(tracer.nodes), inputs=inputs, outputs=names, output_names=keys)


def _in_order(outputs: Any) -> list[Any]:
    """Returns the outputs as they were given: Keras' own flattening sorts a dictionary by its keys."""
    import keras

    return list(outputs.values()) if isinstance(outputs, dict) else keras.tree.flatten(outputs)


def functional_of(model: Any) -> Any:
    """Returns the functional model inside: itself, what a built Sequential holds, or None."""
    import keras

    if isinstance(model, keras.Sequential):
        return getattr(model, "_functional", None) if type(model).call is keras.Sequential.call else None
    if isinstance(model, keras.Function) and type(model).call.__module__.startswith("keras.src."):
        return model
    return None


def _not_functional(model: Any) -> str:
    import keras

    if isinstance(model, keras.Sequential):
        return (
            "This Sequential model is not built yet, so it has no shapes. Start it with keras.Input(...), or call "
            f"model.build((None, ...)). Received: {type(model).__name__} {model.name!r}"
        )
    if isinstance(model, keras.layers.Layer):
        return (
            "Only functional (or built sequential) Keras models can be analysed: the graph of a subclassed model or of a single "
            f"layer is hidden in its `call`. Wrap it in keras.Model(inputs, outputs). Received: {type(model).__name__} "
            f"{model.name!r}"
        )
    return f"Give a name, a config or a functional Keras model. Received: {model!r} of type {type(model).__name__}"


def _arguments(op: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Returns the arguments of a call by name, in the order of the operation's signature."""
    try:
        bound = _signature(type(op).call).bind(op, *args, **kwargs)
    except (TypeError, ValueError):
        return {**{str(k): arg for k, arg in enumerate(args)}, **kwargs}
    return {name: argument for name, argument in bound.arguments.items() if argument is not op}


@lru_cache(512)
def _signature(function: Any) -> inspect.Signature:
    return inspect.signature(function)


def _for_inputs(inner: Any, args: Any, known: list[Any]) -> list[Any]:
    """Returns the tensors for a nested model's inputs: by name where it is called with a dictionary of them."""
    names = [tensor.name for tensor in inner.inputs]
    if args and isinstance(args[0], dict) and set(names) <= set(args[0]):
        return [args[0][name] for name in names]
    return known


def _output_spec(op: Any, args: Any, kwargs: Any, shapes: Sequence[Shape]) -> Any:
    """Returns the symbolic outputs of a call, with all sizes known."""
    import keras

    try:
        outputs = op.compute_output_spec(*args, **kwargs)
        if _open(outputs):  # some layers remember open sizes, as EinsumDense does: trace the call itself
            outputs = keras.Operation.compute_output_spec(op, *args, **kwargs)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        message = f"layer {op.name!r} ({type(op).__name__}) does not take {shown(shapes)}: {reason[0]}"
        raise AnalysisError(message) from error
    if _open(outputs):
        message = f"layer {op.name!r} ({type(op).__name__}) does not say what size its output has for {shown(shapes)}"
        raise AnalysisError(message)
    return outputs


def _open(outputs: Any) -> bool:
    import keras

    return any(size is None for tensor in keras.tree.flatten(outputs) for size in tensor.shape)


def _dtype(tensor: Any, name: str) -> str:
    dtype = str(tensor.dtype)
    if dtype not in DTYPE_BYTES:
        message = f"{name!r} holds {dtype}, which has no fixed size in bytes."
        raise AnalysisError(message)
    return dtype


def _input_tensors(model: Any, shapes: tuple[Shape, ...], tracer: _Tracer) -> list[Any]:
    import keras

    tensors = []
    for given, shape in zip(model.inputs, shapes, strict=True):
        name, dtype = tracer.unique(given.name), _dtype(given, given.name)
        tensor = keras.KerasTensor((1, *shape), dtype=dtype, name=given.name)
        tracer.name_tensor(tensor, name)
        tracer.nodes.append(Node(name=name, op="InputLayer", inputs=(), shapes=(shape,), dtype=dtype))
        tensors.append(tensor)
    return tensors
