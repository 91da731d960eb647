"""What the numbers that losses and metrics take must be."""

from __future__ import annotations

import math
from typing import Any

from zoo.errors import ConfigError
from zoo.rules import BooleanRule, IntegerRule, shown


def number(name: str, value: Any, *, low: float = 0.0, high: float = math.inf, open_low: bool = False) -> float:
    """Returns a finite number from `low`, itself excluded where it is open, to `high`.

    Raises:
        ConfigError: It is something else.
    """
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or value > high or value < low or (open_low and value == low):
        least = f"a number above {low:g}" if open_low else f"a number of {low:g} or more"
        allowed = "a number" if low == -math.inf else least if high == math.inf else f"a number from {low:g} to {high:g}"
        message = f"`{name}` must be {allowed}. Received: {name}={shown(value)}"
        raise ConfigError(message)
    return float(value)


def whole(name: str, value: Any, *, low: int, high: int) -> int:
    """Returns a whole number from `low` to `high`.

    Raises:
        ConfigError: It is something else.
    """
    return int(IntegerRule(low, high).check(name, value) or 0)


def flag(name: str, value: Any) -> bool:
    """Returns True or False.

    Raises:
        ConfigError: It is something else.
    """
    return BooleanRule().check(name, value)


def label(name: str, value: Any) -> int | None:
    """Returns a label that is left out, or None.

    Raises:
        ConfigError: It is something else.
    """
    return IntegerRule(-(2**24), 2**24, optional=True).check(name, value)


def weights(name: str, value: Any) -> list[float] | None:
    """Returns one weight for each class, or None for equal ones.

    Raises:
        ConfigError: A weight is no number or negative, or all are 0.
    """
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not value:
        message = f"`{name}` must be None or a list of numbers, one for each class. Received: {name}={shown(value)}"
        raise ConfigError(message)
    checked = [number(f"{name}[{place}]", weight) for place, weight in enumerate(value)]
    if not any(checked):
        message = f"`{name}` must have a weight above 0. Received: {name}={shown(value)}"
        raise ConfigError(message)
    return checked


def weights_for(classes: int, given: list[float] | None) -> list[float]:
    """Returns one weight for each of the labels that an output tells apart, all 1 where none are given.

    Raises:
        ConfigError: There are more or fewer than labels.
    """
    if given is None:
        return [1.0] * classes
    if len(given) != classes:
        binary = " (one channel tells background and foreground apart)" if classes == 2 else ""
        message = f"`class_weights` needs {classes} numbers for this output{binary}. Received: class_weights={given}"
        raise ConfigError(message)
    return given
