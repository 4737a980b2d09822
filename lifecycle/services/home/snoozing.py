"""Putting customers aside on one's own first page, with a reason, until a day or until something changes.

Nothing has to end a snooze: whether it holds is found by comparing when the page is shown (``queries.home``).
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from audit.services.keys import ensure_keys, load_keys
from lifecycle.models import Customer, Snooze
from lifecycle.queries.home import look_at_figures
from storage import cipher
from storage.fields import Encrypted
from tenants.actors import Actor, TenantRef
from tenants.rules.values import InvalidValue, read_line
from tenants.sentences import describe_value

LONGEST_REASON: Final = 200
LONGEST_SNOOZE: Final = dt.timedelta(days=366)
# As many as a person puts aside at once.
MOST: Final = 50
_TAKE_TURN: Final = (
    "SELECT pg_advisory_xact_lock(hashtextextended('snooze:' || %(tenant_id)s::text || %(user_id)s::text, 0))"
)


class SnoozeRefused(Exception):
    """Nothing was saved. ``field`` is what is wrong."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True)
class Named:
    """A customer that is put aside, or comes back."""

    customer_id: UUID
    name: str


def snooze_customers(
    ids: Collection[UUID],
    *,
    user_id: UUID,
    reason: str,
    until: dt.date | None,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> list[Named]:
    """Put customers aside on the page of this person; one that was put aside already gets the new reason and time.

    ``until`` None: until its stage or its figures change. A change of the stage ends the others, too. Ids of customers
    that there are not are passed over. Call inside the tenant's context. Raises SnoozeRefused.
    """
    reason = _check(ids, reason, until, now)
    with transaction.atomic():
        # A button that was pressed twice comes twice at once: the second would not see what the first puts there.
        with connection.cursor() as cursor:
            cursor.execute(_TAKE_TURN, {"tenant_id": tenant.id, "user_id": user_id})
        found = look_at_figures(ids, tenant=tenant)
        if not found:
            raise SnoozeRefused("customer", _("None of these customers is there any more. Nothing was saved."))
        keys = ensure_keys(tenant.id, [row["customer_id"] for row in found])
        rows = [_make(row, keys, user_id=user_id, reason=reason, until=until, tenant=tenant, now=now) for row in found]
        # The reason is bound to the id of its row.
        Snooze.objects.filter(tenant_id=tenant.id, user_id=user_id, customer_id__in=keys).delete()
        Snooze.objects.bulk_create(rows)
        for row in rows:
            # Without the reason, which may name people: what is recorded here outlives an erasure.
            record_administration(
                "snooze_customer",
                row.customer_id,
                tenant_id=tenant.id,
                actor=actor,
                detail={"until": None if until is None else until.isoformat()},
                now=now,
            )
    return [Named(row["customer_id"], row["name"]) for row in found]


def wake_customer(
    customer_id: UUID, *, user_id: UUID, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> Named | None:
    """End a snooze before its time; None when there is none. Call inside the tenant's context."""
    with transaction.atomic():
        mine = Snooze.objects.filter(tenant_id=tenant.id, user_id=user_id, customer_id=customer_id)
        if not mine.delete()[0]:
            return None
        record_administration("wake_customer", customer_id, tenant_id=tenant.id, actor=actor, now=now)
    name = Customer.objects.filter(tenant_id=tenant.id, id=customer_id).values_list("name", flat=True).first()
    return Named(customer_id, name or "")


def open_reason(snooze_id: UUID, customer_id: UUID, reason: bytes, key: bytes | None, *, tenant: TenantRef) -> str:
    """The reason in clear, from the bytes of its row; empty when no one can read it any more."""
    row = Snooze(id=snooze_id, tenant_id=tenant.id, customer_id=customer_id, reason=Encrypted(reason))
    return dict(_open([row], {} if key is None else {customer_id: key})).get(snooze_id, "")


def list_snoozes(customer_id: UUID, *, tenant: TenantRef) -> list[dict[str, Any]]:
    """Everything that is kept of who has put the customer aside, the reasons in clear."""
    rows = list(Snooze.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("id"))
    reasons = dict(_open(rows, load_keys(tenant.id, [customer_id]) if rows else {}))
    return [
        {
            "id": row.id,
            "user_id": row.user_id,
            "reason": reasons.get(row.id),
            "until": row.until,
            "seen": row.seen,
            "created_at": row.created_at,
        }
        for row in rows
    ]


def erase_snoozes(tenant_id: UUID, customer_id: UUID) -> int:
    """Forget who has put the customer aside, and why."""
    return Snooze.objects.filter(tenant_id=tenant_id, customer_id=customer_id).delete()[0]


def _open(rows: Any, keys: Mapping[UUID, bytes]) -> Sequence[tuple[UUID, str]]:
    opened = []
    for row in rows:
        key = keys.get(row.customer_id)
        if key is None:
            continue
        row.use_data_key(key)
        try:
            opened.append((row.id, str(row.reason)))
        except cipher.Undecryptable:
            # Written under a key that was destroyed since.
            continue
    return opened


def _check(ids: Collection[UUID], reason: str, until: dt.date | None, now: dt.datetime) -> str:
    if not ids:
        raise SnoozeRefused("customer", _("Choose a customer first. Nothing was saved."))
    if len(ids) > MOST:
        raise SnoozeRefused(
            "customer", _("Snooze at most %(most)s customers at a time. Nothing was saved.") % {"most": MOST}
        )
    try:
        reason = read_line(reason, LONGEST_REASON, required=True)
    except InvalidValue as error:
        if error.code == "blank":
            raise SnoozeRefused("reason", _("Give a reason. Nothing was saved.")) from error
        raise SnoozeRefused(
            "reason", _("The reason %(error)s. Nothing was saved.") % {"error": describe_value(error)}
        ) from error
    today = timezone.localdate(now)
    if until is not None and not today < until <= today + LONGEST_SNOOZE:
        raise SnoozeRefused("until", _("Choose a day from tomorrow to a year ahead, or none. Nothing was saved."))
    return reason


def _make(
    row: Mapping[str, Any],
    keys: Mapping[UUID, bytes],
    *,
    user_id: UUID,
    reason: str,
    until: dt.date | None,
    tenant: TenantRef,
    now: dt.datetime,
) -> Snooze:
    snooze = Snooze(
        tenant_id=tenant.id,
        user_id=user_id,
        customer_id=row["customer_id"],
        reason=reason,
        until=until,
        stage_version=row["stage_version"],
        seen=row["seen"],
        created_at=now,
    )
    snooze.use_data_key(keys[row["customer_id"]])
    return snooze
