"""A customer, or all of them, as of the end of a past day: as it was, or as it was known here by then.

One customer is read from the history itself, many from the stays that are kept of it.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from audit.models import LifecycleHistory
from audit.services.former_names import find_names_then
from lifecycle.models import FigureChange
from lifecycle.queries.cursors import Position, decode_cursor, encode_cursor
from lifecycle.queries.insight.facts import whose
from lifecycle.queries.insight.past import STAGE_COUNTS
from lifecycle.queries.insight.reading import as_of
from lifecycle.rules.insight.stays import Move, stay_at
from lifecycle.services.insight.owners import owner_has_sums
from lifecycle.services.insight.reading import ROWS, Stages, midnight
from storage.cursors import text_array
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.texts import fold_text
from tenants.services.configuration.versions import present_name, present_names

EFFECTIVE: Final = "effective"
RECORDED: Final = "recorded"


@dataclass(frozen=True, slots=True)
class Past:
    """Where a customer was at the end of a day. ``stage`` is what it was called then, ``stage_now`` what today.

    ``figures``: path -> the value that held, and since when, as far as they are kept. ``configuration_version``: the
    one that was live at the end of the day. ``row`` brought the customer there. None of the stage: it was not here yet.
    """

    day: dt.date
    known: str
    stage: str | None
    stage_now: str | None
    stage_entered_at: dt.datetime | None
    days_in_stage: int | None
    reason_code: str
    sequence: int
    configuration_version: int | None
    figures: dict[str, tuple[Any, dt.datetime]]
    row: LifecycleHistory | None = None

    @property
    def end(self) -> dt.datetime:
        """The end of the day."""
        return midnight(self.day + dt.timedelta(days=1))


def read_past(customer_id: UUID, day: dt.date, *, known: str, tenant: TenantRef) -> Past:
    """The customer at the end of the day, read from the history. Four statements. Call inside the tenant's context."""
    end = midnight(day + dt.timedelta(days=1))
    rows = list(LifecycleHistory.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("sequence"))
    moves = [Move(row.to_stage, row.effective_at, row.recorded_at, row.reason_code) for row in rows]
    found = stay_at(moves, end, as_known=known == RECORDED)
    changes = FigureChange.objects.filter(tenant_id=tenant.id, customer_id=customer_id, effective_at__lt=end)
    if known == RECORDED:
        changes = changes.filter(recorded_at__lt=end)
    figures: dict[str, tuple[Any, dt.datetime]] = {}
    for change in changes.order_by("effective_at", "id"):
        figures |= {path: (value, change.effective_at) for path, value in change.figures.items()}
    versions = ConfigurationVersion.objects.filter(tenant_id=tenant.id, published_at__lt=end)
    live = versions.order_by("-number").values_list("number", flat=True).first()
    if found is None:
        return Past(day, known, None, None, None, None, "", 0, live, figures)
    row = rows[found.sequence - 1]
    return Past(
        day=day,
        known=known,
        stage=row.to_stage,
        stage_now=present_name(row.to_stage, row.configuration_version, present_names(tenant)),
        stage_entered_at=found.entered,
        days_in_stage=(end - found.entered).days,
        reason_code=row.reason_code,
        sequence=found.sequence,
        configuration_version=live,
        figures=figures,
        row=row,
    )


@dataclass(frozen=True, slots=True)
class PastQuestion:
    """Which customers of a day are asked for: by ``known``, in the stages of ``keys`` (none: in any), of an owner, of a
    segment. Owner and segment are those of today, or as of when their sums were made (``reading.Period``).
    """

    day: dt.date
    known: str = EFFECTIVE
    keys: Sequence[str] = ()
    owner: str = ""
    segment: str = ""
    has_sums: bool = False

    def counted(self, tenant: TenantRef) -> "PastQuestion":
        """The same, of an owner who has sums by these. One statement, none where there is no owner."""
        return replace(self, has_sums=owner_has_sums(self.owner, tenant=tenant))

    @property
    def end(self) -> dt.datetime:
        """The end of the day."""
        return midnight(self.day + dt.timedelta(days=1))

    @property
    def whose(self) -> str:
        """Of whom it asks (``lifecycle.queries.insight.facts``)."""
        return whose(self.owner, self.segment, has_sums=self.has_sums)

    def parameters(self, tenant: TenantRef) -> dict[str, Any]:
        """Those of the statements."""
        return {
            "tenant_id": tenant.id,
            "timestamp": self.end,
            "stages": text_array(self.keys) if self.keys else None,
            "owner": fold_text(self.owner),
            "segment": self.segment,
        }

    def question(self, tenant: TenantRef) -> bytes:
        """What a cursor belongs to."""
        return orjson.dumps(["as_of", tenant.id, self.day, self.known, sorted(self.keys), self.owner, self.segment])


@dataclass(frozen=True, slots=True)
class PastPage:
    """Customers as plain dicts, and cursors for the pages around this one (None: there is none)."""

    rows: list[dict[str, Any]]
    next_cursor: str | None = None
    previous_cursor: str | None = None


def list_past(
    asked: PastQuestion, *, stages: Stages, tenant: TenantRef, cursor: str | None = None, limit: int = ROWS
) -> PastPage:
    """A page of the customers that were here at the end of the day: it costs the same wherever it begins.

    They are called what they were called then, in the order of their names of today. Two statements, and one for an
    owner. Raises InvalidCursor.
    """
    question = asked.question(tenant)
    position = decode_cursor(cursor, question=question) if cursor else None
    is_backward = position is not None and position.backward
    asked = asked.counted(tenant)
    parameters = asked.parameters(tenant) | {"limit": limit}
    if position is not None:
        parameters |= {"key": position.key, "id": position.id}
    with connection.cursor() as at:
        at.execute(
            as_of(asked.known, of=asked.whose, goes_on=position is not None, is_backward=is_backward), parameters
        )
        names = [column.name for column in at.description]
        rows = [dict(zip(names, values, strict=True)) for values in at.fetchall()]
    has_more = len(rows) > limit
    rows = rows[:limit]
    if is_backward:
        rows.reverse()
    has_next = bool(rows) and (is_backward or has_more)
    has_previous = bool(rows) and (has_more if is_backward else position is not None)

    def around(row: dict[str, Any], *, backward: bool) -> str:
        return encode_cursor(Position(row["name_key"], str(row["customer_id"]), backward), question=question)

    page = PastPage(
        rows,
        next_cursor=around(rows[-1], backward=False) if has_next else None,
        previous_cursor=around(rows[0], backward=True) if has_previous else None,
    )
    for row in rows:
        del row["name_key"]
        row["stage"] = stages.name(row["stage"])
        row["days_in_stage"] = (asked.end - row["entered"]).days
    name_as_of(asked.end, rows, tenant=tenant)
    return page


def name_as_of(end: dt.datetime, rows: Collection[dict[str, Any]], *, tenant: TenantRef) -> None:
    """Give customers, by ``customer_id``, the ``name`` that they had at ``end`` for that of today. One statement."""
    former = find_names_then({(row["customer_id"], end) for row in rows}, tenant_id=tenant.id)
    for row in rows:
        row["name"] = former.get((row["customer_id"], end), row["name"])


class StageCount(NamedTuple):
    """How many were in a stage at the end of a day, of those with revenue in a currency, and how much of it."""

    stage: str
    currency: str
    customers: int
    arr: Decimal


def read_stage_counts(asked: PastQuestion, *, tenant: TenantRef) -> list[StageCount]:
    """How many were in each stage at the end of the day: by the sums of all, of a segment or of an owner who has some,
    else by the stays of the chosen customers. The customers of all rows of a stage add up to those in it. One
    statement, and one for an owner.
    """
    asked = asked.counted(tenant)
    with connection.cursor() as cursor:
        cursor.execute(STAGE_COUNTS[asked.whose, asked.known], asked.parameters(tenant))
        return [StageCount(*row) for row in cursor.fetchall()]


def count_by_stage(found: Iterable[StageCount]) -> Counter[str]:
    """Stage -> how many were in it. None is below zero, even where the sums are not what the history says."""
    counts: Counter[str] = Counter()
    for one in found:
        counts[one.stage] += one.customers
    return Counter({stage: max(0, count) for stage, count in counts.items()})


def count_past(asked: PastQuestion, *, tenant: TenantRef) -> int:
    """How many customers ``list_past`` lists in all. One statement."""
    counts = count_by_stage(read_stage_counts(asked, tenant=tenant))
    return sum(count for stage, count in counts.items() if not asked.keys or stage in asked.keys)
