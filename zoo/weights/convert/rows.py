"""Rows of the tables: which tensor of an original is which weight of the zoo's network."""

from __future__ import annotations

from collections.abc import Iterator

Row = tuple[str, str, str]
"""`(tensor of the original, layer of the zoo's network, weight of that layer)`."""

BATCH = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
"""What PyTorch calls the tensors of a batch normalisation, and Keras; one without running statistics has the first two."""

KERAS_NORM = tuple(BATCH.values())
"""Weights of a Keras batch normalisation in its own order."""


def conv(theirs: str, ours: str, *, bias: bool = True) -> Iterator[Row]:
    """Rows of a PyTorch convolution or linear layer."""
    yield f"{theirs}.weight", ours, "kernel"
    if bias:
        yield f"{theirs}.bias", ours, "bias"


def norm(theirs: str, ours: str, *, batch: bool = True) -> Iterator[Row]:
    """Rows of a PyTorch batch normalisation; with `batch=False` of one without running statistics."""
    for name, kind in list(BATCH.items())[: None if batch else 2]:
        yield f"{theirs}.{name}", ours, kind


def conv_norm(
    their_conv: str, their_norm: str | None, our_conv: str, our_norm: str | None, *, bias: bool = True, batch: bool = True
) -> Iterator[Row]:
    """Rows of a convolution and the normalisation after it, if there is one."""
    yield from conv(their_conv, our_conv, bias=bias)
    if their_norm and our_norm:
        yield from norm(their_norm, our_norm, batch=batch)


def keras_conv(theirs: str, ours: str, *, bias: bool = True) -> Iterator[Row]:
    """Rows of a Keras convolution."""
    for kind in ("kernel", "bias") if bias else ("kernel",):
        yield f"{theirs}/{kind}", ours, kind


def keras_norm(theirs: str, ours: str) -> Iterator[Row]:
    """Rows of a Keras batch normalisation."""
    for kind in KERAS_NORM:
        yield f"{theirs}/{kind}", ours, kind
