"""What happens between the rounds of a training: scores on val, the best weights, the state to go on from."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import keras

from training.crops import Crops
from training.data import Sample
from training.finding import finder
from training.recipe import Recipe
from training.scores import confusions, scored_classes, summary
from training.state import averaged, load_state, restart_average, save_state


class Rounds(keras.callbacks.Callback):
    """Scores the averaged weights on val after each round, keeps the best, and saves the state.

    The averages begin after the first round: what was there before the first steps would pull them down for long.

    `data` is the hash of the data: a run is not taken up with other data.

    Attributes:
        curve: One record per round: step, seconds, loss and every score.
        done: How many rounds are behind.
    """

    def __init__(self, crops: Crops, val: list[Sample], recipe: Recipe, out: Path, data: str = "") -> None:
        super().__init__()
        self.identity = {"fingerprint": recipe.fingerprint, "data": data}
        self.crops, self.val, self.recipe, self.out = crops, val, recipe, out
        self.curve: list[dict[str, float]] = []
        self.begin = time.monotonic()

    @property
    def done(self) -> int:
        """How many rounds are behind."""
        return len(self.curve)

    @property
    def best(self) -> dict[str, float]:
        """The record of the best round, the earliest of equals."""
        return max(self.curve, key=lambda record: record[self.recipe.training.monitor])

    @property
    def exhausted(self) -> bool:
        """Whether there was no better round for as long as the recipe's patience."""
        patience = self.recipe.training.patience
        return bool(patience and self.curve and self.done - 1 - self.curve.index(self.best) >= patience)

    def take_up(self) -> bool:
        """Goes back to the saved state, if there is one."""
        path = self.out / "state.npz"
        if not path.exists():
            return False
        facts = load_state(path, self.model)
        if {name: facts[name] for name in self.identity} != self.identity:
            what = "settings" if facts["fingerprint"] != self.recipe.fingerprint else "data"
            raise SystemExit(
                f"{self.out} has a run of other {what}. Give another folder with --out, or start anew with --restart."
            )
        self.curve = facts["curve"]
        self.begin = time.monotonic() - (self.curve[-1]["seconds"] if self.curve else 0)
        return True

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Tells the crops which round it is."""
        self.crops.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Scores, keeps and saves."""
        logs = logs if logs is not None else {}
        if not math.isfinite(logs.get("loss", 0.0)):
            raise SystemExit(
                f"The loss is no longer a number in round {epoch + 1}; the state of the round before is kept. Lower "
                "training.learning_rate, or look for a wrong label."
            )
        if epoch == 0:
            restart_average(self.model)
        with averaged(self.model, self.crops.first(self.recipe.training.statistics)):
            matrices = confusions(finder(self.model, self.recipe), self.val, self.recipe.data)
            found = summary(matrices, scored_classes(self.recipe.data))
            logs.update({f"val_{name}": value for name, value in found.items()})
            seconds = round(time.monotonic() - self.begin, 1)
            step = (epoch + 1) * self.crops.length
            self.curve.append({"step": step, "seconds": seconds, "loss": float(logs.get("loss", 0.0)), **found})
            if self.best is self.curve[-1]:
                self._keep()
        save_state(self.out / "state.npz", self.model, {**self.identity, "curve": self.curve})
        print(json.dumps({name: round(value, 4) for name, value in self.curve[-1].items()}), flush=True)
        if self.exhausted:
            self.model.stop_training = True

    def _keep(self) -> None:
        hidden = self.out / "part.weights.h5"
        self.model.save_weights(hidden)
        hidden.replace(self.out / "best.weights.h5")
