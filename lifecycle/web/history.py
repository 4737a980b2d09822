"""The history of one customer, as its page shows it: newest first, a page at a time."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from audit import cipher
from audit.models import LifecycleHistory
from audit.services.keys import KeyDestroyed, load_key
from lifecycle.web.people import name_people
from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.services.configurations import present_name, present_names

PAGE = 15
ERASED = "The note was erased with the customer's personal data."


@dataclass(frozen=True, slots=True)
class Step:
    """One transition. ``current_name`` is what the stage it led to is called today."""

    sequence: int
    from_stage: str | None
    to_stage: str
    current_name: str
    changed_at: dt.datetime
    effective_at: dt.datetime
    who: str
    on_behalf_of: str
    source: str
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some steps, and the ``before`` of the page after them (None: these were the first ever)."""

    steps: Sequence[Step]
    before: int | None


def read_history(
    customer_id: UUID, *, tenant: TenantRef, viewer: Identity, before: int | None = None, after: int | None = None
) -> HistoryPage:
    """A page of steps with a sequence below ``before`` and above ``after``. At most four statements."""
    rows = LifecycleHistory.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("-sequence")
    if before is not None:
        rows = rows.filter(sequence__lt=before)
    if after is not None:
        rows = rows.filter(sequence__gt=after)
    found = list(rows[: PAGE + 1])
    shown = found[:PAGE]
    ids = {row.changed_by for row in shown} | {row.on_behalf_of for row in shown if row.on_behalf_of}
    names = name_people(ids, tenant=tenant, viewer=viewer)
    renames = present_names(tenant) if shown else {}
    notes = _read_notes(shown, tenant)
    steps = [
        Step(
            sequence=row.sequence,
            from_stage=row.from_stage,
            to_stage=row.to_stage,
            current_name=present_name(row.to_stage, row.configuration_version, renames),
            changed_at=row.changed_at,
            effective_at=row.effective_at,
            who=names[row.changed_by],
            on_behalf_of=names.get(row.on_behalf_of, ""),
            source=row.source,
            reason=row.reason_code,
            note=notes.get(row.id, ""),
        )
        for row in shown
    ]
    return HistoryPage(steps, shown[-1].sequence if len(found) > PAGE else None)


def _read_notes(rows: Sequence[LifecycleHistory], tenant: TenantRef) -> Mapping[UUID, str]:
    with_notes = [row for row in rows if row.note is not None]
    if not with_notes:
        return {}
    try:
        key = load_key(tenant.id, with_notes[0].customer_id)
    except KeyDestroyed:
        return {row.id: ERASED for row in with_notes}
    return {
        row.id: cipher.decrypt(
            key,
            bytes(row.note or b""),
            bound_to=cipher.binding("customer_lifecycle_history", "note", row.id, tenant.id),
        )
        for row in with_notes
    }
