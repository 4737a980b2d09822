"""Customers of the first page, and what is shown of them."""

import datetime as dt

from lifecycle.services.customers.recording import CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.web.conftest import markup_of

ACTOR = system_actor("tests")


def today():
    return utc_now().date()


def record(tenant, number, name, stage="Wobbly", *, owner="", days=3, renewal_in=10, contact=None, later=0, **figures):
    """What CRM, Billing and Support report of a customer; figures of later events with ``later`` seconds."""
    at = utc_now() - dt.timedelta(days=days, minutes=5) + dt.timedelta(seconds=later)
    facts = CustomerFacts(
        external_id=f"crm-{number}",
        source="/crm",
        occurred_at=at,
        company={"name": name, "owner": owner},
        contacts=[contact] if contact else None,
        billing={
            "currency": figures.get("currency", "EUR"),
            "arr": figures.get("arr", "48000"),
            "balance_overdue": figures.get("overdue", "0"),
            "renewal_on": (today() + dt.timedelta(days=renewal_in)).isoformat(),
        },
        support={"open_issues": figures.get("issues", 3), "csat": figures.get("csat", "4.5")},
        stage=stage,
        reason_code={"Wobbly": "Champion Left", "Lost": "Price"}.get(stage),
        stage_entered_at=at,
    )
    with tenant_context(tenant.id):
        (recorded,) = record_customers(
            [facts], tenant=tenant, actor=ACTOR, source="Import", now=utc_now(), create=True, backdated=True
        )
    return recorded.customer_id


def named(response):
    """The calls of the page, from top to bottom."""
    return [tag["id"].removeprefix("c-") for tag in markup_of(response).all("a") if tag.get("id", "").startswith("c-")]


def snooze(client, customer_id, *, reason="They are on holiday", until=""):
    return client.post("/snooze", {"customer": [str(customer_id)], "reason": reason, "until": until, "next": "/"})
