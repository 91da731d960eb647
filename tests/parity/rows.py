"""Rows of weight tables that most originals have: a convolution, its normalisation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from parity.case import Row

_BATCH = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
_AFFINE = {"weight": "gamma", "bias": "beta"}


def conv(theirs: str, ours: str, *, bias: bool = True) -> Iterator[Row]:
    """Rows of a PyTorch convolution or linear layer."""
    yield f"{theirs}.weight", ours, "kernel"
    if bias:
        yield f"{theirs}.bias", ours, "bias"


def norm(theirs: str, ours: str, *, batch: bool = True) -> Iterator[Row]:
    """Rows of a PyTorch batch normalisation; with `batch=False` of one without running statistics."""
    for name, kind in (_BATCH if batch else _AFFINE).items():
        yield f"{theirs}.{name}", ours, kind


def conv_norm(
    their_conv: str, their_norm: str | None, our_conv: str, our_norm: str | None, *, bias: bool = True, batch: bool = True
) -> Iterator[Row]:
    """Rows of a convolution and the normalisation after it, if there is one."""
    yield from conv(their_conv, our_conv, bias=bias)
    if their_norm and our_norm:
        yield from norm(their_norm, our_norm, batch=batch)


class KerasRows:
    """Rows of a Keras original that leaves the names of its layers to Keras, which counts each kind in the order of creation.

    The original must be built right after `keras.utils.clear_session()`.

    Args:
        ndim: Number of spatial axes.
    """

    def __init__(self, ndim: int = 2) -> None:
        self.ndim = ndim
        self.made: Counter[str] = Counter()

    def conv(self, ours: str, *, bias: bool = True, transposed: bool = False) -> Iterator[Row]:
        """Rows of the next convolution."""
        kind = f"conv{self.ndim}d" + ("_transpose" if transposed else "")
        yield from self._next(kind, ours, ("kernel", "bias") if bias else ("kernel",))

    def norm(self, ours: str, *, scale: bool = True) -> Iterator[Row]:
        """Rows of the next batch normalisation."""
        yield from self._next("batch_normalization", ours, (*(["gamma"] if scale else []), *list(_BATCH.values())[1:]))

    def _next(self, kind: str, ours: str, weights: tuple[str, ...]) -> Iterator[Row]:
        theirs = f"{kind}_{self.made[kind]}" if self.made[kind] else kind
        self.made[kind] += 1
        for weight in weights:
            yield f"{theirs}/{weight}", ours, weight
