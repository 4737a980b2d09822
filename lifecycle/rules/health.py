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
a balance overdue without a revenue to weigh it against costs all of its points.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Number = int | float | Decimal
Band = Literal["good", "watch", "poor"]

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

_LARGEST = 1e18
NOTHING = 1e-9
URGENT_RENEWAL = 40
URGENT_MONEY = 40
LARGE_ACCOUNT_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Health:
    """``score`` 0 (poor) to 100; ``reasons``: a sentence for each worry, the heaviest first.

    ``confidence`` is the share, in per cent, of the figures' weight that was known.
    """

    score: int
    band: Band
    reasons: tuple[str, ...]
    confidence: int


def days_in_stage(stage_entered_at: datetime, now: datetime) -> int:
    """Whole days (of 24 hours) since the customer came to its stage; 0 if that lies ahead of ``now``."""
    return max(0, (now - stage_entered_at).days)


def overdue(max_days: int | None, days: int) -> int:
    """By how many days a customer is over the expected stay; 0 if it is not, or if nothing is expected."""
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
    parts = (
        _judge_category(category),
        _judge_arrears(_read_number(balance_overdue), _read_number(arr)),
        _judge_csat(_read_number(csat)),
        _judge_issues(_read_number(open_issues)),
        _judge_lateness(_read_number(days_over) or 0.0),
        _judge_renewal(_read_number(days_to_renewal)),
    )
    worries = sorted((part for part in parts if part.penalty > NOTHING), key=lambda part: -part.penalty)
    # Rounded against the customer, but not for what is only the rounding of floats.
    score = max(0, 100 - math.ceil(sum(part.penalty for part in worries) - NOTHING))
    return Health(
        score=score,
        band=find_band(score),
        reasons=tuple(part.sentence for part in worries),
        confidence=sum(part.weight for part in parts),
    )


def find_band(score: int) -> Band:
    """The band of a score: ``good`` from 70, ``watch`` from 40, else ``poor``."""
    if score >= GOOD_FROM:
        return "good"
    return "watch" if score >= WATCH_FROM else "poor"


def urgency(*, score: int, arr: Number | None = None, days_to_renewal: int | None = None) -> int:
    """How soon somebody should look, 0 to 180: sort by it downwards for "most urgent first" [UC-1].

    The points missing from the health (100), plus up to 40 as the renewal comes closer than 90 days, plus up to 40 for
    the annual revenue, by its order of magnitude (10 million and above: 40). Missing figures add nothing.
    """
    close = _closeness(_read_number(days_to_renewal)) * URGENT_RENEWAL
    money = max(1.0, _read_number(arr) or 1.0)
    weight = min(1.0, math.log10(money) / LARGE_ACCOUNT_DIGITS) * URGENT_MONEY
    return round(100 - min(100, max(0, score)) + close + weight)


@dataclass(frozen=True, slots=True)
class _Part:
    """The penalty of one worry, the sentence that names it, and the weight that it adds to the confidence."""

    penalty: float
    sentence: str
    weight: int


def _judge_category(category: str | None) -> _Part:
    penalty = CATEGORY_PENALTIES.get(category or "", 0)
    sentence = "The customer is lost." if category == "lost" else "The customer stands in a stage of risk."
    return _Part(penalty, sentence, STAGE_WEIGHT if category is not None else 0)


def _judge_arrears(balance: float | None, arr: float | None) -> _Part:
    if balance is None:
        return _Part(0, "", 0)
    if balance <= 0:
        return _Part(0, "", ARREARS_PENALTY)
    if arr is None or arr <= 0:
        # Something is overdue and there is no revenue to weigh it against: the full penalty.
        return _Part(ARREARS_PENALTY, "A balance is overdue.", ARREARS_PENALTY if arr is not None else 0)
    share = balance / arr
    shown = "more than the whole" if share > 1 else f"{max(1, math.floor(share * 100))} %"
    sentence = f"A balance is overdue: {shown} of the annual revenue."
    return _Part(min(1.0, share / ARREARS_SHARE) * ARREARS_PENALTY, sentence, ARREARS_PENALTY)


def _judge_csat(csat: float | None) -> _Part:
    if csat is None:
        return _Part(0, "", 0)
    fall = (CSAT_CONTENT - csat) / (CSAT_CONTENT - CSAT_UNHAPPY)
    shown = min(5.0, max(0.0, csat))
    return _Part(_clamp(fall) * CSAT_PENALTY, f"Satisfaction is low: {shown:.1f} of 5.", CSAT_PENALTY)


def _judge_issues(issues: float | None) -> _Part:
    if issues is None:
        return _Part(0, "", 0)
    count = max(0, int(issues))
    sentence = "One support issue is open." if count == 1 else f"{count:,} support issues are open."
    return _Part(min(ISSUES_PENALTY, count * PENALTY_PER_ISSUE), sentence, ISSUES_PENALTY)


def _judge_lateness(days: float) -> _Part:
    late = max(0, int(days))
    shown = "1 day" if late == 1 else f"{late:,} days"
    return _Part(min(LATE_PENALTY, late / LATE_DAYS_PER_POINT), f"It is {shown} over the expected stay.", 0)


def _judge_renewal(days: float | None) -> _Part:
    if days is None:
        return _Part(0, "", 0)
    left = int(days)
    if left < 0:
        sentence = "The renewal date is past."
    elif left == 0:
        sentence = "The renewal is due today."
    else:
        sentence = "The renewal is due in 1 day." if left == 1 else f"The renewal is due in {left:,} days."
    return _Part(_closeness(days) * RENEWAL_PENALTY, sentence, RENEWAL_PENALTY)


def _closeness(days_to_renewal: float | None) -> float:
    """0 at 90 days ahead or more, or unknown; 1 on the day and after it."""
    return 0.0 if days_to_renewal is None else _clamp((RENEWAL_DAYS - days_to_renewal) / RENEWAL_DAYS)


def _clamp(share: float) -> float:
    return min(1.0, max(0.0, share))


def _read_number(value: object) -> float | None:
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
