"""The rules that the fields of a config must satisfy.

Each field carries its rule, so validation, error messages and the tables of the documentation all read the same
declaration.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any, Protocol

from zoo.errors import ConfigError, close_matches

PerLevel = tuple[int | tuple[int, ...], ...]
"""A size for each level of resolution, full resolution first: `(1, 2, (1, 2, 2))`."""


class Rule(Protocol):
    """What a field accepts."""

    def check(self, name: str, value: Any) -> Any:
        """Returns the value in its canonical type, or raises `ConfigError`."""

    def describe(self) -> str:
        """Says what is allowed, for messages and tables."""


@dataclass(frozen=True)
class IntegerRule:
    """Whole numbers from `low` to `high`, both included; where it is `optional`, None too."""

    low: int
    high: int
    optional: bool = False

    def check(self, name: str, value: Any) -> int | None:
        """See `Rule.check`."""
        if self.optional and value is None:
            return None
        number = as_integer(value)
        if number is None or not self.low <= number <= self.high:
            nearest = "" if number is None else f"; the nearest is {min(max(number, self.low), self.high)}"
            message = f"`{name}` must be {self.describe()}{nearest}. Received: {name}={shown(value)}"
            raise ConfigError(message)
        return number

    def describe(self) -> str:
        """See `Rule.describe`."""
        return f"{'None, or ' if self.optional else ''}a whole number from {self.low} to {self.high}"


@dataclass(frozen=True)
class BooleanRule:
    """True or False."""

    def check(self, name: str, value: Any) -> bool:
        """See `Rule.check`."""
        if not isinstance(value, bool):
            message = f"`{name}` must be {self.describe()}. Received: {name}={shown(value)}"
            raise ConfigError(message)
        return value

    def describe(self) -> str:
        """See `Rule.describe`."""
        return "True or False"


@dataclass(frozen=True)
class ChoiceRule:
    """One of a few values."""

    options: tuple[str | int | None, ...]

    def check(self, name: str, value: Any) -> str | int | None:
        """See `Rule.check`."""
        number = as_integer(value)
        value = value if number is None else number
        if not (value is None or type(value) in (str, int)) or value not in self.options:
            words = [option for option in self.options if isinstance(option, str)]
            near = close_matches(value, words) if isinstance(value, str) else ""
            message = f"`{name}` must be {self.describe()}{near or '.'} Received: {name}={shown(value)}"
            raise ConfigError(message)
        return value

    def describe(self) -> str:
        """See `Rule.describe`."""
        return "one of " + ", ".join(repr(option) for option in self.options)


@dataclass(frozen=True)
class PerLevelRule:
    """A whole number for each level, or with `axes` one for each spatial axis of a level; None leaves all to the family."""

    low: int
    high: int
    axes: bool = True

    def check(self, name: str, value: Any) -> PerLevel | None:
        """See `Rule.check`."""
        if value is None:
            return None
        levels = tuple(map(self._checked, value)) if isinstance(value, (tuple, list)) else ()
        if not levels or None in levels:
            message = f"`{name}` must be {self.describe()}. Received: {name}={shown(value)}"
            raise ConfigError(message)
        return tuple(level for level in levels if level is not None)

    def describe(self) -> str:
        """See `Rule.describe`."""
        numbers = f"None, or a whole number from {self.low} to {self.high} for each level"
        return numbers + (", or for each spatial axis of a level" if self.axes else "")

    def _checked(self, level: Any) -> int | tuple[int, ...] | None:
        if self.axes and isinstance(level, (tuple, list)):
            sizes = tuple(size for size in map(as_integer, level) if size is not None and self.low <= size <= self.high)
            return sizes if len(sizes) == len(level) in (2, 3) else None
        size = as_integer(level)
        return size if size is not None and self.low <= size <= self.high else None


def integer(default: int, *, low: int, high: int) -> int:
    """Declares a config field that takes whole numbers from `low` to `high`."""
    return field(default=default, metadata={"rule": IntegerRule(low, high)})


def optional_integer(*, low: int, high: int) -> int | None:
    """Declares a config field that takes whole numbers from `low` to `high`, or None, the default: the family decides then."""
    return field(default=None, metadata={"rule": IntegerRule(low, high, optional=True)})


def boolean(default: bool) -> bool:
    """Declares a config field that takes True or False."""
    return field(default=default, metadata={"rule": BooleanRule()})


def choice(default: str | int | None, options: tuple[str | int | None, ...]) -> Any:
    """Declares a config field that takes one of `options`."""
    return field(default=default, metadata={"rule": ChoiceRule(options)})


def per_level(*, low: int, high: int, axes: bool = True) -> Any:
    """Declares a config field with a number for each level of resolution, or with `axes` also one per spatial axis.

    None, the default, leaves them to the family.
    """
    return field(default=None, metadata={"rule": PerLevelRule(low, high, axes)})


def shown(value: Any) -> str:
    """Returns a value as messages show it: in full, or its beginning where it is very long."""
    try:
        text = repr(value)
    except ValueError:  # Python does not print whole numbers of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:200]}..."


def as_integer(value: Any) -> int | None:
    """Returns a Python int for anything that counts as one (NumPy integers too, booleans not), else None."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None
