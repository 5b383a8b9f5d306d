"""How sure a ratio is.

Callers need `paired`: the ratio of two servers in each round, and from these an interval that holds the true
median ratio
with a probability that is said. It assumes nothing about how the figures are spread: of n rounds, the true median lies
below the smallest with the probability of n heads in a row. So few rounds give a wide interval with little
confidence, and it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from statistics import median

WANTED = 0.95


@dataclass(frozen=True)
class Interval:
    """The median of the ratios, between which bounds it lies, and how probable that is."""

    middle: float
    low: float
    high: float
    confidence: float
    rounds: int

    @property
    def level(self) -> bool:
        """Whether the two cannot be told apart."""
        return self.low <= 1.0 <= self.high

    def words(self, more_is_better: bool = False) -> str:
        """Level, ahead or behind, with the figures."""
        ahead = self.low > 1.0 if more_is_better else self.high < 1.0
        word = "level" if self.level else "ahead" if ahead else "behind"
        return f"{word}: {self.low:.2f}–{self.high:.2f} with {self.confidence:.0%} of {self.rounds} rounds"


def confidence(rounds: int, cut: int) -> float:
    """How probable it is that the median lies between the values that are left when `cut` are cut off at each end."""
    tail: float = sum(comb(rounds, heads) for heads in range(cut + 1)) / 2.0**rounds
    return 1 - 2 * tail


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Interval | None:
    """The interval of ours ÷ theirs over the rounds that both have; None with less than two. As many of the
    extremes are
    cut off as leave the wanted confidence; none, when there are too few rounds for it."""
    both = sorted(ours.keys() & theirs.keys())
    ratios = sorted(ours[number] / theirs[number] for number in both if theirs[number])
    if len(ratios) < 2:
        return None
    cut = 0
    while confidence(len(ratios), cut + 1) >= WANTED:
        cut += 1
    low, high = ratios[cut], ratios[-1 - cut]
    return Interval(median(ratios), low, high, confidence(len(ratios), cut), len(ratios))
