"""The parts that all families are built from: small functions from tensor to tensor.

Axes: N images, D depth axis (volumes only), H height, W width, C channels in, F filters out. Every function takes the
tensor first and works on images `(N, H, W, C)` and volumes `(N, D, H, W, C)` alike: the rank of the tensor decides.

Names: `name` is a block prefix such as `enc0` or `dec2_block1`; the layers of the block are `enc0_conv1`, `enc0_norm1`,
`enc0_act1`, `enc0_proj` (the convolution of a shortcut), `enc0_add`. Only underscores: "/" fails in Keras and "." on the
torch backend. Every layer is named, so two builds have byte-identical configs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import keras

from zoo.layers import MatchChannels, ResizeLike

if TYPE_CHECKING:
    from zoo.config import ModelConfig

Tensor = Any
"""A symbolic `keras.KerasTensor`; Keras itself declares no type for it that a checker could use."""


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """The branch around a residual unit.

    Attributes:
        kind: `"conv"` projects with a convolution; `"none"` has no weights: strided subsampling, then missing channels
            are zero and surplus ones are dropped (option A of He et al. 2016, section 3.3).
        kernel: Side of the projection's kernel.
        bias: Whether the projection has a bias.
        norm: Whether a normalisation follows the projection.
        activation: Whether an activation follows; this is no identity path then.
    """

    kind: Literal["conv", "none"] = "conv"
    kernel: int = 1
    bias: bool = True
    norm: bool = False
    activation: bool = False


@dataclass(frozen=True, kw_only=True)
class Style:
    """What all units of one network have in common.

    Attributes:
        order: `"post"` is conv-norm-act-conv-norm, add, act (He et al. 2016a); `"pre"` is norm-act-conv twice, add (2016b).
        norm: `"batch"`, or None for no normalisation at all.
        activation: Name of a Keras activation.
        bias: Whether the 3x3 convolutions have a bias.
        padding: `"same"` is Keras' padding, which is lopsided for strides; `"torch"` pads both sides alike.
        epsilon: Added to the variance by the normalisation.
        momentum: Of the moving statistics.
        shortcut: The branch around each residual unit.
    """

    order: Literal["post", "pre"] = "post"
    norm: Literal["batch"] | None = "batch"
    activation: str = "relu"
    bias: bool = True
    padding: Literal["same", "torch"] = "same"
    epsilon: float = 1e-3
    momentum: float = 0.99
    shortcut: Shortcut = Shortcut()


def image(config: ModelConfig) -> Tensor:
    """Returns the input of a network, `(N, *input_shape)`."""
    return keras.Input(config.input_shape, name="input")


def rank(x: Tensor) -> int:
    """Returns the number of spatial axes: 2 for images, 3 for volumes."""
    return len(x.shape) - 2


def conv(
    x: Tensor, filters: int, *, name: str, kernel: int = 3, stride: int = 1, bias: bool = True, padding: str = "same"
) -> Tensor:
    """Convolution without activation, `(N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), F)`.

    With `padding="torch"` both sides get `kernel // 2` zeros, as PyTorch does; Keras' "same" puts the odd zero of a strided
    convolution at the far side.
    """
    if padding == "torch" and stride > 1 and kernel > 1:
        x = _layer("ZeroPadding", x)(kernel // 2, name=f"{name}_pad")(x)
        padding = "valid"
    mode = "valid" if padding == "valid" else "same"
    return _layer("Conv", x)(filters, kernel, strides=stride, padding=mode, use_bias=bias, name=name)(x)


def norm(x: Tensor, style: Style, *, name: str) -> Tensor:
    """Normalisation of the style; the tensor itself where the style has none."""
    if style.norm is None:
        return x
    return keras.layers.BatchNormalization(epsilon=style.epsilon, momentum=style.momentum, name=name)(x)


def act(x: Tensor, activation: str | None, *, name: str) -> Tensor:
    """Activation by name; the tensor itself for None."""
    return x if activation is None else keras.layers.Activation(activation, name=name)(x)


def conv_norm_act(x: Tensor, filters: int, style: Style, *, name: str, index: int = 1, stride: int = 1) -> Tensor:
    """Convolution, normalisation, activation: `(N, H, W, C) -> (N, H / stride, W / stride, F)`."""
    x = conv(x, filters, stride=stride, bias=style.bias, padding=style.padding, name=f"{name}_conv{index}")
    x = norm(x, style, name=f"{name}_norm{index}")
    return act(x, style.activation, name=f"{name}_act{index}")


def norm_act_conv(x: Tensor, filters: int, style: Style, *, name: str, index: int = 1, stride: int = 1) -> Tensor:
    """Normalisation, activation, convolution: `(N, H, W, C) -> (N, H / stride, W / stride, F)`."""
    x = norm(x, style, name=f"{name}_norm{index}")
    x = act(x, style.activation, name=f"{name}_act{index}")
    return conv(x, filters, stride=stride, bias=style.bias, padding=style.padding, name=f"{name}_conv{index}")


def shortcut(x: Tensor, filters: int, style: Style, *, name: str, stride: int = 1) -> Tensor:
    """The branch around a residual unit: `(N, H, W, C) -> (N, H / stride, W / stride, F)`."""
    form = style.shortcut
    if form.kind == "none":
        if stride > 1:
            x = _layer("AveragePooling", x)(1, strides=stride, name=f"{name}_subsample")(x)
        return x if x.shape[-1] == filters else MatchChannels(filters, name=f"{name}_match")(x)
    x = conv(x, filters, kernel=form.kernel, stride=stride, bias=form.bias, padding=style.padding, name=f"{name}_proj")
    if form.norm:
        x = norm(x, style, name=f"{name}_projnorm")
    return act(x, style.activation if form.activation else None, name=f"{name}_projact")


def residual(x: Tensor, filters: int, style: Style, *, name: str, stride: int = 1, lead: bool = True) -> Tensor:
    """Residual unit of two 3x3 convolutions: `(N, H, W, C) -> (N, H / stride, W / stride, F)`.

    Args:
        x: Input of both branches.
        filters: Channels of the output.
        style: Order of convolution, normalisation and activation, and the shortcut.
        name: Prefix of the unit's layers.
        stride: Of the first convolution and of the shortcut.
        lead: False leaves out the leading norm-act of a pre-activation unit, as the first unit of a network does.

    Reference: He et al., "Deep Residual Learning" (2016), figure 2; "Identity Mappings" (2016), figure 4.
    """
    side = shortcut(x, filters, style, name=name, stride=stride)
    if style.order == "post":
        y = conv_norm_act(x, filters, style, name=name, index=1, stride=stride)
        y = conv(y, filters, bias=style.bias, padding=style.padding, name=f"{name}_conv2")
        y = norm(y, style, name=f"{name}_norm2")
        y = keras.layers.Add(name=f"{name}_add")([side, y])
        return act(y, style.activation, name=f"{name}_act2")
    if lead:
        y = norm_act_conv(x, filters, style, name=name, index=1, stride=stride)
    else:
        y = conv(x, filters, stride=stride, bias=style.bias, padding=style.padding, name=f"{name}_conv1")
    y = norm_act_conv(y, filters, style, name=name, index=2)
    return keras.layers.Add(name=f"{name}_add")([y, side])


def max_pool(x: Tensor, *, name: str, size: int = 2) -> Tensor:
    """Max pooling with stride `size`: `(N, H, W, C) -> (N, H / size, W / size, C)`."""
    return _layer("MaxPooling", x)(size, padding="same", name=name)(x)


def upsample(x: Tensor, mode: Literal["nearest", "transposed"], *, name: str, filters: int | None = None) -> Tensor:
    """Doubles the spatial sizes: `(N, H, W, C) -> (N, 2H, 2W, C)`, or F channels by a transposed convolution.

    Args:
        x: Coarse tensor.
        mode: `"nearest"` repeats pixels; `"transposed"` is a 2x2 transposed convolution with stride 2.
        name: Name of the one layer.
        filters: Channels of the transposed convolution; by default those of `x`.
    """
    if mode == "nearest":
        return _layer("UpSampling", x)(2, name=name)(x)
    width = filters if filters is not None else x.shape[-1]
    return _layer("Conv", x, "Transpose")(width, 2, strides=2, padding="same", name=name)(x)


def resize_like(x: Tensor, reference: Tensor, *, name: str) -> Tensor:
    """Bilinear resize to the spatial size of another tensor: `(N, h, w, C), (N, H, W, K) -> (N, H, W, C)`."""
    return ResizeLike(name=name)([x, reference])


def concat(x: Tensor, skip: Tensor, *, name: str) -> Tensor:
    """Concatenates along the channels, `x` first: `(N, H, W, C), (N, H, W, K) -> (N, H, W, C + K)`."""
    return keras.layers.Concatenate(name=name)([x, skip])


def network(x: Tensor, inputs: Tensor, config: ModelConfig, *, kernel: int = 1) -> keras.Model:
    """Ends a network: convolution to the classes, activation of the head, and the model around it.

    `(N, H, W, C) -> (N, H, W, classes)`.
    """
    x = conv(x, config.classes, kernel=kernel, name="head0_conv")
    x = act(x, config.output_activation, name="head0_act")
    return keras.Model(inputs, x, name=config.name)


def _layer(kind: str, x: Tensor, suffix: str = "") -> Any:
    """Returns the 2D or 3D class of a kind of layer: `("Conv", x) -> keras.layers.Conv2D`."""
    return getattr(keras.layers, f"{kind}{rank(x)}D{suffix}")
