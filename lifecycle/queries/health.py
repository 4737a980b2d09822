"""``lifecycle.rules.health`` as SQL: a tenant's formula as an expression, every number of it a parameter.

A property test holds the two to the same result for any formula and any customer. Aliases are those of
``list_statements``: s is the status row, b and u the figures (NULL where there are none), w the stage with its own
numbers. Statements name the time (``now``, ``today``) and the tenant (``tenant_id``).
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

from lifecycle.rules.health import BEYOND_ANY_SHARE, NOTHING, Work
from storage.cursors import fetch_prepared_dicts, plain_array
from tenants.actors import TenantRef
from tenants.rules.configuration.definitions import DEFAULT_CATEGORY
from tenants.rules.configuration.health_formula import (
    CATEGORY,
    FIGURE_MEASURES,
    FULL_SCORE,
    HealthFormula,
    HealthPart,
)
from tenants.rules.configuration.policy import Policy

# In a statement they hold the place of what the tenant's formula makes of a customer: see ``HealthSql.fill``.
PENALTY: Final = "«penalty»"
HEALTH: Final = "«health»"
# Days as date_part, not extract: as numeric they would be the dearest part of the formula. The difference of two times
# has whole days of 24 hours, and none of a time that lies ahead.
_DAYS: Final = "greatest(0.0::float8, date_part('day', %(now)s::timestamptz - s.stage_entered_at))"
_VALUES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "overdue_share": (
            "CASE WHEN b.balance_overdue IS NULL THEN NULL WHEN b.balance_overdue <= 0 THEN 0.0::float8"
            f" WHEN b.arr IS NULL OR b.arr <= 0 THEN {BEYOND_ANY_SHARE}::float8"
            f" ELSE least({BEYOND_ANY_SHARE}::float8, b.balance_overdue::float8 / b.arr::float8 * 100.0::float8) END"
        ),
        "csat": "u.csat::float8",
        "open_issues": "CASE WHEN u.open_issues < 0 THEN 0.0::float8 ELSE u.open_issues::float8 END",
        "days_to_renewal": "(b.renewal_on - %(today)s::date)::float8",
        "days_over": (
            f"CASE WHEN w.max_days IS NULL THEN 0.0::float8 ELSE greatest(0.0::float8, {_DAYS} - w.max_days) END"
        ),
        "days_in_stage": _DAYS,
        "percent_of_expected": f"({_DAYS} * 100.0::float8 / w.max_days::float8)",
        "days_since_note": (
            "(SELECT greatest(0.0::float8, date_part('day', %(now)s::timestamptz - hn.created_at))"
            " FROM lifecycle_note hn WHERE hn.tenant_id = %(tenant_id)s::uuid"
            " AND hn.customer_id = s.customer_id AND hn.deleted_at IS NULL ORDER BY hn.created_at DESC LIMIT 1)"
        ),
        "overdue_tasks": (
            "(SELECT count(*)::float8 FROM lifecycle_task ht WHERE ht.tenant_id = %(tenant_id)s::uuid"
            " AND ht.customer_id = s.customer_id AND ht.done_at IS NULL AND ht.due_key < %(today)s::date)"
        ),
    }
)
_FIGURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "overdue_share": "b.balance_overdue",
        "csat": "u.csat",
        "open_issues": "u.open_issues",
        "days_to_renewal": "b.renewal_on",
    }
)


class _Kept(NamedTuple):
    """What is kept with the status: the measure made of its column, and what is NULL where the measure is."""

    value: str
    known: str


# What is asked of each customer by an index, as a column: when the latest note was written, and when the open tasks are
# due, are kept with the status; how many days lie before today is searched in half again and again.
_OVERDUE: Final = "COALESCE(width_bucket(%(today)s::date - 1, s.open_due)::float8, 0.0::float8)"
_GATHERED: Final[Mapping[str, _Kept]] = MappingProxyType(
    {
        _VALUES["days_since_note"]: _Kept(
            "(CASE WHEN s.noted_at IS NOT NULL"
            " THEN greatest(0.0::float8, date_part('day', %(now)s::timestamptz - s.noted_at)) END)",
            "s.noted_at",
        ),
        _VALUES["overdue_tasks"]: _Kept(_OVERDUE, _OVERDUE),
    }
)


# A value is looked up once for all steps: what people have written is asked of a table.
_IS_MISSING: Final = "CASE WHEN v.x IS NULL THEN"
_CASE: Final = f"SELECT {_IS_MISSING}"
_LOOKED_UP: Final = " FROM (SELECT ({0}) AS x OFFSET 0) v)"


def gather_work(statement: str) -> str:
    """A statement about very many customers, in which notes and tasks are read from the status, and not looked up for
    each.
    """
    for looked_up, kept in _GATHERED.items():
        head, *rest = statement.split(_LOOKED_UP.format(looked_up))
        for tail in rest:
            # A column is cheaper than a query for each row.
            before, case = head.rsplit(_CASE, 1)
            asked = _IS_MISSING.replace("v.x", kept.known) + case.replace("v.x", kept.value)
            head = f"{before}{asked}){tail}"
        statement = head.replace(looked_up, kept.value)
    return statement


@dataclass(frozen=True, slots=True)
class HealthSql:
    """A formula as expressions: what it takes from 100, the score (NULL without figures), and of what figures alone
    take; and the parameters of all of them.
    """

    penalty: str
    score: str
    figures: str
    parameters: Mapping[str, Any]

    @property
    def drafted(self) -> "HealthSql":
        """The same of a draft, beside that of the live version in one statement: its own parameters, and its own
        numbers of the stages.
        """
        return HealthSql(
            _draft(self.penalty),
            _draft(self.score),
            _draft(self.figures),
            MappingProxyType({f"draft_{name}": value for name, value in self.parameters.items()}),
        )

    @property
    def of_timestamps(self) -> "HealthSql":
        """The same at moments of the past, each a row ``k`` with its time (``at``) and ``day``."""
        return HealthSql(
            _at_timestamp(self.penalty), _at_timestamp(self.score), _at_timestamp(self.figures), self.parameters
        )

    def fill(self, statement: str) -> str:
        """The statement with the formula where HEALTH and PENALTY are."""
        return statement.replace(HEALTH, self.score).replace(PENALTY, self.penalty)


def _draft(text: str) -> str:
    for name in ("penalty", "max_days"):
        text = text.replace(f"w.{name}", f"w.draft_{name}")
    return text.replace("%(health_", "%(draft_health_")


_MOMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "%(now)s::timestamptz": "k.at",
        "%(today)s::date": "k.day",
        "hn.deleted_at IS NULL": "hn.created_at < k.at AND (hn.deleted_at IS NULL OR hn.deleted_at >= k.at)",
        "ht.done_at IS NULL": "ht.created_at < k.at AND (ht.done_at IS NULL OR ht.done_at >= k.at)",
    }
)


def _at_timestamp(text: str) -> str:
    for present, past in _MOMENTS.items():
        text = text.replace(present, past)
    return text


@lru_cache(maxsize=256)
def compile_health(formula: HealthFormula) -> HealthSql:
    """The expressions of a formula. Only what is written here becomes SQL."""
    parameters: dict[str, Any] = {
        "health_below": FULL_SCORE - formula.start,
        "health_elsewhere": formula.points_of(DEFAULT_CATEGORY),
    }
    terms = {
        index: _compile_part(part, f"health_{index}", parameters)
        for index, part in enumerate(formula.parts)
        if part.measure != CATEGORY
    }
    of_figures = [term for index, term in terms.items() if formula.parts[index].measure in FIGURE_MEASURES]
    # Without points for stages, which stage a customer is in does not matter: nothing is joined for it.
    of_stage = ["w.penalty"] if any(part.measure == CATEGORY for part in formula.parts) else []
    total = " + ".join(["%(health_below)s::int", *of_stage, *terms.values()])
    penalty = f"least(100.0::float8, greatest(0.0::float8, ceil(({total})::float8 - {NOTHING}::float8)))"
    columns = dict.fromkeys(_FIGURES[part.measure] for part in formula.parts if part.measure in _FIGURES)
    score = f"(100 - {penalty})::int"
    if columns:
        missing = " AND ".join(f"{column} IS NULL" for column in columns)
        score = f"CASE WHEN {missing} THEN NULL ELSE {score} END"
    return HealthSql(penalty, score, f"({' + '.join(of_figures) or '0.0::float8'})", MappingProxyType(parameters))


def health_of(policy: Policy) -> HealthSql:
    """The expressions of the policy's formula."""
    return compile_health(policy.health)


def penalty_of(policy: Policy, stage: str) -> int:
    """What the stage alone takes from a customer's health."""
    return policy.health.points_of(policy.category(stage))


def stage_numbers(policy: Policy, stages: Sequence[str], *, prefix: str = "") -> dict[str, Any]:
    """The parameters of a statement that joins the stages (``w``) with their numbers, and those of the bands."""
    days = [policy.max_days(stage) for stage in stages]
    return {
        f"{prefix}penalties": plain_array(penalty_of(policy, stage) for stage in stages),
        f"{prefix}max_days": plain_array("NULL" if limit is None else limit for limit in days),
        f"{prefix}good_from": policy.health.good_from,
        f"{prefix}watch_from": policy.health.watch_from,
    }


def lowest_score(policy: Policy, category_points: int) -> int:
    """No customer of a stage that takes so many points has a lower score."""
    return max(0, FULL_SCORE - most_penalty(policy.health, [category_points], without=()))


def band_of(score: str, bands: str) -> str:
    """The band of a score as an expression; ``bands``: the beginning of the names of its bounds, as parameters."""
    return (
        f"CASE WHEN {score} IS NULL THEN 'unknown' WHEN {score} >= %({bands}good_from)s::int THEN 'good'"
        f" WHEN {score} >= %({bands}watch_from)s::int THEN 'watch' ELSE 'poor' END"
    )


def _compile_part(part: HealthPart, name: str, parameters: dict[str, Any]) -> str:
    value = _VALUES[part.measure]

    def number(key: str, given: float) -> str:
        parameters[f"{name}_{key}"] = float(given)
        return f"%({name}_{key})s::float8"

    if not part.steps:
        begin, span = number("from", part.begin), number("span", part.end - part.begin)
        points = number("points", part.points)
        if not part.if_missing:
            # least() and greatest() pass over NULL instead of giving NULL.
            share = f"COALESCE(({value} - {begin}) / {span}, 0.0::float8)"
            return f"least(1.0::float8, greatest(0.0::float8, {share})) * {points}"
        taken = f"least(1.0::float8, greatest(0.0::float8, (v.x - {begin}) / {span})) * {points}"
    else:
        operators = {"at_least": ">=", "at_most": "<="}
        cases = " ".join(
            f"WHEN v.x {operators[step.bound]} {number(f'limit_{index}', step.limit)}"
            f" THEN {number(f'points_{index}', step.points)}"
            for index, step in enumerate(part.steps)
        )
        taken = f"CASE {cases} ELSE 0.0::float8 END"
    missing = number("missing", part.if_missing)
    return f"({_CASE} {missing} ELSE {taken} END{_LOOKED_UP.format(value)}"


# For the pages that judge row by row: now, or at the end of a past day.
_ASKED: Final = (
    f"SELECT s.customer_id, {_VALUES['days_since_note']}::int AS days_since_note,"
    f" {_VALUES['overdue_tasks']}::int AS tasks"
)
_WORK: Final = f"{_ASKED} FROM unnest(%(ids)s::uuid[]) AS s(customer_id)"
_PAST_WORK: Final = (
    f"{_at_timestamp(_ASKED)} FROM unnest(%(ids)s::uuid[]) AS s(customer_id)"
    " CROSS JOIN (SELECT %(now)s::timestamptz AS at, %(today)s::date AS day) k"
)


def find_work(
    ids: Collection[UUID], policy: Policy, *, tenant: TenantRef, now: dt.datetime, past_day: dt.date | None = None
) -> Mapping[UUID, Work]:
    """What people have written down about these customers: one statement, none where the formula does not ask.

    ``past_day``: as it stood at the end of that day, which is ``now``. Call inside the tenant's context.
    """
    if not ids or not policy.health.needs_work:
        return {}
    parameters = {"tenant_id": tenant.id, "ids": plain_array(ids), "now": now, "today": past_day or now.date()}
    statement = _WORK if past_day is None else _PAST_WORK
    rows = fetch_prepared_dicts(statement, parameters, using="default")
    return {row["customer_id"]: Work(row["days_since_note"], row["tasks"]) for row in rows}


def most_penalty(formula: HealthFormula, penalties: Collection[int], *, without: Collection[str]) -> int:
    """The most that a formula takes where some measures take nothing, of stages with these points."""
    others = sum(part.most for part in formula.parts if part.measure not in without and part.measure != CATEGORY)
    return FULL_SCORE - formula.start + max(penalties, default=0) + others
