"""The parts that all families are built from: small functions from tensor to tensor.

Axes: N images, D depth axis (volumes only), H height, W width, C channels in, F filters out. Every function takes the
tensor first and works on images `(N, H, W, C)` and volumes `(N, D, H, W, C)` alike: the rank of the tensor decides.

Names: `name` is a block prefix such as `enc0` or `dec2_block1`; the layers of the block are `enc0_conv1`, `enc0_norm1`,
`enc0_act1`, `enc0_proj` (the convolution of a shortcut), `enc0_add`. Only underscores: "/" fails in Keras and "." on the
torch backend. Every layer is named, so two builds have byte-identical configs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
        kind: `"conv"` always projects with a convolution; `"identity"` does so only where the unit changes the size or the
            channels (options C and B of He et al. 2016a, section 4.1); `"none"` has no weights: strided subsampling, then
            missing channels are zero and surplus ones are dropped (option A).
        kernel: Side of the projection's kernel.
        bias: Whether the projection has a bias.
        norm: Whether a normalisation follows the projection.
        activation: Whether an activation follows; this is no identity path then.
    """

    kind: Literal["conv", "identity", "none"] = "conv"
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
        padding: `"same"` is Keras' padding, which is lopsided for strides; `"torch"` pads both sides alike, as PyTorch does.
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


KERAS_STYLE = Style()
"""Bias and "same" padding: Keras' own defaults."""


def image(config: ModelConfig) -> Tensor:
    """Returns the input of a network, `(N, *input_shape)`."""
    return keras.Input(config.input_shape, name="input")


def rank(x: Tensor) -> int:
    """Returns the number of spatial axes: 2 for images, 3 for volumes."""
    return len(x.shape) - 2


def conv(x: Tensor, filters: int, style: Style = KERAS_STYLE, *, name: str, kernel: int = 3, stride: int = 1) -> Tensor:
    """Convolution without activation, `(N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), F)`.

    Of the style, only bias and padding matter. Keras' "same" puts the odd zero of a strided convolution at the far side;
    with `padding="torch"` both sides get `kernel // 2` zeros.
    """
    padding = "same"
    if style.padding == "torch" and stride > 1 and kernel > 1:
        x = _layer("ZeroPadding", x)(kernel // 2, name=f"{name}_pad")(x)
        padding = "valid"
    return _layer("Conv", x)(filters, kernel, strides=stride, padding=padding, use_bias=style.bias, name=name)(x)


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
    x = conv(x, filters, style, stride=stride, name=f"{name}_conv{index}")
    x = norm(x, style, name=f"{name}_norm{index}")
    return act(x, style.activation, name=f"{name}_act{index}")


def norm_act_conv(x: Tensor, filters: int, style: Style, *, name: str, index: int = 1, stride: int = 1) -> Tensor:
    """Normalisation, activation, convolution: `(N, H, W, C) -> (N, H / stride, W / stride, F)`."""
    x = norm(x, style, name=f"{name}_norm{index}")
    x = act(x, style.activation, name=f"{name}_act{index}")
    return conv(x, filters, style, stride=stride, name=f"{name}_conv{index}")


def shortcut(x: Tensor, filters: int, style: Style, *, name: str, stride: int = 1) -> Tensor:
    """The branch around a residual unit: `(N, H, W, C) -> (N, H / stride, W / stride, F)`."""
    form = style.shortcut
    fits = stride == 1 and x.shape[-1] == filters
    if fits and form.kind != "conv":
        return x
    if form.kind == "none":
        x = subsample(x, stride, name=f"{name}_subsample")
        return x if x.shape[-1] == filters else MatchChannels(filters, name=f"{name}_match")(x)
    x = conv(x, filters, replace(style, bias=form.bias), kernel=form.kernel, stride=stride, name=f"{name}_proj")
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

    Reference: He et al., "Deep Residual Learning" (2016a), figure 2; "Identity Mappings" (2016b), figure 4.
    """
    side = shortcut(x, filters, style, name=name, stride=stride)
    if style.order == "post":
        y = conv_norm_act(x, filters, style, name=name, index=1, stride=stride)
        y = conv(y, filters, style, name=f"{name}_conv2")
        y = norm(y, style, name=f"{name}_norm2")
        y = keras.layers.Add(name=f"{name}_add")([side, y])
        return act(y, style.activation, name=f"{name}_act2")
    if lead:
        y = norm_act_conv(x, filters, style, name=name, index=1, stride=stride)
    else:
        y = conv(x, filters, style, stride=stride, name=f"{name}_conv1")
    y = norm_act_conv(y, filters, style, name=name, index=2)
    return keras.layers.Add(name=f"{name}_add")([y, side])


def bottleneck(x: Tensor, filters: int, style: Style, *, name: str, stride: int = 1) -> Tensor:
    """Post-activation unit of 1x1, 3x3 and 1x1 convolutions, F/4, F/4 and F wide; the stride is that of the 3x3.

    `(N, H, W, C) -> (N, H / stride, W / stride, F)`.

    Reference: He et al. (2016a), figure 5, with the stride moved from the first 1x1 to the 3x3 as torchvision does.
    """
    side = shortcut(x, filters, style, name=name, stride=stride)
    y = conv(x, filters // 4, style, kernel=1, name=f"{name}_conv1")
    y = norm(y, style, name=f"{name}_norm1")
    y = act(y, style.activation, name=f"{name}_act1")
    y = conv_norm_act(y, filters // 4, style, name=name, index=2, stride=stride)
    y = conv(y, filters, style, kernel=1, name=f"{name}_conv3")
    y = norm(y, style, name=f"{name}_norm3")
    y = keras.layers.Add(name=f"{name}_add")([side, y])
    return act(y, style.activation, name=f"{name}_act3")


def subsample(x: Tensor, stride: int, *, name: str) -> Tensor:
    """Keeps every `stride`-th pixel: `(N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), C)`."""
    return x if stride == 1 else _layer("AveragePooling", x)(1, strides=stride, name=name)(x)


def max_pool(x: Tensor, *, name: str, size: int = 2, padding: Literal["same", "torch"] = "same") -> Tensor:
    """Max pooling that halves the sizes: `(N, H, W, C) -> (N, ceil(H / 2), ceil(W / 2), C)`.

    With `padding="torch"` an odd `size` is centred on every second pixel and sees minus infinity beyond both borders. Keras
    centres so with stride 1 only: hence pooling without stride, of which every second pixel is kept.
    """
    pool = _layer("MaxPooling", x)
    if padding == "same":
        return pool(size, strides=2, padding="same", name=name)(x)
    return subsample(pool(size, strides=1, padding="same", name=name)(x), 2, name=f"{name}_subsample")


def upsample(x: Tensor, mode: str, *, name: str, filters: int | None = None, like: Tensor = None) -> Tensor:
    """Doubles the spatial sizes: `(N, H, W, C) -> (N, 2H, 2W, C)`.

    Args:
        x: Coarse tensor.
        mode: `"nearest"` repeats pixels; `"transposed"` is a 2x2 transposed convolution with stride 2; `"bilinear"`
            interpolates to the size of `like`, whatever that is.
        name: Name of the one layer.
        filters: Channels of the transposed convolution; by default those of `x`.
        like: Tensor `(N, H', W', K)` whose spatial size the bilinear resize takes.
    """
    if mode == "bilinear":
        return ResizeLike(name=name)([x, like])
    if mode == "nearest":
        return _layer("UpSampling", x)(2, name=name)(x)
    width = filters if filters is not None else x.shape[-1]
    return _layer("Conv", x, "Transpose")(width, 2, strides=2, padding="same", name=name)(x)


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
