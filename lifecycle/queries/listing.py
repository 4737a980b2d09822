"""The list of customers: filters, orders and pages that cost the same wherever they are in the list."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import orjson
from django.db import connection
from django.utils import timezone

from lifecycle.queries import list_statements as statements
from lifecycle.queries.cursors import InvalidCursor, Position, decode_cursor, encode_cursor
from lifecycle.queries.facts import STATUS_FIELDS, pick
from lifecycle.queries.health import find_work, health_of, lowest_score, penalty_of
from lifecycle.queries.list_columns import LISTED
from lifecycle.queries.list_conditions import compile_where
from lifecycle.queries.list_filters import LIST_FILTERS
from lifecycle.queries.list_orderings import ORDERINGS, Ordering, Window
from lifecycle.queries.list_pieces import Filters
from lifecycle.queries.list_walks import walk
from lifecycle.rules.expressions import Expression
from lifecycle.rules.health import NO_WORK, Work, days_in_stage, judge, overdue
from lifecycle.rules.urgency import weigh
from storage import cipher
from storage.cursors import plain_array, prepared_cursor, text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import normalize_text
from tenants.rules.values import sort_key

__all__ = ["ORDERINGS", "InvalidCursor", "ListQuery", "Page", "list_customers", "stream_customers"]

DEFAULT_ORDERING: Final = "-updated_at"
# The order of what a search finds, unless another one is asked for.
BEST_MATCH: Final = "match"
# The order in which few customers come first: those of stages that take much of the health.
POOREST: Final = "health"
DEFAULT_LIMIT: Final = 50
MOST: Final = 200
# Up to so many customers that a search has found are sorted; of more of them an index is likely to meet a page soon.
FEW: Final = 3000
EVERYBODY: Final = 2**30
# Rows of an export that are fetched together.
ROWS_AT_ONCE: Final = 500
# The figures of up to so many customers are looked up by their ids; those of more are read with everybody's.
FEW_FIGURES: Final = 10_000
# Of stages that take much of the health, figures of more customers are looked up: those of the others are many.
FEW_POOR: Final = 20_000
# How many customers a walk looks at for each that it hopes to find, and at least.
STEPS: Final = 20
FEWEST_STEPS: Final = 1000
# Shorter texts are looked for at the beginning only: fewer letters than a trigram has.
SHORTEST_PART: Final = 3


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What is asked for. Filters combine; several stages mean any of them.

    ``filters``: the value of each that is asked for, by name (``list_filters``). ``where`` is what else must hold, as
    ``list_conditions.read_where`` gives it. ``search`` is part of a name or of an
    external id (without regard to case and accents), or a whole e-mail address; where few are found so, those that are
    spelled alike are found as well. ``cursor`` is one that a
    page of the same question gave.
    """

    filters: Mapping[str, Any] = field(default_factory=dict)
    search: str | None = None
    ordering: str = DEFAULT_ORDERING
    cursor: str | None = None
    limit: int = DEFAULT_LIMIT
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Customers as plain dicts, and cursors for the pages around this one (None: there is none)."""

    rows: list[dict[str, Any]]
    next_cursor: str | None = None
    previous_cursor: str | None = None


def list_customers(query: ListQuery, *, tenant: TenantRef, policy: Policy, now: dt.datetime) -> Page:
    """One page. At most four statements, whatever the page's size and place; and one where the score asks for notes.

    Raises InvalidCursor.

    Call inside the tenant's context. ``ordering`` must be one of ORDERINGS and the stages known to the caller.
    """
    question = describe_question(query, tenant)
    position = decode_cursor(query.cursor, question=question) if query.cursor else None
    if position is not None and position.as_of is not None:
        now = dt.datetime.fromisoformat(position.as_of)
    stages = chosen_stages(query, policy)
    if stages is not None and not stages:
        return Page([])
    search = Search(query, stages, policy, position, tenant, now)
    rows = search.run()
    page = _cut(rows, query, position, question=question, now=now)
    return replace(page, rows=_describe_all(page.rows, policy, tenant, now))


def describe_question(query: ListQuery, tenant: TenantRef) -> bytes:
    """What a cursor belongs to: everything but the place and the size of the page."""
    filters = {name: sorted(set(value)) if name == "stage" else value for name, value in sorted(query.filters.items())}
    return orjson.dumps([tenant.id, replace(query, filters=filters, cursor=None, limit=0)])


def chosen_stages(query: ListQuery, policy: Policy) -> list[str] | None:
    """The stages that all the filters leave, None for every stage."""
    chosen = [
        set(LIST_FILTERS[name].stages(value, policy))  # type: ignore[misc]
        for name, value in query.filters.items()
        if LIST_FILTERS[name].stages is not None
    ]
    return sorted(set.intersection(*chosen)) if chosen else None


@dataclass(frozen=True, slots=True)
class _Fetched:
    """The rows of one statement, and the size of the part of it that is counted (0 if none is)."""

    rows: list[dict[str, Any]]
    counted: int


class Search:
    """One run of one question: which statement, and with which parameters."""

    def __init__(
        self,
        query: ListQuery,
        stages: list[str] | None,
        policy: Policy,
        position: Position | None,
        tenant: TenantRef,
        now: dt.datetime,
    ) -> None:
        text = " ".join(normalize_text(query.search or "").split())
        is_email = "@" in text
        compiled = health_of(policy)
        ordering = ORDERINGS[query.ordering]
        is_backward = position is not None and position.backward
        self.policy, self.stages = policy, stages
        self.by_poorest = query.ordering == POOREST and not is_backward
        self.ordering = replace(ordering, key=compiled.fill(ordering.key))
        asked = [one for name, one in LIST_FILTERS.items() if name in query.filters and one.condition]
        where = None if query.where is None else compile_where(query.where, policy, tenant, now)
        # A plan that is kept is for conditions that are asked for again and again.
        self.plans_again = where is not None
        self.filters = Filters(
            stages=stages is not None,
            asked=(*asked, where) if where is not None else tuple(asked),
            email=is_email,
            search=bool(text) and not is_email,
        )
        self.window = Window()
        self.parameters: dict[str, Any] = {
            "tenant_id": tenant.id,
            "limit": query.limit,
            "few": FEW,
            "few_figures": FEW_FIGURES,
            "steps": max(FEWEST_STEPS, STEPS * query.limit),
            "now": now,
            # Health and urgency, which everyone shares, go by the day in UTC.
            "today": now.date(),
            "local_day": timezone.localdate(now),
            "stage_order": text_array(policy.stages),
            **compiled.parameters,
            "own_currency": policy.exchange.own,
            "currencies": text_array(policy.exchange_table),
            "rates": plain_array(policy.exchange_table.values()),
            **_stage_numbers(stages if stages is not None else policy.stages, policy, now),
            **_patterns("" if is_email else text),
        }
        if self.ordering.walks is None and not self.ordering.few:
            # No index has this order: all that are found are sorted, however many.
            self.parameters["few"] = EVERYBODY
        if position is not None:
            self.window = Window(not position.backward, "null" if position.key is None else "key")
            self.parameters |= {"key": position.key, "id": position.id}
        for one in self.filters.asked:
            self.parameters |= one.parameters(query.filters.get(one.name), now)
        if is_email:
            self.parameters["email_index"] = cipher.email_index(tenant.id, text)

    def run(self) -> list[dict[str, Any]]:
        """The rows of the page and one more, in the order in which the page was walked."""
        if self.filters.search:
            found = self._fetch(statements.sort)
            if found.counted <= self.parameters["few"]:
                return found.rows
            self.filters = replace(self.filters, search=False, pattern=True)
        if (poorest := self._find_poorest()) is not None:
            return poorest
        if self.ordering.few and self.filters.stages and not self.filters.pattern:
            # A plan that is kept, for any number of stages, would not look figures up.
            chosen = self._fetch(statements.sort_few, plan_again=True)
            if chosen.counted <= self.parameters["few_figures"]:
                return chosen.rows
        if self.ordering.walks is not None and not self.filters.email:
            walked = self._fetch(walk)
            if len(walked.rows) > self.parameters["limit"] or walked.counted < self.parameters["steps"]:
                return walked.rows
        if self.filters.pattern:
            self.filters = replace(self.filters, search=True, pattern=False)
            self.parameters["few"] = EVERYBODY
        return self._fetch(statements.sort).rows

    def _find_poorest(self) -> list[dict[str, Any]] | None:
        """A page of the poorest health, if customers of the stages that take most fill it.

        They do where the last of them is poorer than anyone of another stage can be. None: all have to be looked at.
        """
        if not self.by_poorest or self.filters.beyond_stage:
            return None
        bound = lowest_score(self.policy, self.parameters["health_elsewhere"])
        asked = self.stages if self.stages is not None else self.policy.stages
        poor = [stage for stage in asked if lowest_score(self.policy, penalty_of(self.policy, stage)) < bound]
        key = self.parameters.get("key")
        if not 0 < len(poor) < len(asked) or self.window.after == "null" or (key is not None and key >= bound):
            return None
        every, filters = self.parameters, self.filters
        self.parameters = every | _stage_numbers(poor, self.policy, every["now"]) | {"few_figures": FEW_POOR}
        self.filters = replace(filters, stages=True)
        # What people have written is read for everyone at once, and not looked up.
        gathers = self.policy.health.needs_work
        found = self._fetch(statements.sort if gathers else statements.sort_few, plan_again=not gathers)
        self.parameters, self.filters = every, filters
        rows = found.rows
        is_full = len(rows) > every["limit"] and rows[-1]["key"] is not None and rows[-1]["key"] < bound
        return rows if is_full else None

    def _fetch(self, build: Callable[[Ordering, Filters, Window], str], *, plan_again: bool = False) -> _Fetched:
        with connection.cursor() if plan_again or self.plans_again else prepared_cursor("default") as cursor:
            cursor.execute(build(self.ordering, self.filters, self.window), self.parameters)
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        counted = rows[0].get("counted", 0) if rows else 0
        return _Fetched([row for row in rows if row["customer_id"] is not None], counted)


def _stage_numbers(stages: Sequence[str], policy: Policy, now: dt.datetime) -> dict[str, str]:
    """The stages and what the statements need to know of each, as array literals. Who came there up to the ``cutoff``
    is past the target of the stage, by whole days as everywhere (``overdue``).
    """
    days = [policy.max_days(stage) for stage in stages]
    return {
        "stages": text_array(stages),
        "cutoffs": text_array(
            None if limit is None else (now - dt.timedelta(days=limit + 1)).isoformat() for limit in days
        ),
        "penalties": plain_array(penalty_of(policy, stage) for stage in stages),
        "max_days": plain_array("NULL" if limit is None else limit for limit in days),
        "lost": plain_array(policy.category(stage) == LOST for stage in stages),
    }


def _patterns(text: str) -> dict[str, str]:
    """The same comparison as in the database's search_customers."""
    key = sort_key(text)
    beginning = f"{_literal(key)}%"
    is_short = len(key) < SHORTEST_PART
    return {
        "search": text,
        "search_key": key,
        "key_beginning": beginning,
        "part_pattern": beginning if is_short else f"%{beginning}",
    }


def _literal(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _cut(
    rows: list[dict[str, Any]], query: ListQuery, position: Position | None, *, question: bytes, now: dt.datetime
) -> Page:
    """What was fetched, without the row that only shows that there is more, in the list's order, with its cursors."""
    is_backward = position is not None and position.backward
    has_more = len(rows) > query.limit
    rows = rows[: query.limit]
    if is_backward:
        rows.reverse()
    as_of = now.isoformat() if ORDERINGS[query.ordering].timed else None

    def cursor(row: dict[str, Any] | None, *, backward: bool) -> str:
        if row is None:
            # The rows that were here have gone: back to where they were.
            assert position is not None  # noqa: S101
            place = replace(position, backward=backward)
        else:
            place = Position(_as_json(row["key"]), str(row["customer_id"]), backward, as_of)
        return encode_cursor(place, question=question)

    first, last = (rows[0], rows[-1]) if rows else (None, None)
    has_next = is_backward or has_more
    has_previous = has_more if is_backward else position is not None
    return Page(
        rows,
        next_cursor=cursor(last, backward=False) if has_next else None,
        previous_cursor=cursor(first, backward=True) if has_previous else None,
    )


def _as_json(key: Any) -> Any:
    return str(key) if isinstance(key, Decimal | dt.date) else key


def _describe_all(
    rows: list[dict[str, Any]], policy: Policy, tenant: TenantRef, now: dt.datetime
) -> list[dict[str, Any]]:
    work = find_work([row["customer_id"] for row in rows], policy, tenant=tenant, now=now)
    return [describe_row(row, policy, now, work.get(row["customer_id"], NO_WORK)) for row in rows]


def describe_row(
    row: dict[str, Any], policy: Policy, now: dt.datetime, work: Work = NO_WORK, *, today: dt.date | None = None
) -> dict[str, Any]:
    """A customer as every list has it, of the columns of its statement. ``today``: another day than that of ``now``.

    ``days_to_renewal`` goes by the day where the list is looked at; the health, which everyone shares, by UTC's.
    """
    stage = row["stage"]
    days = days_in_stage(row["stage_entered_at"], now)
    over = overdue(policy.max_days(stage), days)
    arr = None if row["arr"] is None else float(row["arr"])
    renewal_on = row["renewal_on"]
    due_on = None if renewal_on is None else dt.date.fromisoformat(renewal_on)
    to_renewal = None if due_on is None else (due_on - (today or now.date())).days
    days_left = None if due_on is None else (due_on - (today or timezone.localdate(now))).days
    judged = judge(
        policy,
        stage,
        days,
        arr=arr,
        balance_overdue=None if row["balance_overdue"] is None else float(row["balance_overdue"]),
        open_issues=row["open_issues"],
        csat=None if row["csat"] is None else float(row["csat"]),
        days_to_renewal=to_renewal,
        work=work,
    )
    return (
        {"id": row["customer_id"]}
        | {"external_id": row["external_id"]}
        | pick(row, STATUS_FIELDS)
        | {one.name: row[one.name] or "" if one.kind.is_text else row[one.name] for one in LISTED}
        | {
            "category": policy.category(stage),
            "color": policy.color(stage),
            "days_in_stage": days,
            "days_over": over,
            "days_to_renewal": days_left,
            "health": {"score": judged.score, "band": judged.band},
        }
        | weigh(judged, policy, stage=stage, arr=arr, currency=row["currency"] or "", days_to_renewal=to_renewal)
    )


def stream_customers(
    query: ListQuery, *, tenant: TenantRef, policy: Policy, now: dt.datetime, most: int
) -> Iterator[dict[str, Any]]:
    """All rows of the list in its order, at most ``most``, as of one moment. One statement, read in parts (and
    one a part where the score asks for notes or tasks).

    Call inside the tenant's context, and read on in it.
    """
    stages = chosen_stages(query, policy)
    if stages == []:
        return
    search = Search(replace(query, cursor=None), stages, policy, None, tenant, now)
    parameters = search.parameters | {"few": EVERYBODY, "limit": most - 1}
    statement = statements.sort(search.ordering, search.filters, search.window)
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, parameters)
        names = None
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            names = names or [column.name for column in cursor.description]
            found = [dict(zip(names, values, strict=True)) for values in rows]
            yield from _describe_all([row for row in found if row["customer_id"] is not None], policy, tenant, now)
