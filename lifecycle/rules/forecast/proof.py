"""How good a forecast was on months that it had not seen, beside the baseline of stage and time in stage.

A lower Brier score alone shows a worthless model in a third of the cases. So the difference of the two forecasts'
errors is taken row by row and summed for each customer, over all windows together: only where it is larger than chance
would make it in one of twenty cases (z above 1.645) is the forecast shown.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from lifecycle.rules.forecast.fitting import Floats, Numbers, Window
from lifecycle.rules.forecast.tables import FIRST_CALLS, GATE, Cell, Proof, add_up

BINS: Final = 10
LEAST_SEEN: Final = 1e-6


def weigh(days: Floats, churned: Floats, is_censored: Floats) -> Floats:
    """The weights that make up for those of whom it is not known what became (inverse probability of censoring).

    1 / G just before the churn, 1 / G at the horizon for those who are still there, 0 for the others; G is Kaplan and
    Meier's estimate of being still seen.
    """
    weights = np.ones(len(days))
    weights[is_censored > 0] = 0.0
    if not weights.all():
        times = np.unique(days[is_censored > 0])
        seen, before = 1.0, np.ones(len(days))
        for time in times:
            # Who churns at the same moment goes first.
            at_risk = float((days > time).sum() + ((days == time) & (churned == 0)).sum())
            gone = float(((days == time) & (is_censored > 0)).sum())
            seen = max(LEAST_SEEN, seen * (1 - gone / max(1.0, at_risk)))
            before[days > time] = seen
        weights = weights / before
    return weights


def brier(chance: Floats, churned: Floats, weight: Floats) -> float:
    """The mean squared error."""
    return float((weight * (chance - churned) ** 2).sum() / max(LEAST_SEEN, weight.sum()))


def compare(difference: Floats, customer: Numbers) -> float:
    """By how many standard errors, clustered by customer, the mean of the differences is above 0; 0 if all are 0."""
    sums = np.bincount(customer, difference)
    counts = np.bincount(customer)
    sums, counts = sums[counts > 0], counts[counts > 0]
    mean = float(sums.sum() / counts.sum())
    spread = math.sqrt(float(((sums - mean * counts) ** 2).sum()) * len(sums) / max(1, len(sums) - 1))
    return float(sums.sum()) / spread if spread > 0 else 0.0


def calibrate(chance: Floats, churned: Floats, weight: Floats, sizes: Sequence[int]) -> tuple[tuple[Cell, ...], ...]:
    """Ten bins of as many rows each, by their chance, over all windows: of each window what it has of each bin.

    ``sizes``: the rows of each window, in their order.
    """
    is_known = weight > 0
    window = np.repeat(np.arange(len(sizes)), sizes)[is_known]
    chance, churned, weight = chance[is_known], churned[is_known], weight[is_known]
    bins = [rows for rows in np.array_split(np.argsort(chance, kind="stable"), BINS) if len(rows)]

    def count(rows: Numbers) -> Cell:
        weights = weight[rows]
        said, came = (weights * chance[rows]).sum(), (weights * churned[rows]).sum()
        return Cell(len(rows), int(churned[rows].sum()), float(weights.sum()), float(said), float(came))

    return tuple(tuple(count(rows[window[rows] == number]) for rows in bins) for number in range(len(sizes)))


def first_calls(chance: Floats, churned: Floats, weight: Floats, calls: int = FIRST_CALLS) -> float:
    """Churners among the customers with the highest chances. Of equals, each is as likely to be called."""
    is_known = weight > 0
    chance, churned = chance[is_known], churned[is_known]
    if len(chance) <= calls:
        return float(churned.sum())
    least = np.partition(chance, -calls)[-calls]
    above, equal = chance > least, chance == least
    left = calls - int(above.sum())
    return float(churned[above].sum() + left * churned[equal].mean())


def prove(windows: Sequence[Window], model: Sequence[Floats], baseline: Sequence[Floats]) -> Proof:
    """What the two forecasts were worth on these windows."""
    churned = np.concatenate([window.churned for window in windows])
    weight = np.concatenate([window.weight for window in windows])
    customer = np.concatenate([window.customer for window in windows])
    ours, theirs = np.concatenate(model), np.concatenate(baseline)
    cells = calibrate(ours, churned, weight, [len(window.churned) for window in windows])
    rate = np.full(len(churned), float((weight * churned).sum() / max(LEAST_SEEN, weight.sum())))
    z = compare(weight * ((theirs - churned) ** 2 - (ours - churned) ** 2), customer)

    def calls(chances: Sequence[Floats]) -> float:
        found = [
            first_calls(chance, window.churned, window.weight) for chance, window in zip(chances, windows, strict=True)
        ]
        return sum(found) / len(found)

    return Proof(
        windows=len(windows),
        rows=int((weight > 0).sum()),
        unknown=int((weight == 0).sum()),
        churners=len(np.unique(customer[(churned > 0) & (weight > 0)])),
        z=z,
        beats=z > GATE,
        brier=brier(ours, churned, weight),
        brier_baseline=brier(theirs, churned, weight),
        brier_rate=brier(rate, churned, weight),
        calls=calls(model),
        calls_baseline=calls(baseline),
        bins=add_up(cells),
        cells=cells,
    )


def count_churners(windows: Sequence[Window]) -> int:
    """How many customers churned in any of the windows."""
    found: Any = [window.customer[(window.churned > 0) & (window.weight > 0)] for window in windows]
    return len(np.unique(np.concatenate(found))) if found else 0
