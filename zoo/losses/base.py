"""The base of the losses: labels that are ignored count nowhere, one value per image, float32."""

from __future__ import annotations

import math
from typing import Any, ClassVar, TypedDict

import keras
from keras import ops

from zoo.errors import ConfigError
from zoo.losses import checks
from zoo.losses.pixels import Pixels


class Options(TypedDict, total=False):
    """What every loss takes besides its own; see `PixelLoss`."""

    from_logits: bool
    ignore: int | None
    reduction: str | None
    name: str | None


class PixelLoss(keras.losses.Loss):
    """Base of the losses of the zoo: a subclass says in `of` what the loss of a batch is, one value per image.

    Labels are whole numbers `(N, *spatial)` or `(N, *spatial, 1)`, predictions `(N, *spatial, C)`: one channel is the
    probability of label 1, more channels are those of the labels 0 to C - 1. All is computed in float32, whatever the network
    computes in. An image of which nothing counts has the loss 0. A label that is neither a class nor ignored makes the loss of
    its image NaN, so that the mistake shows; the gradients stay finite.

    `sample_weight` is one number per image; single pixels are left out by the ignored label.

    Args:
        from_logits: Whether predictions are logits; else they are probabilities, which are kept `1e-7` from 0 and 1 before
            their logarithm is taken.
        ignore: Label that counts nowhere; None: every label counts.
        reduction: How the values of the images become one, as in Keras.
        name: Name of the loss.

    Raises:
        ConfigError: A setting is not allowed, or a batch has shapes that do not belong together.
    """

    settings: ClassVar[tuple[str, ...]] = ("from_logits", "ignore")
    """Names of the arguments of the constructor besides `reduction` and `name`."""

    def __init__(
        self,
        *,
        from_logits: bool = False,
        ignore: int | None = 255,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.from_logits = checks.flag("from_logits", from_logits)
        self.ignore = checks.label("ignore", ignore)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the loss of the batch, reduced as `reduction` says."""
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight, dtype="float32")
            check_sample_weight(sample_weight)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each image.

        Args:
            y_true: Whole numbers `(N, *spatial)` or `(N, *spatial, 1)`.
            y_pred: Probabilities or logits `(N, *spatial, C)`.

        Returns:
            Tensor `(N,)`.
        """
        pixels = Pixels.of(y_true, y_pred, from_logits=self.from_logits, ignore=self.ignore)
        wrong = ops.any(pixels.wrong, axis=pixels.axes)
        return self.of(pixels) + ops.where(wrong, math.nan, 0.0)

    def of(self, pixels: Pixels) -> Any:
        """Returns the loss of each image, `(N,)`."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the loss."""
        return {**super().get_config(), **{name: getattr(self, name) for name in self.settings}}


def check_sample_weight(sample_weight: Any) -> None:
    """Accepts one weight per image.

    Raises:
        ConfigError: There are weights for single pixels.
    """
    shape = tuple(sample_weight.shape)
    if len(shape) > 2 or (len(shape) == 2 and shape[-1] != 1):
        message = (
            "`sample_weight` is one number per image, of shape (N,): weights of classes are `class_weights` of the loss, and "
            f"pixels are left out by the ignored label. Received: sample_weight of shape {shape}"
        )
        raise ConfigError(message)
