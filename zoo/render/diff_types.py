"""The types of a comparison of two networks: frozen records that `dataclasses.asdict` turns into what JSON has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from zoo.analysis.kinds import LayerKind

Status = Literal["same", "changed", "added", "removed"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A number of two networks.

    Attributes:
        a: In the first; None where it has none, as a receptive field that is the whole input.
        b: In the second.
        delta: `b - a`, None where one of them is.
        ratio: `b / a`, None where one of them is, or where `a` is 0.
    """

    a: int | None
    b: int | None
    delta: int | None = field(init=False)
    ratio: float | None = field(init=False)

    def __post_init__(self) -> None:
        known = self.a is not None and self.b is not None
        object.__setattr__(self, "delta", self.b - self.a if known else None)  # type: ignore[operator]
        object.__setattr__(self, "ratio", self.b / self.a if known and self.a else None)  # type: ignore[operator]


@dataclass(frozen=True, kw_only=True)
class Network:
    """One of the two networks: its name, and what is no number that can be subtracted.

    Attributes:
        input_shape: The concrete input at which it was counted, without the batch.
        receptive_field: See `Numbers`.
        peak_layer: The layer at which the inference peak is.
        unsupported: What was not understood: where there is something, MACs are lower bounds.
    """

    name: str
    input_shape: tuple[int, ...]
    receptive_field: tuple[tuple[int, int] | None, ...]
    peak_layer: str
    unsupported: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The totals of two networks; the fields are those of `Numbers`.

    Attributes:
        receptive_field: Its largest extent over all axes and outputs; None where it is the whole input or not known.
    """

    params: Change
    trainable_params: Change
    macs: Change
    flops: Change
    weight_bytes: Change
    peak_bytes: Change
    training_activation_bytes: Change
    activation_bytes: Change
    layers: Change
    receptive_field: Change


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """Layers of one kind, and how many."""

    count: int
    kind: LayerKind


@dataclass(frozen=True, kw_only=True)
class BlockDiff:
    """Two blocks at the same place; a block that only one network has counts as zero in the other.

    Attributes:
        a: Name of the block in the first network; empty where the block is added.
        b: Name in the second; empty where it is removed.
        side: As in `Node`.
        status: `"added"`, `"removed"`, or `"same"` where the layers are the same and, at the same input size, the costs too; else
            `"changed"`.
        shape_a: Shape of its output in the first network; empty where there is none.
        shape_b: In the second.
        removed_layers: What the first has and the second has not.
        added_layers: What the second has and the first has not.
    """

    a: str
    b: str
    side: str
    status: Status
    shape_a: tuple[int, ...]
    shape_b: tuple[int, ...]
    layers: Change
    params: Change
    macs: Change
    output_bytes: Change
    removed_layers: tuple[LayerCount, ...]
    added_layers: tuple[LayerCount, ...]


@dataclass(frozen=True, kw_only=True)
class SkipDiff:
    """A skip from block to block: a tensor of the encoder on its way across the U.

    Attributes:
        source: Block that it comes from, by the name in the network that has the skip; the first one's where both have it.
        target: Block that reads it.
        kind: `"concat"`, `"add"` or `"skip"` (joined in another way) into the decoder, `"feed"` to what works on it first.
    """

    source: str
    target: str
    kind: str
    status: Status


@dataclass(frozen=True, kw_only=True)
class Diff:
    """What differs between two networks, the second against the first.

    Attributes:
        same_input: Whether both were counted at the same spatial size; else MACs and memory are those of different images.
        blocks: One row per place in the U, in the order in which blocks run.
        skips: All skips of both, in the order of their targets.
    """

    a: Network
    b: Network
    same_input: bool
    totals: Totals
    blocks: tuple[BlockDiff, ...]
    skips: tuple[SkipDiff, ...]

    @property
    def same(self) -> bool:
        """Whether all blocks and skips are the same."""
        return all(block.status == "same" for block in self.blocks) and all(skip.status == "same" for skip in self.skips)

    def __str__(self) -> str:
        """Returns the totals, blocks, skips and layers that differ as aligned text."""
        from zoo.render.diff_tables import diff_text  # the tables read the types above: no cycle at import

        return diff_text(self)

    def _repr_html_(self) -> str:
        from zoo.render.diff_tables import diff_html

        return diff_html(self)
