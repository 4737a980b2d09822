"""Events that the modules of a tenant might send: samples to try things out, and a gentle stream for the demo."""

import datetime as dt
from collections.abc import Mapping
from random import Random
from typing import Any, Final

from uuid_utils.compat import uuid7

from lifecycle.models import Customer
from lifecycle.rules.event_types import EVENT_TYPES, Subject
from lifecycle.rules.fields import COMPANY
from lifecycle.rules.ownership import find_owner
from tenants.actors import TenantRef
from tenants.services.configuration.policies import live_policy
from tenants.services.directory import PLATFORM

NEW_CUSTOMERS: Final = 0.04

__all__ = ["Subject", "envelope", "pick_event", "sample_data"]


def envelope(
    event_type: str, data: Mapping[str, Any], *, tenant: str, now: dt.datetime, source: str | None = None
) -> dict[str, Any]:
    """A CloudEvent with a fresh id, happening now."""
    return {
        "specversion": "1.0",
        "id": str(uuid7()),
        "source": source or find_owner(EVENT_TYPES[event_type].part or COMPANY),
        "type": event_type,
        "time": now.isoformat(),
        "tenantid": tenant,
        "subject": data["external_id"],
        "datacontenttype": "application/json",
        "data": dict(data),
    }


def sample_data(event_type: str, subject: Subject, *, random: Random, now: dt.datetime) -> dict[str, Any]:
    """Valid data of a type, about a customer."""
    return {"external_id": subject.external_id, **EVENT_TYPES[event_type].sample(subject, random, now)}


def pick_event(tenant: TenantRef, *, random: Random, now: dt.datetime) -> dict[str, Any] | None:
    """A believable event for the tenant; None when it has no customers. A few statements."""
    subject = _pick_subject(tenant, random)
    if subject is None:
        return None
    if random.random() < NEW_CUSTOMERS:
        subject = Subject(f"NEW-{uuid7().hex[-10:]}")
        return envelope(
            "customer.created",
            sample_data("customer.created", subject, random=random, now=now),
            tenant=tenant.slug,
            now=now,
        )
    habits = {name: entry.habits.get(subject.category, 0) for name, entry in EVENT_TYPES.items()}
    event_type = random.choices(list(habits), weights=list(habits.values()))[0]
    data = sample_data(event_type, subject, random=random, now=now)
    return envelope(event_type, data, tenant=tenant.slug, now=now)


def _pick_subject(tenant: TenantRef, random: Random) -> Subject | None:
    customers = Customer.objects.using(PLATFORM).filter(tenant_id=tenant.id, erased_at=None)
    count = customers.count()
    if not count:
        return None
    row = (
        customers.order_by("id")
        .values_list("external_id", "status__stage", "billing__arr", "billing__contract_id")[random.randrange(count) :][
            :1
        ]
        .first()
    )
    if row is None:
        return None
    external_id, stage, arr, contract_id = row
    return Subject(external_id, live_policy(tenant.id).category(stage), float(arr or 12_000), contract_id or "")
