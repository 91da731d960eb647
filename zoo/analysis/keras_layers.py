"""What the analysis reads from each kind of Keras layer: its op name, windows, sizes of products, and a short detail.

This is the reading half of `trace`; what an op costs is in `operators.py` and the modules that it names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.analysis import products, windows
from zoo.analysis.graph import DTYPE_BYTES, Window
from zoo.analysis.operators import OPERATORS, OUTPUT_ACTIVATIONS, kind_of
from zoo.analysis.shapes import shown
from zoo.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.analysis.graph import Shape

    Reader = Callable[["Call"], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a Keras layer or operation.

    Attributes:
        op: The layer or operation.
        arguments: What it is called with, by name; symbolic tensors have a batch of 1 in front.
        inputs: Shapes of the tensors of the graph that it reads, without the batch.
        outputs: Shapes that it makes, without the batch.
        dtype: Of its first output.
    """

    op: Any
    arguments: dict[str, Any]
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    dtype: str

    def shape(self, name: str) -> Shape | None:
        """Returns the whole shape of an argument, batch included, or None where it is not given."""
        given = self.arguments.get(name)
        return None if given is None else tuple(getattr(given, "shape", ()))

    def refuse(self, reason: str) -> None:
        """Raises `AnalysisError`: the layer cannot run on what it reads."""
        message = f"layer {self.op.name!r} ({type(self.op).__name__}) does not take {shown(self.inputs)}: {reason}"
        raise AnalysisError(message)


def describe(call: Call) -> dict[str, Any]:
    """Returns the fields of a node that follow from its layer: `op`, `windows`, `dims`, `activation`, `inner`, `detail`.

    Raises:
        AnalysisError: The layer has its channels first.
    """
    op = call.op
    if getattr(op, "data_format", None) == "channels_first":
        message = f"layer {op.name!r} has data_format='channels_first'; the analysis reads channels-last models only"
        raise AnalysisError(message)
    name = op_name(op)
    operator = OPERATORS.get(kind_of(name))
    if operator is None:
        return {"op": name, "windows": (Window(kind="unknown"),)}
    reader = READERS.get(kind_of(name))
    if reader is not None:
        return {"op": name, **reader(call)}
    return {"op": name} if operator.local else {"op": name, "windows": (Window(kind="unknown"),)}


def op_name(op: Any) -> str:
    """Returns the class name of a Keras or zoo layer, with `ops.` for operations, and the full path of anything foreign."""
    kind = type(op)
    origin = kind.__module__
    if origin.startswith(("keras.src.ops.", "keras.src.activations.")):
        return f"ops.{kind.__name__}"
    if getattr(op, "quantization_mode", None) not in (None, "int8", "float8"):
        return f"{kind.__name__} of packed {op.quantization_mode}"
    if origin.startswith("keras.src.layers.") or origin in ("zoo.layers", "zoo.depthwise"):
        return kind.__name__
    return f"{origin}.{kind.__qualname__}"


def wrapped(op: Any) -> Any:
    """Returns the layer that does the work: inside a spectral normalisation, which changes weights only in training."""
    import keras

    return op.layer if type(op) is keras.layers.SpectralNormalization else op


def _kernel(reader: Reader) -> Reader:
    """Adds what a layer with a fused activation keeps: the tensor before it, where the gradient needs that."""

    def read(call: Call) -> dict[str, Any]:
        fields = reader(call)
        name = _activation_name(call.op)
        keeps = 0 if name in OUTPUT_ACTIVATIONS or not name else _bytes(call)
        detail = " ".join(filter(None, (fields.pop("detail", ""), name)))
        return {**fields, "activation": name, "inner": keeps, "detail": detail}

    return read


def _bytes(call: Call) -> int:
    return math.prod(call.outputs[0]) * DTYPE_BYTES[call.dtype]


def _activation_name(op: Any) -> str:
    name = getattr(op.activation, "__name__", None) or getattr(op.activation, "name", None) or str(op.activation)
    return "" if op.activation is None or name == "linear" else name


def _activation(call: Call) -> dict[str, Any]:
    return {"activation": _activation_name(call.op), "detail": _activation_name(call.op) or "linear"}


def _batch_norm(call: Call) -> dict[str, Any]:
    """In half precision Keras computes it on a copy in float32, which the gradient needs."""
    frozen = not call.op.trainable
    half = DTYPE_BYTES[call.dtype] < 4
    return {"inner": math.prod(call.outputs[0]) * 4 if half and not frozen else 0, "detail": "frozen" if frozen else ""}


def _dropout(call: Call) -> dict[str, Any]:
    """The gradient needs which values were dropped: one byte each."""
    rate = call.op.rate
    positions = call.outputs[0][-1:] if type(call.op).__name__.startswith("Spatial") else call.outputs[0]
    return {"inner": math.prod(positions) if rate else 0, "detail": f"{rate:g}"}


def _none(call: Call) -> dict[str, Any]:
    return {}


READERS: dict[str, Reader] = {
    "Conv": _kernel(windows.convolution),
    "DepthwiseConv": _kernel(windows.convolution),
    "SeparableConv": _kernel(windows.convolution),
    "ConvTranspose": _kernel(windows.transposed),
    "DepthwiseConvTranspose": windows.depthwise_transposed,
    "Dense": _kernel(_none),
    "EinsumDense": _kernel(products.einsum_dense),
    "MaxPooling": windows.pooling,
    "AveragePooling": windows.pooling,
    "GlobalAveragePooling": windows.whole,
    "GlobalMaxPooling": windows.whole,
    "AdaptiveAveragePooling": windows.adaptive,
    "AdaptiveMaxPooling": windows.adaptive,
    "CellMax": windows.cells,
    "UpSampling": windows.up_sampling,
    "Resizing": windows.resizing,
    "UpSampleLinear": windows.up_sampling,
    "ResizeLike": windows.resize_like,
    "ops.Resize": windows.resizing,
    "ZeroPadding": windows.padding,
    "Cropping": windows.cropping,
    "CenterCrop": windows.center_crop,
    "Flatten": windows.whole,
    "Reshape": windows.reshape,
    "ops.Reshape": windows.reshape,
    "ops.Squeeze": windows.reshape,
    "ops.ExpandDims": windows.reshape,
    "ops.Pad": windows.pad,
    "ops.GetItem": windows.get_item,
    "ops.Mean": windows.reduction,
    "ops.Sum": windows.reduction,
    "ops.Max": windows.reduction,
    "ops.Min": windows.reduction,
    "ops.Var": windows.reduction,
    "ops.Std": windows.reduction,
    "Softmax": windows.along_axes,
    "ops.Softmax": windows.along_axes,
    "ops.LogSoftmax": windows.along_axes,
    "Concatenate": windows.joined,
    "ops.Concatenate": windows.joined,
    "ops.Split": windows.joined,
    "ops.BroadcastTo": windows.broadcast,
    "Permute": windows.permuted,
    "ops.Transpose": windows.permuted,
    "Activation": _activation,
    "BatchNormalization": _batch_norm,
    "Dropout": _dropout,
    "SpatialDropout": _dropout,
    "AlphaDropout": _dropout,
    "ops.Einsum": products.einsum,
    "ops.Matmul": products.matmul,
    "ops.Dot": products.matmul,
    "ops.Tensordot": products.tensordot,
    "Dot": products.dot,
    "MultiHeadAttention": products.heads,
    "GroupedQueryAttention": products.heads,
    "Attention": products.attention,
    "AdditiveAttention": products.attention,
}
"""Kind of operation to the function that reads it; the others of the table have nothing to read."""
