"""The figures of a period, and the customers behind each: read from what is kept (``keeping``)."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from django.db import connection

from lifecycle.queries.insight import behind as lists
from lifecycle.queries.insight import reading as statements
from lifecycle.queries.insight.facts import whose
from lifecycle.rules.insight.curves import Curve, estimate
from lifecycle.rules.insight.flows import Flow
from lifecycle.rules.insight.stages import NO_STAGE, Renames, key_of, name_of
from lifecycle.services.insight.owners import owner_has_sums
from storage.cursors import plain_array, text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import fold_text
from tenants.services.configuration.former_stages import read_former_stages
from tenants.services.configuration.versions import present_names

MOST_POINTS: Final = 53
ROWS: Final = 50
_DAY: Final = dt.timedelta(days=1)


def midnight(day: dt.date) -> dt.datetime:
    """The beginning of a day."""
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def next_month(day: dt.date) -> dt.date:
    """The first day of the month after."""
    return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Period:
    """From the beginning of ``begin`` until the end of ``end``, and whose customers: '' for everybody's.

    Owner and segment are what customers have today, so that the same customers are counted on every day; the segment,
    and an owner who has sums (``counted``), as of when their stays were made, as all that is kept.
    """

    begin: dt.date
    end: dt.date
    owner: str = ""
    segment: str = ""
    has_sums: bool = False

    def counted(self, tenant: TenantRef) -> "Period":
        """The same, of an owner who has sums by these. What shows figures asks for it first, and so does what lists
        whom they count. One statement, none where there is no owner.
        """
        return replace(self, has_sums=owner_has_sums(self.owner, tenant=tenant))

    @property
    def is_filtered(self) -> bool:
        """Whether it is not about everybody."""
        return bool(self.owner or self.segment)

    @property
    def whose(self) -> str:
        """Of whom the figures are (``lifecycle.queries.insight.facts``)."""
        return whose(self.owner, self.segment, has_sums=self.has_sums)

    @property
    def days(self) -> list[dt.date]:
        """The day before the period, and the last days of its parts: weeks or months apart where it is long."""
        length = (self.end - self.begin).days + 1
        step = next((step for step in (1, 7, 14, 28, 91) if length / step <= MOST_POINTS), 364)
        days = [self.end - _DAY * back for back in range(0, length, step)]
        return [self.begin - _DAY, *reversed(days)]

    def parameters(self, tenant: TenantRef) -> dict[str, Any]:
        """What the statements ask for."""
        first, after = self.begin.replace(day=1), next_month(self.end)
        return {
            "tenant_id": tenant.id,
            "owner": fold_text(self.owner),
            "segment": self.segment,
            "begin": self.begin,
            "end": self.end,
            "begin_timestamp": midnight(self.begin),
            "end_timestamp": midnight(self.end + _DAY),
            "first_month": first,
            "last_month": self.end.replace(day=1),
            "first_timestamp": midnight(first),
            "last_timestamp": midnight(after),
            "first_cohort": _number_of(first),
            "last_cohort": _number_of(self.end),
        }


@dataclass(frozen=True)
class Stages:
    """The keys of stages, and what they mean today. ``former``: of those that are gone, what they meant last."""

    policy: Policy
    renames: Renames
    former: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, policy: Policy, tenant: TenantRef) -> "Stages":
        """Those of a tenant. One statement, and another one the first time after a publication."""
        renames = present_names(tenant)
        former = read_former_stages(tenant, live=policy.version)
        return cls(policy, renames, {key_of(one.name, one.version, renames): one.category for one in former})

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Those of the live configuration, in its order."""
        return tuple(key_of(name, self.policy.version, self.renames) for name in self.policy.stages)

    def keys_of(self, names: Collection[str] | None) -> tuple[str, ...] | None:
        """The keys of the stages of these names of today; None for None."""
        if names is None:
            return None
        return tuple(key for key, name in zip(self.keys, self.policy.stages, strict=True) if name in names)

    def of_category(self, category: str) -> tuple[str, ...]:
        """The keys of the stages with this meaning, and of those that had it when they went away."""
        wanted = self.policy.stages_in(category)
        live = [key for key, name in zip(self.keys, self.policy.stages, strict=True) if name in wanted]
        return (*live, *(key for key, meant in self.former.items() if meant == category and key not in self.keys))

    def name(self, key: str) -> str:
        """What the stage is called today; '' for none."""
        return name_of(key, self.renames) if key else ""

    def ordered(self, found: Sequence[str] | set[str]) -> list[str]:
        """The live stages, and those of former days that are among ``found``."""
        return [*self.keys, *sorted(set(found) - {*self.keys, NO_STAGE})]


def read_flows(period: Period, *, tenant: TenantRef) -> list[Flow]:
    """What moved, by the parts that ``period.days`` has. One statement."""
    days = [day + _DAY for day in period.days[:-1]]
    asked = {
        "thresholds": plain_array(days),
        "threshold_timestamps": plain_array(midnight(day).isoformat() for day in days),
    }
    rows = _ask(statements.flows(of=period.whose), period, tenant, **asked)
    return [Flow(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many stays of a stage began in the months, and what became of them: '' go on, '-' were ended by a
    publication, else the stage they went to.
    """

    stays: int
    ways: Mapping[str, int]


def read_stays(
    period: Period, keys: Sequence[str], *, tenant: TenantRef, now: dt.datetime
) -> tuple[dict[str, Curve], dict[str, Outcomes]]:
    """Of the stays that began in the months of the period, by stage: how long they last, and what became of them.

    Two statements.
    """
    ended: dict[str, dict[tuple[int, str], int]] = defaultdict(dict)
    ways: dict[str, Counter[str]] = defaultdict(Counter)
    for stage, days, way, count in _ask(statements.ended_stays(of=period.whose), period, tenant):
        ended[stage][days, way] = count
        ways[stage][way or "-"] += count
    found = sorted({*keys, *ended})
    asked = {"now": now, "stages": text_array(found)}
    going_on: dict[str, Counter[int]] = defaultdict(Counter)
    for stage, days, count in _ask(statements.open_stays(of=period.whose), period, tenant, **asked):
        going_on[stage][max(0, days)] += count
        ways[stage][""] += count
    return (
        {stage: estimate(ended[stage], going_on[stage]) for stage in found},
        {stage: Outcomes(sum(ways[stage].values()), dict(ways[stage])) for stage in found},
    )


def read_reached(period: Period, *, tenant: TenantRef) -> dict[tuple[str, str], int]:
    """(stage, later stage) -> customers, of those who first came to the stage in the months; later stage '': all."""
    rows = _ask(statements.reached(of=period.whose), period, tenant)
    return {(came, reached): count for came, reached, count in rows}


@dataclass(frozen=True, slots=True)
class Cohort:
    """The customers who came in a month: how many, and how many of them were still customers after each month."""

    month: dt.date
    customers: int
    still: Sequence[tuple[dt.date, int]]


def read_cohorts(period: Period, lost: Sequence[str], *, tenant: TenantRef, today: dt.date) -> list[Cohort]:
    """The cohorts whose first month is in the period, up to today; ``lost``: stages of those who are none any more.

    ``still`` names the last day of each month, or today. One statement.
    """
    came: dict[int, dict[dt.date, int]] = defaultdict(lambda: defaultdict(int))
    size: Counter[int] = Counter()
    gone = set(lost)
    for number, month, came_from, went_to, count in _ask(statements.cohorts(of=period.whose), period, tenant):
        if came_from == NO_STAGE:
            size[number] += count
        is_in, was_in = went_to not in gone, came_from != NO_STAGE and came_from not in gone
        came[number][month] += count * (is_in - was_in)
    cohorts = []
    for number in sorted(size):
        first = month = dt.date((number - 1) // 12, (number - 1) % 12 + 1, 1)
        still, standing = [], 0
        while month <= today:
            standing += came[number][month]
            still.append((min(next_month(month) - _DAY, today), standing))
            month = next_month(month)
        cohorts.append(Cohort(first, size[number], still))
    return cohorts


@dataclass(frozen=True, slots=True)
class Moved:
    """Moves of a period for one reason."""

    from_stage: str
    to_stage: str
    reason_code: str
    count: int


def read_reasons(period: Period, stages: Sequence[str], *, tenant: TenantRef) -> list[Moved]:
    """The moves into these stages from others, and out of them, by reason; the most frequent first. One statement."""
    rows = _ask(statements.reasons(of=period.whose), period, tenant, stages=text_array(stages))
    return sorted((Moved(*row) for row in rows), key=lambda one: (-one.count, one.reason_code, one.from_stage))


def list_behind(
    figure: str, period: Period, *, tenant: TenantRef, page: int = 1, **asked: Any
) -> tuple[list[dict[str, Any]], int]:
    """A page of what a figure counts, and how many there are in all. Two statements at most, and one for an owner.

    ``figure`` is one of ``queries.insight.behind.BEHIND``, ``asked`` what it needs; sequences are lists of stages.
    """
    asked = {name: text_array(value) if isinstance(value, list | tuple) else value for name, value in asked.items()}
    period, count = period.counted(tenant), 0
    if lists.is_walked(figure):
        ((count,),) = _ask(lists.count_behind(figure, of=period.whose), period, tenant, **asked)
    with connection.cursor() as cursor:
        offset = (page - 1) * ROWS
        parameters = {**period.parameters(tenant), **asked, "limit": ROWS, "offset": offset}
        cursor.execute(lists.behind(figure, of=period.whose), parameters)
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    counts = [row.pop("count") for row in rows]
    if not lists.is_walked(figure):
        count = counts[0]
    return [row for row in rows if row["customer_id"] is not None], count


def _ask(statement: str, period: Period, tenant: TenantRef, **more: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**period.parameters(tenant), **more})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _number_of(day: dt.date) -> int:
    return day.year * 12 + day.month
