"""How long stays last, with those that go on counted as what they are: not over yet.

The mean of finished stays knows only those that left, and mostly the quick ones. Kaplan and Meier's estimate counts
every stay for as long as it was seen. Where a stay can end in several ways, Aalen and Johansen's says how likely each
is by a day; one minus Kaplan-Meier of one way alone would count the others as if they might still go it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

# What stays that were broken off, not by the customer, are filed under.
CENSORED = ""


@dataclass(frozen=True, slots=True)
class Step:
    """After ``days``: the share still in the stage, and the share that has left by each way."""

    days: int
    at_risk: int
    staying: float
    left: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """The steps at the days on which someone left, in order."""

    stays: int
    steps: list[Step] = field(default_factory=list)

    def staying_at(self, days: int) -> float:
        """The share still in the stage after so many days."""
        return next((step.staying for step in reversed(self.steps) if step.days <= days), 1.0)

    def left_by(self, days: int, way: str) -> float:
        """The share that has left by this way within so many days."""
        return next((step.left.get(way, 0.0) for step in reversed(self.steps) if step.days <= days), 0.0)

    def days_until(self, share: float) -> int | None:
        """The first day on which no more than ``share`` are still there; None if it did not come to that yet."""
        return next((step.days for step in self.steps if step.staying <= share + 1e-12), None)


def estimate(ended: Mapping[tuple[int, str], int], going_on: Mapping[int, int]) -> Curve:
    """The curve of stays: (days, way out) -> how many ended so, and days -> how many go on after so many.

    Those that end by CENSORED count as going on until then. On one day those who leave go before those who are no
    longer seen.
    """
    events: dict[int, Counter[str]] = defaultdict(Counter)
    seen_until: Counter[int] = Counter(going_on)
    for (days, way), count in ended.items():
        if way == CENSORED:
            seen_until[days] += count
        else:
            events[days][way] += count
    stays = at_risk = sum(ended.values()) + sum(going_on.values())
    staying, left = 1.0, Counter[str]()
    shares: dict[str, float] = defaultdict(float)
    steps = []
    for days in sorted(events.keys() | seen_until.keys()):
        left = events.get(days, Counter())
        leaving = sum(left.values())
        if leaving:
            for way, count in left.items():
                shares[way] += staying * count / at_risk
            staying *= 1 - leaving / at_risk
            steps.append(Step(days, at_risk, staying, dict(shares)))
        at_risk -= leaving + seen_until[days]
    return Curve(stays, steps)
