"""Reads the sizes of products of tensors: einsum, matrix products, attention."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zoo.analysis.graph import DTYPE_BYTES, Window
from zoo.analysis.windows import SAME, UNKNOWN, WHOLE

if TYPE_CHECKING:
    from zoo.analysis.graph import Shape
    from zoo.analysis.keras_layers import Call

ATTEND = Window(kind="attend")


def einsum_dense(call: Call) -> dict[str, Any]:
    """The size of every axis of the equation; their product counts the multiply-accumulates."""
    left, right, target = call.op.equation.replace(" ", "").replace("->", ",").split(",")
    source = call.inputs[0]
    new = [size for letter, size in zip(reversed(right), reversed(call.op.kernel.shape), strict=False) if letter not in left]
    fields = {"dims": (*source, *new), "detail": call.op.equation}
    if left.startswith("..."):
        return fields  # the axes of the ellipsis come first and stay in place
    if "..." in left:
        return {**fields, "windows": (UNKNOWN,)}
    windows = []
    for k in range(1, len(source)):
        stays = k < len(target) and left[k] == target[k]
        windows.append(SAME if stays else UNKNOWN if left[k] in target else WHOLE)
    return {**fields, "windows": tuple(windows)}


def einsum(call: Call) -> dict[str, Any]:
    """The size of every axis of an equation of two tensors; more tensors depend on the order of the products."""
    operands = [tuple(tensor.shape) for tensor in call.arguments["operands"]] if "operands" in call.arguments else []
    terms = call.op.subscripts.replace(" ", "").split("->")[0].split(",")
    if len(terms) != 2 or len(operands) != 2 or "." in call.op.subscripts:
        return {"op": f"ops.Einsum {call.op.subscripts}", "windows": (UNKNOWN,)}
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, operands, strict=True):
        sizes |= dict(zip(term, shape, strict=True))
    return {"dims": tuple(sizes.values()), "detail": call.op.subscripts, "windows": (UNKNOWN,)}


def matmul(call: Call) -> dict[str, Any]:
    """The contracted axis is the last of the first tensor."""
    first = call.shape("x1") or (1,)
    return {"dims": (first[-1],), "windows": (UNKNOWN,)}


def tensordot(call: Call) -> dict[str, Any]:
    """The contracted axes are named, or the last ones of the first tensor."""
    first, axes = call.shape("x1") or (1,), call.op.axes
    if isinstance(axes, int):
        return {"dims": (math.prod(first[len(first) - axes :]),), "windows": (UNKNOWN,)}
    named = axes[0] if isinstance(axes[0], (list, tuple)) else (axes[0],)
    return {"dims": (math.prod(first[axis] for axis in named),), "windows": (UNKNOWN,)}


def dot(call: Call) -> dict[str, Any]:
    """The contracted axis counts the batch as 0."""
    axes = call.op.axes if isinstance(call.op.axes, (list, tuple)) else (call.op.axes,) * 2
    first, second = ((1, *shape)[axis] for shape, axis in zip(call.inputs, axes, strict=True))
    if first != second:
        call.refuse(f"{first} and {second} do not contract")
    return {"dims": (first,), "windows": (UNKNOWN,)}


def attention(call: Call) -> dict[str, Any]:
    """Pairs of positions, MACs per score, channels of the value; the scores are kept for the backward pass."""
    query, value = call.inputs[0], call.inputs[1]
    given = call.arguments.get("inputs", ())
    key = tuple(given[2].shape[1:]) if len(given) > 2 else value
    if key[:-1] != value[:-1]:
        call.refuse("keys and values differ in number")
    additive = type(call.op).__name__ == "AdditiveAttention"
    scaled = additive and call.op.use_scale
    score = query[-1] if scaled or (not additive and call.op.score_mode == "dot") else 0
    pairs = query[-2] * key[-2]
    return {"dims": (pairs, score, value[-1]), "inner": pairs * DTYPE_BYTES[call.dtype], "windows": (ATTEND,)}


def heads(call: Call) -> dict[str, Any]:
    """Heads, pairs of positions, channels of a key and of a value, then the positions that each kernel works on."""
    op = call.op
    count = getattr(op, "num_heads", None) or op.num_query_heads
    key_dim = getattr(op, "key_dim", None) or op.head_dim
    value_dim = getattr(op, "value_dim", None) or key_dim
    query = _unbatched(call, "query")
    value = _unbatched(call, "value")
    key = _unbatched(call, "key") or value
    if key[:-1] != value[:-1]:
        call.refuse("keys and values differ in number")
    axes = getattr(op, "attention_axes", None) or tuple(range(1, len(query)))
    attended = {axis % (len(query) + 1) for axis in axes}
    pairs = math.prod(query[:-1]) * math.prod(key[axis - 1] for axis in attended)
    q, k, v = (math.prod(shape[:-1]) for shape in (query, key, value))
    gate = (q,) if getattr(op, "use_gate", False) else ()
    kept = count * (pairs + q * (key_dim + value_dim) + k * key_dim + v * value_dim + q * value_dim * len(gate))
    windows = tuple(ATTEND if axis in attended else SAME for axis in range(1, len(query)))
    return {
        "dims": (count, pairs, key_dim, value_dim, q, k, *gate, v, q),
        "inner": kept * DTYPE_BYTES[call.dtype],
        "windows": windows if SAME in windows else (ATTEND,),
        "detail": f"{count} heads of {key_dim}",
    }


def _unbatched(call: Call, name: str) -> Shape:
    return (call.shape(name) or ())[1:]
