"""What is known of a customer at a moment, and what became of it within 90 days.

A landmark is the beginning of a month; the same is asked at the present moment for a forecast. Only what held, and was
known, before the moment counts. The customer is followed for 90 days whatever stages it goes through: other exits
compete with churn, so a customer that recovers or renews in between did not churn, and is not dropped either. A
publication that moves customers to a stage of lost ones is no churn: what would have become of them is not known.

Moments are days since 1970, with fractions.
"""

import datetime as dt
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from lifecycle.rules.figures import ARR, BALANCE, CSAT, ISSUES, RENEWAL
from lifecycle.rules.horizon import HORIZON_DAYS

HORIZON: Final = float(HORIZON_DAYS)
UNKNOWN: Final = math.nan
# Besides the stage. The first one is the baseline's, too.
TIME_IN_STAGE: Final = "time_in_stage"
FEATURES: Final = (
    TIME_IN_STAGE,
    "time_as_customer",
    "moves",
    "earlier_risk",
    "revenue",
    "revenue_change",
    "overdue_balance",
    "issues",
    "satisfaction",
    "renewal",
)
PATHS: Final = (ARR, BALANCE, RENEWAL, ISSUES, CSAT)
RISK_DAYS: Final = 365.0
CHANGE_DAYS: Final = 180.0
RENEWAL_DAYS: Final = 90.0
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()


class Stay(NamedTuple):
    """A stay in a stage, since when, and whether a publication began it."""

    since: float
    stage: str
    by_configuration: bool = False


class Report(NamedTuple):
    """Figures by path that hold since ``since`` and are known from ``known`` on."""

    known: float
    since: float
    figures: Mapping[str, Any]


class Row(NamedTuple):
    """A customer at a moment: ``values`` as FEATURES, NaN where unknown.

    ``days``: until it churned, until what became of it is unknown, or HORIZON; ``churned`` and ``is_censored`` say
    which.
    """

    landmark: int
    stage: str
    values: tuple[float, ...]
    days: float
    churned: bool
    is_censored: bool


@dataclass(frozen=True, slots=True)
class Meaning:
    """Which stages are those of lost customers, and which those at risk."""

    lost: frozenset[str]
    risk: frozenset[str]


def rows_of(
    stays: Sequence[Stay], reports: Sequence[Report], landmarks: Sequence[float], meaning: Meaning
) -> Iterator[Row]:
    """The customer at each of the moments, which ascend, at which it was there and not lost.

    ``stays`` in their order; ``reports`` in the order in which they became known.
    """
    starts = [stay.since for stay in stays]
    lost_next = _next_lost(stays, meaning)
    figures = _Figures(reports)
    for number, landmark in enumerate(landmarks):
        at = bisect_left(starts, landmark) - 1
        figures.read_until(landmark)
        if at < 0 or stays[at].stage in meaning.lost:
            continue
        days, churned, is_censored = HORIZON, False, False
        lost = lost_next[at + 1]
        if lost is not None and stays[lost].since - landmark < HORIZON:
            days = stays[lost].since - landmark
            is_censored = stays[lost].by_configuration
            churned = not is_censored
        yield Row(number, stays[at].stage, _values(stays, at, landmark, figures, meaning), days, churned, is_censored)


def _next_lost(stays: Sequence[Stay], meaning: Meaning) -> list[int | None]:
    """For each place the first stay from there on in a stage of lost customers."""
    found: list[int | None] = [None] * (len(stays) + 1)
    for at in range(len(stays) - 1, -1, -1):
        found[at] = at if stays[at].stage in meaning.lost else found[at + 1]
    return found


def _values(
    stays: Sequence[Stay], at: int, landmark: float, figures: "_Figures", meaning: Meaning
) -> tuple[float, ...]:
    risks = sum(1 for stay in stays[:at] if stay.stage in meaning.risk and stay.since >= landmark - RISK_DAYS)
    return (
        math.log1p(landmark - stays[at].since),
        math.log1p(landmark - stays[0].since),
        math.log1p(at),
        math.log1p(risks),
        *figures.values(landmark),
    )


@dataclass(slots=True)
class _Figures:
    """What is known of the figures, while time goes on."""

    reports: Sequence[Report]
    place: int = 0
    known: dict[str, tuple[float, Any]] = field(default_factory=dict)
    # Of the revenue: since when, and how much.
    revenues: list[tuple[float, float]] = field(default_factory=list)

    def read_until(self, landmark: float) -> None:
        while self.place < len(self.reports) and self.reports[self.place].known < landmark:
            report = self.reports[self.place]
            self.place += 1
            for path in PATHS:
                if path not in report.figures or report.since < self.known.get(path, (-math.inf, None))[0]:
                    continue
                self.known[path] = (report.since, report.figures[path])
                if path == ARR:
                    self.revenues.append((report.since, read_figure(report.figures[path])))

    def values(self, landmark: float) -> tuple[float, ...]:
        """Revenue, its change, overdue balance, issues, satisfaction, renewal."""
        revenue = self._number(ARR)
        before = next((worth for since, worth in reversed(self.revenues) if since < landmark - CHANGE_DAYS), UNKNOWN)
        return (
            _log(revenue),
            _clamp(_log(revenue) - _log(before), -2.0, 2.0),
            _overdue(self._number(BALANCE), revenue),
            _log(self._number(ISSUES)),
            _clamp(self._number(CSAT), 0.0, 5.0),
            self._renewal(landmark),
        )

    def _number(self, path: str) -> float:
        return read_figure(self.known.get(path, (0.0, None))[1])

    def _renewal(self, landmark: float) -> float:
        """0 at 90 days ahead or more, 1 on the day and after it, as the health score has it."""
        text = self.known.get(RENEWAL, (0.0, None))[1]
        try:
            day = dt.date.fromisoformat(text).toordinal() - _EPOCH
        except (TypeError, ValueError):
            return UNKNOWN
        return _clamp((RENEWAL_DAYS - (day - math.floor(landmark))) / RENEWAL_DAYS, 0.0, 1.0)


def read_figure(value: object) -> float:
    """A figure as it is kept, a number or a number as text; NaN for none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return UNKNOWN
    return number if math.isfinite(number) else UNKNOWN


def _log(number: float) -> float:
    return math.log1p(max(0.0, number)) if number == number else UNKNOWN


def _clamp(number: float, least: float, most: float) -> float:
    return min(most, max(least, number)) if number == number else UNKNOWN


def _overdue(balance: float, revenue: float) -> float:
    """The share of the revenue that is overdue, 1 at most, and where there is no revenue to weigh it against."""
    if balance != balance:
        return UNKNOWN
    if balance <= 0:
        return 0.0
    return min(1.0, balance / revenue) if revenue > 0 else 1.0
