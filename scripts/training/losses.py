"""The recipe's loss for each output of a network."""

from __future__ import annotations

from typing import Any

import keras

import zoo
from training.recipe import Recipe
from zoo import losses


def losses_of(model: keras.Model, recipe: Recipe) -> tuple[Any, Any]:
    """Returns losses and their weights: one, or one per output of a network with deep supervision.

    Coarser outputs learn from every second, fourth, … label and count half as much as the one before.
    """

    def made() -> keras.losses.Loss:
        try:
            return losses.from_settings({**recipe.training.loss, "from_logits": True})
        except zoo.ZooError as error:
            raise SystemExit(f"training.loss: {error}") from None

    if not isinstance(model.output, dict):
        return made(), None
    names = [name for name in model.output if name.startswith("segmentation")]
    if len(names) < len(model.output):
        others = ", ".join(sorted(set(model.output) - set(names)))
        raise SystemExit(f"{recipe.model.name} has outputs that segmentation alone does not teach: {others}.")
    return {name: Coarse(made()) for name in names}, {name: 0.5**index for index, name in enumerate(names)}


class Coarse(keras.losses.Loss):
    """A loss on every k-th label, k being how much smaller the output is."""

    def __init__(self, loss: keras.losses.Loss) -> None:
        super().__init__(reduction="sum_over_batch_size")
        self.loss = loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one value per image."""
        spatial = zip(y_true.shape[1:], y_pred.shape[1:-1], strict=True)
        steps = tuple(slice(None, None, large // small) for large, small in spatial)
        return self.loss.call(y_true[(slice(None), *steps)], y_pred)
