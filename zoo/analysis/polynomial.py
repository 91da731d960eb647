"""Whole-number polynomials in the counts of cells along each axis: sizes, MACs and bytes as functions of the input."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Powers = tuple[int, ...]


class UndecidedError(ArithmeticError):
    """Which of two polynomials is larger depends on the counts, or cannot be proven."""


@dataclass(frozen=True)
class Polynomial:
    """A sum of coefficients times powers of counts; it adds, multiplies and compares like the number that it stands for.

    Attributes:
        axes: Number of counts.
        coefficients: By powers, one power per axis; none is zero.
    """

    axes: int
    coefficients: Mapping[Powers, int]

    @classmethod
    def constant(cls, axes: int, value: int = 0) -> Polynomial:
        """Returns the polynomial that is a number."""
        return cls(axes, {(0,) * axes: value} if value else {})

    @classmethod
    def linear(cls, axes: int, axis: int, offset: int, rate: int) -> Polynomial:
        """Returns `offset + rate * n`, where `n` counts along one axis."""
        along = tuple(int(k == axis) for k in range(axes))
        return cls(axes, {powers: value for powers, value in (((0,) * axes, offset), (along, rate)) if value})

    def __add__(self, other: Polynomial | int) -> Polynomial:
        return self._plus(other, 1) if other else self

    def __radd__(self, other: int) -> Polynomial:
        return self + other

    def __sub__(self, other: Polynomial | int) -> Polynomial:
        return self._plus(other, -1)

    def __mul__(self, other: Polynomial | int) -> Polynomial:
        if isinstance(other, int):
            scaled = {powers: value * other for powers, value in self.coefficients.items()} if other else {}
            return Polynomial(self.axes, scaled)
        found: dict[Powers, int] = {}
        pairs = itertools.product(self.coefficients.items(), other.coefficients.items())
        for (left, value), (right, times) in pairs:
            powers = tuple(a + b for a, b in zip(left, right, strict=True))
            found[powers] = found.get(powers, 0) + value * times
        return Polynomial(self.axes, {powers: value for powers, value in found.items() if value})

    def __rmul__(self, other: int) -> Polynomial:
        return self * other

    def __gt__(self, other: Polynomial | int) -> bool:
        """Compares for all counts from 1 on.

        Raises:
            UndecidedError: Neither is provably at least as large as the other for all of them.
        """
        if self.never_below(self._like(other) + 1):
            return True
        if self._like(other).never_below(self):
            return False
        message = f"{self} and {other} cannot be compared for all sizes"
        raise UndecidedError(message)

    def __lt__(self, other: Polynomial | int) -> bool:
        return self._like(other) > self

    def at(self, counts: Sequence[int]) -> int:
        """Returns the value for so many cells along each axis."""
        return sum(value * math.prod(map(pow, counts, powers)) for powers, value in self.coefficients.items())

    def never_below(self, other: Polynomial | int) -> bool:
        """Says whether this is provably at least as large as another one for all counts from 1 on.

        Enough for that: the difference, written in how much each count exceeds 1, has no negative coefficient.
        """
        difference = self - other
        at_one = sum(difference.coefficients.values())
        return at_one >= 0 and all(value > 0 for value in difference._from_one().values())

    def _plus(self, other: Polynomial | int, sign: int) -> Polynomial:
        found = dict(self.coefficients)
        for powers, value in self._like(other).coefficients.items():
            changed = found.pop(powers, 0) + sign * value
            if changed:
                found[powers] = changed
        return Polynomial(self.axes, found)

    def _from_one(self) -> dict[Powers, int]:
        """Returns the coefficients of the same function, written in how much each count exceeds 1."""
        found: dict[Powers, int] = {}
        for powers, value in self.coefficients.items():
            for lower in itertools.product(*(range(power + 1) for power in powers)):
                found[lower] = found.get(lower, 0) + value * math.prod(map(math.comb, powers, lower))
        return {powers: value for powers, value in found.items() if value}

    def _like(self, other: Polynomial | int) -> Polynomial:
        return other if isinstance(other, Polynomial) else Polynomial.constant(self.axes, other)
