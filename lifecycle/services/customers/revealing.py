"""Showing how to reach the people at a customer to those who ask for it, and recording that they did.

Nothing shows an e-mail address or a phone number of theirs in clear without one of these two: ``reveal_contacts``, of
which each call is recorded, and ``note_reading`` for what is read again and again.
"""

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction

from audit.services.administration import list_recorded, record_administration, record_many
from audit.services.keys import load_keys
from lifecycle.models import Contact, Customer
from lifecycle.services.customers.parts import Json
from lifecycle.services.customers.profiles import open_contact
from storage.database.routing import on_primary
from storage.failures import refuses_writes
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context

REVEAL: Final = "reveal_contacts"
# Readings of an hour that a process keeps in mind; beyond them the log is asked.
MOST_KEPT: Final = 200_000

log = structlog.get_logger(__name__)

_noted: set[int] = set()
_noted_hour: dt.datetime | None = None
_noting = threading.Lock()


def reveal_contacts(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    contact_id: UUID | None = None,
    reason: str = "",
    place: str = "",
    request_id: UUID | None = None,
) -> Sequence[Json] | None:
    """The contacts in clear, in the order of the profile; None if there is no such customer.

    ``contact_id``: this one alone; none where the customer has no such contact, or has no longer. Who was shown whom,
    by id, is in the administration log with the ``reason`` and ``place``, in the same transaction: what is not recorded
    is not shown. Of an erased customer nothing can be shown, and nothing is recorded. Three statements, and one more.
    """
    with tenant_context(tenant.id), transaction.atomic():
        rows = list(Contact.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("position", "id"))
        chosen = rows if contact_id is None else [row for row in rows if row.id == contact_id]
        if not rows and not Customer.objects.filter(tenant_id=tenant.id, id=customer_id).exists():
            return None
        key = load_keys(tenant.id, [customer_id]).get(customer_id) if chosen else None
        opened = [open_contact(contact, key) for contact in chosen]
        shown = [contact for contact, one in zip(chosen, opened, strict=True) if one["email"] or one["phone"]]
        if shown:
            record_administration(
                REVEAL,
                customer_id,
                tenant_id=tenant.id,
                actor=actor,
                reason=reason,
                detail={"contacts": [str(contact.id) for contact in shown], **({"place": place} if place else {})},
                request_id=request_id,
                now=now,
            )
    return opened


def note_reading(
    contacts: Mapping[UUID, Sequence[Json]],
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    place: str,
    request_id: UUID | None = None,
) -> bool:
    """See to it that the administration log says who read which customers' contacts in clear: once an hour by the
    clock, for each reader, customer and place, whichever process answers; and again when other contacts are shown.

    ``contacts``: those that are shown, by customer; without an address or a number there is nothing to note. On the
    primary, before they are shown: what is not recorded is not shown. Two statements, none for what this process has
    seen in the log. Two processes at the same moment may both record it.

    An entry names one customer, so that the log finds by a customer who has seen its contacts. What others have noted
    is asked of the log itself: what decides that an entry is not written must be as safe as the log.

    False: nothing can be written for the moment, so they are to be masked.
    """
    hour = now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    shown = {
        customer_id: sorted(one["id"] for one in people if one["email"] or one["phone"])
        for customer_id, people in contacts.items()
    }
    keys = {id_: hash((tenant.id, actor.name, id_, place, *ids)) for id_, ids in shown.items() if ids}
    with _noting:
        _begin_hour(hour)
        new = [id_ for id_, key in keys.items() if key not in _noted]
    if not new:
        return True
    try:
        with on_primary(), tenant_context(tenant.id), transaction.atomic():
            entries = [(str(id_), {"contacts": shown[id_], "place": place}) for id_ in new]
            since = hour.replace(tzinfo=dt.UTC)
            noted = list_recorded(REVEAL, [str(id_) for id_ in new], since, tenant_id=tenant.id, actor=actor.name)
            record_many(
                REVEAL,
                [entry for entry in entries if entry not in noted],
                tenant_id=tenant.id,
                actor=actor,
                request_id=request_id,
                now=now,
            )
            # What is rolled back was not recorded.
            transaction.on_commit(partial(_keep_in_mind, [keys[id_] for id_ in new], hour), robust=True)
    except DatabaseError as error:
        if not refuses_writes(error):
            raise
        log.warning("contacts are masked: their reading cannot be recorded", error=type(error).__name__)
        return False
    return True


def _keep_in_mind(keys: Sequence[int], hour: dt.datetime) -> None:
    with _noting:
        _begin_hour(hour)
        _noted.update(keys)


def _begin_hour(hour: dt.datetime) -> None:
    """Forget those of another hour, and all of them when they are too many."""
    global _noted_hour
    if hour != _noted_hour or len(_noted) >= MOST_KEPT:
        _noted.clear()
        _noted_hour = hour
