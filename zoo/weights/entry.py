"""The records about weights: what they are for, where they come from, what they reach, and how to check them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from zoo.errors import ConfigError, RegistryError
from zoo.names import parse_name
from zoo.weights.preprocessing import Preprocessing

if TYPE_CHECKING:
    from zoo.config import ModelConfig

TAG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*-v[1-9][0-9]*")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:.")
SHA256 = re.compile(r"[0-9a-f]{64}")
LARGEST = 2**40
"""No file of weights is said to be larger: a terabyte."""

Value = int | float | bool | str | None | tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score that was measured.

    Attributes:
        name: What was measured, such as `"mean Dice per image"`.
        value: The score.
        data: Name of the data set.
        split: Which part of it: `"val"`, `"test"`.
        protocol: How, precisely enough to do it again.
        images: Number of images or volumes.
        interval: 95 % bootstrap interval; empty where it was not computed.
    """

    name: str
    value: float
    data: str
    split: str
    protocol: str
    images: int = 0
    interval: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the weights were made.

    Attributes:
        command: The command that makes them again.
        settings: Every setting of it as JSON, seed included.
        commit: Of this repository.
        data_sha256: Of the list of the data's checksums.
        versions: Of the packages, such as `"keras 3.15.1"`.
        machine: In words.
        minutes: How long it took.
        monitor: The score by which the best round was chosen, such as `"dice"`.
        curve: One row per round: step, loss on crops of the training set, that score on val.
    """

    command: str
    settings: str = ""
    commit: str = ""
    data_sha256: str = ""
    versions: tuple[str, ...] = ()
    machine: str = ""
    minutes: float = 0.0
    monitor: str = ""
    curve: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """A further training by the same recipe: how near it came.

    Attributes:
        changes: Settings with other values, such as `"training.seed=1"`; none where it is the same training once more.
        score: What its best round reached, by `Recipe.monitor`.
        same_weights: Whether its weights are those of the file, to the last bit.
        versions: Of the packages.
        machine: In words.
    """

    score: float
    changes: tuple[str, ...] = ()
    same_weights: bool = False
    versions: tuple[str, ...] = ()
    machine: str = ""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A score that others published, to be read beside ours.

    Attributes:
        model: What they trained.
        metric: What was measured, such as `"IoU"`.
        value: The score, between 0 and 1.
        source: Where it stands.
        difference: Why the two cannot be compared directly.
    """

    model: str
    metric: str
    value: float
    source: str
    difference: str


@dataclass(frozen=True, kw_only=True)
class ProbeOutput:
    """What one output of the network is on the probe's image: its shape `(H, W, C)`, statistics and some of its values."""

    shape: tuple[int, ...]
    mean: float
    std: float
    minimum: float
    maximum: float
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """An image by formula and the logits that the network makes of it.

    Attributes:
        shape: Of the image, `(H, W, C)` or `(D, H, W, C)`; see `zoo.weights.probe.probe_image`.
        seed: Of the image.
        outputs: One per output of the network.
        tolerance: Largest difference that rounding explains, as a part of the range of the output.
    """

    shape: tuple[int, ...]
    seed: int
    outputs: tuple[ProbeOutput, ...]
    tolerance: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class Card:
    """What people should know about weights; all of it is optional for weights of your own.

    Attributes:
        summary: One sentence.
        task: What they do, such as `"nuclei"`.
        classes: Names of the output's channels, in order.
        palette: A colour (red, green, blue) from 0 to 255 per class.
        preprocessing: How an image is prepared.
        mirror_axes: Spatial axes along which training mirrored images, 0 being the first, D or H; None where that is not said.
            Mirrored along others, an image may be one that the network has never seen the like of.
        licence: Of the weights, as an SPDX identifier.
        data: Name of the training data.
        data_url: Where that is.
        data_licence: Its licence, as an SPDX identifier.
        citation: What to cite for the data.
        metrics: Measured scores.
        recipe: How they were made.
        weaknesses: What they fail on, a sentence each.
        published: Scores of others on the same data.

    Raises:
        ConfigError: There are not as many colours as classes, a class has two, or an axis is none.
    """

    summary: str = ""
    task: str = ""
    classes: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()
    preprocessing: Preprocessing | None = None
    mirror_axes: tuple[int, ...] | None = None
    licence: str = ""
    data: str = ""
    data_url: str = ""
    data_licence: str = ""
    citation: str = ""
    metrics: tuple[Metric, ...] = ()
    recipe: Recipe | None = None
    weaknesses: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes):
            message = f"Each class has a name of its own. Received: classes={self.classes}"
            raise ConfigError(message)
        if self.palette and len(self.palette) != len(self.classes):
            message = f"`palette` has one colour per class. Received: {len(self.palette)} colours, classes={self.classes}"
            raise ConfigError(message)
        if any(not 0 <= value <= 255 for colour in self.palette for value in colour):
            message = f"Colours are three whole numbers from 0 to 255. Received: palette={self.palette}"
            raise ConfigError(message)
        if self.mirror_axes is not None and not set(self.mirror_axes) <= {0, 1, 2}:
            message = f"`mirror_axes` are some of 0, 1 and, for volumes, 2. Received: mirror_axes={self.mirror_axes}"
            raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class WeightsEntry(Card):
    """Published weights: a card, and a file that is known to the last bit.

    Attributes:
        name: `"<entry>.<tag>"`, such as `"resunet-v1-d3-f8.nuclei-v1"`.
        sources: Where the file is, best place first: URLs such as `"package:NAME"`, `"https://…"`, `"hf:owner/repo/file"`.
        bytes: Size of the file.
        sha256: Its SHA-256, 64 hexadecimal digits.
        dtype: Of the numbers in the file: `"float32"`, `"float16"` or `"bfloat16"`.
        overrides: Fields of the entry's config with other values, by name, such as `(("classes", 6),)`.
        default: Whether `weights="default"` means these; such weights stay the default within a minor version.
        probe: What the network computes with them.
        repeats: Further trainings by their recipe.

    Raises:
        RegistryError: The name, size, hash, sources or licences are missing or ill-formed.
    """

    name: str
    sources: tuple[str, ...]
    bytes: int
    sha256: str
    dtype: str = "float32"
    overrides: tuple[tuple[str, Value], ...] = ()
    default: bool = False
    probe: Probe | None = None
    repeats: tuple[Repeat, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        entry, _, tag = self.name.partition(".")
        parse_name(entry)
        faults = []
        if not TAG.fullmatch(tag):
            faults.append(f"the tag {tag!r} is not <data set>-v<number> in lower case, such as 'nuclei-v1'")
        if not SHA256.fullmatch(self.sha256):
            faults.append(f"`sha256` is 64 hexadecimal digits in lower case, received {self.sha256!r}")
        if not 0 < self.bytes <= LARGEST:
            faults.append(f"`bytes` is the size of the file, received {self.bytes!r}")
        if not self.sources:
            faults.append("`sources` names no place to get the file from")
        faults += [f"the source {url!r} has no scheme such as https:" for url in self.sources if not SCHEME.match(url)]
        faults += [f"`{field}` is missing" for field in ("licence", "data_licence") if not getattr(self, field)]
        if faults:
            message = f"The weights {self.name!r} cannot be used: {'; '.join(faults)}."
            raise RegistryError(message)

    @property
    def entry(self) -> str:
        """Name of the network, such as `"resunet-v1-d3-f8"`."""
        return self.name.partition(".")[0]

    @property
    def tag(self) -> str:
        """Name among the weights of the network, such as `"nuclei-v1"`."""
        return self.name.partition(".")[2]

    @property
    def config(self) -> ModelConfig:
        """The network that they belong to."""
        from zoo.registry import info

        return info(self.entry).config.replace(**dict(self.overrides))

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with other values for some fields."""
        import dataclasses

        return dataclasses.replace(self, **changes)
