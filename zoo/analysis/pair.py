"""Two networks analysed at one input size, where there is one that both take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.analysis.report import Report, analyze
from zoo.config import ModelConfig
from zoo.entry import ANALYSIS_SIDE, default_analysis_shape
from zoo.errors import AnalysisError, ConfigError

if TYPE_CHECKING:
    import keras

    from zoo.analysis.graph import Shape


def analyze_pair(
    a: keras.Model | ModelConfig | Report | str, b: keras.Model | ModelConfig | Report | str, input_shape: Any = None
) -> tuple[Report, Report]:
    """Counts two networks at one input size; each keeps its own channels.

    Where both state the same size, that is it. Else it is the smaller of the two that both take: fewer pixels or voxels. A
    network with open sizes takes that of the other one; two of them are analysed at 256 pixels, or 64 voxels, per axis.
    Where no size fits both, as for 2D against 3D, each is analysed at its own.

    Args:
        a: A name, a config, a functional Keras model, or a report, which stays as it is.
        b: The other one.
        input_shape: The size for both, `(H, W, C)` or `(D, H, W, C)`; None for C keeps the channels of each.

    Raises:
        AnalysisError: A model cannot be analysed, the shape does not fit, or it is not that of a report.
        UnknownModelError: No entry has this name.
        ConfigError: A network cannot be built for this input shape.
    """
    first, second = _Network.of(a), _Network.of(b)
    if input_shape is not None:
        return first.at(input_shape), second.at(input_shape)
    for sizes in _candidates(first, second):
        if first.takes(sizes) and second.takes(sizes):
            try:
                return first.at((*sizes, None)), second.at((*sizes, None))
            except AnalysisError:  # a model with open sizes need not take every size
                continue
    return first.at(first.shape), second.at(second.shape)


def _candidates(first: _Network, second: _Network) -> list[Shape]:
    """Returns the sizes to try: those that were stated before those that were left open, then the smaller one."""
    ranked = sorted((network.open, math.prod(network.sizes), network.sizes) for network in (first, second) if network.shape)
    return [sizes for _, _, sizes in ranked]


@dataclass(frozen=True, kw_only=True)
class _Network:
    """One of the two, and the shape at which it is analysed on its own.

    Attributes:
        source: What `analyze` takes, or a report.
        shape: Its own input; None for a model with several inputs or none, which is analysed as it is.
        open: Whether that size is only a guess, because it takes others.
        config: Of a name or a config.
    """

    source: Any
    shape: tuple[int, ...] | None
    open: bool = False
    config: ModelConfig | None = None

    @classmethod
    def of(cls, source: Any) -> _Network:
        if isinstance(source, Report):
            return cls(source=source, shape=source.input_shape if len(source.graph.inputs) == 1 else None)
        if isinstance(source, str):
            from zoo.registry import info

            entry = info(source)
            return cls(source=source, shape=entry.analysis_shape, config=entry.config)
        if isinstance(source, ModelConfig):
            return cls(source=source, shape=default_analysis_shape(source), open=None in source.input_shape, config=source)
        inputs: Any = getattr(source, "inputs", None) or ()
        built = tuple(inputs[0].shape[1:]) if len(inputs) == 1 else ()
        if len(built) < 2 or built[-1] is None:
            return cls(source=source, shape=None)
        side = ANALYSIS_SIDE.get(len(built) - 1, ANALYSIS_SIDE[2])
        return cls(source=source, shape=tuple(size or side for size in built), open=None in built)

    @property
    def sizes(self) -> Shape:
        """The spatial part of its own shape."""
        return self.shape[:-1] if self.shape is not None else ()

    def takes(self, sizes: Shape) -> bool:
        """Says whether the network can be built, or may be called, at these sizes."""
        if self.shape is None or len(sizes) != len(self.sizes):
            return False
        if sizes == self.sizes:
            return True
        if self.config is None:
            return self.open and not isinstance(self.source, Report)
        if not self.config.takes_open_sizes:  # at another size it is another network
            return False
        try:
            self.config.replace(input_shape=(*sizes, self.shape[-1]))
        except ConfigError:
            return False
        return True

    def at(self, shape: Any) -> Report:
        """Returns the report at a shape; None in the place of its channels stands for the network's own."""
        if isinstance(shape, (tuple, list)) and len(shape) > 1 and shape[-1] is None and self.shape:
            shape = (*shape[:-1], self.shape[-1])
        if not isinstance(self.source, Report):
            return analyze(self.source, shape)
        if shape is not None and tuple(shape) != self.source.input_shape:
            message = (
                f"The report of {self.source.name!r} has the numbers at input_shape={self.source.input_shape} only. "
                f"Received: input_shape={shape!r}; leave it out, or give the name, config or model instead of the report."
            )
            raise AnalysisError(message)
        return self.source
