"""Metrics for segmentation: streaming ones as `keras.metrics.Metric`, and `scores` of one image in NumPy.

Keras is imported when one of the streaming metrics is first used.
"""

from __future__ import annotations

from zoo.metrics.scores import Scores, scores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo.metrics.streaming import F1 as F1
    from zoo.metrics.streaming import Accuracy as Accuracy
    from zoo.metrics.streaming import Dice as Dice
    from zoo.metrics.streaming import IoU as IoU
    from zoo.metrics.streaming import Precision as Precision
    from zoo.metrics.streaming import Recall as Recall
    from zoo.metrics.streaming import SegmentationMetric as SegmentationMetric

_STREAMING = ("Accuracy", "Dice", "F1", "IoU", "Precision", "Recall", "SegmentationMetric")

__all__ = ["Scores", "scores", *_STREAMING]


def __getattr__(name: str) -> object:
    if name not in _STREAMING:
        message = f"module 'zoo.metrics' has no attribute {name!r}"
        raise AttributeError(message)
    from zoo.metrics import streaming

    return getattr(streaming, name)


def __dir__() -> list[str]:
    return sorted(__all__)
