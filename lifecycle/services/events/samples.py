"""Events that the modules of a tenant might send: samples to try things out, and a gentle stream for the demo."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from uuid_utils.compat import uuid7

from lifecycle.models import Customer
from lifecycle.rules.sample_names import name_company, name_person
from tenants.actors import TenantRef
from tenants.services.configuration.policies import live_policy
from tenants.services.directory import PLATFORM

SOURCES: Final[Mapping[str, str]] = {
    "customer.created": "/crm",
    "customer.updated": "/crm",
    "contract.renewed": "/billing",
    "support.issue.closed": "/support",
}
SEVERITIES: Final = ("low", "normal", "high", "urgent")
SEGMENTS: Final = ("SMB", "Mid-Market", "Enterprise")
# Companies of the stream are named from here on, so that they are new to the demo.
FIRST_COMPANY: Final = 200_000
# Category of a customer's stage -> what its modules tend to send, weighed.
HABITS: Final[Mapping[str, Mapping[str, int]]] = {
    "acquisition": {"customer.updated": 1},
    "onboarding": {"customer.updated": 2, "support.issue.closed": 1},
    "engaged": {"support.issue.closed": 6, "customer.updated": 2, "contract.renewed": 1},
    "risk": {"support.issue.closed": 3, "contract.renewed": 1},
    "renewal": {"contract.renewed": 3, "support.issue.closed": 1},
    "lost": {"customer.updated": 1},
}
NEW_CUSTOMERS: Final = 0.04


@dataclass(frozen=True, slots=True)
class Subject:
    """The customer that an event will be about. ``category`` is the meaning of its stage."""

    external_id: str
    category: str = "engaged"
    arr: float = 12_000.0


def envelope(
    event_type: str, data: Mapping[str, Any], *, tenant: str, now: dt.datetime, source: str | None = None
) -> dict[str, Any]:
    """A CloudEvent with a fresh id, happening now."""
    return {
        "specversion": "1.0",
        "id": str(uuid7()),
        "source": source or SOURCES[event_type],
        "type": event_type,
        "time": now.isoformat(),
        "tenantid": tenant,
        "subject": data["external_id"],
        "datacontenttype": "application/json",
        "data": dict(data),
    }


def sample_data(event_type: str, subject: Subject, *, random: Random, now: dt.datetime) -> dict[str, Any]:
    """Valid data of a type, about a customer."""
    return {"external_id": subject.external_id, **_SAMPLES[event_type](subject, random, now)}


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
    habits = HABITS[subject.category]
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
        .values_list("external_id", "status__stage", "billing__arr")[random.randrange(count) :][:1]
        .first()
    )
    if row is None:
        return None
    external_id, stage, arr = row
    return Subject(external_id, live_policy(tenant.id).category(stage), float(arr or 12_000))


def _created(_: Subject, random: Random, __: dt.datetime) -> dict[str, Any]:
    company = name_company(FIRST_COMPANY + random.randrange(50_000))
    person = name_person(random, company.domain, company.country or "US")
    return {
        "name": company.name,
        "industry": company.industry,
        "segment": random.choice(SEGMENTS),
        "contacts": [{"name": person.name, "email": person.email, "phone": person.phone, "role": person.role}],
    }


def _updated(_: Subject, random: Random, __: dt.datetime) -> dict[str, Any]:
    return {"segment": random.choice(SEGMENTS)}


def _renewed(subject: Subject, random: Random, now: dt.datetime) -> dict[str, Any]:
    starts_on = now.date() + dt.timedelta(days=random.randrange(1, 30))
    return {
        "contract_id": f"K-{now:%Y}-{random.randrange(100_000):05}",
        "signed_at": now.isoformat(),
        "starts_on": starts_on.isoformat(),
        "ends_on": (starts_on + dt.timedelta(days=364)).isoformat(),
        "arr": round(subject.arr * random.uniform(1.0, 1.12), 2),
    }


def _closed(_: Subject, random: Random, now: dt.datetime) -> dict[str, Any]:
    opened_at = now - dt.timedelta(minutes=random.randrange(30, 5000))
    return {
        "issue_id": f"S-{random.randrange(1_000_000):06}",
        "severity": random.choice(SEVERITIES),
        "opened_at": opened_at.isoformat(),
        "closed_at": now.isoformat(),
        "csat": random.choice((2.5, 3.0, 3.5, 4.0, 4.5, 4.5, 5.0)),
        "open_issues": random.choice((0, 0, 0, 1, 1, 2, 3)),
    }


_SAMPLES: Final[Mapping[str, Callable[[Subject, Random, dt.datetime], dict[str, Any]]]] = {
    "customer.created": _created,
    "customer.updated": _updated,
    "contract.renewed": _renewed,
    "support.issue.closed": _closed,
}
