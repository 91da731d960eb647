"""What losses and metrics see: the labels and the predictions of one batch in one form, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from keras import ops

from zoo.errors import ConfigError

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logarithm is taken, as Keras does."""


@dataclass(frozen=True)
class Pixels:
    """One batch: labels, which of them count, and what the network says; all tensors are float32.

    Attributes:
        labels: Whole numbers `(N, *spatial)`; 0 where a label is ignored or is not a class.
        valid: 1 where a label counts, 0 where it is ignored, `(N, *spatial)`.
        wrong: True where a label is neither a class nor ignored, `(N, *spatial)`.
        output: What the network gave, `(N, *spatial, C)`.
        from_logits: Whether the output is logits and not probabilities.
    """

    labels: Any
    valid: Any
    wrong: Any
    output: Any
    from_logits: bool

    @classmethod
    def of(cls, y_true: Any, y_pred: Any, *, from_logits: bool, ignore: int | None) -> Pixels:
        """Reads a batch as Keras hands it to a loss.

        Raises:
            ConfigError: The shapes do not belong together.
        """
        output = ops.cast(y_pred, "float32")
        labels = ops.cast(y_true, "float32")
        labels = drop_channel(labels, output)
        known = (labels >= 0) & (labels < max(output.shape[-1], 2)) & (labels == ops.floor(labels))
        ignored = ops.zeros_like(known) if ignore is None else ops.equal(labels, float(ignore))
        used = known & ~ignored
        return cls(
            labels=ops.where(used, labels, 0.0),
            valid=ops.cast(~ignored, "float32"),
            wrong=~known & ~ignored,
            output=output,
            from_logits=from_logits,
        )

    @property
    def channels(self) -> int:
        """Channels of the output, C."""
        return int(self.output.shape[-1])

    @property
    def classes(self) -> int:
        """Number of values that a label can take: C, and 2 for one channel."""
        return max(self.channels, 2)

    @property
    def axes(self) -> tuple[int, ...]:
        """The spatial axes of `(N, *spatial, C)` and of `(N, *spatial)`."""
        return tuple(range(1, len(self.output.shape) - 1))

    @cached_property
    def one_hot(self) -> Any:
        """1 for the class of each pixel that counts, `(N, *spatial, classes)`."""
        return ops.one_hot(ops.cast(self.labels, "int32"), self.classes, dtype="float32") * self.valid[..., None]

    @cached_property
    def log_probability(self) -> Any:
        """Natural logarithm of the probability of every class, `(N, *spatial, classes)`."""
        if self.from_logits and self.channels > 1:
            return ops.log_softmax(self.output, axis=-1)
        if self.from_logits:
            return ops.concatenate([ops.log_sigmoid(-self.output), ops.log_sigmoid(self.output)], axis=-1)
        output = ops.clip(self.output, EPSILON, 1 - EPSILON)
        if self.channels == 1:
            output = ops.concatenate([1 - output, output], axis=-1)
        return ops.log(output)

    @cached_property
    def probability(self) -> Any:
        """Probability of every channel where a label counts, 0 elsewhere, `(N, *spatial, C)`."""
        output = self.output
        if self.from_logits:
            output = ops.sigmoid(output) if self.channels == 1 else ops.softmax(output, axis=-1)
        return output * self.valid[..., None]

    @cached_property
    def truth(self) -> Any:
        """What `probability` should be, `(N, *spatial, C)`: for one channel the label itself."""
        return self.one_hot[..., 1:] if self.channels == 1 else self.one_hot


def drop_channel(labels: Any, output: Any) -> Any:
    """Returns labels `(N, *spatial)` for an output `(N, *spatial, C)`, of labels with or without a last axis of 1.

    Raises:
        ConfigError: The shapes do not belong together.
    """
    given, wanted = tuple(labels.shape), tuple(output.shape)
    if len(given) == len(wanted) and given[-1] == 1:
        labels = ops.squeeze(labels, axis=-1)
    elif len(given) + 1 != len(wanted):
        _refuse_shapes(given, wanted)
    pairs = zip(labels.shape, wanted[:-1], strict=True)
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        _refuse_shapes(given, wanted)
    return labels


def _refuse_shapes(labels: tuple[int | None, ...], output: tuple[int | None, ...]) -> None:
    spatial = ", ".join(str(size) for size in output[:-1])
    message = (
        f"labels do not fit the output {output}: they are whole numbers of shape ({spatial}) or ({spatial}, 1). "
        f"Received: y_true of shape {labels}. One-hot labels become whole numbers by `argmax(axis=-1)`."
    )
    raise ConfigError(message)
