"""Losses that are the Lovász extension of the intersection over union, by sorting the errors of all pixels."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import keras
from keras import ops

from zoo.errors import ConfigError
from zoo.losses.base import Options, PixelLoss
from zoo.losses.pixels import Pixels
from zoo.rules import ChoiceRule


@keras.saving.register_keras_serializable("zoo.losses")
class LovaszSoftmax(PixelLoss):
    """Lovász extension of one minus the intersection over union, of probabilities; the mean over the classes of an image.

    Works for one channel too. It costs a sort of all pixels for each class.

    Reference: M. Berman, A. Rannen Triki, M. B. Blaschko, "The Lovász-Softmax loss", CVPR 2018; per image, which the authors'
    code offers as `per_image=True`.

    Args:
        average: `"present"` is the mean over the classes that the truth of an image has, `"all"` over all of them.
        **options: See `PixelLoss`.

    Raises:
        ConfigError: A setting is not allowed.
    """

    settings: ClassVar[tuple[str, ...]] = (*PixelLoss.settings, "average")

    def __init__(self, *, average: str = "present", **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.average = ChoiceRule(("present", "all")).check("average", average)

    def of(self, pixels: Pixels) -> Any:
        """Returns the loss of each image, `(N,)`."""
        truth = by_class(pixels.truth)
        errors = ops.abs(truth - by_class(pixels.probability))  # 0 where a label is ignored
        loss = extension(errors, truth)
        present = ops.cast(ops.any(truth > 0, axis=-1), "float32")
        counted = present if self.average == "present" else ops.ones_like(present)
        return ops.divide_no_nan(ops.sum(loss * counted, axis=-1), ops.sum(counted, axis=-1))


@keras.saving.register_keras_serializable("zoo.losses")
class LovaszHinge(PixelLoss):
    """Lovász extension of one minus the intersection over union, of the hinge errors of logits; for one channel.

    Probabilities are turned into logits first.

    Reference: M. Berman, A. Rannen Triki, M. B. Blaschko, "The Lovász-Softmax loss", CVPR 2018.

    Args:
        **options: See `PixelLoss`.

    Raises:
        ConfigError: A setting is not allowed, or the output has more than one channel.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__(**options)

    def of(self, pixels: Pixels) -> Any:
        """Returns the loss of each image, `(N,)`."""
        if pixels.channels != 1:
            message = f"LovaszHinge is for one channel; use LovaszSoftmax. Received: an output of {pixels.channels} channels"
            raise ConfigError(message)
        log_p = pixels.log_probability
        logits = log_p[..., 1:] - log_p[..., :1]
        errors = ops.relu(1 - logits * (2 * pixels.truth - 1)) * pixels.valid[..., None]
        return extension(by_class(errors), by_class(pixels.truth))[:, 0]


def by_class(tensor: Any) -> Any:
    """Returns `(N, *spatial, C)` as `(N, C, pixels)`."""
    shape = ops.shape(tensor)
    flat = ops.reshape(tensor, (shape[0], -1, tensor.shape[-1]))
    return ops.transpose(flat, (0, 2, 1))


def extension(errors: Any, truth: Any) -> Any:
    """Returns the Lovász extension of the Jaccard loss, `(N, C, pixels) -> (N, C)`.

    Pixels with the error 0 come last and count nothing.
    """
    order = ops.argsort(-ops.stop_gradient(errors), axis=-1)
    errors, truth = (ops.take_along_axis(tensor, order, axis=-1) for tensor in (errors, truth))
    total = ops.sum(truth, axis=-1, keepdims=True)
    both = total - ops.cumsum(truth, axis=-1)
    either = total + ops.cumsum(1 - truth, axis=-1)
    loss = 1 - both / either
    steps = ops.concatenate([loss[..., :1], loss[..., 1:] - loss[..., :-1]], axis=-1)
    return ops.sum(errors * ops.stop_gradient(steps), axis=-1)
