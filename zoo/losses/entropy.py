"""Losses of single pixels: cross-entropy and its focal form."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import keras
from keras import ops

from zoo.losses import checks
from zoo.losses.base import Options, PixelLoss
from zoo.losses.pixels import EPSILON, Pixels


@keras.saving.register_keras_serializable("zoo.losses")
class Crossentropy(PixelLoss):
    """`-log p` of the true class, the mean over the pixels of an image that count; binary where there is one channel.

    With weights it is the weighted mean, divided by the weights of the pixels, as in PyTorch. Keras' own cross-entropies have
    one value per pixel, and the sparse one alone can ignore a label; it then divides by all pixels.

    Args:
        class_weights: A number for each class; two, of background and foreground, where there is one channel. None weighs all
            alike.
        **options: See `PixelLoss`.

    Raises:
        ConfigError: A setting is not allowed.
    """

    settings: ClassVar[tuple[str, ...]] = (*PixelLoss.settings, "class_weights")

    def __init__(self, *, class_weights: list[float] | None = None, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.class_weights = checks.weights("class_weights", class_weights)

    def of(self, pixels: Pixels) -> Any:
        """Returns the loss of each image, `(N,)`."""
        weight = pixels.valid
        if self.class_weights is not None:
            table = ops.array(checks.weights_for(pixels.classes, self.class_weights), dtype="float32")
            weight = ops.sum(pixels.one_hot * table, axis=-1)
        log_p = ops.sum(pixels.one_hot * pixels.log_probability, axis=-1)
        cost = ops.sum(weight * self.penalty(log_p), axis=pixels.axes)
        return ops.divide_no_nan(cost, ops.sum(weight, axis=pixels.axes))

    def penalty(self, log_p: Any) -> Any:
        """Returns the loss of each pixel from the logarithm of the probability of its class."""
        return -log_p


@keras.saving.register_keras_serializable("zoo.losses")
class Focal(Crossentropy):
    """`-(1 - p) ** gamma * log p` of the true class: pixels that are already right count less. A gamma of 0 is `Crossentropy`.

    The mean is that of `Crossentropy`: with weights it is divided by them, unlike the paper and Keras, where `alpha` also
    scales the loss.

    Reference: T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.

    Args:
        gamma: The exponent.
        **options: See `Crossentropy` and `PixelLoss`.

    Raises:
        ConfigError: A setting is not allowed.
    """

    settings: ClassVar[tuple[str, ...]] = (*Crossentropy.settings, "gamma")

    def __init__(self, *, gamma: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        self.gamma = checks.number("gamma", gamma)

    def penalty(self, log_p: Any) -> Any:
        """Returns the loss of each pixel; the base of the power stays above 0, where its slope may be infinite."""
        wrong = ops.maximum(-ops.expm1(log_p), EPSILON)
        return -(wrong**self.gamma) * log_p
