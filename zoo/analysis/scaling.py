"""How the numbers of a network grow with its input: exact formulas, from the graph alone.

The size of an input is counted in cells: `multiple` positions along each axis, the smallest that the network halves without
remainder. Where every size in the network is a fixed number of positions per cell, plus a fixed margin, all numbers are
polynomials in those counts: the very functions that count one network (`zoo.analysis.cost`, `zoo.analysis.memory`) are run
on it with polynomials for sizes. Without margins a number is `constant + rate * cells`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from zoo.analysis.cost import macs
from zoo.analysis.memory import bytes_alive, training_activations
from zoo.analysis.polynomial import Polynomial, UndecidedError
from zoo.analysis.report import main_tensor
from zoo.analysis.sizes import with_counted_sizes
from zoo.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.analysis.graph import Graph, Node, Shape
    from zoo.analysis.report import Report

    Peak = tuple[tuple[Polynomial, str], ...]


@dataclass(frozen=True, kw_only=True)
class BlockScaling:
    """The numbers of one block as functions of the counts of cells: those of `BlockNumbers`."""

    name: str
    shape: tuple[Polynomial, ...]
    macs: Polynomial
    output_bytes: Polynomial


@dataclass(frozen=True, kw_only=True)
class BlockSize:
    """The numbers of one block at one input size: those of `BlockNumbers` that depend on it."""

    name: str
    shape: Shape
    macs: int
    output_bytes: int


@dataclass(frozen=True, kw_only=True)
class Sized:
    """The numbers of one network at one input size: those of `Report` that depend on it, but for the receptive field."""

    input_shape: Shape
    macs: int
    activation_bytes: int
    training_activation_bytes: int
    peak_bytes: int
    peak_layer: str
    blocks: tuple[BlockSize, ...]

    @classmethod
    def of(cls, report: Report) -> Sized:
        """Returns these numbers from a report."""
        blocks = (
            BlockSize(name=block.name, shape=block.shape, macs=block.macs, output_bytes=block.output_bytes)
            for block in report.blocks
        )
        own = (field.name for field in fields(cls) if field.name != "blocks")
        return cls(blocks=tuple(blocks), **{name: getattr(report, name) for name in own})


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The numbers of one network as functions of its input size.

    Attributes:
        channels: Of the input.
        multiples: Positions of one cell along each axis: the sizes of an input are multiples of these.
        macs: As in `Report`, like the two below.
        activation_bytes: Sum of all layer outputs.
        training_activation_bytes: Tensors kept for the backward pass.
        peak: What is alive while some layer runs, and that layer; the largest of them, the first of equals, is the peak.
        blocks: In the order in which they run.
    """

    channels: int
    multiples: tuple[int, ...]
    macs: Polynomial
    activation_bytes: Polynomial
    training_activation_bytes: Polynomial
    peak: Peak
    blocks: tuple[BlockScaling, ...]

    def at(self, input_shape: Sequence[int]) -> Sized:
        """Returns the numbers at an input of `(H, W, C)` or `(D, H, W, C)`.

        Raises:
            AnalysisError: The sizes are no multiples, or the channels or the number of axes differ.
        """
        shape = tuple(input_shape)
        fits = len(shape) == len(self.multiples) + 1 and shape[-1] == self.channels
        if not fits or any(size < step or size % step for size, step in zip(shape, self.multiples, strict=False)):
            sizes = " x ".join(f"multiple of {step}" for step in self.multiples)
            message = f"These formulas hold for inputs of {sizes} x {self.channels}. Received: input_shape={shape}"
            raise AnalysisError(message)
        counts = tuple(size // step for size, step in zip(shape, self.multiples, strict=False))
        alive = [(size.at(counts), layer) for size, layer in self.peak]
        peak, where = max(alive, key=lambda pair: pair[0])
        return Sized(
            input_shape=shape,
            macs=self.macs.at(counts),
            activation_bytes=self.activation_bytes.at(counts),
            training_activation_bytes=self.training_activation_bytes.at(counts),
            peak_bytes=peak,
            peak_layer=where,
            blocks=tuple(_block_at(block, counts) for block in self.blocks),
        )


def scaling(graph: Graph, multiples: Sequence[int] = ()) -> Scaling | None:
    """Returns how the numbers of a placed graph depend on the size of its input; pure.

    Args:
        graph: Traced at an input whose sizes are multiples of the total strides.
        multiples: What sizes must be multiples of besides the strides, such as `config.size_multiples`.

    Returns:
        None where they are not provably polynomials: attention, reshapes and slices of positions, resizing to a given size,
        several inputs, operations that are not understood, or a traced input that is no multiple.
    """
    counted = with_counted_sizes(graph, multiples)
    try:
        return None if counted is None else _scaling(*counted, channels=graph.input_shape[-1])
    except UndecidedError:  # which tensor of a block is its largest depends on the input
        return None


def _scaling(sized: Graph, steps: tuple[int, ...], channels: int) -> Scaling:
    axes = len(steps)
    work = {node.name: macs(node, sized.input_shapes(node)) or 0 for node in sized.nodes}
    grouped: dict[str, list[Node]] = {}
    for node in sized.nodes:
        grouped.setdefault(node.block, []).append(node)
    return Scaling(
        channels=channels,
        multiples=steps,
        macs=_total(axes, work.values()),
        activation_bytes=_total(axes, (node.output_bytes for node in sized.nodes)),
        training_activation_bytes=_total(axes, [training_activations(sized)]),
        peak=_peak(sized, axes),
        blocks=tuple(
            BlockScaling(
                name=name,
                shape=tuple(_total(axes, [size]) for size in sized.shape_of[main_tensor(sized, nodes)]),
                macs=_total(axes, (work[node.name] for node in nodes)),
                output_bytes=_total(axes, (node.output_bytes for node in nodes)),
            )
            for name, nodes in grouped.items()
        ),
    )


def _total(axes: int, values: Iterable[int]) -> Polynomial:
    total = Polynomial.constant(axes)
    for value in values:
        total = total + value
    return total


def _block_at(block: BlockScaling, counts: tuple[int, ...]) -> BlockSize:
    shape = tuple(size.at(counts) for size in block.shape)
    return BlockSize(name=block.name, shape=shape, macs=block.macs.at(counts), output_bytes=block.output_bytes.at(counts))


def _peak(graph: Graph, axes: int) -> Peak:
    """Returns what is alive at each step that may be the peak of `inference_peak` at some size, in the order of the steps.

    A step is left out where another one is never below it, and comes first or is above it everywhere.
    """
    best: list[tuple[Polynomial, str]] = []
    for node, alive in bytes_alive(graph):
        total = _total(axes, [alive])  # a plain number where nothing depends on the size
        if any(other.never_below(total) for other, _ in best):
            continue
        best = [(other, layer) for other, layer in best if not total.never_below(other + 1)]
        best.append((total, node.name))
    return tuple(best)
