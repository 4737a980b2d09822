"""A fitted model, and what it says of one customer: the chance, how sure that is, and what it is made of.

Every value is taken as its distance from that of a typical customer, so what is not known says nothing. In points of
the chance each part has its share of the distance between the customer and a typical one; the shares add up to it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

STAGE: Final = "stage"
# Of a normal distribution, for intervals of 95%.
WIDTH: Final = 1.959963984540054


class Chance(NamedTuple):
    """A probability and its interval of 95%."""

    chance: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Model:
    """``names``: the stages (``stage:KEY``) and features that it uses. A value x counts as (x - mean) / scale.

    ``coefficients`` and ``covariance`` have the intercept first: the log odds of a typical customer.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    @property
    def typical(self) -> float:
        """The chance of a typical customer: one with the mean of every value."""
        return sigmoid(self.coefficients[0])

    def distances(self, stage: str, values: Mapping[str, float]) -> list[float]:
        """How far each value is from a typical customer's; 0 where it is not known."""
        found = []
        for name, mean, scale in zip(self.names, self.means, self.scales, strict=True):
            prefix, is_stage, key = name.partition(":")
            value = float(key == stage) if is_stage and prefix == STAGE else values.get(name, math.nan)
            found.append((value - mean) / scale if value == value else 0.0)
        return found

    def chance(self, stage: str, values: Mapping[str, float]) -> Chance:
        """The chance of churn within 90 days. The interval is made of log odds, so it stays between 0 and 1."""
        x = [1.0, *self.distances(stage, values)]
        odds = _dot(self.coefficients, x)
        error = math.sqrt(max(0.0, _dot(x, [_dot(row, x) for row in self.covariance])))
        return Chance(sigmoid(odds), sigmoid(odds - WIDTH * error), sigmoid(odds + WIDTH * error))

    def points(self, stage: str, values: Mapping[str, float]) -> dict[str, float]:
        """Part -> its share of the distance to a typical customer's chance; all stages are one part."""
        shares: dict[str, float] = {}
        for name, coefficient, distance in zip(
            self.names, self.coefficients[1:], self.distances(stage, values), strict=True
        ):
            part = name.partition(":")[0]
            shares[part] = shares.get(part, 0.0) + coefficient * distance
        return share_out(shares, self.coefficients[0])

    def to_document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "names": list(self.names),
            "means": list(self.means),
            "scales": list(self.scales),
            "coefficients": list(self.coefficients),
            "covariance": [list(row) for row in self.covariance],
        }

    @classmethod
    def from_document(cls, kept: Mapping[str, Any]) -> "Model":
        """Of what ``to_document`` made."""
        return cls(
            tuple(kept["names"]),
            tuple(kept["means"]),
            tuple(kept["scales"]),
            tuple(kept["coefficients"]),
            tuple(tuple(row) for row in kept["covariance"]),
        )


def share_out(shares: Mapping[str, float], log_odds: float) -> dict[str, float]:
    """Shares of log odds, on top of a typical customer's, as points of the chance; they add up to its change.

    points = share x (p - p0) / sum of the shares; where that sum is 0, its limit p0 x (1 - p0) x share.
    """
    typical, total = sigmoid(log_odds), math.fsum(shares.values())
    rate = typical * (1 - typical)
    if abs(total) > 1e-7:
        rate = (sigmoid(log_odds + total) - typical) / total
    return {part: share * rate for part, share in shares.items()}


def whole_points(points: Mapping[str, float], total: int) -> dict[str, int]:
    """Points, 1 being all, as whole hundredths that add up to ``total``; those that are furthest off give way first."""
    whole = {part: math.floor(100 * share) for part, share in points.items()}
    missing = total - sum(whole.values())
    order = sorted(whole, key=lambda part: (whole[part] - 100 * points[part], part))
    if missing < 0:
        order.reverse()
    step = 1 if missing > 0 else -1
    for number in range(abs(missing)):
        whole[order[number % len(order)]] += step
    return whole


def sigmoid(odds: float) -> float:
    """The probability of log odds."""
    if odds >= 0:
        return 1 / (1 + math.exp(-odds))
    power = math.exp(odds)
    return power / (1 + power)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))
