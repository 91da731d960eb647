"""The table of operations that the analysis understands: one record each.

Where an operation is not in this table, the report is partial and names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo.analysis import cost

if TYPE_CHECKING:
    from zoo.analysis.graph import Node


@dataclass(frozen=True, kw_only=True)
class Operator:
    """What is known of one kind of operation, whatever the number of axes.

    Attributes:
        macs: Counts its multiply-accumulates; None for element-wise work and data movement.
        keeps: What its gradient reads: `"inputs"` or `"output"`, `"both"`; `"kernel"`: its inputs, but only to train its own
            weights; `"others"`: each input for the gradient of the others, as products do.
        view: Whether its output is its input's memory: `"inference"` for dropout and noise, which do nothing then.
        local: Whether an output position sees that one position alone, unless its windows say otherwise.
    """

    macs: cost.Counter | None = None
    keeps: Literal["nothing", "inputs", "output", "both", "kernel", "others"] = "nothing"
    view: Literal["never", "inference", "always"] = "never"
    local: bool = True


def kind_of(op: str) -> str:
    """Returns the op without the number of axes in its name: `Conv2DTranspose -> ConvTranspose`."""
    return re.sub(r"[123]D", "", op)


def operator_of(node: Node) -> Operator | None:
    """Returns the record of a node's operation, or None where the table lacks it."""
    return OPERATORS.get(kind_of(node.op))


def counted(node: Node) -> bool:
    """Says whether an operation does multiply-accumulates: convolutions, dense layers, products."""
    operator = operator_of(node)
    return operator is not None and operator.macs is not None


def _rows(names: str, prefix: str = "", **fields: Any) -> dict[str, Operator]:
    return {prefix + name: Operator(**fields) for name in names.split()}


OPERATORS: dict[str, Operator] = {
    # layers with a kernel
    **_rows("Conv DepthwiseConv Dense", macs=cost.per_output, keeps="kernel"),
    "SeparableConv": Operator(macs=cost.separable, keeps="kernel"),
    **_rows("ConvTranspose DepthwiseConvTranspose", macs=cost.per_input, keeps="kernel"),
    "EinsumDense": Operator(macs=cost.product_of_axes, keeps="kernel"),
    # products of tensors
    **_rows("Dot ops.Matmul ops.Dot ops.Tensordot", macs=cost.contraction, keeps="others", local=False),
    "ops.Einsum": Operator(macs=cost.product_of_axes, keeps="others", local=False),
    **_rows("Attention AdditiveAttention", macs=cost.attention, keeps="inputs"),
    **_rows("MultiHeadAttention GroupedQueryAttention", macs=cost.multi_head_attention, keeps="kernel"),
    # element-wise layers, by what their gradient reads
    **_rows("InputLayer Rescaling Normalization Add Subtract Average Concatenate Masking MatchChannels RepeatChannels Embedding"),
    "ArgMax": Operator(),
    **_rows("Activation BatchNormalization GroupNormalization LayerNormalization RMSNormalization", keeps="inputs"),
    **_rows("UnitNormalization LeakyReLU PReLU ELU Maximum Minimum", keeps="inputs"),
    **_rows("ReLU Softmax", keeps="output"),
    "Multiply": Operator(keeps="others"),
    **_rows("Identity ActivityRegularization", view="always"),
    **_rows("Dropout SpatialDropout AlphaDropout GaussianDropout GaussianNoise", view="inference"),
    # layers that move or mix positions
    **_rows("AveragePooling GlobalAveragePooling AdaptiveAveragePooling", local=False),
    **_rows("UpSampling UpSampleLinear Resizing ResizeLike", local=False),
    **_rows("ZeroPadding Cropping CenterCrop Permute RepeatVector", local=False),
    **_rows("MaxPooling AdaptiveMaxPooling", keeps="both", local=False),
    **_rows("GlobalMaxPooling CellMax", keeps="inputs", local=False),
    **_rows("Flatten Reshape", view="always", local=False),
    # element-wise operations of keras.ops
    **_rows("Add Subtract Negative Sign Floor Ceil Round Cast", "ops."),
    **_rows("Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr Where", "ops."),
    **_rows("Multiply Divide TrueDivide", "ops.", keeps="others"),
    **_rows("Power Square Absolute Log Log1p Maximum Minimum Clip Sin Cos Erf LeakyRelu ReLU Celu Gelu", "ops.", keeps="inputs"),
    **_rows("Silu HardSigmoid HardSilu Softplus Softsign Mish LogSigmoid", "ops.", keeps="inputs"),
    **_rows("Relu Relu6 Elu Selu Sigmoid Tanh Exp Expm1 Sqrt Rsqrt Reciprocal", "ops.", keeps="output"),
    "ops.StopGradient": Operator(view="always"),
    # operations along an axis
    **_rows("Softmax LogSoftmax", "ops.", keeps="output", local=False),
    **_rows("Mean Sum", "ops.", local=False),
    **_rows("Max Min Var Std Logsumexp Prod", "ops.", keeps="inputs", local=False),
    **_rows("Concatenate Stack Split Unstack Transpose Swapaxes Moveaxis GetItem Slice Take", "ops.", local=False),
    **_rows("Pad Flip Roll Repeat Tile BroadcastTo Resize", "ops.", local=False),
    **_rows("Reshape Squeeze ExpandDims Ravel", "ops.", view="always", local=False),
}
"""Kind of operation to what is known of it; `ops.` for `keras.ops`."""

OUTPUT_ACTIVATIONS = frozenset("relu relu6 sigmoid tanh softmax log_softmax exponential elu selu".split())
"""Activations whose gradient follows from their output; the others keep their input."""
