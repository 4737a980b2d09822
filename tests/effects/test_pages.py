"""What a change started, its undo, and a person's notifications, on the pages and in the admin."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from lifecycle.models import Customer, CustomerLifecycleStatus, EffectRun, Notification
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.conftest import People
from tests.factories import CustomerFactory, TenantFactory, utc_now

DOCUMENT = {
    "stages": ["Prospect", "At-Risk", "Churned"],
    "categories": {"At-Risk": "risk", "Churned": "lost"},
    "effects": [
        {"name": "Escalate", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["owner"]},
        {"name": "Write", "on": "enter", "stages": ["At-Risk"], "kind": "email", "to": ["boss@acme.example"]},
    ],
}
Pages = Callable[..., Client]


@pytest.fixture
def tenant(db: None) -> TenantRef:
    return TenantFactory(configuration=DOCUMENT)


@pytest.fixture
def customer(tenant: TenantRef, users: People) -> Customer:
    return CustomerFactory(tenant=tenant, name="Vale & Sons", owner=users.viewer.username)


def move(client: Client, customer: Customer) -> None:
    with tenant_context(customer.tenant_id):
        version = CustomerLifecycleStatus.objects.get(customer_id=customer.id).version
    form = {"stage": "At-Risk", "version": version, "configuration_version": 1, "effects:At-Risk": 2}
    answer = client.post(f"/customers/{customer.id}/move", form)
    assert answer.status_code == 302, answer.content


def test_the_history_says_what_a_change_started_and_its_author_undoes_it(
    page_client: Pages, customer: Customer, tenant: TenantRef
) -> None:
    client = page_client("account_manager")
    move(client, customer)
    page = client.get(f"/customers/{customer.id}").content.decode()
    assert "Escalate (alert): due" in page
    assert "Write (email): held · Held for ten minutes, so that it can be taken back." in page
    with tenant_context(tenant.id):
        request_id = EffectRun.objects.filter(tenant_id=tenant.id)[0].request_id
    address = f"/customers/{customer.id}/undo/{request_id}"
    assert address in page
    page = client.post(address, follow=True).content.decode()
    assert "Undone: 1 customer moved back. 2 automations cancelled." in page
    assert "Write (email): cancelled · The change was undone." in page
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage == "Prospect"


def test_who_may_not_undo(page_client: Pages, customer: Customer, tenant: TenantRef) -> None:
    move(page_client("tenant_admin"), customer)
    with tenant_context(tenant.id):
        request_id = EffectRun.objects.filter(tenant_id=tenant.id)[0].request_id
    address = f"/customers/{customer.id}/undo/{request_id}"
    assert address not in page_client("account_manager").get(f"/customers/{customer.id}").content.decode()
    refused = page_client("account_manager").post(address, follow=True).content.decode()
    assert "Only they, or an admin, can undo it. Nothing was changed." in refused
    assert page_client("viewer").post(address).status_code == 403
    assert page_client("tenant_admin").get(address).status_code == 405
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage == "At-Risk"


def test_a_person_reads_and_acknowledges_their_own_notifications(
    page_client: Pages, customer: Customer, tenant: TenantRef, users: People
) -> None:
    with tenant_context(tenant.id):
        note = Notification.objects.create(
            tenant_id=tenant.id,
            user_id=users.viewer.id,
            effect_id=uuid4(),
            customer_id=customer.id,
            effect="Escalate",
            from_stage="Prospect",
            to_stage="At-Risk",
            created_at=utc_now(),
        )
    client = page_client("viewer")
    assert '<span class="count">1' in client.get("/notifications/bell").content.decode()
    page = client.get("/notifications").content.decode()
    assert "Vale &amp; Sons" in page and "Prospect → At-Risk" in page
    client.post(f"/notifications/{note.id}/acknowledge")
    assert "Acknowledged" in client.get("/notifications").content.decode()
    client.post("/notifications/read")
    assert '<span class="count">' not in client.get("/notifications/bell").content.decode()
    assert "No notifications yet." in page_client("account_manager").get("/notifications").content.decode()
    page_client("account_manager").post(f"/notifications/{note.id}/acknowledge")


def test_an_admin_sees_replays_and_cancels_effects(page_client: Pages, customer: Customer, tenant: TenantRef) -> None:
    client = page_client("tenant_admin")
    move(client, customer)
    page = client.get("/admin/lifecycle/effectrun/").content.decode()
    assert "b***@acme.example" in page and "boss@acme.example" not in page
    with tenant_context(tenant.id):
        run = EffectRun.objects.get(tenant_id=tenant.id, kind="email")
    chosen: dict[str, Any] = {"_selected_action": [str(run.id)]}
    page = client.post("/admin/lifecycle/effectrun/", {"action": "cancel", **chosen}, follow=True).content.decode()
    assert "1 cancelled." in page
    page = client.post("/admin/lifecycle/effectrun/", {"action": "replay", **chosen}, follow=True).content.decode()
    assert "1 replayed." in page
    assert client.get(f"/admin/lifecycle/effectrun/{run.id}/change/").status_code == 200
    with tenant_context(tenant.id):
        assert EffectRun.objects.get(id=run.id).state == "due"
    assert page_client("account_manager").get("/admin/lifecycle/effectrun/").status_code == 302


def test_an_admin_makes_an_endpoint_and_sees_its_secret_once(page_client: Pages, tenant: TenantRef) -> None:
    client = page_client("tenant_admin")
    address = "/admin/lifecycle/webhookendpoint/"
    refused = client.post(f"{address}add/", {"name": "crm", "url": "http://127.0.0.1/"})
    assert refused.status_code == 200 and b"errorlist" in refused.content
    made = client.post(f"{address}add/", {"name": "crm", "url": "https://crm.example/hook"}, follow=True)
    assert b"whsec_" in made.content
    assert b"whsec_" not in client.get(address).content
