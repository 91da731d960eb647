"""Metrics that add up over batches, as `keras.metrics.Metric`."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import keras
from keras import ops

from zoo.errors import ConfigError
from zoo.losses import checks
from zoo.losses.base import check_sample_weight
from zoo.losses.pixels import Pixels
from zoo.metrics.counting import ExactTotals, count
from zoo.rules import ChoiceRule, shown


class SegmentationMetric(ExactTotals):
    """Base of the metrics: a subclass says in `parts` which fraction of counted pixels it is.

    Labels are whole numbers `(N, *spatial)` or `(N, *spatial, 1)`, predictions `(N, *spatial, C)`. A pixel is predicted as the
    class of its largest channel, or with one channel as label 1 where the output is above `threshold`.

    A class that neither the truth nor the prediction has gets the score `empty`. Else what has nothing to divide by is 0. With
    `per="image"` that is said of each image, and each class has the mean over the images; images of which no pixel counts are
    left out. A label that is neither a class nor ignored makes the result NaN, as is that of a metric that has seen nothing.

    `sample_weight` is one number per image.

    Args:
        classes: Channels of the output, C; 1 scores label 1 alone.
        class_ids: Labels that are scored; by default all, and of one channel label 1. `[1, 2]` leaves out the background.
        average: `"macro"` is the mean over these classes, `"pooled"` adds up their pixels first, and `"none"` gives each class
            its own number, in a dictionary: `{"dice_0": …, "dice_1": …}`.
        per: `"image"` is the mean of the images' scores, `"dataset"` the score of all pixels together.
        empty: Score of a class that is in neither; None leaves it out of the means.
        ignore: Label that counts nowhere; None: every label counts.
        threshold: What the output of one channel must be above; 0 for logits.
        name: Name of the metric; by default that of the class in lower case.

    Raises:
        ConfigError: A setting is not allowed, or a batch has shapes that do not belong together.
    """

    settings: ClassVar[tuple[str, ...]] = ("classes", "class_ids", "average", "per", "empty", "ignore", "threshold")

    def __init__(
        self,
        *,
        classes: int,
        class_ids: list[int] | None = None,
        average: str = "macro",
        per: str = "image",
        empty: float | None = 1.0,
        ignore: int | None = 255,
        threshold: float = 0.5,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name or type(self).__name__.lower(), dtype="float32")
        self.classes = checks.whole("classes", classes, low=1, high=65536)
        self.class_ids = None if class_ids is None else _ids(class_ids, max(classes, 2))
        self.average = ChoiceRule(("macro", "none", "pooled")).check("average", average)
        self.per = ChoiceRule(("image", "dataset")).check("per", per)
        self.empty = None if empty is None else checks.number("empty", empty, high=1.0)
        self.ignore = checks.label("ignore", ignore)
        self.threshold = checks.number("threshold", threshold, low=-math.inf)
        self.scored = self.class_ids or ((1,) if classes == 1 else tuple(range(classes)))
        columns = 1 if self.average == "pooled" else len(self.scored)
        # By image: sum of scores, and of their weights. By data set: pixels in both, in truth, in output, and weights.
        self.add_totals((2 if self.per == "image" else 4, columns))

    def parts(self, both: Any, truth: Any, output: Any) -> tuple[Any, Any]:
        """Returns numerator and denominator from the pixels of a class in both, in the truth and in the output."""
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: Whole numbers `(N, *spatial)` or `(N, *spatial, 1)`.
            y_pred: Probabilities or logits `(N, *spatial, C)`.
            sample_weight: A number for each image, `(N,)`, or None.
        """
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        if y_pred.shape[-1] != self.classes:
            message = f"{self.name} was made for classes={self.classes}. Received: an output of shape {tuple(y_pred.shape)}"
            raise ConfigError(message)
        pixels = Pixels.of(y_true, y_pred, from_logits=False, ignore=self.ignore)
        both, truth, output = count(pixels, self.scored, self.threshold)
        if self.average == "pooled":
            both, truth, output = (ops.sum(x, axis=-1, keepdims=True) for x in (both, truth, output))
        weight = self._weights(pixels, sample_weight)
        if self.per == "dataset":
            rows = [ops.sum(x * weight, axis=0) for x in (both, truth, output, ops.ones_like(both))]
        else:
            value = self._value(both, truth, output)
            there = weight * ops.cast(~ops.isnan(value), "float32")
            rows = [ops.sum(ops.where(there > 0, value, 0.0) * there, axis=0), ops.sum(there, axis=0)]
        self.add(ops.stack(rows) + ops.where(ops.any(pixels.wrong), math.nan, 0.0))

    def result(self) -> Any:
        """Returns the score, `()`, or with `average="none"` a dictionary with one for each class."""
        rows = self.totals()
        if self.per == "image":
            value = rows[0] / rows[1]  # NaN where there was nothing
        else:
            value = ops.where(rows[3] > 0, self._value(rows[0], rows[1], rows[2]), math.nan)
        if self.average == "none":
            return {f"{self.name}_{label}": value[place] for place, label in enumerate(self.scored)}
        left_out = ops.isnan(value) & ~ops.isnan(ops.sum(rows))
        return ops.sum(ops.where(left_out, 0.0, value)) / ops.sum(ops.cast(~left_out, "float32"))

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the metric."""
        values = {name: getattr(self, name) for name in self.settings}
        if values.get("class_ids") is not None:
            values["class_ids"] = list(values["class_ids"])
        return {"name": self.name, **values}

    def _value(self, both: Any, truth: Any, output: Any) -> Any:
        """Returns scores from counts; NaN marks what is left out."""
        part, whole = self.parts(both, truth, output)
        ratio = ops.where(whole > 0, part / ops.where(whole > 0, whole, 1.0), 0.0)
        return ops.where(truth + output == 0, math.nan if self.empty is None else self.empty, ratio)

    def _weights(self, pixels: Pixels, sample_weight: Any) -> Any:
        """Returns the weight of each image, `(N, 1)`: 0 where no pixel counts."""
        weight = ops.cast(ops.any(pixels.valid > 0, axis=pixels.axes), "float32")[:, None]
        if sample_weight is None:
            return weight
        sample_weight = ops.convert_to_tensor(sample_weight, dtype="float32")
        check_sample_weight(sample_weight)
        return weight * ops.reshape(sample_weight, (-1, 1))


@keras.saving.register_keras_serializable("zoo.metrics")
class Dice(SegmentationMetric):
    """Twice the pixels in both, divided by those of truth and output: by default the mean over the images."""

    def parts(self, both: Any, truth: Any, output: Any) -> tuple[Any, Any]:
        """Returns numerator and denominator."""
        return 2 * both, truth + output


@keras.saving.register_keras_serializable("zoo.metrics")
class F1(Dice):
    """Dice under its other name: by default of all pixels of the data set together, and not image by image."""

    def __init__(self, *, classes: int, per: str = "dataset", **options: Any) -> None:
        super().__init__(classes=classes, per=per, **options)


@keras.saving.register_keras_serializable("zoo.metrics")
class IoU(SegmentationMetric):
    """Pixels in both, divided by those in either (the Jaccard index): by default the mean over the images."""

    def parts(self, both: Any, truth: Any, output: Any) -> tuple[Any, Any]:
        """Returns numerator and denominator."""
        return both, truth + output - both


@keras.saving.register_keras_serializable("zoo.metrics")
class Precision(SegmentationMetric):
    """Share of the predicted pixels that are right: by default the mean over the images."""

    def parts(self, both: Any, truth: Any, output: Any) -> tuple[Any, Any]:
        """Returns numerator and denominator."""
        return both, output


@keras.saving.register_keras_serializable("zoo.metrics")
class Recall(SegmentationMetric):
    """Share of the pixels of a class that were found (sensitivity): by default the mean over the images."""

    def parts(self, both: Any, truth: Any, output: Any) -> tuple[Any, Any]:
        """Returns numerator and denominator."""
        return both, truth


@keras.saving.register_keras_serializable("zoo.metrics")
class Accuracy(SegmentationMetric):
    """Share of all pixels that have the right label, background included: by default the mean over the images.

    Args:
        classes: Channels of the output.
        per: `"image"` or `"dataset"`.
        ignore: Label that counts nowhere; None: every label counts.
        threshold: What the output of one channel must be above; 0 for logits.
        name: Name of the metric; by default that of the class in lower case.

    Raises:
        ConfigError: A setting is not allowed, or a batch has shapes that do not belong together.
    """

    settings: ClassVar[tuple[str, ...]] = ("classes", "per", "ignore", "threshold")

    def __init__(
        self, *, classes: int, per: str = "image", ignore: int | None = 255, threshold: float = 0.5, name: str | None = None
    ) -> None:
        every = list(range(max(checks.whole("classes", classes, low=1, high=65536), 2)))
        options = {"ignore": ignore, "threshold": threshold, "name": name}
        super().__init__(classes=classes, class_ids=every, average="pooled", per=per, **options)  # type: ignore[arg-type]

    def parts(self, both: Any, truth: Any, output: Any) -> tuple[Any, Any]:
        """Returns numerator and denominator."""
        return both, truth


def _ids(given: Any, labels: int) -> tuple[int, ...]:
    """Returns labels that exist, each once, or says what is allowed."""
    fits = isinstance(given, (list, tuple)) and len(given) > 0 and len(set(given)) == len(given)
    if not fits or not all(type(label) is int and 0 <= label < labels for label in given):
        message = f"`class_ids` must be different labels from 0 to {labels - 1}. Received: class_ids={shown(given)}"
        raise ConfigError(message)
    return tuple(given)
