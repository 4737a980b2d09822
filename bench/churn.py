"""``python -m bench.churn [RUNS]``: churn forecasts of made-up tenants whose hazards are known, 2,000 of each kind.

How often the intervals of 95% cover the truth, how often naive ones do, and how often the gate shows a forecast that
is worth nothing, or something. The same functions run in the tests, fewer times.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lifecycle.rules.forecast.fitting import Fit, Floats, Window, expit, fit_logit
from lifecycle.rules.forecast.model import WIDTH
from lifecycle.rules.forecast.proof import prove

MONTHS, HORIZON, TESTED = 27, 3, 6
# Customers of a tenant.
SIZES = (200, 400, 1600)
# Monthly: engaged, at risk, churned. Most that leave the stage of risk recover: exits compete.
STEPS = np.array([[0.93, 0.065, 0.005], [0.25, 0.65, 0.10], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of so many intervals: how many held the truth, and how many naive ones did."""

    intervals: int
    clustered: float
    naive: float


def simulate(random: np.random.Generator, customers: int, *, effect: float = 0.0, noise: int = 0) -> list[Window]:
    """A tenant of customers who come over a year and then move by STEPS; a window a month.

    Columns: at risk; something that multiplies the odds of moving to a worse stage by exp(``effect``); ``noise`` others
    that say nothing. All but the first stay with the customer.
    """
    hidden = random.normal(size=(customers, 1 + noise))
    came = random.integers(0, 12, customers)
    stage = np.full((MONTHS + 1, customers), -1)
    worse = np.exp(effect * hidden[:, 0])
    for month in range(MONTHS + 1):
        here = stage[month - 1] if month else stage[0]
        chance = STEPS[np.maximum(here, 0)].copy()
        for at, better in ((0, (1, 2)), (1, (2,))):
            rows = here == at
            for target in better:
                chance[rows, target] *= worse[rows]
        chance /= chance.sum(axis=1, keepdims=True)
        drawn = (random.random(customers)[:, None] > np.cumsum(chance, axis=1)[:, :-1]).sum(axis=1)
        stage[month] = np.where(came == month, 0, np.where(came < month, drawn, -1))
    numbers = np.arange(customers)
    windows = []
    for month in range(MONTHS - HORIZON + 1):
        here = (stage[month] == 0) | (stage[month] == 1)
        x = np.column_stack([stage[month][here] == 1, hidden[here]]).astype(np.float32)
        churned = (stage[month + HORIZON][here] == 2).astype(np.float64)
        windows.append(Window(x, churned, np.ones(len(x)), numbers[here]))
    return windows


def true_odds() -> Floats:
    """The log odds of churn within three months by STEPS: engaged, and what being at risk adds."""
    chance = np.linalg.matrix_power(STEPS, HORIZON)[:2, 2]
    odds = np.log(chance / (1 - chance))
    return np.array([odds[0], odds[1] - odds[0]])


def simulate_odds(random: np.random.Generator, customers: int, beta: Floats) -> list[Window]:
    """A tenant whose customers churn within three months with these log odds, whenever one looks."""
    x = np.column_stack([random.normal(size=customers), random.random(customers) < 0.3]).astype(np.float32)
    quarterly = expit(beta[0] + x.astype(np.float64) @ beta[1:])
    churns = random.geometric(1 - (1 - quarterly) ** (1 / HORIZON))
    came, numbers = random.integers(0, 12, customers), np.arange(customers)
    windows = []
    for month in range(MONTHS - HORIZON + 1):
        here = (came <= month) & (came + churns > month)
        churned = (came + churns)[here] <= month + HORIZON
        windows.append(Window(x[here], churned.astype(np.float64), np.ones(here.sum()), numbers[here]))
    return windows


def join(windows: list[Window]) -> Window:
    """All rows as one window: faster where they are few."""
    parts: list[Any] = [
        np.concatenate([getattr(window, name) for window in windows]) for name in ("x", "churned", "weight", "customer")
    ]
    return Window(*parts)


def _choose(windows: list[Window], columns: list[int]) -> list[Window]:
    return [Window(one.x[:, columns], one.churned, one.weight, one.customer) for one in windows]


def measure_coverage(runs: int, *, seed: int, customers: int = 400) -> Coverage:
    """Intervals for every coefficient: of tenants with competing exits, and of those with given odds, by turns."""
    held = [0, 0]
    count = 0
    odds = np.array([-3.0, 0.6, 0.8])
    for run in range(runs):
        random = np.random.default_rng([seed, run])
        if run % 2:
            truth, windows = odds, simulate_odds(random, customers, odds)
        else:
            truth, windows = true_odds(), _choose(simulate(random, customers), [0])
        fit: Fit = fit_logit([join(windows)], ridge=1e-3)
        for number, errors in enumerate((fit.errors, fit.naive)):
            held[number] += int((np.abs(fit.coefficients - truth) <= WIDTH * errors).sum())
        count += len(truth)
    return Coverage(count, held[0] / count, held[1] / count)


def count_shown(runs: int, *, seed: int, effect: float, customers: int = 400, noise: int = 3) -> int:
    """In how many of the runs the gate lets a forecast through that knows more than the stage, or only noise more."""
    shown = 0
    for run in range(runs):
        windows = simulate(np.random.default_rng([seed, run]), customers, effect=effect, noise=noise)
        tested = windows[-TESTED:]
        learned = [join(windows[: -TESTED - HORIZON + 1])]
        chances = []
        for columns in (list(range(2 + noise)), [0]):
            fit = fit_logit(_choose(learned, columns))
            chances.append([expit(fit.coefficients[0] + one.x[:, columns] @ fit.coefficients[1:]) for one in tested])
        shown += prove(tested, *chances).beats
    return shown


def measure(runs: int) -> Iterator[str]:
    """Lines that say what was found."""
    for customers in SIZES:
        found = measure_coverage(runs, seed=1, customers=customers)
        yield (
            f"coverage of 95% intervals, {customers:,} customers: {found.clustered:.1%} clustered by customer,"
            f" {found.naive:.1%} naive ({found.intervals:,} intervals)"
        )
    for effect, what in ((0.0, "worth nothing"), (0.5, "with a real signal")):
        for customers in SIZES:
            shown = count_shown(runs, seed=2, effect=effect, customers=customers)
            yield f"forecasts {what}, {customers:,} customers: {shown / runs:.1%} shown"


def main(arguments: list[str]) -> int:
    """Measure and print."""
    begin = time.monotonic()
    for line in measure(int(arguments[0]) if arguments else 2000):
        print(f"{time.monotonic() - begin:6.0f} s  {line}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
