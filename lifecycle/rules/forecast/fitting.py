"""Logistic regression over landmarks: with ridge, guarded steps, and errors that know a customer from its next month.

The same customer is in many rows, and the 90 days of its landmarks overlap: errors that take rows for independent are
too small by far. They are made of the sums of each customer's scores instead (the sandwich estimate, clustered).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lifecycle.rules.forecast.model import Model

Floats = NDArray[np.float64]
Small = NDArray[np.float32]
Numbers = NDArray[np.int64]

RIDGE: Final = 1.0
MOST_STEPS: Final = 100
MOST_HALVINGS: Final = 40
PRECISION: Final = 1e-10
# A feature that varies less than this says nothing.
LEAST_SPREAD: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of one landmark. ``x``: a column for each name, NaN where unknown; kept small, computed with in full.

    ``weight`` is 0 where it is not known what became of the customer; ``customer`` numbers customers from 0 on.
    """

    x: Small
    churned: Floats
    weight: Floats
    customer: Numbers


@dataclass(frozen=True, slots=True)
class Fit:
    """``coefficients`` with the intercept first; ``naive`` are the errors that take rows for independent."""

    coefficients: Floats
    covariance: Floats
    naive: Floats

    @property
    def errors(self) -> Floats:
        """The standard errors."""
        return np.sqrt(np.diag(self.covariance))


def fit_model(
    windows: Sequence[Window], names: Sequence[str], columns: Sequence[int], *, ridge: float = RIDGE
) -> Model:
    """A model of these columns, which ``names`` names all; those that do not vary are left out."""
    means, scales = measure(windows, len(names))
    used = [column for column in columns if scales[column] > LEAST_SPREAD]
    fit = fit_logit([center(window, means, scales, used) for window in windows], ridge=ridge)
    return Model(
        tuple(names[column] for column in used),
        tuple(map(float, means[used])),
        tuple(map(float, scales[used])),
        tuple(map(float, fit.coefficients)),
        tuple(tuple(map(float, row)) for row in fit.covariance),
    )


def measure(windows: Sequence[Window], width: int) -> tuple[Floats, Floats]:
    """Mean and spread of each column over what is known of it; 0 and 0 where nothing is."""
    count, total = np.zeros(width), np.zeros(width)
    for window in windows:
        is_known = ~np.isnan(window.x)
        count += is_known.sum(axis=0)
        total += np.where(is_known, window.x, 0).sum(axis=0, dtype=np.float64)
    means = total / np.maximum(count, 1)
    squares = np.zeros(width)
    for window in windows:
        squares += np.nansum((window.x - means) ** 2, axis=0)
    return means, np.sqrt(squares / np.maximum(count, 1))


def center(window: Window, means: Floats, scales: Floats, used: Sequence[int]) -> Window:
    """The window with the distances from the means, in spreads, of the columns that are used; 0 where unknown."""
    x = np.nan_to_num((window.x[:, used] - means[used]) / scales[used], nan=0.0)
    return Window(x.astype(np.float32), window.churned, window.weight, window.customer)


def predict(model: Model, windows: Sequence[Window], names: Sequence[str]) -> list[Floats]:
    """The chance of each row, by window; ``names`` are those of the windows' columns."""
    used = [list(names).index(name) for name in model.names]
    means, scales = np.zeros(len(names)), np.ones(len(names))
    means[used], scales[used] = model.means, model.scales
    beta = np.array(model.coefficients)
    return [expit(_design(center(window, means, scales, used)) @ beta) for window in windows]


def fit_logit(windows: Sequence[Window], *, ridge: float = RIDGE) -> Fit:
    """The coefficients of the largest penalized likelihood. ``ridge`` does not touch the intercept.

    Newton's steps are halved while they lead down, as unguarded ones may diverge.
    One window at a time is in full in memory.
    """
    width = windows[0].x.shape[1] + 1
    penalty = np.full(width, ridge)
    penalty[0] = 0.0
    beta = np.zeros(width)
    rows = sum(window.weight.sum() for window in windows)
    churned = sum((window.weight * window.churned).sum() for window in windows)
    if 0 < churned < rows:
        beta[0] = math.log(churned / (rows - churned))
    value = _likelihood(windows, beta, penalty)
    hessian = np.eye(width)
    for _ in range(MOST_STEPS):
        slope, hessian = _derivatives(windows, beta, penalty)
        step = np.linalg.solve(hessian, slope)
        for _ in range(MOST_HALVINGS):
            tried = _likelihood(windows, beta + step, penalty)
            if tried >= value:
                break
            step = step / 2
        else:
            break
        beta, value = beta + step, tried
        if float(np.abs(step).max()) < PRECISION:
            break
    _, hessian = _derivatives(windows, beta, penalty)
    inverse = np.linalg.inv(hessian)
    return Fit(beta, inverse @ _meat(windows, beta) @ inverse, np.sqrt(np.diag(inverse)))


def expit(odds: Floats) -> Floats:
    """The probability of log odds."""
    result: Floats = 0.5 * (1.0 + np.tanh(0.5 * odds))
    return result


def _design(window: Window) -> Floats:
    return np.column_stack([np.ones(len(window.x)), window.x.astype(np.float64)])


def _likelihood(windows: Sequence[Window], beta: Floats, penalty: Floats) -> float:
    total = -0.5 * float(penalty @ beta**2)
    for window in windows:
        odds = _design(window) @ beta
        total += float((window.weight * (window.churned * odds - np.logaddexp(0.0, odds))).sum())
    return total


def _derivatives(windows: Sequence[Window], beta: Floats, penalty: Floats) -> tuple[Floats, Floats]:
    slope = -penalty * beta
    hessian = np.diag(penalty).astype(np.float64)
    # Where all or none churned the curve is flat; so little changes no result.
    hessian[np.diag_indices_from(hessian)] += 1e-9
    for window in windows:
        x = _design(window)
        chance = expit(x @ beta)
        slope += x.T @ (window.weight * (window.churned - chance))
        hessian += (x * (window.weight * chance * (1 - chance))[:, None]).T @ x
    return slope, hessian


def _meat(windows: Sequence[Window], beta: Floats) -> Floats:
    """The products of each customer's scores, with the usual correction for few customers."""
    customers = 1 + max((int(window.customer.max()) for window in windows if len(window.customer)), default=0)
    scores = np.zeros((customers, len(beta)))
    for window in windows:
        x = _design(window)
        left = window.weight * (window.churned - expit(x @ beta))
        for column in range(len(beta)):
            scores[:, column] += np.bincount(window.customer, left * x[:, column], minlength=customers)
    count = int(np.any(scores != 0, axis=1).sum())
    result: Floats = (scores.T @ scores) * (count / max(1, count - 1))
    return result
