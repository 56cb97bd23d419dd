"""Contests: everybody runs once in every round, so that a noisy machine is noisy for all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way to do the work: `measure` gives its cost, in whatever the contest counts."""

    name: str
    measure: Callable[[], float]


Costs = Mapping[str, Sequence[float]]
"""By name, one cost for each round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How two costs compare, round by round."""

    median: float
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.median:.2f} × ({self.lowest:.2f}–{self.highest:.2f})"


def contest(contestants: Sequence[Contestant], rounds: int, say: Callable[[str], object]) -> Costs:
    """The costs of all in every round; who begins changes from round to round."""
    costs: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds):
        turn = number % len(contestants)
        for contestant in (*contestants[turn:], *contestants[:turn]):
            cost = contestant.measure()
            say(f"round {number + 1} of {rounds}: {contestant.name}: {cost:.2f}")
            costs[contestant.name].append(cost)
    return costs


def ratio(costs: Costs, one: str, other: str) -> Ratio:
    """The cost of one in units of the other's, pair by pair."""
    pairs = [a / b for a, b in zip(costs[one], costs[other], strict=True)]
    return Ratio(median=median(pairs), lowest=min(pairs), highest=max(pairs))
