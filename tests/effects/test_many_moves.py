"""Thousands of moves under a cap, at a size that the suite can bear; ``make chaos-effects`` does it with 5,000."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.test import Client
from rest_framework.test import APIClient

from lifecycle.delivery.senders import deliver
from lifecycle.models import Customer, EffectRun
from lifecycle.rules.transitions import Change
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.queue import finish
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.conftest import make_people
from tests.factories import TenantFactory, utc_now
from tests.mailing import Mailbox, mailbox

__all__ = ["mailbox"]

MOVES, CAP, A_ROUND = 300, 30, 8
WRITE = {
    "name": "Write",
    "kind": "email",
    "to": ["owner"],
    "subject": "{{ customer.external_id }}",
    "cap_per_hour": CAP,
    "on": "enter",
    "stages": ["At-Risk"],
}
DOCUMENT = {
    "stages": ["Prospect", "At-Risk", "Churned"],
    "effects": [WRITE, {**WRITE, "name": "Part", "stages": ["Churned"]}],
}
ACTOR = system_actor("test")


def record_many(tenant: TenantRef, owner: str) -> dict[str, UUID]:
    """Customers by their external id."""
    now = utc_now()
    facts = [
        CustomerFacts(
            external_id=f"C-{number}", source="/crm", occurred_at=now, company={"name": f"Co {number}", "owner": owner}
        )
        for number in range(MOVES)
    ]
    with tenant_context(tenant.id):
        record_customers(facts, tenant=tenant, actor=ACTOR, source="Import", now=now, create=True)
        return dict(Customer.objects.filter(tenant_id=tenant.id).values_list("external_id", "id"))


def move(tenant: TenantRef, customers: Iterable[UUID], stage: str) -> None:
    with tenant_context(tenant.id):
        apply(Call(tenant, ACTOR, "API", utc_now(), starts_effects=True), [Change(id_, stage) for id_ in customers])


def test_a_bulk_change_sends_as_many_as_the_cap_and_the_rest_is_held_and_listed_while_a_person_s_own_is_not_delayed(
    db: None, mailbox: Mailbox, api_client: Callable[..., APIClient], page_client: Callable[..., Client]
) -> None:
    tenant = TenantFactory(configuration=DOCUMENT)
    people = make_people(tenant)
    customers = record_many(tenant, people.viewer.username)
    now = utc_now()

    def work() -> list[str]:
        """One round of a worker; what was sent, by the customer's id."""
        lanes = [lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id]
        jobs = [job for lane in lanes for job in claim(tenant, {lane.id: A_ROUND}, now=now)]
        before = len(mailbox.messages)
        finish([(job, deliver(job)) for job in jobs])
        return [str(message["Subject"]) for message in mailbox.messages[before:]]

    own = customers.pop("C-7")
    move(tenant, customers.values(), "At-Risk")
    assert len(work()) == A_ROUND
    manager = api_client(people.account_manager, tenant=tenant)
    path = f"/api/v1/customers/{own}/lifecycle"
    assert manager.patch(path, {"stage": "At-Risk"}, format="json").status_code == 200
    assert "C-7" in work(), "their own change is in the next round, before hundreds that came first"
    while work():
        pass

    with tenant_context(tenant.id):
        rows = Counter(EffectRun.objects.filter(tenant_id=tenant.id).values_list("state", "reason"))
    assert rows == {("done", ""): CAP, ("held", "cap"): MOVES - CAP}
    assert len(mailbox.messages) == CAP == len({message["Message-ID"] for message in mailbox.messages})

    # What the cap of one effect holds does not hold another, in the same lane.
    move(tenant, [customers["C-5"]], "Churned")
    assert work() == ["C-5"]

    listed: list[dict[str, Any]] = []
    url: str | None = "/api/v1/effects?state=held&effect=Write&limit=100"
    while url:
        page = manager.get(url).json()
        listed += page["results"]
        url = page["next"]
    assert len({row["id"] for row in listed}) == MOVES - CAP
    why = "Held until the next hour: this automation has sent as many as it may in this one."
    assert {(row["reason"], row["state"]) for row in listed} == {("cap", "held")}
    shown = page_client(people.tenant_admin).get("/admin/lifecycle/effectrun/?state=held").content.decode()
    assert f"{MOVES - CAP} " in shown and why in shown
