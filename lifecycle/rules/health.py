"""How a customer is doing, derived from its figures: simple, documented formulas that never raise.

Health is 100 points less a penalty for each worry, never below 0:

===================  =======  =========================================================================================
worry                at most  grows
===================  =======  =========================================================================================
category of stage         65  35 for ``risk``, 65 for ``lost``, else 0
balance overdue           25  linearly with the share of the annual revenue that is overdue; full at 25 %
satisfaction (CSAT)       20  linearly from 4 of 5 down to 2 of 5
open issues               15  3 an issue
days over expected        15  1 every 4 days past the stage's ``max_days``
renewal                   10  linearly from 90 days ahead to the day itself, and stays when it is past
===================  =======  =========================================================================================

More of a worry never raises the score. A figure that is missing costs nothing and lowers the confidence instead; only
a balance overdue without a revenue to weigh it against costs all of its points. A customer of whom neither balance,
satisfaction, issues nor renewal is known has no score: no figures are no good news.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from tenants.rules.messages import Message

Number = int | float | Decimal
Band = Literal["good", "watch", "poor", "unknown"]

GOOD_FROM = 70
WATCH_FROM = 40

CATEGORY_PENALTIES: dict[str, int] = {"risk": 35, "lost": 65}
ARREARS_PENALTY = 25
ARREARS_SHARE = 0.25
CSAT_PENALTY = 20
CSAT_CONTENT = 4.0
CSAT_UNHAPPY = 2.0
ISSUES_PENALTY = 15
PENALTY_PER_ISSUE = 3
LATE_PENALTY = 15
LATE_DAYS_PER_POINT = 4
RENEWAL_PENALTY = 10
RENEWAL_DAYS = 90

# Confidence is 100 less the weights of the figures that are missing.
STAGE_WEIGHT = 30

# What the score is made of, in the order of the formula.
PARTS = ("stage", "overdue_balance", "satisfaction", "issues", "time_in_stage", "renewal")

_LARGEST = 1e18
NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Health:
    """``score`` 0 (poor) to 100, None without any figure; ``reasons``: each worry, the heaviest first.

    ``confidence`` is the share, in per cent, of the figures' weight that was known. ``penalty``: the points of all
    worries, 0 to 100, also where there is no score. ``shares``: of it, that of each of PARTS, before it is rounded.
    """

    score: int | None
    band: Band
    reasons: tuple[Message, ...]
    confidence: int
    penalty: int
    shares: tuple[float, ...] = field(default=(), compare=False, repr=False)


class Points(NamedTuple):
    """What one part of the score takes from 100."""

    part: str
    points: int


def days_in_stage(stage_entered_at: datetime, now: datetime) -> int:
    """Whole days (of 24 hours) since the customer came to its stage; 0 if that lies ahead of ``now``."""
    return max(0, (now - stage_entered_at).days)


def overdue(max_days: int | None, days: int) -> int:
    """By how many days a customer is past the target of its stage; 0 if it is not, or if there is none."""
    return 0 if max_days is None else max(0, days - max_days)


def health(
    *,
    category: str | None,
    days_over: int = 0,
    arr: Number | None = None,
    balance_overdue: Number | None = None,
    open_issues: int | None = None,
    csat: Number | None = None,
    days_to_renewal: int | None = None,
) -> Health:
    """The customer's health by the formula above.

    ``category`` of its stage (None: not placed), ``days_over`` as of ``overdue``, money in one currency, ``csat`` from
    0 to 5, ``days_to_renewal`` negative when the date is past. None and values that are no numbers count as missing.
    """
    balance, satisfaction = read_number(balance_overdue), read_number(csat)
    issues, to_renewal = read_number(open_issues), read_number(days_to_renewal)
    late, revenue = read_number(days_over) or 0.0, read_number(arr)
    parts = _judge_all(category, late, revenue, balance, issues, satisfaction, to_renewal)
    return _add_up(parts, any(figure is not None for figure in (balance, satisfaction, issues, to_renewal)))


def score_points(judged: Health) -> tuple[Points, ...]:
    """The points that each part takes from 100, whole numbers that sum exactly to ``100 - score``, as PARTS.

    A part that has no say takes 0. Where the parts together would take more than 100, the lightest take less.
    """
    shares = [min(share, 100.0) for share in judged.shares]
    left = 100.0
    taken = [0.0] * len(shares)
    for index in sorted(range(len(shares)), key=lambda one: -shares[one]):
        taken[index] = min(shares[index], left)
        left -= taken[index]
    whole = [math.floor(share + NOTHING) for share in taken]
    missing = judged.penalty - sum(whole)
    # What rounding has left over goes to those who lost most by it.
    for index in sorted(range(len(taken)), key=lambda one: (whole[one] - taken[one], one))[:missing]:
        whole[index] += 1
    return tuple(Points(name, points) for name, points in zip(PARTS, whole, strict=True))


def _judge_all(
    category: str | None,
    days_over: float,
    arr: float | None,
    balance: float | None,
    issues: float | None,
    satisfaction: float | None,
    to_renewal: float | None,
) -> "tuple[_Part, ...]":
    """In the order of PARTS."""
    return (
        _judge_category(category),
        _judge_arrears(balance, arr),
        _judge_csat(satisfaction),
        _judge_issues(issues),
        _judge_lateness(days_over),
        _judge_renewal(to_renewal),
    )


def _add_up(parts: "tuple[_Part, ...]", is_known: bool) -> Health:
    worries = sorted((part for part in parts if part.penalty > NOTHING), key=lambda part: -part.penalty)
    # Rounded against the customer, but not for what is only the rounding of floats.
    penalty = min(100, math.ceil(sum(part.penalty for part in worries) - NOTHING))
    score = 100 - penalty if is_known else None
    return Health(
        score=score,
        band=find_band(score),
        reasons=tuple(part.worry for part in worries if part.worry is not None),
        confidence=sum(part.weight for part in parts),
        penalty=penalty,
        shares=tuple(part.penalty for part in parts),
    )


def find_band(score: int | None) -> Band:
    """The band of a score: ``good`` from 70, ``watch`` from 40, else ``poor``; ``unknown`` without one."""
    if score is None:
        return "unknown"
    if score >= GOOD_FROM:
        return "good"
    return "watch" if score >= WATCH_FROM else "poor"


@dataclass(frozen=True, slots=True)
class _Part:
    """The penalty of one worry, what is said of it, and the weight that it adds to the confidence."""

    penalty: float
    worry: Message | None
    weight: int


def _judge_category(category: str | None) -> _Part:
    penalty = CATEGORY_PENALTIES.get(category or "", 0)
    worry = Message("lost" if category == "lost" else "at_risk")
    return _Part(penalty, worry, STAGE_WEIGHT if category is not None else 0)


def _judge_arrears(balance: float | None, arr: float | None) -> _Part:
    if balance is None:
        return _Part(0, None, 0)
    if balance <= 0:
        return _Part(0, None, ARREARS_PENALTY)
    if arr is None or arr <= 0:
        # Something is overdue and there is no revenue to weigh it against: the full penalty.
        return _Part(ARREARS_PENALTY, Message("overdue"), ARREARS_PENALTY if arr is not None else 0)
    share = balance / arr
    worry = Message("overdue_more_than_revenue")
    if share <= 1:
        worry = Message("overdue_share", {"percent": max(1, math.floor(share * 100))})
    return _Part(min(1.0, share / ARREARS_SHARE) * ARREARS_PENALTY, worry, ARREARS_PENALTY)


def _judge_csat(csat: float | None) -> _Part:
    if csat is None:
        return _Part(0, None, 0)
    fall = (CSAT_CONTENT - csat) / (CSAT_CONTENT - CSAT_UNHAPPY)
    worry = Message("low_satisfaction", {"csat": f"{min(5.0, max(0.0, csat)):.1f}"})
    return _Part(_clamp(fall) * CSAT_PENALTY, worry, CSAT_PENALTY)


def _judge_issues(issues: float | None) -> _Part:
    if issues is None:
        return _Part(0, None, 0)
    count = max(0, int(issues))
    worry = Message("open_issues", {"count": count})
    return _Part(min(ISSUES_PENALTY, count * PENALTY_PER_ISSUE), worry, ISSUES_PENALTY)


def _judge_lateness(days: float) -> _Part:
    late = max(0, int(days))
    return _Part(min(LATE_PENALTY, late / LATE_DAYS_PER_POINT), Message("past_target", {"count": late}), 0)


def _judge_renewal(days: float | None) -> _Part:
    if days is None:
        return _Part(0, None, 0)
    left = int(days)
    if left > 0:
        worry = Message("renewal_due", {"count": left})
    else:
        worry = Message("renewal_passed" if left < 0 else "renewal_today")
    return _Part(_closeness(days) * RENEWAL_PENALTY, worry, RENEWAL_PENALTY)


def _closeness(days_to_renewal: float | None) -> float:
    """0 at 90 days ahead or more, or unknown; 1 on the day and after it."""
    return 0.0 if days_to_renewal is None else _clamp((RENEWAL_DAYS - days_to_renewal) / RENEWAL_DAYS)


def _clamp(share: float) -> float:
    return min(1.0, max(0.0, share))


def read_number(value: object) -> float | None:
    """The figure as a float within ±1e18, None if there is none."""
    if value is None:
        return None
    if type(value) is float:
        number = value
    elif not isinstance(value, (int, float, Decimal)) or isinstance(value, bool):
        return None
    else:
        try:
            number = float(value)
        except OverflowError:
            return _LARGEST if value > 0 else -_LARGEST
        except ValueError:
            return None
    if -_LARGEST <= number <= _LARGEST:
        return number
    return None if math.isnan(number) else math.copysign(_LARGEST, number)
