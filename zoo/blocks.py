"""The parts that all families are built from: small functions from tensor to tensor.

Axes: N images, D depth axis (volumes only), H height, W width, C channels in, F filters out. Every function takes the
tensor first and works on images `(N, H, W, C)` and volumes `(N, D, H, W, C)` alike: the rank of the tensor decides.

Names: `name` is a block prefix such as `enc0` or `dec2_block1`; the layers of the block are `enc0_conv1`, `enc0_norm1`,
`enc0_act1`, `enc0_proj` (the convolution of a shortcut), `enc0_add`. Only underscores: "/" fails in Keras and "." on the
torch backend. Every layer is named, so two builds have byte-identical configs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import keras

from zoo.depthwise import DepthwiseConv
from zoo.layers import MatchChannels
from zoo.sampling import Size, average_pool, layer_of, per_axis, rank, subsample
from zoo.sampling import Tensor as Tensor

if TYPE_CHECKING:
    from zoo.config import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """The branch around a residual unit.

    Attributes:
        kind: `"conv"` always projects with a convolution; `"identity"` does so only where the unit changes the size or the
            channels (options C and B of He et al. 2016a, section 4.1); `"none"` has no weights: strided subsampling, then
            missing channels are zero and surplus ones are dropped (option A).
        kernel: Side of the projection's kernel.
        bias: Whether the projection has a bias.
        norm: Whether a normalisation follows the projection.
        activation: Whether an activation follows; this is no identity path then.
        pool: Whether an average pooling halves the size instead of the projection's stride (He et al. 2019, "Bag of Tricks",
            figure 2c); an identity then projects only where the channels change.
    """

    kind: Literal["conv", "identity", "none"] = "conv"
    kernel: int = 1
    bias: bool = True
    norm: bool = False
    activation: bool = False
    pool: bool = False


@dataclass(frozen=True, kw_only=True)
class Style:
    """What all units of one network have in common.

    Attributes:
        order: `"post"` is conv-norm-act-conv-norm, add, act (He et al. 2016a); `"pre"` is norm-act-conv twice, add (2016b).
        norm: `"batch"`; `"instance"`, over the positions of one image and channel; `"group"`, over `groups` of channels
            too; None for no normalisation at all.
        affine: Whether the normalisation has a scale and a shift to learn.
        scale: Whether an affine normalisation has a scale, too; False leaves the shift alone.
        groups: Of the group normalisation.
        activation: Name of a Keras activation, or `"prelu"`: ReLU with one slope for all negative values, learnt from 0.25 on;
            `"prelu_channels"` has such a slope for each channel.
        slope: Of `"leaky_relu"` for negative values; Keras' default is 0.2, PyTorch's 0.01.
        bias: Whether the 3x3 convolutions have a bias.
        padding: `"same"` is Keras' padding, which is lopsided for strides; `"torch"` pads both sides alike, as PyTorch does.
        epsilon: Added to the variance by the normalisation.
        momentum: Of the moving statistics.
        shortcut: The branch around each residual unit.
        zero_last: Whether the last normalisation of a post-activation unit starts with a scale of 0, so that the unit starts
            as its shortcut alone (Goyal et al. 2017, "Accurate, Large Minibatch SGD").
    """

    order: Literal["post", "pre"] = "post"
    norm: Literal["batch", "instance", "group"] | None = "batch"
    affine: bool = True
    scale: bool = True
    groups: int = 8
    activation: str = "relu"
    slope: float = 0.2
    bias: bool = True
    padding: Literal["same", "torch"] = "same"
    epsilon: float = 1e-3
    momentum: float = 0.99
    shortcut: Shortcut = Shortcut()
    zero_last: bool = False


KERAS_STYLE = Style()
"""Bias and "same" padding: Keras' own defaults."""

TORCH_STYLE = Style(bias=False, padding="torch", epsilon=1e-5, momentum=0.9, slope=0.01)
"""Symmetric padding, and what PyTorch's normalisations and leaky ReLU have by default; no bias before a normalisation."""


def image(config: ModelConfig) -> Tensor:
    """Returns the input of a network, `(N, *input_shape)`."""
    return keras.Input(config.input_shape, name="input")


def conv(
    x: Tensor,
    filters: int,
    style: Style = KERAS_STYLE,
    *,
    name: str,
    kernel: Size = 3,
    stride: Size = 1,
    dilation: Size = 1,
) -> Tensor:
    """Convolution without activation, `(N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), F)`.

    Of the style, only bias and padding matter. Keras' "same" puts the odd zero of a strided convolution at the far side;
    with `padding="torch"` both sides get half of the kernel's reach. A stride is without dilation.
    """
    padding = "same"
    if style.padding == "torch" and max(per_axis(stride, x)) > 1:
        padding = "valid"  # for 1x1x1 kernels, too: TensorFlow's "same" is wrong for them with stride 3, unless oneDNN is there
        if max(per_axis(kernel, x)) > 1:
            x = layer_of("ZeroPadding", x)(tuple(k // 2 for k in per_axis(kernel, x)), name=f"{name}_pad")(x)
    layer = layer_of("Conv", x)
    options = {"dilation_rate": dilation, "use_bias": style.bias}
    return layer(filters, kernel, strides=stride, padding=padding, name=name, **options)(x)


def depthwise_conv(x: Tensor, style: Style = KERAS_STYLE, *, name: str, kernel: int = 3, stride: int = 1) -> Tensor:
    """Convolution of each channel with a kernel of its own, `(N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), C)`.

    Of the style, only the bias matters: a strided one is padded at both sides alike, as with `padding="torch"`.
    """
    padding = "same"
    if stride > 1:
        x = layer_of("ZeroPadding", x)(kernel // 2, name=f"{name}_pad")(x)
        padding = "valid"
    return DepthwiseConv((kernel,) * rank(x), stride, padding=padding, use_bias=style.bias, name=name)(x)


def norm(x: Tensor, style: Style, *, name: str, gamma: str = "ones") -> Tensor:
    """Normalisation of the style, its scale starting from `gamma`; the tensor itself where the style has none."""
    if style.norm is None:
        return x
    options = {"epsilon": style.epsilon, "scale": style.affine and style.scale, "center": style.affine, "name": name}
    options["gamma_initializer"] = gamma
    if style.norm == "batch":
        return keras.layers.BatchNormalization(momentum=style.momentum, **options)(x)
    groups = x.shape[-1] if style.norm == "instance" else style.groups
    return keras.layers.GroupNormalization(groups, **options)(x)


def act(x: Tensor, activation: str | Style | None, *, name: str) -> Tensor:
    """Activation by name or of a style; the tensor itself for None."""
    if activation is None:
        return x
    style = activation if isinstance(activation, Style) else Style(activation=activation)
    if style.activation in ("prelu", "prelu_channels"):
        shared = list(range(1, rank(x) + (2 if style.activation == "prelu" else 1)))
        return keras.layers.PReLU(keras.initializers.Constant(0.25), shared_axes=shared, name=name)(x)
    if style.activation == "leaky_relu":
        return keras.layers.LeakyReLU(style.slope, name=name)(x)
    return keras.layers.Activation(style.activation, name=name)(x)


def conv_norm_act(
    x: Tensor, filters: int, style: Style, *, name: str, index: int = 1, kernel: Size = 3, stride: Size = 1, dilation: Size = 1
) -> Tensor:
    """Convolution, normalisation, activation: `(N, H, W, C) -> (N, H / stride, W / stride, F)`."""
    x = conv(x, filters, style, kernel=kernel, stride=stride, dilation=dilation, name=f"{name}_conv{index}")
    x = norm(x, style, name=f"{name}_norm{index}")
    return act(x, style, name=f"{name}_act{index}")


def norm_act_conv(
    x: Tensor, filters: int, style: Style, *, name: str, index: int = 1, kernel: Size = 3, stride: Size = 1, dilation: Size = 1
) -> Tensor:
    """Normalisation, activation, convolution: `(N, H, W, C) -> (N, H / stride, W / stride, F)`."""
    x = norm(x, style, name=f"{name}_norm{index}")
    x = act(x, style, name=f"{name}_act{index}")
    return conv(x, filters, style, kernel=kernel, stride=stride, dilation=dilation, name=f"{name}_conv{index}")


def shortcut(x: Tensor, filters: int, style: Style, *, name: str, stride: Size = 1) -> Tensor:
    """The branch around a residual unit: `(N, H, W, C) -> (N, H / stride, W / stride, F)`."""
    form = style.shortcut
    if form.pool:
        x, stride = average_pool(x, stride, name=f"{name}_pool"), 1
    fits = max(per_axis(stride, x)) == 1 and x.shape[-1] == filters
    if fits and form.kind != "conv":
        return x
    if form.kind == "none":
        x = subsample(x, stride, name=f"{name}_subsample")
        return x if x.shape[-1] == filters else MatchChannels(filters, name=f"{name}_match")(x)
    x = conv(x, filters, replace(style, bias=form.bias), kernel=form.kernel, stride=stride, name=f"{name}_proj")
    if form.norm:
        x = norm(x, style, name=f"{name}_projnorm")
    return act(x, style if form.activation else None, name=f"{name}_projact")


def residual(
    x: Tensor, filters: int, style: Style, *, name: str, kernel: Size = 3, stride: Size = 1, lead: bool = True
) -> Tensor:
    """Residual unit of two convolutions: `(N, H, W, C) -> (N, H / stride, W / stride, F)`.

    Args:
        x: Input of both branches.
        filters: Channels of the output.
        style: Order of convolution, normalisation and activation, and the shortcut.
        name: Prefix of the unit's layers.
        kernel: Of both convolutions.
        stride: Of the first convolution and of the shortcut.
        lead: False leaves out the leading norm-act of a pre-activation unit, as the first unit of a network does.

    Reference: He et al., "Deep Residual Learning" (2016a), figure 2; "Identity Mappings" (2016b), figure 4.
    """
    side = shortcut(x, filters, style, name=name, stride=stride)
    if style.order == "post":
        y = conv_norm_act(x, filters, style, name=name, index=1, kernel=kernel, stride=stride)
        y = conv(y, filters, style, kernel=kernel, name=f"{name}_conv2")
        y = norm(y, style, name=f"{name}_norm2", gamma="zeros" if style.zero_last else "ones")
        y = add(side, y, name=f"{name}_add")
        return act(y, style, name=f"{name}_act2")
    if lead:
        y = norm_act_conv(x, filters, style, name=name, index=1, kernel=kernel, stride=stride)
    else:
        y = conv(x, filters, style, kernel=kernel, stride=stride, name=f"{name}_conv1")
    y = norm_act_conv(y, filters, style, name=name, index=2, kernel=kernel)
    return add(y, side, name=f"{name}_add")


def bottleneck(x: Tensor, filters: int, style: Style, *, name: str, stride: Size = 1) -> Tensor:
    """Post-activation unit of 1x1, 3x3 and 1x1 convolutions, F/4, F/4 and F wide; the stride is that of the 3x3.

    `(N, H, W, C) -> (N, H / stride, W / stride, F)`.

    Reference: He et al. (2016a), figure 5, with the stride moved from the first 1x1 to the 3x3 as torchvision does.
    """
    side = shortcut(x, filters, style, name=name, stride=stride)
    y = conv_norm_act(x, filters // 4, style, kernel=1, name=name, index=1)
    y = conv_norm_act(y, filters // 4, style, name=name, index=2, stride=stride)
    y = conv(y, filters, style, kernel=1, name=f"{name}_conv3")
    y = norm(y, style, name=f"{name}_norm3")
    y = add(side, y, name=f"{name}_add")
    return act(y, style, name=f"{name}_act3")


def squeeze_excite(x: Tensor, squeezed: int, *, name: str, bias: bool = False) -> Tensor:
    """Scales each channel by a gate that sees the mean of all: `(N, H, W, C) -> (N, H, W, C)`.

    Two dense layers of `squeezed` and C units, with ReLU between them and a sigmoid behind.

    Reference: J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks" (2018), section 3.
    """
    gate = layer_of("GlobalAveragePooling", x)(keepdims=True, name=f"{name}_mean")(x)
    gate = keras.layers.Dense(squeezed, use_bias=bias, name=f"{name}_squeeze")(gate)
    gate = act(gate, "relu", name=f"{name}_squeezeact")
    gate = keras.layers.Dense(x.shape[-1], use_bias=bias, name=f"{name}_excite")(gate)
    gate = act(gate, "sigmoid", name=f"{name}_exciteact")
    return multiply(x, gate, name=f"{name}_scale")


def add(*tensors: Tensor, name: str) -> Tensor:
    """Sum of tensors of one shape."""
    return keras.layers.Add(name=name)(list(tensors))


def multiply(*tensors: Tensor, name: str) -> Tensor:
    """Product of tensors; one with a single channel or position counts for all of them."""
    return keras.layers.Multiply(name=name)(list(tensors))


def concat(*tensors: Tensor, name: str) -> Tensor:
    """Concatenates along the channels in the order given: `(N, H, W, C), (N, H, W, K) -> (N, H, W, C + K)`."""
    return keras.layers.Concatenate(name=name)(list(tensors))


def head(x: Tensor, config: ModelConfig, *, name: str = "head0", kernel: Size = 1) -> Tensor:
    """Convolution to the classes and the activation of the output: `(N, H, W, C) -> (N, H, W, classes)`."""
    x = conv(x, config.classes, kernel=kernel, name=f"{name}_conv")
    return act(x, config.output_activation, name=f"{name}_act")


def network(x: Tensor, inputs: Tensor, config: ModelConfig, *, kernel: int = 1) -> keras.Model:
    """Ends a network with its one head and puts the model around it: `(N, H, W, C) -> (N, H, W, classes)`."""
    return model(inputs, head(x, config, kernel=kernel), config)


def model(inputs: Tensor, outputs: Tensor | dict[str, Tensor], config: ModelConfig) -> keras.Model:
    """Returns the model of a config; several outputs are named, the segmentation at full resolution first."""
    return keras.Model(inputs, outputs, name=config.name)
