"""How a customer is doing, by the formula of the tenant's configuration, which never raises.

A score is the formula's ``start`` less what each part takes, rounded against the customer and kept within 0 and 100.
The usual formula, of tenants that have none of their own, begins at 100 and takes for each worry:

===================  =======  =========================================================================================
worry                at most  grows
===================  =======  =========================================================================================
category of stage         65  35 for ``risk``, 65 for ``lost``, else 0
balance overdue           25  linearly with the share of the annual revenue that is overdue; full at 25%
satisfaction (CSAT)       20  linearly from 4 of 5 down to 2 of 5
open issues               15  3 an issue
days over expected        15  1 every 4 days past the stage's ``max_days``
renewal                   10  linearly from 90 days ahead to the day itself, and stays when it is past
===================  =======  =========================================================================================

A figure that is missing takes what its part says (usually nothing) and lowers the confidence; only a balance overdue
without a revenue to weigh it against counts as more than any share. A customer of whom none of the formula's figures
is known has no score: no figures are no good news. ``lifecycle.queries.health`` is the same in SQL.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from lifecycle.rules.figures import ARR, BALANCE, CSAT, ISSUES, RENEWAL
from tenants.rules.configuration.health_formula import (
    CATEGORY,
    FIGURE_MEASURES,
    FULL_SCORE,
    USUAL_HEALTH,
    HealthFormula,
    HealthPart,
)
from tenants.rules.configuration.policy import Policy
from tenants.rules.messages import Message

Number = int | float | Decimal
Band = Literal["good", "watch", "poor", "unknown"]

# A balance that there is no revenue to weigh against is so many per cent of it.
BEYOND_ANY_SHARE: Final = 1e9
# What a formula that begins below the full score takes from everybody, as a part of the score.
START: Final = "start"

_LARGEST = 1e18
NOTHING = 1e-9

# The bands of health, and that of customers without a score.
BANDS: Final = ("good", "watch", "poor", "unknown")


@dataclass(frozen=True, slots=True)
class Health:
    """``score`` 0 (poor) to 100, None without any figure; ``reasons``: each worry, the heaviest first.

    ``confidence`` is the share, in per cent, of the figures' weight that was known. ``penalty``: the points of all
    worries, 0 to 100, also where there is no score. ``shares``: of it, that of each of ``parts``, before it is rounded.
    """

    score: int | None
    band: Band
    reasons: tuple[Message, ...]
    confidence: int
    penalty: int
    shares: tuple[float, ...] = field(default=(), compare=False, repr=False)
    parts: tuple[str, ...] = field(default=(), compare=False, repr=False)


class Points(NamedTuple):
    """What one part of the score takes from 100; what is less than 0 it gives."""

    part: str
    points: int


class Work(NamedTuple):
    """What people have written down about a customer, as far as the score asks."""

    days_since_note: int | None = None
    overdue_tasks: int = 0


NO_WORK: Final = Work()


def days_in_stage(stage_entered_at: dt.datetime, now: dt.datetime) -> int:
    """Whole days (of 24 hours) since the customer came to its stage; 0 if that lies ahead of ``now``."""
    return max(0, (now - stage_entered_at).days)


def overdue(max_days: int | None, days: int) -> int:
    """By how many days a customer is past the target of its stage; 0 if it is not, or if there is none."""
    return 0 if max_days is None else max(0, days - max_days)


def judge(
    policy: Policy,
    stage: str,
    days: int,
    *,
    arr: Number | None,
    balance_overdue: Number | None,
    open_issues: int | None,
    csat: Number | None,
    days_to_renewal: int | None,
    work: Work = NO_WORK,
    without_stage: bool = False,
) -> Health:
    """The health of a customer that is in ``stage`` for so many ``days``, by the formula of the policy.

    ``without_stage``: as if nothing were known of what the stage means.
    """
    expected = policy.max_days(stage)
    return health(
        formula=policy.health,
        category=None if without_stage else policy.category(stage),
        days_over=overdue(expected, days),
        days=days,
        expected_days=expected,
        arr=arr,
        balance_overdue=balance_overdue,
        open_issues=open_issues,
        csat=csat,
        days_to_renewal=days_to_renewal,
        work=work,
    )


def judge_figures(
    policy: Policy, stage: str, days: int, figures: Mapping[str, Any], *, day: dt.date, work: Work = NO_WORK
) -> Health:
    """As ``judge``, of figures by their paths, as they are kept (``figures.as_text``), on a day."""
    renewal = figures.get(RENEWAL)
    return judge(
        policy,
        stage,
        days,
        arr=_read_kept(figures.get(ARR)),
        balance_overdue=_read_kept(figures.get(BALANCE)),
        open_issues=figures.get(ISSUES),
        csat=_read_kept(figures.get(CSAT)),
        days_to_renewal=(dt.date.fromisoformat(renewal) - day).days if renewal else None,
        work=work,
    )


def _read_kept(text: Any) -> float | None:
    return None if text in (None, "") else float(text)


def health(
    *,
    category: str | None,
    formula: HealthFormula = USUAL_HEALTH,
    days_over: int = 0,
    days: int = 0,
    expected_days: int | None = None,
    arr: Number | None = None,
    balance_overdue: Number | None = None,
    open_issues: int | None = None,
    csat: Number | None = None,
    days_to_renewal: int | None = None,
    work: Work = NO_WORK,
) -> Health:
    """The customer's health by a formula.

    ``category`` of its stage (None: not placed), ``days`` in it, ``days_over`` as of ``overdue``, money in one
    currency, ``csat`` from 0 to 5, ``days_to_renewal`` negative when the date is past. None and values that are no
    numbers count as missing.
    """
    known = _Known(
        category=category,
        arr=read_number(arr),
        balance=read_number(balance_overdue),
        issues=read_number(open_issues),
        csat=read_number(csat),
        renewal=read_number(days_to_renewal),
        late=read_number(days_over) or 0.0,
        days=days,
        expected=expected_days,
        work=work,
    )
    return _add_up(formula, known)


def score_points(judged: Health) -> tuple[Points, ...]:
    """The points that each part takes from 100, whole numbers that sum exactly to ``100 - score``, as ``parts``.

    A part that has no say takes 0. Where the parts together would take more than 100, the lightest take less; where
    they would give more than there is to give, the lightest give less.
    """
    taken = [max(-1.0 * FULL_SCORE, min(share, 1.0 * FULL_SCORE)) for share in judged.shares]
    total = sum(taken)
    _shorten(taken, total - FULL_SCORE, 1)
    _shorten(taken, -total, -1)
    whole = [math.floor(share + NOTHING) for share in taken]
    missing = judged.penalty - sum(whole)
    # What rounding has left over goes to those who lost most by it.
    for index in sorted(range(len(taken)), key=lambda one: (whole[one] - taken[one], one))[:missing]:
        whole[index] += 1
    return tuple(Points(name, points) for name, points in zip(judged.parts, whole, strict=True))


def _shorten(taken: list[float], surplus: float, sign: int) -> None:
    """Take a surplus away from those that take (or, with -1, give) the least, the lightest first."""
    if surplus <= 0:
        return
    for index in sorted(range(len(taken)), key=lambda one: (sign * taken[one], -one)):
        if sign * taken[index] > 0:
            less = min(surplus, sign * taken[index])
            taken[index] -= sign * less
            surplus -= less


def find_band(score: int | None, formula: HealthFormula = USUAL_HEALTH) -> Band:
    """The band of a score: ``good``, ``watch`` or ``poor``; ``unknown`` without one."""
    if score is None:
        return "unknown"
    if score >= formula.good_from:
        return "good"
    return "watch" if score >= formula.watch_from else "poor"


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one customer, as numbers."""

    category: str | None
    arr: float | None
    balance: float | None
    issues: float | None
    csat: float | None
    renewal: float | None
    late: float
    days: int
    expected: int | None
    work: Work


def _measure_share(known: _Known) -> float | None:
    if known.balance is None:
        return None
    if known.balance <= 0:
        return 0.0
    if known.arr is None or known.arr <= 0:
        return BEYOND_ANY_SHARE
    return min(BEYOND_ANY_SHARE, known.balance / known.arr * 100)


def _count(number: float | None) -> float | None:
    return None if number is None else max(0.0, float(int(number)))


_MEASURES: Final[Mapping[str, Callable[[_Known], float | None]]] = MappingProxyType(
    {
        "overdue_share": _measure_share,
        "csat": lambda known: known.csat,
        "open_issues": lambda known: _count(known.issues),
        "days_to_renewal": lambda known: known.renewal,
        "days_over": lambda known: _count(known.late),
        "days_in_stage": lambda known: float(known.days),
        "percent_of_expected": lambda known: known.days * 100 / known.expected if known.expected else None,
        "days_since_note": lambda known: _count(known.work.days_since_note),
        "overdue_tasks": lambda known: float(known.work.overdue_tasks),
    }
)


def _worry_of_share(value: float, known: _Known) -> Message:
    if known.arr is None or known.arr <= 0:
        return Message("overdue")
    if value > 100:
        return Message("overdue_more_than_revenue")
    return Message("overdue_share", {"percent": max(1, math.floor((known.balance or 0.0) / known.arr * 100))})


def _worry_of_renewal(value: float, _known: _Known) -> Message:
    left = int(value)
    if left > 0:
        return Message("renewal_due", {"count": left})
    return Message("renewal_passed" if left < 0 else "renewal_today")


_WORRIES: Final[Mapping[str, Callable[[float, _Known], Message]]] = MappingProxyType(
    {
        "overdue_share": _worry_of_share,
        "csat": lambda value, _: Message("low_satisfaction", {"csat": f"{min(5.0, max(0.0, value)):.1f}"}),
        "open_issues": lambda value, _: Message("open_issues", {"count": int(value)}),
        "days_to_renewal": _worry_of_renewal,
        "days_over": lambda value, _: Message("past_target", {"count": int(value)}),
        "days_in_stage": lambda value, _: Message("long_in_stage", {"count": int(value)}),
        "percent_of_expected": lambda value, _: Message("share_of_expected", {"percent": int(value)}),
        "days_since_note": lambda value, _: Message("no_note_since", {"count": int(value)}),
        "overdue_tasks": lambda value, _: Message("overdue_tasks", {"count": int(value)}),
    }
)
_CATEGORY_WORRIES: Final = MappingProxyType({"risk": "at_risk", "lost": "lost"})


def _judge_part(part: HealthPart, known: _Known) -> tuple[float, float | None]:
    """What a part takes, and the value of its measure."""
    if part.measure == CATEGORY:
        return float(dict(part.categories).get(known.category or "", 0)), None
    value = _MEASURES[part.measure](known)
    if value is None:
        return float(part.if_missing), None
    if part.steps:
        return next((float(step.points) for step in part.steps if step.holds(value)), 0.0), value
    return min(1.0, max(0.0, (value - part.begin) / (part.end - part.begin))) * part.points, value


def _say_worry(part: HealthPart, value: float | None, known: _Known) -> Message:
    if part.measure == CATEGORY:
        name = _CATEGORY_WORRIES.get(known.category or "")
        return Message(name) if name else Message("in_category", {"category": known.category})
    return Message("part_unknown", {"part": part.name}) if value is None else _WORRIES[part.measure](value, known)


def _is_known(part: HealthPart, value: float | None, known: _Known) -> bool:
    if part.measure == CATEGORY:
        return known.category is not None
    if part.measure == "overdue_share" and known.arr is None:
        # Nothing overdue is known without a revenue, but not how much what is overdue weighs.
        return value is not None and value <= 0
    return value is not None


def _add_up(formula: HealthFormula, known: _Known) -> Health:
    below = FULL_SCORE - formula.start
    shares: list[float] = [float(below)] if below else []
    worries: list[tuple[float, Message]] = []
    weight = whole = 0
    has_figure = not formula.needs_figures
    for part in formula.parts:
        share, value = _judge_part(part, known)
        shares.append(share)
        if share > NOTHING:
            worries.append((share, _say_worry(part, value, known)))
        whole += part.data_weight
        if _is_known(part, value, known):
            weight += part.data_weight
        has_figure = has_figure or (value is not None and part.measure in FIGURE_MEASURES)
    worries.sort(key=lambda one: -one[0])
    # Rounded against the customer, but not for what is only the rounding of floats.
    penalty = min(FULL_SCORE, max(0, math.ceil(sum(shares) - NOTHING)))
    score = FULL_SCORE - penalty if has_figure else None
    names = tuple(part.name for part in formula.parts)
    return Health(
        score=score,
        band=find_band(score, formula),
        reasons=tuple(worry for _share, worry in worries),
        confidence=100 * weight // whole if whole else 100,
        penalty=penalty,
        shares=tuple(shares),
        parts=(START, *names) if below else names,
    )


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
