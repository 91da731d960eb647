"""Losses that are weighted sums of others, and losses from the settings of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import keras

from zoo.errors import ConfigError, close_matches
from zoo.losses import checks
from zoo.losses.base import Options, PixelLoss
from zoo.losses.centreline import ClDice
from zoo.losses.entropy import Crossentropy, Focal
from zoo.losses.lovasz import LovaszHinge, LovaszSoftmax
from zoo.losses.overlap import Dice, FocalTversky, Jaccard, Tversky
from zoo.losses.pixels import Pixels
from zoo.rules import shown


@keras.saving.register_keras_serializable("zoo.losses")
class DiceCrossentropy(PixelLoss):
    """`dice_weight * Dice + crossentropy_weight * Crossentropy`: the usual loss of segmentation.

    Dice looks at the overlap of each class, however small it is; cross-entropy gives every pixel a gradient.

    Reference: F. Isensee et al., "nnU-Net", Nature Methods 18, 2021.

    Args:
        dice_weight: Factor of `Dice`.
        crossentropy_weight: Factor of `Crossentropy`.
        smooth: See `Overlap`.
        include_background: Whether Dice scores label 0 where there are several classes; the cross-entropy always does.
        class_weights: A number for each class, for both parts; two, of background and foreground, where there is one channel.
        batch_dice: Whether Dice is summed over all images of the batch and not over each alone.
        **options: See `PixelLoss`.

    Raises:
        ConfigError: A setting is not allowed.
    """

    settings: ClassVar[tuple[str, ...]] = (
        *PixelLoss.settings, "dice_weight", "crossentropy_weight", "smooth", "include_background", "class_weights", "batch_dice",
    )  # fmt: skip

    def __init__(
        self,
        *,
        dice_weight: float = 1.0,
        crossentropy_weight: float = 1.0,
        smooth: float = 1.0,
        include_background: bool = True,
        class_weights: list[float] | None = None,
        batch_dice: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.dice_weight = checks.number("dice_weight", dice_weight)
        self.crossentropy_weight = checks.number("crossentropy_weight", crossentropy_weight)
        self.batch_dice = checks.flag("batch_dice", batch_dice)
        self.dice = Dice(smooth=smooth, include_background=include_background, class_weights=class_weights, batch=batch_dice)
        self.crossentropy = Crossentropy(class_weights=class_weights)
        self.smooth, self.include_background = self.dice.smooth, self.dice.include_background
        self.class_weights = self.dice.class_weights

    def of(self, pixels: Pixels) -> Any:
        """Returns the loss of each image, `(N,)`."""
        return self.dice_weight * self.dice.of(pixels) + self.crossentropy_weight * self.crossentropy.of(pixels)


@keras.saving.register_keras_serializable("zoo.losses")
class Sum(PixelLoss):
    """Weighted sum of losses, each given by its settings: `Sum(parts=[{"name": "Dice"}, {"name": "ClDice", "weight": 0.5}])`.

    Args:
        parts: For each loss a table with its `name`, its own settings, and its `weight`, which is 1 by default.
        **options: See `PixelLoss`; they hold for all parts.

    Raises:
        ConfigError: There is no part, or one has a setting that is not allowed.
    """

    settings: ClassVar[tuple[str, ...]] = (*PixelLoss.settings, "parts")

    def __init__(self, *, parts: list[dict[str, Any]], **options: Unpack[Options]) -> None:
        super().__init__(**options)
        tables = isinstance(parts, (list, tuple)) and all(isinstance(part, Mapping) for part in parts)
        if not parts or not tables:
            message = f"`parts` must be a list of tables, each with the name of a loss. Received: parts={shown(parts)}"
            raise ConfigError(message)
        self.parts = [dict(part) for part in parts]
        self._losses = [_part(part) for part in self.parts]

    def of(self, pixels: Pixels) -> Any:
        """Returns the loss of each image, `(N,)`."""
        return sum(weight * loss.of(pixels) for weight, loss in self._losses)


def _part(part: dict[str, Any]) -> tuple[float, PixelLoss]:
    for name in PixelLoss.settings:
        if name in part:
            message = f"`{name}` is a setting of the whole Sum, not of one part. Received: {shown(part)}"
            raise ConfigError(message)
    own = {name: value for name, value in part.items() if name != "weight"}
    return checks.number("weight", part.get("weight", 1.0)), from_settings(own)


LOSSES: dict[str, type[PixelLoss]] = {
    loss.__name__: loss
    for loss in (
        DiceCrossentropy, Dice, Crossentropy, Focal, Jaccard, Tversky, FocalTversky, LovaszSoftmax, LovaszHinge, ClDice, Sum,
    )
}  # fmt: skip
"""Every loss by the name that recipes use."""


def from_settings(settings: str | Mapping[str, Any]) -> PixelLoss:
    """Returns the loss that a recipe describes.

    Args:
        settings: The name of a loss, or a table with its `name` and the arguments of its constructor:
            `{"name": "DiceCrossentropy", "batch_dice": True}`.

    Raises:
        ConfigError: There is no such loss or setting, or a value is not allowed; the message lists what there is.
    """
    table = {"name": settings} if isinstance(settings, str) else settings
    if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
        message = f"a loss is a name or a table with a `name`. Received: {shown(settings)}; losses: {', '.join(LOSSES)}"
        raise ConfigError(message)
    name = table["name"]
    if name not in LOSSES:
        near = close_matches(name, LOSSES) or "."
        message = f"there is no loss {name!r}{near} Losses: {', '.join(LOSSES)}"
        raise ConfigError(message)
    loss = LOSSES[name]
    own: dict[str, Any] = {field: value for field, value in table.items() if field != "name"}
    for field in own:
        if field not in loss.settings:
            near = close_matches(field, loss.settings) or "."
            message = f"`{field}` is not a setting of {name}{near} Settings: {', '.join(loss.settings)}"
            raise ConfigError(message)
    if loss is Sum and "parts" not in own:
        message = "Sum needs `parts`, a list of tables, each with the name of a loss. Received none"
        raise ConfigError(message)
    return loss(**own)
