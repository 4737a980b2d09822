"""What happened to a customer, newest first, as it is shown to people and programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models.functions import JSONObject

from audit.models import LifecycleHistory
from audit.services.keys import load_keys
from lifecycle.models import Customer
from storage import cipher
from tenants.actors import TenantRef
from tenants.services.configuration.versions import present_name, present_names

MOST = 200


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Rows as plain dicts, newest first, and the ``before`` of the next page (None: that was all).

    ``visited``, where it was asked for: the stages that the customer has ever been in, as they are called today.
    """

    rows: list[dict[str, Any]]
    next_before: int | None
    visited: frozenset[str] = frozenset()


def read_history(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    before: int | None = None,
    limit: int = 50,
    keys: Mapping[UUID, bytes] | None = None,
    live: int | None = None,
    is_known: bool = False,
    with_visited: bool = False,
) -> HistoryPage | None:
    """The rows with a lower sequence than ``before``; None if there is no such customer.

    The note is in clear; when its key was destroyed it is None and ``note_erased`` is true. Stages have the names of
    their day; ``from_stage_now`` and ``to_stage_now`` are what they are called today. Call inside the tenant's
    context. Four statements at most, whatever the number of rows. ``keys``: the customer's data key, where it is known.
    ``live``: as in ``present_names``. ``is_known``: that there is such a customer is known, or does not matter.
    """
    rows = whole = LifecycleHistory.objects.filter(tenant_id=tenant.id, customer_id=customer_id)
    if with_visited:
        entered = whole.values(entered=JSONObject(stage="to_stage", version="configuration_version")).distinct()
        rows = rows.annotate(entered=ArraySubquery(entered))
    if before is not None:
        rows = rows.filter(sequence__lt=before)
    found = list(rows.order_by("-sequence")[: limit + 1])
    if not found and not is_known and not Customer.objects.for_tenant(tenant.id).filter(id=customer_id).exists():
        return None
    shown = found[:limit]
    notes = open_notes(shown, tenant, keys)
    renames = present_names(tenant, live=live)
    return HistoryPage(
        [describe_row(row, notes, renames) for row in shown],
        shown[-1].sequence if len(found) > limit else None,
        frozenset(present_name(one["stage"], one["version"], renames) for row in shown[:1] for one in _entered(row)),
    )


def _entered(row: LifecycleHistory) -> Sequence[Mapping[str, Any]]:
    return getattr(row, "entered", ())


def count_history(customer_id: UUID, *, tenant: TenantRef) -> int:
    """How many rows the customer's history has. One statement; inside the tenant's context."""
    return LifecycleHistory.objects.filter(tenant_id=tenant.id, customer_id=customer_id).count()


def open_notes(
    rows: Sequence[LifecycleHistory], tenant: TenantRef, keys: Mapping[UUID, bytes] | None = None
) -> dict[UUID, str | None]:
    """The notes in clear by row, None for those that no one can read any more."""
    encrypted = [row for row in rows if row.note is not None]
    if not encrypted:
        return {}
    if keys is None:
        keys = load_keys(tenant.id, {row.customer_id for row in encrypted})
    return {row.id: _open(row, keys.get(row.customer_id)) for row in encrypted}


def _open(row: LifecycleHistory, key: bytes | None) -> str | None:
    if key is None or row.note is None:
        return None
    bound_to = cipher.binding("customer_lifecycle_history", "note", row.id, row.tenant_id)
    try:
        return cipher.decrypt(key, bytes(row.note), bound_to=bound_to)
    except cipher.Undecryptable:
        # Written under a key that was destroyed; the customer got a new one when it was written about again.
        return None


def describe_row(
    row: LifecycleHistory, notes: dict[UUID, str | None], renames: dict[int, dict[str, str]]
) -> dict[str, Any]:
    """A row as it is shown, its note from ``notes``."""

    def now(stage: str | None) -> str | None:
        return None if stage is None else present_name(stage, row.configuration_version, renames)

    return {
        "id": row.id,
        "customer_id": row.customer_id,
        "sequence": row.sequence,
        "from_stage": row.from_stage,
        "to_stage": row.to_stage,
        "from_stage_now": now(row.from_stage),
        "to_stage_now": now(row.to_stage),
        "changed_at": row.changed_at,
        "effective_at": row.effective_at,
        "recorded_at": row.recorded_at,
        "changed_by": row.changed_by,
        "on_behalf_of": row.on_behalf_of or None,
        "actor_kind": row.actor_kind,
        "reason_code": row.reason_code,
        "source": row.source,
        "request_id": row.request_id,
        "event_id": row.event_id or None,
        "configuration_version": row.configuration_version,
        "note": notes.get(row.id),
        "note_erased": row.note is not None and notes.get(row.id) is None,
        "previous_hash": bytes(row.previous_hash).hex() or None,
        "hash": bytes(row.hash).hex(),
    }
