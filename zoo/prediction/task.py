"""What is asked of a network, checked once and used for all images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import ConfigError
from zoo.prediction.classes import converter, kind_of
from zoo.prediction.overlay import palette_for
from zoo.prediction.plan import Plan, Wish, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import keras
    import numpy as np

    from zoo.prediction.engine import Progress
    from zoo.prediction.network import Network
    from zoo.prediction.overlay import Palette
    from zoo.prediction.sources import Source
    from zoo.weights.entry import Card
    from zoo.weights.preprocessing import Preprocessing


@dataclass(frozen=True, kw_only=True)
class Task:
    """A network and what is asked of it, checked; the same for all images.

    Attributes:
        network: That predicts.
        output: `"classes"`, `"probabilities"` or `"logits"`.
        convert: From what the network gives to the output, rows by rows.
        dtype: Of the output.
        channels: Of the output; 0 where it has no such axis.
        classes: From probabilities to classes.
        palette: A colour per class.
        prepare: How images are prepared; None where they are taken as they are.
        wish: How images are to be cut.
        mirrors: Spatial axes along which mirror images are averaged.
    """

    network: Network
    output: str
    convert: Callable[[np.ndarray], np.ndarray]
    dtype: str
    channels: int
    classes: Callable[[np.ndarray], np.ndarray]
    palette: Palette
    prepare: Preprocessing | None
    wish: Wish
    mirrors: tuple[int, ...] = ()

    def plan(self, source: Source) -> Plan:
        """Returns how an image is cut."""
        return make_plan(self.network, source.sizes, source.pixel_bytes, self.wish)

    @property
    def is_mask(self) -> bool:
        """Whether the output is 0 or 1 for one class."""
        return self.output == "classes" and self.network.classes == 1

    def rows(
        self, source: Source, plan: Plan, progress: Progress, see: Callable[[np.ndarray], None] | None = None
    ) -> Iterator[np.ndarray]:
        """Yields finished rows of the output, each after `see` was given its classes."""
        from zoo.prediction.engine import Job, rows

        job = Job(
            network=self.network,
            source=source,
            plan=plan,
            prepare=self._prepared(source),
            kind=kind_of(self.output),
            mirrors=self.mirrors,
        )
        for part in rows(job, progress):
            made = self.convert(part)
            if see is not None:
                see(made if self.output == "classes" else self._classes(part))
            yield made

    def _classes(self, part: np.ndarray) -> np.ndarray:
        return self.classes(self.network.probabilities(part) if self.output == "logits" else part)

    def shape(self, source: Source) -> tuple[int, ...]:
        """Returns the shape of the output for an image."""
        return (*source.sizes, self.channels) if self.channels else source.sizes

    def _prepared(self, source: Source) -> Preprocessing:
        from zoo.weights.preprocessing import Preprocessing

        if self.prepare is not None:
            return self.prepare
        if source.dtype.kind != "f":
            message = (
                f"{self.network.name} has no weights with a record of how images are prepared, so whole numbers are not taken as "
                f"they are. Received: {source.name} of {source.dtype}. Give preprocessing=zoo.Preprocessing(channels=('red', "
                "'green', 'blue')), which divides by 255, or an image of floats as the network was trained on."
            )
            raise ConfigError(message)
        names = tuple(f"channel {number}" for number in range(self.network.channels))
        return Preprocessing(channels=names, scaling="none")


def make_task(model: keras.Model, *, output: str, preprocessing: Preprocessing | None, threshold: float, wish: Wish) -> Task:
    """Checks what is asked for against the model; see `predict`.

    Raises:
        ConfigError: It does not fit.
    """
    from zoo.prediction.network import network_of
    from zoo.weights.cards import card_of

    kind = kind_of(output)
    network = network_of(model)
    network.check_kind(kind)
    convert, dtype, channels = converter(network, output, threshold)
    card = card_of(model)
    prepare = preprocessing if preprocessing is not None else card.preprocessing
    if prepare is not None and len(prepare.channels) != network.channels:
        message = (
            f"`preprocessing` makes {len(prepare.channels)} channels, {', '.join(prepare.channels)}; {network.name} reads "
            f"{network.channels}."
        )
        raise ConfigError(message)
    return Task(
        network=network,
        output=output,
        convert=convert,
        dtype=dtype,
        channels=channels,
        classes=converter(network, "classes", threshold)[0],
        palette=palette_for(network.classes, card.palette),
        prepare=prepare,
        wish=wish,
        mirrors=_mirrors(network, card) if wish.flips else (),
    )


def _mirrors(network: Network, card: Card) -> tuple[int, ...]:
    """Returns the axes along which training mirrored images, all where that is not known.

    Raises:
        ConfigError: There is none.
    """
    if card.mirror_axes is None:
        return tuple(range(network.ndim))
    if not card.mirror_axes:
        message = (
            f"The weights of {network.name} have never seen mirror images, so averaging over them would spoil the result. "
            "Received: flips=True; leave it out."
        )
        raise ConfigError(message)
    return tuple(axis for axis in card.mirror_axes if axis < network.ndim)
