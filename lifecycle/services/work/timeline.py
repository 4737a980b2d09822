"""Everything that happened to a customer in one line of time: stage changes, what its sources reported, notes, tasks,
and what changes started.

A union of what lies in several tables, each read by its own index from where the page before has ended: a page costs
the same however long the line is, and no entry is left out or shown twice, whatever the clocks say. What a stage change
started is shown with the change; asked for by itself, each effect is an entry of its own.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from audit.models import LifecycleHistory
from lifecycle.models import Customer, EffectRun, FigureChange, Note, Task
from lifecycle.services.effects.reasons import explain_reason
from lifecycle.services.effects.recipients import name_recipients_then
from lifecycle.services.effects.shown import read_started
from lifecycle.services.transitions.history import HistoryPage, read_history
from lifecycle.services.work.encryption import Keys, LateKeys
from lifecycle.services.work.notes import describe_notes
from lifecycle.services.work.tasks import describe_tasks
from tenants.actors import TenantRef

STAGE, EVENT, NOTE, TASK, EFFECT = "stage", "event", "note", "task", "effect"
KINDS: Final = (STAGE, EVENT, NOTE, TASK, EFFECT)
# What the whole line is made of: effects come with the changes that started them.
WHOLE: Final = (STAGE, EVENT, NOTE, TASK)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. ``place``: where it is in the table it is from."""

    kind: str
    at: dt.datetime
    place: str
    row: Row


# Kind -> the place of its entry before which a page begins. A kind without one begins with its latest.
Place = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """Entries, the latest first, and where the next page begins (None: that was all)."""

    entries: Sequence[Entry] = ()
    following: Place | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    customer_id: UUID
    tenant: TenantRef
    now: dt.datetime
    limit: int
    sees_texts: bool
    before: Place
    keys: Keys
    live: int | None
    stages: HistoryPage | None


def read_timeline(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    now: dt.datetime,
    kinds: Collection[str] = WHOLE,
    before: Place | None = None,
    limit: int = 15,
    sees_texts: bool = True,
    keys: Keys | None = None,
    live: int | None = None,
    stages: HistoryPage | None = None,
) -> TimelinePage:
    """A page of the line, of some kinds of entries. Empty when there is no such customer.

    Call inside the tenant's context. A number of statements that depends on the kinds alone: eight at most for the
    whole, thirteen with effects. ``sees_texts``: whether the texts of notes and tasks are
    shown. ``keys``: the customer's data key, where it is known. ``live``: as in ``present_names``.
    ``stages``: the page's stage changes and one more, where they have been read already.
    """
    keys = LateKeys(tenant.id, customer_id) if keys is None else keys
    asked = _Question(customer_id, tenant, now, limit + 1, sees_texts, before or {}, keys, live, stages)
    branches = [list(_BRANCHES[kind](asked)) for kind in KINDS if kind in kinds]
    # Each branch keeps its own order; where clocks disagree its next entry waits for those before it.
    merged = merge(*(_falling(branch) for branch in branches), key=lambda pair: pair[0], reverse=True)
    entries = [entry for _at, entry in islice(merged, limit + 1)]
    if len(entries) <= limit:
        return TimelinePage(entries)
    shown = entries[:limit]
    return TimelinePage(shown, {**asked.before, **{entry.kind: entry.place for entry in shown}})


def count_timeline(customer_id: UUID, *, tenant: TenantRef, kinds: Collection[str] = WHOLE) -> int:
    """How many entries of these kinds the line has. A statement for each kind, inside the tenant's context."""
    tables: list[Any] = [LifecycleHistory if kind == STAGE else _TABLES[kind][0] for kind in KINDS if kind in kinds]
    of_customer = {"tenant_id": tenant.id, "customer_id": customer_id}
    return sum(table.objects.filter(**of_customer).count() for table in tables)


def has_timeline(customer_id: UUID, *, tenant: TenantRef) -> bool:
    """Whether there is such a customer, who may have no entry of the kinds that are asked for. One statement."""
    return Customer.objects.for_tenant(tenant.id).filter(id=customer_id).exists()


def find_place(kind: str, entry_id: UUID, *, customer_id: UUID, tenant: TenantRef) -> Place | None:
    """Where the page begins whose first entry is this one; None if the customer has no such entry.

    Two statements.
    """
    of_customer = {"tenant_id": tenant.id, "customer_id": customer_id}
    at: dt.datetime | None
    if kind == STAGE:
        rows = LifecycleHistory.objects.filter(**of_customer, id=entry_id)
        found = rows.values_list("changed_at", "sequence").first()
        if found is None:
            return None
        at, sequence = found
        return {**_place_at(at), STAGE: str(sequence + 1)}
    model, when = _TABLES[kind]
    at = model.objects.filter(**of_customer, id=entry_id).values_list(when, flat=True).first()
    if at is None:
        return None
    history = LifecycleHistory.objects.filter(**of_customer, changed_at__lte=at).order_by("-sequence")
    last = history.values_list("sequence", flat=True).first()
    return {**_place_at(at), STAGE: str((last or 0) + 1), kind: _spell(kind, at, UUID(int=entry_id.int + 1))}


def _place_at(at: dt.datetime) -> dict[str, str]:
    """Behind everything but stage changes that was there at that time: ids begin with the time."""
    behind = UUID(int=(int(at.timestamp() * 1000) + 1) << 80)
    return {kind: _spell(kind, at, behind) for kind in (EVENT, NOTE, TASK, EFFECT)}


def _spell(kind: str, at: dt.datetime, id_: UUID) -> str:
    """The place of an entry: what its branch is sorted by. Reports come late, so theirs begins with the time."""
    return f"{at.astimezone(dt.UTC).isoformat()}~{id_}" if kind == EVENT else str(id_)


def _falling(entries: Sequence[Entry]) -> Iterator[tuple[dt.datetime, Entry]]:
    """The entries with the time that they are sorted by: never later than that of the entry before."""
    latest: dt.datetime | None = None
    for entry in entries:
        latest = entry.at if latest is None else min(latest, entry.at)
        yield latest, entry


def _read_stages(asked: _Question) -> Iterator[Entry]:
    page = asked.stages or read_history(
        asked.customer_id,
        tenant=asked.tenant,
        before=_number(asked.before.get(STAGE)),
        limit=asked.limit,
        keys=asked.keys,
        live=asked.live,
        is_known=True,
    )
    rows = page.rows if page else []
    started = read_started([row["id"] for row in rows], tenant=asked.tenant)
    for row in rows:
        shown = row | {"started": started.get(row["id"], ())}
        yield Entry(STAGE, row["changed_at"], str(row["sequence"]), shown)


def _read_events(asked: _Question) -> Iterator[Entry]:
    rows = FigureChange.objects.filter(tenant_id=asked.tenant.id, customer_id=asked.customer_id)
    at, before = _timestamp(asked.before.get(EVENT))
    if at is not None and before is not None:
        # The first part is the one that the index answers.
        rows = rows.filter(effective_at__lte=at).filter(Q(effective_at__lt=at) | Q(id__lt=before))
    for change in rows.order_by("-effective_at", "-id")[: asked.limit]:
        row = {
            "id": change.id,
            "source": change.source,
            "figures": change.figures,
            "recorded_at": change.recorded_at,
        }
        yield Entry(EVENT, change.effective_at, _spell(EVENT, change.effective_at, change.id), row)


def _read_notes(asked: _Question) -> Iterator[Entry]:
    rows = _latest(Note, NOTE, asked)
    for row in describe_notes(rows, tenant=asked.tenant, sees_texts=asked.sees_texts, keys=asked.keys):
        yield Entry(NOTE, row["created_at"], str(row["id"]), row)


def _read_tasks(asked: _Question) -> Iterator[Entry]:
    rows = _latest(Task, TASK, asked)
    today = timezone.localdate(asked.now)
    for row in describe_tasks(rows, tenant=asked.tenant, today=today, sees_texts=asked.sees_texts, keys=asked.keys):
        yield Entry(TASK, row["created_at"], str(row["id"]), row)


def _read_effects(asked: _Question) -> Iterator[Entry]:
    runs = _latest(EffectRun, EFFECT, asked)
    names = name_recipients_then({(run.recipient, run.created_at) for run in runs}, tenant_id=asked.tenant.id)
    for run in runs:
        row = {
            "id": run.id,
            "history_id": run.history_id,
            "effect": run.effect,
            "kind": run.kind,
            "recipient": names[run.recipient, run.created_at],
            "state": run.state,
            "why": explain_reason(run.reason),
            "due_at": run.due_at,
            "finished_at": run.finished_at,
        }
        yield Entry(EFFECT, run.created_at, str(run.id), row)


def _latest(model: Any, kind: str, asked: _Question) -> list[Any]:
    """The customer's rows before the place of their kind, the latest first, by the index for it. One statement."""
    rows = model.objects.filter(tenant_id=asked.tenant.id, customer_id=asked.customer_id)
    before = _uuid(asked.before.get(kind))
    if before is not None:
        rows = rows.filter(id__lt=before)
    return list(rows.order_by("-id")[: asked.limit])


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _timestamp(text: str | None) -> tuple[dt.datetime | None, UUID | None]:
    timestamp, _, id_ = (text or "").partition("~")
    try:
        at = dt.datetime.fromisoformat(timestamp)
    except ValueError:
        return None, None
    return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)), _uuid(id_)


# Kind -> its table, and the column that says when.
_TABLES: Final[Mapping[str, tuple[Any, str]]] = {
    EVENT: (FigureChange, "effective_at"),
    NOTE: (Note, "created_at"),
    TASK: (Task, "created_at"),
    EFFECT: (EffectRun, "created_at"),
}
_BRANCHES: Final[Mapping[str, Callable[[_Question], Iterator[Entry]]]] = {
    STAGE: _read_stages,
    EVENT: _read_events,
    NOTE: _read_notes,
    TASK: _read_tasks,
    EFFECT: _read_effects,
}
