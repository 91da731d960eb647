"""Losses of overlap: one minus the soft Dice, Jaccard or Tversky index."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import keras
from keras import ops

from zoo.losses import checks
from zoo.losses.base import Options, PixelLoss
from zoo.losses.pixels import Pixels


class Overlap(PixelLoss):
    """Base of the losses of overlap: a subclass says what the index of one class is, `index`.

    Args:
        smooth: Added above and below the fraction: a class that is neither there nor predicted has the index 1, and the
            gradient of small objects is tamer. With 0 the index of such a class is 1 too.
        include_background: Whether label 0 is scored where there are several classes.
        class_weights: A number for each class, in the mean over classes; None weighs all alike. One channel has one class to
            score, so that they change nothing there.
        batch: Whether sums run over all images of the batch and not over each alone; every image then has the same loss.
        **options: See `PixelLoss`.

    Raises:
        ConfigError: A setting is not allowed.
    """

    settings: ClassVar[tuple[str, ...]] = (*PixelLoss.settings, "smooth", "include_background", "class_weights", "batch")

    def __init__(
        self,
        *,
        smooth: float = 1.0,
        include_background: bool = True,
        class_weights: list[float] | None = None,
        batch: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.smooth = checks.number("smooth", smooth)
        self.include_background = checks.flag("include_background", include_background)
        self.class_weights = checks.weights("class_weights", class_weights)
        self.batch = checks.flag("batch", batch)

    def index(self, both: Any, only_truth: Any, only_output: Any) -> Any:
        """Returns the index of overlap from soft counts of pixels, all of one shape."""
        raise NotImplementedError

    def penalty(self, index: Any) -> Any:
        """Returns the loss of an index."""
        return 1 - index

    def of(self, pixels: Pixels) -> Any:
        """Returns the loss of each image, `(N,)`."""
        both, truth, output = self._sums(pixels)
        loss = self.penalty(self.index(both, truth - both, output - both))
        weights = checks.weights_for(pixels.classes, self.class_weights)
        if pixels.channels == 1:
            weights = [1.0]
        elif not self.include_background:
            loss, weights = loss[:, 1:], weights[1:]
        mean = ops.sum(loss * ops.array(weights, dtype="float32"), axis=-1) / (sum(weights) or 1.0)
        return ops.broadcast_to(mean, (ops.shape(pixels.labels)[0],))

    def _sums(self, pixels: Pixels) -> tuple[Any, Any, Any]:
        axes = (0, *pixels.axes) if self.batch else pixels.axes
        tensors = (pixels.truth * pixels.probability, pixels.truth, pixels.probability)
        both, truth, output = (ops.sum(tensor, axis=axes) for tensor in tensors)
        return (both[None], truth[None], output[None]) if self.batch else (both, truth, output)


@keras.saving.register_keras_serializable("zoo.losses")
class Dice(Overlap):
    """One minus the soft Dice: `1 - (2 sum(t p) + smooth) / (sum(t) + sum(p) + smooth)`, the mean over classes.

    `keras.losses.Dice` sums over classes and by default over the batch, takes one-hot labels and ignores none; with one class
    and `batch=True, smooth=0` both are the same.

    Reference: F. Milletari, N. Navab, S.-A. Ahmadi, "V-Net", 3DV 2016; sums of p as in its later forms, not of p squared.
    """

    def index(self, both: Any, only_truth: Any, only_output: Any) -> Any:
        """Returns Dice from soft counts."""
        return fraction(2 * both, only_truth + only_output, self.smooth)


@keras.saving.register_keras_serializable("zoo.losses")
class Jaccard(Overlap):
    """One minus the soft intersection over union: `1 - (sum(t p) + smooth) / (sum(t) + sum(p) - sum(t p) + smooth)`.

    Reference: M. A. Rahman, Y. Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks", ISVC 2016.
    """

    def index(self, both: Any, only_truth: Any, only_output: Any) -> Any:
        """Returns the intersection over union from soft counts."""
        return fraction(both, only_truth + only_output, self.smooth)


@keras.saving.register_keras_serializable("zoo.losses")
class Tversky(Overlap):
    """One minus the Tversky index: `1 - (b + smooth) / (b + alpha * o + beta * t + smooth)`, the mean over classes.

    b, o and t are the soft counts of pixels of a class in both, only in the output (false positives) and only in the truth
    (false negatives). Equal weights of 0.5 are Dice with twice the smoothing, equal ones of 1 are Jaccard; `beta` above `alpha`
    costs missed pixels more. `keras.losses.Tversky` of Keras 3.15 has the two the other way round: its `alpha` weighs missed
    pixels.

    Reference: S. S. M. Salehi, D. Erdogmus, A. Gholipour, "Tversky loss function for image segmentation", MLMI 2017.

    Args:
        alpha: Weight of false positives.
        beta: Weight of false negatives.
        **options: See `Overlap` and `PixelLoss`.

    Raises:
        ConfigError: A setting is not allowed.
    """

    settings: ClassVar[tuple[str, ...]] = (*Overlap.settings, "alpha", "beta")

    def __init__(self, *, alpha: float = 0.3, beta: float = 0.7, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = checks.number("alpha", alpha)
        self.beta = checks.number("beta", beta)

    def index(self, both: Any, only_truth: Any, only_output: Any) -> Any:
        """Returns the Tversky index from soft counts."""
        return fraction(both, self.alpha * only_output + self.beta * only_truth, self.smooth)


@keras.saving.register_keras_serializable("zoo.losses")
class FocalTversky(Tversky):
    """`(1 - Tversky index) ** gamma` of each class: above 1, what is still wrong counts more; below 1, what is nearly right.

    The paper writes the exponent `1 / gamma` with 4/3, which is 0.75 here.

    Reference: N. Abraham, N. M. Khan, "A novel focal Tversky loss function with improved attention U-Net", ISBI 2019.

    Args:
        gamma: The exponent.
        **options: See `Tversky`, `Overlap` and `PixelLoss`.

    Raises:
        ConfigError: A setting is not allowed.
    """

    settings: ClassVar[tuple[str, ...]] = (*Tversky.settings, "gamma")

    def __init__(self, *, gamma: float = 0.75, **options: Any) -> None:
        super().__init__(**options)
        self.gamma = checks.number("gamma", gamma, open_low=True)

    def penalty(self, index: Any) -> Any:
        """Returns the power, which is a straight line below 1e-6: the slope of a root at 0 is infinite."""
        small = 1e-6
        loss = ops.maximum(1 - index, 0.0)
        power = ops.maximum(loss, small) ** self.gamma
        return ops.where(loss > small, power, loss * small ** (self.gamma - 1))


def fraction(part: Any, rest: Any, smooth: float) -> Any:
    """Returns `(part + smooth) / (part + rest + smooth)`, and 1 where that is 0 / 0."""
    whole = part + rest + smooth
    there = whole > 0
    return ops.where(there, (part + smooth) / ops.where(there, whole, 1.0), 1.0)
