"""`analyze`: all numbers of a network, in total, per block and per layer."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from zoo.analysis.cost import macs, not_understood
from zoo.analysis.graph import DTYPE_BYTES, Graph, Node, trace
from zoo.analysis.memory import inference_peak, training_activations
from zoo.analysis.motifs import traits
from zoo.analysis.receptive_field import receptive_field
from zoo.analysis.structure import place
from zoo.config import ModelConfig
from zoo.entry import Numbers
from zoo.errors import AnalysisError

if TYPE_CHECKING:
    import keras

OPTIMIZER_SLOTS = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adagrad": 1, "adam": 2, "adamw": 2}
"""Tensors that an optimizer keeps for each trainable weight."""


@dataclass(frozen=True, kw_only=True)
class LayerNumbers:
    """What one call of one layer costs; the fields are those of `Numbers` for one node.

    Attributes:
        macs: Multiply-accumulates, None where the operation is not understood.
    """

    name: str
    op: str
    detail: str
    block: str
    side: str
    level: int
    shape: tuple[int, ...]
    params: int
    trainable_params: int
    macs: int | None
    output_bytes: int


@dataclass(frozen=True, kw_only=True)
class BlockNumbers:
    """The sum over the layers of one block: one side at one level, a gate, or a head.

    Attributes:
        level: The row in which it stands.
        shape: Of its largest tensor that another block reads or that the network returns.
        outputs: Names of the network's outputs that it makes, where there are several.
        traits: What it is made of besides a chain of layers, such as `"2 residual adds"`.
    """

    name: str
    side: str
    level: int
    shape: tuple[int, ...]
    outputs: tuple[str, ...]
    traits: tuple[str, ...]
    layers: int
    params: int
    trainable_params: int
    macs: int
    output_bytes: int


@dataclass(frozen=True, kw_only=True)
class Report(Numbers):
    """The numbers of one network at one input size, batch 1.

    Attributes:
        name: Name of the model.
        unsupported: `"layer (operation)"` for what was not understood; its work is missing in `macs` then. `"layer
            (operation): receptive field"` where only the receptive field is unknown, which is empty then.
        blocks: Sums per block, in the order in which they run.
        per_layer: One row per layer, in the order in which they run.
        graph: The traced network.
    """

    name: str
    unsupported: tuple[str, ...]
    blocks: tuple[BlockNumbers, ...]
    per_layer: tuple[LayerNumbers, ...]
    graph: Graph

    def weight_bytes_as(self, dtype: str) -> int:
        """Returns the bytes of all weights stored in a dtype: `report.weight_bytes_as("float16")`."""
        if dtype not in DTYPE_BYTES:
            message = f"`dtype` must be one of {', '.join(DTYPE_BYTES)}. Received: dtype={dtype!r}"
            raise AnalysisError(message)
        return self.params * DTYPE_BYTES[dtype]

    def training_bytes(self, batch: int = 1, optimizer: str = "adam") -> int:
        """Returns the bytes that training needs: kept activations, weights, gradients and the optimizer's tensors.

        Args:
            batch: Images per step; activations grow with it.
            optimizer: One of "sgd", "momentum", "rmsprop", "adagrad", "adam", "adamw".
        """
        if optimizer not in OPTIMIZER_SLOTS:
            message = f"`optimizer` must be one of {', '.join(OPTIMIZER_SLOTS)}. Received: optimizer={optimizer!r}"
            raise AnalysisError(message)
        weights = (weight for node in self.graph.nodes for weight in node.weights if weight.counted and weight.trainable)
        slots = 1 + OPTIMIZER_SLOTS[optimizer]  # the gradient and what the optimizer keeps
        return self.training_activation_bytes * batch + self.weight_bytes + sum(weight.bytes for weight in weights) * slots

    def numbers(self) -> Numbers:
        """Returns the totals alone, as the catalog stores them."""
        return Numbers(**{declared.name: getattr(self, declared.name) for declared in fields(Numbers)})


def analyze(model: keras.Model | ModelConfig | str, input_shape: Any = None) -> Report:
    """Counts a network: weights, multiply-accumulates, memory and receptive field.

    Args:
        model: A name of the catalog's grammar, a config, or any functional Keras model. By name or config no weights are
            allocated, however large the network is.
        input_shape: Concrete sizes without the batch, `(H, W, C)` or `(D, H, W, C)`. By default a name's
            `analysis_shape`; for a config or model with open sizes it is needed.

    Raises:
        AnalysisError: The model is not functional, or the input shape is open or does not fit.
        UnknownModelError: No entry has this name.
        ConfigError: The network cannot be built for this input shape.
    """
    if isinstance(model, (str, ModelConfig)):
        return report(place(_traced_without_weights(model, input_shape)))
    return report(place(trace(model, input_shape)))


def report(graph: Graph) -> Report:
    """Counts a placed graph; pure."""
    rows = tuple(_layer_numbers(graph, node) for node in graph.nodes)
    field, hidden_by = receptive_field(graph)
    unknown = not_understood(graph)
    unsupported = (*unknown, *(cause for cause in hidden_by if cause.partition(":")[0] not in unknown))
    peak, where = inference_peak(graph)
    return Report(
        name=graph.name,
        input_shape=graph.input_shape,
        params=sum(row.params for row in rows),
        trainable_params=sum(row.trainable_params for row in rows),
        macs=sum(row.macs or 0 for row in rows),
        layers=len(graph.nodes),
        weight_bytes=sum(node.weight_bytes for node in graph.nodes),
        activation_bytes=sum(row.output_bytes for row in rows),
        peak_bytes=peak,
        peak_layer=where,
        training_activation_bytes=training_activations(graph),
        receptive_field=field,
        status="partial" if unsupported else "complete",
        unsupported=unsupported,
        blocks=_blocks(graph, rows),
        per_layer=rows,
        graph=graph,
    )


def _traced_without_weights(model: ModelConfig | str, input_shape: Any) -> Graph:
    from zoo.registry import build_weightless, info

    if isinstance(model, str):
        entry = info(model)
        config, input_shape = entry.config, entry.analysis_shape if input_shape is None else input_shape
    else:
        config = model
    sized = config.replace(input_shape=input_shape) if input_shape is not None else config
    if sized.ndim != config.ndim:  # that is another entry, with other numbers
        message = (
            f"{config.name!r} is a {config.ndim}D network. Received: input_shape={sized.input_shape}, which is {sized.ndim}D; "
            f"analyse {sized.name!r} for that."
        )
        raise AnalysisError(message)
    return trace(build_weightless(sized))


def _layer_numbers(graph: Graph, node: Node) -> LayerNumbers:
    return LayerNumbers(
        name=node.name,
        op=node.op,
        detail=node.detail,
        block=node.block,
        side=node.side,
        level=node.level,
        shape=node.shape,
        params=node.params,
        trainable_params=node.trainable_params,
        macs=macs(node, graph.input_shapes(node)),
        output_bytes=node.output_bytes,
    )


def _blocks(graph: Graph, rows: tuple[LayerNumbers, ...]) -> tuple[BlockNumbers, ...]:
    grouped: dict[str, list[tuple[Node, LayerNumbers]]] = {}
    for node, row in zip(graph.nodes, rows, strict=True):
        grouped.setdefault(node.block, []).append((node, row))
    titles = dict(zip(graph.outputs, graph.output_names or graph.outputs, strict=True)) if len(graph.outputs) > 1 else {}
    blocks = []
    for name, members in grouped.items():
        nodes, numbers = [node for node, _ in members], [row for _, row in members]
        blocks.append(
            BlockNumbers(
                name=name,
                side=nodes[0].side,
                level=nodes[0].block_level,
                shape=graph.shape_of[main_tensor(graph, nodes)],
                outputs=tuple(titles[tensor] for node in nodes for tensor in node.outputs if tensor in titles),
                traits=traits(graph, nodes),
                layers=len(members),
                params=sum(row.params for row in numbers),
                trainable_params=sum(row.trainable_params for row in numbers),
                macs=sum(row.macs or 0 for row in numbers),
                output_bytes=sum(row.output_bytes for row in numbers),
            )
        )
    return tuple(blocks)


def main_tensor(graph: Graph, nodes: list[Node]) -> str:
    """Returns the largest tensor that leaves a block, the last of equal ones; the last of all where none leaves."""
    leaving = [
        tensor
        for node in nodes
        for tensor in node.outputs
        if tensor in graph.outputs or any(reader.block != node.block for reader in graph.consumers[tensor])
    ]
    return max(reversed(leaving), key=lambda tensor: graph.bytes_of[tensor], default=nodes[-1].outputs[0])
