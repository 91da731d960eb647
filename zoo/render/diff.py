"""What differs between two networks: totals, blocks aligned by their place in the U, layers in them, skips.

Blocks are aligned by side and level: input, encoder, what works on a skip, decoder and heads by level, the bottleneck with the
bottleneck however deep it lies. Within a block the layers are compared as a multiset: what there is and how often, without
names and spatial sizes, so neither the order of layers nor how they are connected is seen.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from zoo.analysis.kinds import LayerKind, kinds_of
from zoo.render.diff_types import BlockDiff, Change, Diff, LayerCount, Network, SkipDiff, Status, Totals
from zoo.render.links import SKIPS, links_of

if TYPE_CHECKING:
    import keras

    from zoo.analysis import BlockNumbers, Report
    from zoo.config import ModelConfig


def diff(
    a: keras.Model | ModelConfig | Report | str, b: keras.Model | ModelConfig | Report | str, input_shape: Any = None
) -> Diff:
    """Compares two networks: totals, blocks aligned by their place in the U, the layers that differ, skips.

    Both are counted at one input size, each with its own channels: at the one that both state, or at the smaller of the two
    that both take. Where no size fits both, as for 2D against 3D, each is counted at its own, and `same_input` is False.

    Args:
        a: A name of the catalog's grammar, a config, any functional Keras model, or a report of `zoo.analyze`.
        b: What it is compared with.
        input_shape: Concrete size for both without the batch, `(H, W, C)` or `(D, H, W, C)`; None for C keeps the channels
            of each.

    Raises:
        AnalysisError: A model cannot be analysed, the shape does not fit, or it is not that of a report.
        UnknownModelError: No entry has this name.
        ConfigError: A network cannot be built for this input shape.
    """
    from zoo.analysis.pair import analyze_pair

    return compare(*analyze_pair(a, b, input_shape))


def compare(a: Report, b: Report) -> Diff:
    """Compares two reports; pure, and blind to Keras."""
    same_input = a.input_shape[:-1] == b.input_shape[:-1]
    blocks = _blocks(a, b, same_input)
    return Diff(
        a=_network(a), b=_network(b), same_input=same_input, totals=_totals(a, b), blocks=blocks, skips=_skips(a, b, blocks)
    )


def _network(report: Report) -> Network:
    names = ("name", "input_shape", "receptive_field", "peak_layer", "unsupported")
    return Network(**{name: getattr(report, name) for name in names})


def _totals(a: Report, b: Report) -> Totals:
    names = [name for name in Totals.__dataclass_fields__ if name != "receptive_field"]
    changes = {name: Change(a=getattr(a, name), b=getattr(b, name)) for name in names}
    return Totals(**changes, receptive_field=Change(a=_largest_field(a), b=_largest_field(b)))


def _largest_field(report: Report) -> int | None:
    extents = [None if extent is None else extent[1] for extent in report.receptive_field]
    return max((e for e in extents if e is not None), default=None) if None not in extents else None


def _blocks(a: Report, b: Report, same_input: bool) -> tuple[BlockDiff, ...]:
    first, second = ({_place(block): block for block in report.blocks} for report in (a, b))
    kinds_a, kinds_b = kinds_of(a), kinds_of(b)
    rows = []
    for place in sorted(first.keys() | second.keys()):
        block_a, block_b = first.get(place), second.get(place)
        layers_a = kinds_a[block_a.name] if block_a else Counter()
        layers_b = kinds_b[block_b.name] if block_b else Counter()
        rows.append(_block_diff(block_a, block_b, layers_a - layers_b, layers_b - layers_a, same_input))
    return tuple(rows)


def _place(block: BlockNumbers) -> tuple[int, int, int, str]:
    """Returns where a block stands, equal for blocks that are compared, and in the order in which they run."""
    prefix = re.sub(r"\d.*", "", block.name)
    if prefix in ("input", "head"):
        return (0 if prefix == "input" else 4, block.level, 0, block.name)
    if block.side == "bottleneck":
        return (2, 0, 0, "")
    if block.side in ("skip", "decoder"):
        return (3, -block.level, block.side == "decoder", block.name)
    return (1, block.level, 0, block.name)


def _block_diff(
    a: BlockNumbers | None, b: BlockNumbers | None, removed: Counter[LayerKind], added: Counter[LayerKind], same_input: bool
) -> BlockDiff:
    names = ("layers", "params", "macs", "output_bytes")
    changes = {name: Change(a=getattr(a, name, 0), b=getattr(b, name, 0)) for name in names}
    same = not removed and not added and not (same_input and any(change.delta for change in changes.values()))
    known = a or b
    return BlockDiff(
        a=a.name if a else "",
        b=b.name if b else "",
        side=known.side if known else "",
        status="added" if a is None else "removed" if b is None else "same" if same else "changed",
        shape_a=a.shape if a else (),
        shape_b=b.shape if b else (),
        **changes,
        removed_layers=_counts(removed),
        added_layers=_counts(added),
    )


def _counts(layers: Counter[LayerKind]) -> tuple[LayerCount, ...]:
    return tuple(LayerCount(count=layers[kind], kind=kind) for kind in sorted(layers))


def _skips(a: Report, b: Report, blocks: tuple[BlockDiff, ...]) -> tuple[SkipDiff, ...]:
    row_of = [{getattr(row, side): k for k, row in enumerate(blocks)} for side in ("a", "b")]
    first, second = (
        {(rows[link.target], rows[link.source], link.kind): link for link in links_of(report) if link.kind in SKIPS}
        for report, rows in zip((a, b), row_of, strict=True)
    )
    found = []
    for place in sorted(first.keys() | second.keys()):
        link = first.get(place) or second[place]
        status: Status = "added" if place not in first else "removed" if place not in second else "same"
        found.append(SkipDiff(source=link.source, target=link.target, kind=link.kind, status=status))
    return tuple(found)
