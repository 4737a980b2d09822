"""When a rule fires for one customer, from what was known of it and when.

Times are microseconds since 1970 (UTC): millions of them are compared. A rule fires once in each unbroken stretch of
time in which all its conditions hold: so many days after its start, if the customer is then in a stage that the rule
looks at. Each condition has its own stretches; those of the rule are where they overlap.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from lifecycle.rules.figures import ARR, BALANCE, RENEWAL
from lifecycle.rules.risk.figures import DAYS_IN_STAGE, DAYS_TO_RENEWAL, OVERDUE_PERCENT
from tenants.rules.configuration.conditions import Condition
from tenants.rules.configuration.risk_rules import RiskRule

DAY: Final = 86_400_000_000
FOREVER: Final = 2**62
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
# Values whose judgement a condition remembers.
_MOST_REMEMBERED: Final = 100_000

# A figure as it was reported, from a time on: amounts and days are texts, nothing known is None or "".
Value = Any
Change = tuple[int, Value]
Stretch = tuple[int, int]


class StayKnown(NamedTuple):
    """A customer in a stage: known from ``since`` until before ``until``; it was entered at ``entered``.

    ``stage`` is called so in the configuration that the rules belong to.
    """

    since: int
    until: int
    stage: str
    entered: int


class Past(NamedTuple):
    """What was known of a customer: changes of figures by path, and stays, both in the order of their times."""

    changes: Mapping[str, Sequence[Change]]
    stays: Sequence[StayKnown]


class Alarm(NamedTuple):
    """A rule fires: when, in which stretch (``until`` FOREVER: it goes on), and in which stage the customer is."""

    at: int
    since: int
    until: int
    stage: str


@dataclass(slots=True)
class _Watched:
    """A condition, the judgements of values that it has met, and the days at which time alone may change one."""

    condition: Condition
    remembered: dict[Value, bool] = field(default_factory=dict)
    turns: tuple[int, ...] = ()

    def accepts(self, value: Value) -> bool:
        known = self.remembered.get(value)
        if known is None:
            if len(self.remembered) >= _MOST_REMEMBERED:
                self.remembered.clear()
            known = self.remembered[value] = self.condition.accepts(None if value == "" else value)
        return known


class Watch:
    """One rule, ready to be played over many customers."""

    def __init__(self, rule: RiskRule, category_of: Callable[[str], str]) -> None:
        self.rule = rule
        self._wait = rule.for_days * DAY
        self._category_of = category_of
        self._eligible: dict[str, bool] = {}
        self._conditions = [_Watched(condition, turns=_turns_of(condition)) for condition in rule.when]

    def looks_at(self, stage: str) -> bool:
        """Whether the rule looks at customers in this stage."""
        known = self._eligible.get(stage)
        if known is None:
            known = self._eligible[stage] = self.rule.looks_at(stage, self._category_of(stage))
        return known

    def stretches(self, past: Past) -> list[Stretch]:
        """Where all conditions hold, from when the customer was first in a stage; a last one may go on FOREVER."""
        if not past.stays:
            return []
        found: list[Stretch] = [(past.stays[0].since, FOREVER)]
        for watched in self._conditions:
            found = _overlap(found, _stretches_of(watched, past))
            if not found:
                break
        return found

    def alarms(self, past: Past, until: int) -> list[Alarm]:
        """When the rule fires, up to ``until`` (and then too)."""
        alarms = []
        for start, end in self.stretches(past):
            at = start + self._wait
            if at > until:
                break
            if at < end:
                stage = stage_at(past.stays, at)
                if stage is not None and self.looks_at(stage):
                    alarms.append(Alarm(at, start, end, stage))
        return alarms

    def next_look(self, past: Past, now: int) -> int | None:
        """When the rule may fire next though nothing is reported; None: not before something is.

        A stretch that goes on, or one that time alone will begin, may fire so many days after its start.
        """
        for start, end in self.stretches(past):
            at = start + self._wait
            if now < at < end:
                return at
        return None


def stage_at(stays: Sequence[StayKnown], at: int) -> str | None:
    """The stage in which the customer was known to be; None: in none yet."""
    for stay in reversed(stays):
        if stay.since <= at < stay.until:
            return stay.stage
    return None


def value_at(changes: Sequence[Change], at: int) -> Value:
    """What was known of a figure; None: nothing."""
    found = None
    for since, value in changes:
        if since > at:
            break
        found = value
    return found


def _stretches_of(watched: _Watched, past: Past) -> list[Stretch]:
    path = watched.condition.field
    if path == DAYS_IN_STAGE:
        return _collect(_points_in_stage(watched, past.stays))
    if path == DAYS_TO_RENEWAL:
        return _collect(_points_to_renewal(watched, past.changes.get(RENEWAL, ())))
    if path == OVERDUE_PERCENT:
        return _collect(_points_overdue(watched, past.changes))
    return _stretches_reported(watched, past.changes.get(path, ()))


def _stretches_reported(watched: _Watched, changes: Sequence[Change]) -> list[Stretch]:
    """As ``_collect``, in one loop: of most conditions, and of millions of values."""
    found: list[Stretch] = []
    known = watched.remembered
    since = 0 if watched.accepts(None) else None
    for at, value in changes:
        holds = known.get(value)
        if holds is None:
            holds = watched.accepts(value)
        if not holds:
            if since is not None:
                if at > since:
                    found.append((since, at))
                since = None
        elif since is None:
            since = found.pop()[0] if found and found[-1][1] == at else at
    if since is not None:
        found.append((since, FOREVER))
    return found


def _points_overdue(watched: _Watched, changes: Mapping[str, Sequence[Change]]) -> Iterator[tuple[int, bool]]:
    merged = [(at, 0, value) for at, value in changes.get(BALANCE, ())]
    merged += [(at, 1, value) for at, value in changes.get(ARR, ())]
    merged.sort(key=lambda one: one[0])
    known: list[Value] = [None, None]
    yield 0, watched.accepts(None)
    for at, which, value in merged:
        known[which] = value
        pair = (known[0], known[1])
        holds = watched.remembered.get(pair)
        if holds is None:
            holds = watched.remembered[pair] = watched.accepts(percent_overdue(*pair))
        yield at, holds


def percent_overdue(balance: Value, arr: Value) -> Decimal | None:
    """How much of a year's revenue is overdue; None where one of them is not known, or there is no revenue."""
    if balance in (None, "") or arr in (None, ""):
        return None
    year = Decimal(str(arr))
    return Decimal(str(balance)) * 100 / year if year > 0 else None


def _points_in_stage(watched: _Watched, stays: Sequence[StayKnown]) -> Iterator[tuple[int, bool]]:
    yield 0, watched.accepts(None)
    for stay in stays:
        if stay.since >= stay.until:
            continue
        yield stay.since, watched.accepts((stay.since - stay.entered) // DAY)
        for days in watched.turns:
            at = stay.entered + days * DAY
            if stay.since < at < stay.until:
                yield at, watched.accepts(days)


def _points_to_renewal(watched: _Watched, changes: Sequence[Change]) -> Iterator[tuple[int, bool]]:
    yield 0, watched.accepts(None)
    for index, (since, value) in enumerate(changes):
        until = changes[index + 1][0] if index + 1 < len(changes) else FOREVER
        if value in (None, ""):
            yield since, watched.accepts(None)
            continue
        renewal = _day_of(value)
        yield since, watched.accepts(renewal - since // DAY)
        for days in reversed(watched.turns):
            at = (renewal - days) * DAY
            if since < at < until:
                yield at, watched.accepts(days)


@lru_cache(maxsize=10_000)
def _day_of(date: str) -> int:
    """The number of the day, from 1970 on."""
    return dt.date.fromisoformat(date).toordinal() - _EPOCH


def _turns_of(condition: Condition) -> tuple[int, ...]:
    """The whole numbers of days at which the judgement may change, as days are counted up or down."""
    if condition.field not in (DAYS_IN_STAGE, DAYS_TO_RENEWAL) or condition.op == "exists":
        return ()
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    turns: set[int] = set()
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool):
            turns |= {int(value // 1) + step for step in (-1, 0, 1, 2)}
    return tuple(sorted(turns))


def _collect(points: Iterable[tuple[int, bool]]) -> list[Stretch]:
    """The stretches in which it holds, from what begins to be the case at each time; of one time the last counts."""
    found: list[Stretch] = []
    since: int | None = None
    for at, holds in points:
        if not holds:
            if since is not None:
                if at > since:
                    found.append((since, at))
                since = None
        elif since is None:
            since = found.pop()[0] if found and found[-1][1] == at else at
    if since is not None:
        found.append((since, FOREVER))
    return found


def _overlap(one: list[Stretch], other: list[Stretch]) -> list[Stretch]:
    found: list[Stretch] = []
    first = second = 0
    while first < len(one) and second < len(other):
        start = max(one[first][0], other[second][0])
        end = min(one[first][1], other[second][1])
        if start < end:
            found.append((start, end))
        if one[first][1] < other[second][1]:
            first += 1
        else:
            second += 1
    return found
