"""The records of the catalog: what an entry is, where it comes from, and which numbers belong to it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from zoo.config import ModelConfig, shown
from zoo.errors import RegistryError
from zoo.names import format_name, parse_name

ANALYSIS_SIDE = {2: 256, 3: 64}
"""Side in pixels or voxels at which numbers are stated unless an entry says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Where an architecture comes from.

    Attributes:
        title: Title of the paper, article or repository that defines it.
        authors: Names as printed there.
        year: Year of publication.
        url: Paper or article, by DOI or arXiv where there is one.
        code_url: The original code, pinned to what was read; empty where the authors published none.
        licence: Licence of that code, as an SPDX identifier or in words.
        result: Headline result as published, with data set and metric; empty where no source of it was read.
        deviations: How this entry differs from the original, one sentence each.
    """

    title: str
    authors: tuple[str, ...]
    year: int
    url: str
    venue: str = ""
    code_url: str = ""
    licence: str = ""
    result: str = ""
    deviations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Totals of one network at one input size, batch 1.

    Attributes:
        input_shape: The concrete input, without the batch.
        params: All weights, moving statistics included: what Keras' `count_params()` says.
        trainable_params: The weights that training changes.
        macs: Multiply-accumulates of convolutions, dense layers and attention products for one image.
        layers: Layers and operations in the graph, the input included.
        weight_bytes: Size of all weights in their own dtype.
        activation_bytes: Sum of all layer outputs.
        peak_bytes: Largest set of tensors alive at once during inference, weights not counted.
        peak_layer: The layer during which that happens.
        training_activation_bytes: Tensors kept for the backward pass.
        receptive_field: Smallest and largest extent in pixels that reaches one output, per spatial axis; None where an
            output sees the whole input; empty where an operation that is not understood hides it.
        status: `"complete"`, or `"partial"` where an operation was not understood and the totals are lower bounds.
    """

    input_shape: tuple[int, ...]
    params: int
    trainable_params: int
    macs: int
    layers: int
    weight_bytes: int
    activation_bytes: int
    peak_bytes: int
    peak_layer: str
    training_activation_bytes: int
    receptive_field: tuple[tuple[int, int] | None, ...]
    status: str

    @property
    def flops(self) -> int:
        """Floating-point operations: two for each multiply-accumulate."""
        return 2 * self.macs


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One network of the catalog.

    Attributes:
        config: What to build.
        summary: One sentence for lists.
        reference: Where the architecture comes from.
        name: Name by the grammar of `zoo.names`; by default the config's own name.
        analysis_shape: Concrete input at which its numbers are stated; by default a side of 256 in 2D and 64 in 3D.
        tags: Words to find it by.

    Raises:
        RegistryError: The name is ill-formed, or states other sizes than the config.
        ConfigError: The network does not take the `analysis_shape`.
    """

    config: ModelConfig
    summary: str
    reference: Reference
    name: str = ""
    analysis_shape: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.config, ModelConfig):
            message = f"`config` of an entry is a zoo.ModelConfig. Received: config={shown(self.config)}"
            raise RegistryError(message)
        if not self.name:
            object.__setattr__(self, "name", self.config.name)
        if not self.analysis_shape:
            object.__setattr__(self, "analysis_shape", default_analysis_shape(self.config))
        self.config.replace(input_shape=self.analysis_shape)  # raises where the network does not take it
        _, stated = parse_name(self.name)
        meant = {size: self.config.sizes.get(size) for size in stated}
        if stated != meant:
            message = f"The name {self.name!r} states {stated}, its config has {meant}. Give both the same sizes."
            raise RegistryError(message)

    @property
    def base(self) -> str:
        """The name without its sizes."""
        return parse_name(self.name)[0]

    @property
    def family(self) -> str:
        """The family, named like its file."""
        return self.config.family or self.base

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return self.config.ndim

    @property
    def numbers(self) -> Numbers:
        """The totals at `analysis_shape`: stored for listed entries, analysed on the spot for others (this loads Keras)."""
        from zoo.catalog import stored_numbers  # the catalog reads entries: no cycle at import

        stored = stored_numbers(self)
        if stored is not None:
            return stored
        from zoo.analysis import analyze

        return analyze(self.config, input_shape=self.analysis_shape)

    @property
    def params(self) -> int:
        """All weights, moving statistics included; see `numbers`."""
        return self.numbers.params

    @property
    def macs(self) -> int:
        """Multiply-accumulates at `analysis_shape`; see `numbers`."""
        return self.numbers.macs

    @property
    def peak_bytes(self) -> int:
        """Inference peak of activations at `analysis_shape`; see `numbers`."""
        return self.numbers.peak_bytes

    def resized(self, **sizes: Any) -> Self:
        """Returns this entry at another depth or width: `entry.resized(depth=4, filters=16)`."""
        config = self.config.replace(**sizes)
        name = format_name(self.base, config.sizes)
        return dataclasses.replace(self, config=config, name=name, analysis_shape=())


def default_analysis_shape(config: ModelConfig) -> tuple[int, ...]:
    """Returns the usual side for 2D or 3D, rounded up to what the network accepts."""
    side = ANALYSIS_SIDE[config.ndim]
    given = config.input_shape[:-1]
    sizes = (fixed or -(-side // multiple) * multiple for fixed, multiple in zip(given, config.size_multiples, strict=True))
    return (*sizes, config.input_shape[-1] or 0)
