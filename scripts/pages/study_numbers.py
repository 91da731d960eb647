"""The numbers of the study of residual shortcuts: what was run, and what can be said of it given the spread of the seeds."""

from __future__ import annotations

import math
from functools import cached_property
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

ENOUGH = 3
"""Seeds below which nothing is concluded."""

When = Literal["best", "last"]
Verdict = Literal["above", "below", "mixed"]


class Network(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A network of the study: its trainable parameters, its MACs for one crop, and whether it normalises."""

    name: str
    params: int
    macs: int
    normalised: bool
    overrides: dict[str, Any] = {}


class Run(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A finished training: the scores of its best and of its last round on val, by short name."""

    network: str
    seed: int
    minutes: float
    best: dict[str, float]
    last: dict[str, float]


class Study(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, dict=True):
    """All of it; the first network is the plain one that the others are compared with."""

    recipe_file: str
    recipe: dict[str, Any]
    data: str
    images: int
    planned: tuple[int, ...]
    networks: tuple[Network, ...]
    runs: tuple[Run, ...]
    machines: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()

    @property
    def plain(self) -> Network:
        """The network without residual shortcuts."""
        return self.networks[0]

    @property
    def others(self) -> tuple[Network, ...]:
        """Those that are compared with it."""
        return self.networks[1:]

    @property
    def monitor(self) -> str:
        """The score by which the best round of each run was chosen."""
        return str(self.recipe["training"]["monitor"])

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds with which every network was trained: only these are compared."""
        done = {(run.network, run.seed) for run in self.runs}
        return tuple(seed for seed in self.planned if all((network.name, seed) in done for network in self.networks))

    def runs_of(self, network: Network) -> list[Run]:
        """Returns the runs of a network that are compared, in the order of their seeds."""
        return sorted((run for run in self.runs if run.network == network.name and run.seed in self.seeds), key=_seed)

    def scores(self, network: Network, score: str = "", when: When = "best") -> list[float]:
        """Returns a score of each run of a network; by default the one by which the best rounds were chosen."""
        return [getattr(run, when)[score or self.monitor] for run in self.runs_of(network)]

    def mean(self, network: Network, score: str = "", when: When = "best") -> float:
        """Returns the mean over the seeds."""
        return mean(self.scores(network, score, when))

    def spread(self, network: Network, score: str = "") -> float:
        """Returns the standard deviation over the seeds, n - 1 in the denominator; NaN for one seed."""
        values = self.scores(network, score)
        return stdev(values) if len(values) > 1 else math.nan

    def ranked(self) -> list[Network]:
        """Returns the networks, the one with the highest mean first."""
        return sorted(self.networks, key=lambda network: (-self.mean(network), network.name))

    def gain(self, network: Network) -> float:
        """Returns the mean minus that of the plain network."""
        return self.mean(network) - self.mean(self.plain)

    def verdict(self, network: Network, when: When = "best") -> Verdict:
        """Returns whether every seed of a network is above, or every one below, every seed of the plain one."""
        own, plain = self.scores(network, when=when), self.scores(self.plain, when=when)
        return "above" if min(own) > max(plain) else "below" if max(own) < min(plain) else "mixed"

    def wins(self, network: Network) -> int:
        """Returns with how many seeds a network is above the plain one with the same seed, which has seen the same crops."""
        return sum(own > plain for own, plain in zip(self.scores(network), self.scores(self.plain), strict=True))

    def widest(self) -> float:
        """Returns the largest difference between two seeds of one network."""
        return max(max(values) - min(values) for values in map(self.scores, self.networks))

    def chance(self) -> int:
        """Returns in one of how many cases chance alone puts every seed of one network above every seed of another."""
        return math.comb(2 * len(self.seeds), len(self.seeds))


def _seed(run: Run) -> int:
    return run.seed


def read_study(path: Path) -> Study | None:
    """Reads a study, or returns None where there is none."""
    return msgspec.json.decode(path.read_bytes(), type=Study) if path.is_file() else None


def study_bytes(study: Study) -> bytes:
    """Returns a study as it is stored."""
    return msgspec.json.format(msgspec.json.encode(study), indent=1) + b"\n"
