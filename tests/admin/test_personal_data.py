"""Tenant admins find customers in the admin, hand out their personal data, and erase them."""

import json
from typing import Any

import pytest
from django.urls import reverse

from audit.models import AdministrationEntry
from lifecycle.models import Contact, Customer
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.admin.test_walk import browser, choose
from tests.factories import CustomerFactory
from tests.messaging.speaking import Speaker
from tests.services.test_encryption import CANARIES, make_customer_with_canaries

PAGE = "admin:personal_data"
LIST = "admin:lifecycle_customer_changelist"


@pytest.fixture
def customer(tenant: TenantRef) -> Customer:
    return make_customer_with_canaries(tenant)


@pytest.fixture
def admin(users: Any) -> Any:
    return browser(users.tenant_admin)


def post(client: Any, action: str, **fields: str) -> Any:
    data = {"external_id": "canary-1", "reason": "Request 17", action: "x", **fields}
    return client.post(reverse(PAGE), data)


def is_there(tenant: TenantRef) -> bool:
    with tenant_context(tenant.id):
        return [contact.name for contact in Contact.objects.all()] == [CANARIES["name"]]


def test_an_admin_gets_from_the_customer_to_its_data_and_exports_them(
    admin: Any, tenant: TenantRef, users: Any, customer: Customer
) -> None:
    page = admin.get(reverse("admin:lifecycle_customer_change", args=[customer.pk])).content.decode()
    assert f'href="{reverse(PAGE)}?external_id=canary-1"' in page
    assert 'value="canary-1"' in admin.get(reverse(PAGE), {"external_id": "canary-1"}).content.decode()
    answer = post(admin, "export")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="customer.json"'
    assert "no-store" in answer.headers["Cache-Control"]
    assert json.loads(answer.content)["contacts"][0]["email"] == CANARIES["email"]
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(action="export_customer")
    assert (entry.actor, entry.reason, entry.subject) == (str(users.tenant_admin.id), "Request 17", str(customer.id))
    assert is_there(tenant)


def test_an_admin_erases_after_typing_the_id_once_more(
    admin: Any, tenant: TenantRef, users: Any, customer: Customer
) -> None:
    answer = admin.post(
        reverse(PAGE),
        {"external_id": "canary-1", "reason": "Request 17", "erase": "x", "confirmed": " canary-1", "company": "on"},
        follow=True,
    )
    page = answer.content.decode()
    assert "Its data key is destroyed" in page and "1 contact, 0 messages, 0 kept answers" in page
    assert not is_there(tenant)
    with tenant_context(tenant.id):
        assert Customer.objects.get().name == "Erased customer"
        entry = AdministrationEntry.objects.get(action="erase_customer")
    assert (entry.actor, entry.reason) == (str(users.tenant_admin.id), "Request 17")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"confirmed": ""}, "Enter the external id again"),
        ({"confirmed": "canary-2"}, "Enter the external id again"),
        ({"confirmed": "canary-1", "reason": " "}, "Enter a reason"),
        ({"confirmed": "canary-9", "external_id": "canary-9"}, "has no customer"),
        ({"confirmed": "a\u202eb", "external_id": "a\u202eb"}, "contains the control character"),
    ],
)
def test_a_bad_erasure_is_refused_keeps_what_was_typed_and_erases_nothing(
    admin: Any, tenant: TenantRef, customer: Customer, fields: dict[str, str], sentence: str
) -> None:
    answer = post(admin, "erase", **fields)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert sentence in page
    assert ("Request 17" in page) is ("reason" not in fields)
    assert is_there(tenant)
    with tenant_context(tenant.id):
        assert not AdministrationEntry.objects.filter(action="erase_customer").exists()


def test_somebody_whom_only_messages_name_is_erased_too(admin: Any, tenant: TenantRef) -> None:
    speaker = Speaker(tenant)
    speaker.hear(speaker.updated("c9", contacts=[{"name": "Zora", "email": "z@z.example"}]))
    assert len(speaker.parked()) == 1
    post(admin, "erase", external_id="c9", confirmed="c9")
    assert speaker.parked() == []


def test_the_search_of_the_admin_finds_no_one_who_is_erased(admin: Any, tenant: TenantRef, customer: Customer) -> None:
    CustomerFactory(tenant=tenant, name="Other Ltd", external_id="o-1")

    def found(text: str) -> list[str]:
        answer = admin.get(reverse(LIST), {"q": text})
        return [row.external_id for row in answer.context["cl"].result_list]

    texts = ("quetzal", "canary", CANARIES["email"])
    assert [found(text) for text in texts] == [["canary-1"]] * 3
    assert found("ltd") == ["o-1", "canary-1"]
    post(admin, "erase", confirmed="canary-1")
    assert [found(text) for text in (*texts, CANARIES["name"])] == [[]] * 4
    assert found("ltd") == ["o-1"]
    assert found("") == ["o-1", "canary-1"]


def test_a_super_admin_chooses_the_tenant_first(users: Any, tenant: TenantRef, customer: Customer) -> None:
    client = browser(users.super_admin)
    assert client.get(reverse(PAGE))["Location"].startswith("/tenants?next=")
    assert post(client, "erase", confirmed="canary-1").status_code == 302
    assert is_there(tenant)
    assert client.get(reverse(LIST), {"q": "quetzal"}).status_code == 302
    choose(client, tenant)
    assert post(client, "erase", confirmed="canary-1").status_code == 302
    assert not is_there(tenant)
    assert client.get(reverse(LIST), {"q": "quetzal"}).context["cl"].result_list.count() == 0


@pytest.mark.parametrize("role", ["viewer", "account_manager", "service"])
def test_no_one_below_an_admin_gets_to_it(users: Any, tenant: TenantRef, customer: Customer, role: str) -> None:
    client = browser(users.of(role))
    assert client.get(reverse(PAGE)).status_code in (302, 403)
    assert post(client, "erase", confirmed="canary-1").status_code in (302, 403)
    assert is_there(tenant)


def test_another_tenants_customer_is_not_there(admin: Any, tenant: TenantRef, other_tenant: TenantRef) -> None:
    CustomerFactory(tenant=other_tenant, stage="Trial", external_id="theirs")
    for action in ("export", "erase"):
        answer = post(admin, action, external_id="theirs", confirmed="theirs")
        assert "has no customer" in answer.content.decode()
