"""The projects whose weights can be converted, and which of them a file is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import WeightsError
from zoo.weights.convert import keras_names
from zoo.weights.convert.tables import monai_unet, resenc_unet, resnet, seed1, seed2, segresnet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zoo.weights.convert.rows import Row

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of a file's tensors, in the layout of the original, by the names of a table."""


WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and `torch.compile` put before every name."""


def own_names(names: Iterable[str]) -> dict[str, str]:
    """Names tensors of PyTorch as the module itself does, without what wrappers put before all of them."""
    every, prefix = tuple(names), ""
    while found := [wrapper for wrapper in WRAPPERS if every and all(name.startswith(prefix + wrapper) for name in every)]:
        prefix += found[0]
    return {name: name.removeprefix(prefix) for name in every}


def dna_names(names: Iterable[str]) -> dict[str, str]:
    """Names tensors of dynamic-network-architectures, which have several names each, by one of them."""
    return {name: resenc_unet.own_name(own) for name, own in own_names(names).items()}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One table.

    Attributes:
        name: As `Converted.source` and `--from` have it.
        family: Family of the zoo's networks.
        what: Whose files, in words.
        layout: Of the original's kernels: "torch" is (out, in, ...), "keras" the zoo's own.
        rows: Yields which tensor is which weight of the network of a config.
        facts: Returns what the shapes tell about the network, as fields of the config besides "ndim" and "channels".
        names: Gives the names of the table to those of a file.
        marks: Whether names of a file, as `names` gives them, look like this source's.
        unused: Patterns of names that the table leaves out on purpose.
        scope: What of the network the source has.
    """

    name: str
    family: str
    what: str
    layout: Literal["torch", "keras"]
    rows: Callable[[Any], Iterable[Row]]
    facts: Callable[[Shapes, Any], dict[str, Any]]
    marks: Callable[[Iterable[str]], bool]
    names: Callable[[Iterable[str]], dict[str, str]] = own_names
    unused: Callable[[Any], tuple[str, ...]] = lambda config: resnet.COUNTERS
    scope: Literal["all", "encoder"] = "all"


def _has(wanted: str) -> Callable[[Iterable[str]], bool]:
    return lambda names: wanted in names


SOURCES = (
    Source(
        name="torchvision",
        family="resnet-unet",
        what="torchvision's ResNets, whose classifier is left out",
        layout="torch",
        rows=resnet.encoder_rows,
        facts=resnet.encoder_facts,
        marks=_has("conv1.weight"),
        unused=lambda config: (*resnet.COUNTERS, *resnet.CLASSIFIER),
        scope="encoder",
    ),
    Source(
        name="smp",
        family="resnet-unet",
        what="segmentation_models_pytorch.Unet with a ResNet encoder",
        layout="torch",
        rows=resnet.smp_rows,
        facts=resnet.smp_facts,
        marks=_has("encoder.conv1.weight"),
    ),
    Source(
        name="monai",
        family="monai-unet",
        what="monai.networks.nets.UNet",
        layout="torch",
        rows=monai_unet.rows,
        facts=monai_unet.facts,
        marks=lambda names: any(name.startswith("model.0.") for name in names),
    ),
    Source(
        name="monai",
        family="segresnet",
        what="monai.networks.nets.SegResNet",
        layout="torch",
        rows=segresnet.rows,
        facts=segresnet.facts,
        marks=_has("convInit.conv.weight"),
    ),
    Source(
        name="dynamic-network-architectures",
        family="resenc-unet",
        what="ResidualEncoderUNet and ResidualUNet, also as checkpoints of nnU-Net",
        layout="torch",
        rows=resenc_unet.rows,
        facts=resenc_unet.facts,
        names=dna_names,
        marks=_has("encoder.stem.convs.0.conv.weight"),
        unused=lambda config: (*resnet.COUNTERS, *resenc_unet.unused(config)),
    ),
    Source(
        name="seed-1",
        family="resunet-v1",
        what="res_unet, saved by Keras 2 (.h5)",
        layout="keras",
        rows=seed1.rows,
        facts=seed1.facts,
        names=keras_names.by_layer,
        marks=keras_names.is_old,
        unused=lambda config: keras_names.OPTIMIZER,
    ),
    Source(
        name="seed-1",
        family="resunet-v1",
        what="res_unet, saved by Keras 3 (.weights.h5)",
        layout="keras",
        rows=seed1.rows_by_place,
        facts=seed1.facts_by_place,
        names=keras_names.by_place,
        marks=keras_names.is_new,
        unused=lambda config: keras_names.OPTIMIZER,
    ),
    Source(
        name="seed-2",
        family="resunet-v2",
        what="ResUnet2D, saved by Keras 2 (.h5)",
        layout="keras",
        rows=seed2.rows_by_number,
        facts=seed2.facts,
        names=keras_names.by_number,
        marks=keras_names.is_old,
        unused=lambda config: keras_names.OPTIMIZER,
    ),
    Source(
        name="seed-2",
        family="resunet-v2",
        what="ResUnet2D, saved by Keras 3 (.weights.h5)",
        layout="keras",
        rows=seed2.rows_by_place,
        facts=seed2.facts,
        names=keras_names.by_place,
        marks=keras_names.is_new,
        unused=lambda config: keras_names.OPTIMIZER,
    ),
)
"""All tables; a source that is here twice has two formats or two networks."""


def candidates(entry: str, family: str, source: str | None) -> tuple[Source, ...]:
    """Returns the tables for a family, of the source that was named if one was.

    Raises:
        WeightsError: There is none.
    """
    every = tuple(candidate for candidate in SOURCES if candidate.family == family)
    found = tuple(candidate for candidate in every if source in (None, candidate.name))
    if found:
        return found
    if every:
        message = f"{source!r} has no table for {entry!r}. There is one for: {_words(every)}."
        raise WeightsError(message)
    families = ", ".join(dict.fromkeys(candidate.family for candidate in SOURCES))
    message = f"No other project's weights can be converted for {entry!r}: only for the families {families}."
    raise WeightsError(message)


def choose(found: tuple[Source, ...], names: Iterable[str], layout: str, path: str) -> Source:
    """Returns the table that a file is for, by its format and the names in it.

    Args:
        found: What `candidates` gives.
        names: Of the file's tensors.
        layout: Of its tensors: "keras" for HDF5 files, "torch" for others.
        path: Of the file, for messages.

    Raises:
        WeightsError: No table fits, or several do.
    """
    every = tuple(names)
    fitting = tuple(source for source in found if source.layout == layout)
    marked = tuple(source for source in fitting if source.marks(set(source.names(every).values()) | set(every)))
    if len(marked) == 1:
        return marked[0]
    if len(fitting) == 1 and len(found) == 1:
        return fitting[0]  # the missing tensors say what is wrong
    form = "an HDF5 file" if layout == "keras" else "a file of PyTorch tensors"
    reason = "could be from more than one project" if marked else "has no names that tell which project it is from"
    if not fitting:
        reason = "is not in a format that these projects write"
    hint = " Name one with source=... or --from." if len({source.name for source in marked or found}) > 1 else ""
    message = f"{path} is {form} and {reason}. Candidates: {_words(marked or found)}.{hint}"
    raise WeightsError(message)


def _words(sources: Iterable[Source]) -> str:
    return "; ".join(f"{source.name!r} ({source.what})" for source in sources)
