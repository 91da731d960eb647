"""The data file of an entry, `docs/models/data/NAME.js`: its numbers at every input size, for the scripts of the pages.

One line, `zooData("NAME",{...});`, as pages that are opened as files cannot fetch JSON. docs/assets/data.js reads it.

    name, summary, family, ndim, tags   of the entry
    title, authors, year, url           of its reference
    status, field                       "complete" or "partial"; receptive field in words, at `input`
    params, trainable, weightBytes, layers
    weights                             tags of published weights
    input, channels                     shape at which the entry's numbers are stated, (H, W, C) or (D, H, W, C)
    multiples, cell                     what the sizes of an input are multiples of; their product, the smallest input
    fixed                               true: numbers for the inputs in `tables` only
    terms                               powers of the counts of cells along each axis, which the coefficients belong to
    macs, activations, training         coefficients; bytes of all layer outputs, and of what the backward pass needs
    peak                                rows of coefficients and the layer: the first of the largest is the inference peak
    kinds                               kinds of layers, whatever the size: operation, detail, channels, parameters
    blocks                              rows of `name`, `side`, `level`, `params`, `trainable`,
      kinds                             index and count of each kind of layer, in turn: [0, 2, 3, 1]
      shape                             size, or [margin, rate] for margin + rate * count along this axis
      macs, bytes                       coefficients; bytes of all outputs of its layers
    tables                              numbers at single inputs: `input`, `macs`, `activations`, `training`,
                                        `peak`: [bytes, layer], `blocks`: rows of `shape`, `macs`, `bytes`

A list of coefficients [a, b, c] means `a * terms[0] + b * terms[1] + c * terms[2]`; later ones are 0. The first two terms
are 1 and the number of cells (product of all counts), so [a, b] is `a + b * pixels / cell`; more follow where margins, as of
padding, make numbers depend on the sides too. Where `fixed` holds, `terms`, `macs`, `activations`, `training`, `peak` and
those of the blocks are missing. All numbers are whole.
"""

from __future__ import annotations

import json
import math
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from pages.weights import weights_of
from zoo.analysis import analyze
from zoo.analysis import report as count
from zoo.analysis.graph import trace
from zoo.analysis.kinds import kinds_of
from zoo.analysis.scaling import Scaling, Sized, scaling
from zoo.analysis.sizes import least_multiples
from zoo.analysis.structure import place
from zoo.errors import AnalysisError
from zoo.registry import build_weightless
from zoo.render.units import field_text

if TYPE_CHECKING:
    from collections import Counter

    from zoo.analysis import Report
    from zoo.analysis.kinds import LayerKind
    from zoo.analysis.polynomial import Polynomial
    from zoo.entry import Entry

    Powers = tuple[int, ...]

LISTED = (0.5, 1, 2)
"""Inputs that are listed where there are no formulas, in sides of the stated one."""


def data_file(entry: Entry, report: Report) -> str:
    """Returns the data file of an entry: one line of ASCII, which may stand inside a script element too."""
    data = json.dumps(entry_data(entry, report), separators=(",", ":")).replace("</", "<\\/")
    return f"zooData({json.dumps(entry.name)},{data});\n"


def entry_data(entry: Entry, report: Report) -> dict[str, Any]:
    """Returns the data of an entry as the module describes it.

    Args:
        entry: What it is about.
        report: Its numbers at one input, which the data states first.
    """
    formulas = _formulas(entry, report)
    multiples = formulas.multiples if formulas else entry.config.size_multiples
    tables = [Sized.of(found) for found in _single_reports(entry, report, formulas)]
    counts = kinds_of(report)
    kinds = list(dict.fromkeys(kind for found in counts.values() for kind in found))
    data = {
        "name": entry.name,
        "summary": entry.summary,
        "family": entry.family,
        "ndim": entry.ndim,
        "tags": entry.tags,
        "title": entry.reference.title,
        "authors": entry.reference.authors,
        "year": entry.reference.year,
        "url": entry.reference.url,
        "status": report.status,
        "field": field_text(report.receptive_field),
        "params": report.params,
        "trainable": report.trainable_params,
        "weightBytes": report.weight_bytes,
        "layers": report.layers,
        "weights": [weights.tag for weights in weights_of(entry.name)],
        "input": report.input_shape,
        "channels": report.input_shape[-1],
        "multiples": multiples,
        "cell": math.prod(multiples),
        "fixed": formulas is None,
        "kinds": [astuple(kind) for kind in kinds],
        "blocks": _blocks(report, kinds, counts),
        "tables": [_table(sized) for sized in tables],
    }
    return _with_formulas(data, formulas) if formulas else data


def _formulas(entry: Entry, report: Report) -> Scaling | None:
    """Returns the entry's formulas, checked against the report, or None where there are none."""
    if not entry.config.takes_open_sizes:
        return None  # another size is another network
    multiples = entry.config.size_multiples
    steps = least_multiples(report.graph, multiples)
    if steps is None:
        return None
    rounded = (*(-(-n // step) * step for n, step in zip(report.input_shape, steps, strict=False)), report.input_shape[-1])
    allowed = report if rounded == report.input_shape else analyze(entry.config, rounded)
    found = scaling(allowed.graph, multiples)
    if found is not None and found.at(rounded) != Sized.of(allowed):
        message = f"The formulas of {entry.name} do not give its own numbers at {rounded}; see zoo/analysis/scaling.py."
        raise AnalysisError(message)
    return found


def _single_reports(entry: Entry, report: Report, formulas: Scaling | None) -> list[Report]:
    """Returns reports of the inputs that are listed one by one, the smallest first.

    That is the stated input where no formula holds for it. A network that takes any size but has no formulas is built once
    for others. One that is made for a single size has just this: at another one it is another network, and slow to build.
    """
    stated = report.input_shape
    if formulas is not None:
        return [report] if any(size % step for size, step in zip(stated, formulas.multiples, strict=False)) else []
    if not entry.config.takes_open_sizes:
        return [report]
    steps = entry.config.size_multiples
    scaled = {
        (*(max(round(size * factor / step), 1) * step for size, step in zip(stated, steps, strict=False)), stated[-1])
        for factor in LISTED
    }
    model = build_weightless(entry.config.replace(input_shape=(*(None,) * entry.ndim, stated[-1])))
    return [report if shape == stated else count(place(trace(model, shape))) for shape in sorted({*scaled, stated})]


def _blocks(report: Report, kinds: list[LayerKind], counts: dict[str, Counter[LayerKind]]) -> list[dict[str, Any]]:
    place_of = {kind: place for place, kind in enumerate(kinds)}
    return [
        {
            "name": block.name,
            "side": block.side,
            "level": block.level,
            "params": block.params,
            "trainable": block.trainable_params,
            "kinds": [number for kind, count in counts[block.name].items() for number in (place_of[kind], count)],
        }
        for block in report.blocks
    ]


def _table(sized: Sized) -> dict[str, Any]:
    return {
        "input": sized.input_shape,
        "macs": sized.macs,
        "activations": sized.activation_bytes,
        "training": sized.training_activation_bytes,
        "peak": (sized.peak_bytes, sized.peak_layer),
        "blocks": [{"shape": block.shape, "macs": block.macs, "bytes": block.output_bytes} for block in sized.blocks],
    }


def _with_formulas(data: dict[str, Any], formulas: Scaling) -> dict[str, Any]:
    """Returns the data with the coefficients of all formulas."""
    axes = len(formulas.multiples)
    totals = (formulas.macs, formulas.activation_bytes, formulas.training_activation_bytes)
    parts = (part for block in formulas.blocks for part in (block.macs, block.output_bytes))
    used = {powers for number in (*totals, *parts, *(size for size, _ in formulas.peak)) for powers in number.coefficients}
    first = [(0,) * axes, (1,) * axes]
    terms = [*first, *sorted(used.difference(first))]
    macs, activations, training = (_coefficients(number, terms) for number in totals)
    rows = [
        row
        | {
            "shape": [_size(size, axis) for axis, size in enumerate(block.shape)],
            "macs": _coefficients(block.macs, terms),
            "bytes": _coefficients(block.output_bytes, terms),
        }
        for row, block in zip(data["blocks"], formulas.blocks, strict=True)
    ]
    peak = [[*_coefficients(size, terms), layer] for size, layer in formulas.peak]
    formulas_of = {"terms": terms, "macs": macs, "activations": activations, "training": training, "peak": peak}
    return data | formulas_of | {"blocks": rows}


def _coefficients(number: Polynomial, terms: list[Powers]) -> list[int]:
    found = [number.coefficients.get(powers, 0) for powers in terms]
    while found and not found[-1]:
        found.pop()
    return found


def _size(size: Polynomial, axis: int) -> int | list[int]:
    """Returns a size along one axis, which depends on the input's size along this axis alone or on nothing."""
    along = tuple(int(k == axis) for k in range(size.axes))
    margin = size.coefficients.get((0,) * size.axes, 0)
    return [margin, size.coefficients[along]] if size.coefficients.get(along) and any(along) else margin
