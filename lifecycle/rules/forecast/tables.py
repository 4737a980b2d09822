"""What the proof of a forecast says, and how much of a past it takes: plain, as pages read it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

# Shown only where the forecast is better than the baseline by so many standard errors: by chance, one time in twenty.
GATE: Final = 1.645
FIRST_CALLS: Final = 10
CHURNERS_TO_FIT: Final = 100
CHURNERS_PER_COEFFICIENT: Final = 10
CHURNERS_TO_TEST: Final = 50
_WIDTH: Final = 1.959963984540054


class Bin(NamedTuple):
    """A tenth of the forecasts: how many, how many of them churned, what was said and what came, with an interval."""

    rows: int
    churned: int
    said: float
    came: float
    low: float
    high: float

    @property
    def is_inside(self) -> bool:
        """Whether what was said is in the interval of what came."""
        return self.low <= self.said <= self.high


class Cell(NamedTuple):
    """What one window has of a bin. ``weight``, and with it ``said`` and ``came``, are sums, so that cells add up."""

    rows: int
    churned: int
    weight: float
    said: float
    came: float


@dataclass(frozen=True, slots=True)
class Proof:
    """What a forecast was worth on windows that it had not seen. ``calls``: churners among the first ten, a window.

    ``rows`` without those of whom it is not known what became (``unknown``). ``churners`` are customers. ``cells``: of
    each window what it has of each bin; none in what was kept before they were counted.
    """

    windows: int
    rows: int
    unknown: int
    churners: int
    z: float
    beats: bool
    brier: float
    brier_baseline: float
    brier_rate: float
    calls: float
    calls_baseline: float
    bins: tuple[Bin, ...]
    cells: tuple[tuple[Cell, ...], ...] = ()

    def to_document(self) -> dict[str, Any]:
        """As JSON has it."""
        cells = [[list(one) for one in window] for window in self.cells]
        return asdict(self) | {"bins": [list(one) for one in self.bins], "cells": cells}

    @classmethod
    def from_document(cls, kept: Mapping[str, Any]) -> "Proof":
        """Of what ``to_document`` made."""
        cells = tuple(tuple(Cell(*one) for one in window) for window in kept.get("cells", ()))
        return cls(**{**kept, "bins": tuple(Bin(*one) for one in kept["bins"]), "cells": cells})


def needed_to_fit(coefficients: int) -> int:
    """How many churned customers it takes to learn so many coefficients."""
    return max(CHURNERS_TO_FIT, CHURNERS_PER_COEFFICIENT * coefficients)


def wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's interval of 95% for a share of ``count``; everything where there is nothing."""
    if not count:
        return 0.0, 1.0
    square = _WIDTH**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _WIDTH * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def add_up(windows: Sequence[Sequence[Cell]]) -> tuple[Bin, ...]:
    """The bins of these windows together: what was said, and what came, with Wilson's interval of 95%."""
    bins = []
    for cells in zip(*windows, strict=True):
        rows = sum(cell.rows for cell in cells)
        if rows:
            weight = sum(cell.weight for cell in cells)
            share = sum(cell.came for cell in cells) / weight
            said = sum(cell.said for cell in cells) / weight
            bins.append(Bin(rows, sum(cell.churned for cell in cells), said, share, *wilson(share, rows)))
    return tuple(bins)
