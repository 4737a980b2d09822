"""Showing how to reach the people at a customer to those who ask for it, and recording that they did."""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import transaction

from audit.services.administration import record_administration
from audit.services.keys import load_keys
from lifecycle.models import Contact, Customer
from lifecycle.services.customers.parts import Json
from lifecycle.services.customers.profiles import open_contact
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context

REVEAL: Final = "reveal_contacts"


def reveal_contacts(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    number: int | None = None,
    reason: str = "",
    place: str = "",
    request_id: UUID | None = None,
) -> Sequence[Json] | None:
    """The contacts in clear, in the order of the profile; None if there is no such customer.

    ``number``: the one at this place of the order alone, from 0; none where no one stands there. Who was shown whom, by
    id, is in the administration log with the ``reason`` and ``place``, in the same transaction: what is not recorded is
    not shown. Of an erased customer nothing can be shown, and nothing is recorded. Three statements, and one more.
    """
    with tenant_context(tenant.id), transaction.atomic():
        rows = list(Contact.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("position", "id"))
        chosen = rows if number is None else rows[number : number + 1]
        if not rows and not Customer.objects.filter(tenant_id=tenant.id, id=customer_id).exists():
            return None
        key = load_keys(tenant.id, [customer_id]).get(customer_id) if chosen else None
        opened = [open_contact(contact, key) for contact in chosen]
        shown = [contact for contact, one in zip(chosen, opened, strict=True) if one["email"] or one["phone"]]
        if shown:
            record_administration(
                tenant_id=tenant.id,
                actor=actor.name,
                actor_kind=actor.kind,
                action=REVEAL,
                subject=str(customer_id),
                reason=reason,
                detail={"contacts": [str(contact.id) for contact in shown], **({"place": place} if place else {})},
                now=now,
                request_id=request_id,
            )
    return opened
