"""Rows of weight tables that most originals have; those of PyTorch are the package's own, which converts weights with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from parity.case import Row
from zoo.weights.convert.rows import KERAS_NORM, conv, conv_norm, norm

__all__ = ["KerasRows", "conv", "conv_norm", "norm", "table_of"]


def table_of(rows: Callable[[Any], Iterable[Row]], entry: str, overrides: dict[str, Any]) -> Callable[[], Iterable[Row]]:
    """Returns a case's table from one of the package, which is a function of the network's config."""

    def table() -> Iterable[Row]:
        from zoo.registry import info, resolve  # these need a newer Python than some of the originals run on

        return rows(resolve(info(entry), **overrides))

    return table


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
        yield from self._next("batch_normalization", ours, KERAS_NORM if scale else KERAS_NORM[1:])

    def _next(self, kind: str, ours: str, weights: tuple[str, ...]) -> Iterator[Row]:
        theirs = f"{kind}_{self.made[kind]}" if self.made[kind] else kind
        self.made[kind] += 1
        for weight in weights:
            yield f"{theirs}/{weight}", ours, weight
