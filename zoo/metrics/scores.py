"""Scores of label images in NumPy: a confusion matrix and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError
from zoo.rules import IntegerRule

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """The confusion matrix of one or more images, and the scores of each class; `one + other` pools two of them.

    A class that neither the truth nor the prediction has gets `empty`. Else what has nothing to divide by is 0: the precision
    of a class that was never predicted, the recall of one that is not there.

    Attributes:
        confusion: Pixels that count, `(labels, labels)` whole numbers: rows are the truth, columns the prediction.
        classes: Channels of the network's output; 1 scores label 1 alone.
        empty: Score of a class that is in neither; NaN marks it as one to leave out (`np.nanmean`).
    """

    confusion: np.ndarray[Any, Any]
    classes: int
    empty: float = 1.0

    @property
    def pixels(self) -> int:
        """Number of pixels that count."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of the pixels that have the right label; `empty` where no pixel counts."""
        return float(self.confusion.trace() / self.pixels) if self.pixels else self.empty

    @property
    def dice(self) -> np.ndarray[Any, Any]:
        """Dice of each class, which is its F1 too, `(classes,)`."""
        return self._ratio(2 * self._both, self._truth + self._output)

    @property
    def iou(self) -> np.ndarray[Any, Any]:
        """Intersection over union of each class, `(classes,)`."""
        return self._ratio(self._both, self._truth + self._output - self._both)

    @property
    def precision(self) -> np.ndarray[Any, Any]:
        """Share of what was predicted that is right, `(classes,)`."""
        return self._ratio(self._both, self._output)

    @property
    def recall(self) -> np.ndarray[Any, Any]:
        """Share of what is there that was found, `(classes,)`."""
        return self._ratio(self._both, self._truth)

    def __add__(self, other: Scores) -> Scores:
        if not isinstance(other, Scores):
            return NotImplemented
        if self.classes != other.classes:
            message = f"scores of {self.classes} and of {other.classes} classes cannot be pooled"
            raise ConfigError(message)
        return Scores(confusion=self.confusion + other.confusion, classes=self.classes, empty=self.empty)

    @property
    def _both(self) -> np.ndarray[Any, Any]:
        return self._scored(self.confusion.diagonal())

    @property
    def _truth(self) -> np.ndarray[Any, Any]:
        return self._scored(self.confusion.sum(axis=1))

    @property
    def _output(self) -> np.ndarray[Any, Any]:
        return self._scored(self.confusion.sum(axis=0))

    def _scored(self, counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return counts[1:] if self.classes == 1 else counts

    def _ratio(self, part: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import numpy as np

        ratio = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
        return np.where(self._truth + self._output == 0, self.empty, ratio)


def scores(truth: Any, prediction: Any, *, classes: int, ignore: int | None = 255, empty: float | None = 1.0) -> Scores:
    """Compares the labels of an image, or of several at once, with predicted ones.

    Args:
        truth: Whole numbers of any shape; those equal to `ignore` count nowhere.
        prediction: Whole numbers of the same shape, such as `probabilities.argmax(axis=-1)` or `probabilities > 0.5`.
        classes: Channels of the network's output: 1 for labels 0 and 1, of which 1 is scored; more for 0 to `classes` - 1.
        ignore: Label that is left out; None: every label counts.
        empty: Score of a class that neither has; None: NaN, to be left out.

    Raises:
        ConfigError: The shapes differ, or there are labels that are no class.
    """
    import numpy as np

    labels = max(IntegerRule(1, 65536).check("classes", classes) or 0, 2)
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape:
        message = f"truth and prediction must have the same shape. Received: {truth.shape} and {prediction.shape}"
        raise ConfigError(message)
    counts = np.ones(truth.shape, dtype=bool) if ignore is None else truth != ignore
    rows, columns = (_checked(name, x[counts], labels) for name, x in (("truth", truth), ("prediction", prediction)))
    confusion = np.bincount(rows * labels + columns, minlength=labels**2).reshape(labels, labels)
    return Scores(confusion=confusion, classes=classes, empty=np.nan if empty is None else float(empty))


def _checked(name: str, labels: np.ndarray[Any, Any], classes: int) -> np.ndarray[Any, Any]:
    """Returns labels as whole numbers, or says which are no class."""
    import numpy as np

    fits = (labels >= 0) & (labels < classes) & (labels == np.floor(labels))
    if not fits.all():
        others = ", ".join(str(value) for value in np.unique(labels[~fits])[:5].tolist())
        message = (
            f"{name} must have whole numbers from 0 to {classes - 1} where it counts. Received: {others}. Masks of 0 and 255 "
            "become labels by `mask > 0`."
        )
        raise ConfigError(message)
    return labels.astype(np.int64)
