"""A recipe: what is trained, on what and how, read from a TOML file and checked word by word."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

import zoo
from zoo.weights.entry import Published

PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")


class Model(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The network: a name of the zoo, and fields of its config with other values.

    `weights` are those to begin with, a tag or a file, and `adapt` says what may be changed to make them fit: see `zoo.get`.
    """

    name: str
    overrides: dict[str, Any] = {}
    weights: str = ""
    adapt: str = ""


class Data(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where images and masks lie in the data folder, and what the values of a mask mean.

    `image`, `mask` and `region` are paths with columns of `split.csv` in them, such as `{id}` or `{split}`, or with `{number}`,
    the digits at the end of the id; a path may go on inside an archive of arrays, `{split}.npz/image_{number}`. Outside the
    region, and where a mask has a value of `ignore`, nothing is learned or scored (but see `Training.beyond_region`). `classes`
    gives the value of each class in the masks, in the order of the output's channels; with one class every value that is not its
    own is `background`.
    """

    image: str
    mask: str
    classes: dict[str, int]
    background: int = 0
    ignore: tuple[int, ...] = ()
    region: str = ""
    ndim: int = 2


class Training(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How the network is trained.

    `crop` is `(H, W)` or `(D, H, W)`; `loss` is a loss of `zoo.losses` by `name`, with its arguments; `learning_rate` rises over
    `warmup` steps and falls along a cosine to 0 at `steps`; `ema` is how slowly the averaged weights follow, which are those
    that are scored and kept, 0 for none; `foreground` is the part of crops that is laid around a pixel of a class, each class as
    often as another; `balance` names a column of `split.csv` whose rarer values are drawn more often, and `by_size` draws large
    images more often, by the square root of their pixels. With `beyond_region` what lies outside `data.region` is learned too,
    as the masks have it, though it is not scored. The statistics of batch normalisation that go with the averaged
    weights are taken from so many batches as `statistics` says, 0 for those of training as they are. After each of `rounds`
    equal parts of the steps val is scored; training stops after `patience` rounds without a better `monitor`, 0 for never.
    `precision` is a dtype policy of Keras, or `auto`: `mixed_bfloat16` on a GPU and `float32` without one.
    """

    crop: tuple[int, ...]
    batch: int
    steps: int
    loss: dict[str, Any]
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 1e-4
    clipnorm: float = 1.0
    ema: float = 0.998
    foreground: float = 0.0
    balance: str = ""
    by_size: bool = False
    beyond_region: bool = False
    statistics: int = 0
    rounds: int = 10
    patience: int = 0
    monitor: str = "dice"
    precision: str = "auto"
    seed: int = 0


class Card(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What people should know about the weights: see `zoo.Card`; `scores` are the short names of those that it shows."""

    summary: str
    task: str
    licence: str
    data: str
    data_licence: str
    palette: tuple[tuple[int, int, int], ...]
    data_url: str = ""
    citation: str = ""
    scores: tuple[str, ...] = ("dice", "iou")
    weaknesses: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()


class Recipe(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A whole recipe; `augmentation` is a list of layers with their arguments."""

    model: Model
    data: Data
    preprocessing: zoo.Preprocessing
    training: Training
    card: Card
    augmentation: tuple[dict[str, Any], ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.data.classes)

    @property
    def mirror_axes(self) -> tuple[int, ...]:
        """Spatial axes along which the augmentation mirrors images."""
        axes: set[int] = set()
        for table in self.augmentation:
            if table.get("layer") == "Flips":
                axes |= set(table["axes"])
            if table.get("layer") == "RandomFlip":
                mode = table.get("mode", "horizontal_and_vertical")
                axes |= {axis for axis, word in enumerate(("vertical", "horizontal")) if word in mode}
        return tuple(sorted(axes))

    @property
    def taught(self) -> Data:
        """The data as training reads it."""
        return msgspec.structs.replace(self.data, region="") if self.training.beyond_region else self.data

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting with its resolved value, as plain data."""
        return msgspec.to_builtins(self)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides about the numbers: everything but the card."""
        decides = {table: values for table, values in self.settings.items() if table != "card"}
        return hashlib.sha256(msgspec.json.encode(decides, order="sorted")).hexdigest()


def read_recipe(path: Path, changes: list[str] | tuple[str, ...] = ()) -> Recipe:
    """Reads a recipe.

    Args:
        path: A TOML file; `extends = "other.toml"` in it takes every setting that it does not have from that file beside it.
        changes: Settings with other values, each as `table.field=value` with a value as TOML has it.

    Raises:
        SystemExit: The file cannot be read, or a setting is unknown, missing or not allowed; the message names it.
    """
    import tomllib

    try:
        tables = _tables(path)
        for change in changes:
            _change(tables, change)
        recipe = msgspec.convert(tables, Recipe)
    except OSError as error:
        raise SystemExit(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError, zoo.ZooError) as error:
        raise SystemExit(f"{path} is not a recipe: {error}") from None
    faults = list(_faults(recipe))
    if faults:
        raise SystemExit(f"{path} cannot be trained: " + "; ".join(faults) + ".")
    return recipe


def _tables(path: Path) -> dict[str, Any]:
    """Returns the tables of a file; with `extends = FILE` those of that file, with other values where this one has them."""
    import tomllib

    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    base = tables.pop("extends", None)
    if base is None:
        return tables
    below = _tables(path.parent / base)
    merged = {
        name: {**below[name], **values} if isinstance(values, dict) and name in below else values
        for name, values in tables.items()
    }
    return {**below, **merged}


def _change(tables: dict[str, Any], change: str) -> None:
    import tomllib

    field, equals, value = change.partition("=")
    table, dot, name = field.strip().partition(".")
    if not (equals and dot and isinstance(tables.get(table, {}), dict)):
        raise SystemExit(f"A setting is given as table.field=value, such as training.steps=100. Received: {change!r}")
    try:
        tables.setdefault(table, {})[name] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        tables[table][name] = value.strip()


def _faults(recipe: Recipe) -> Any:
    from training.scores import MONITORS

    training, data = recipe.training, recipe.data
    try:
        zoo.info(recipe.model.name)
    except zoo.ZooError as error:
        yield f"model.name: {error}"
    if data.ndim not in (2, 3) or len(training.crop) != data.ndim:
        yield f"data.ndim is 2 or 3 and training.crop has as many sides, received ndim={data.ndim}, crop={list(training.crop)}"
    for field in ("batch", "steps", "rounds"):
        if getattr(training, field) < 1:
            yield f"training.{field} is at least 1, received {getattr(training, field)}"
    if training.beyond_region and not data.region:
        yield "training.beyond_region needs data.region, the paths of images of the region"
    if training.statistics < 0:
        yield f"training.statistics is at least 0, received {training.statistics}"
    if training.precision not in PRECISIONS:
        yield f"training.precision is one of {', '.join(PRECISIONS)}, received {training.precision!r}"
    if training.monitor not in MONITORS:
        yield f"training.monitor is one of {', '.join(MONITORS)}, received {training.monitor!r}"
    if len(set(data.classes.values())) != len(data.classes) or not data.classes:
        yield f"data.classes gives each class a value of its own, received {data.classes}"
    if set(data.ignore) & {*data.classes.values()}:
        yield f"data.ignore has values that are those of classes, received {list(data.ignore)} and {data.classes}"
    unknown = sorted(set(recipe.card.scores) - set(MONITORS))
    if unknown or not recipe.card.scores:
        yield f"card.scores are some of {', '.join(MONITORS)}, received {list(recipe.card.scores)}"
    if len(recipe.card.palette) != len(data.classes):
        yield f"card.palette has a colour per class, received {len(recipe.card.palette)} for {len(data.classes)} classes"
