"""Tenant admins hand out and erase personal data over the API [SEC-7]."""

import json
from uuid import UUID

import pytest

from audit.models import AdministrationEntry, RefusedAttempt
from lifecycle.models import NO_TENANT, Contact, Customer, DeadLetter
from tenants.context import no_tenant_context, tenant_context
from tests.services.test_encryption import CANARIES, make_customer_with_canaries


@pytest.fixture
def customer(tenant):
    return make_customer_with_canaries(tenant)


@pytest.fixture
def admin(api_client):
    return api_client("tenant_admin")


def address(customer, action):
    return f"/api/v1/customers/{customer.id}/{action}"


def entries(tenant, action):
    with tenant_context(tenant.id):
        return list(AdministrationEntry.objects.filter(action=action).order_by("id"))


def is_there(tenant):
    with tenant_context(tenant.id):
        return [contact.name for contact in Contact.objects.all()] == [CANARIES["name"]]


@pytest.mark.parametrize("body", [None, {}, {"reason": "Request 17"}])
def test_an_admin_exports_with_or_without_a_reason(admin, tenant, users, customer, body):
    answer = admin.post(address(customer, "export"), body)
    assert answer.status_code == 200, answer.content
    assert answer.headers["Cache-Control"] == "no-store"
    exported = answer.json()
    assert exported["contacts"][0]["email"] == CANARIES["email"]
    assert exported["history"][1]["note"] == CANARIES["note"]
    (entry,) = entries(tenant, "export_customer")
    assert (entry.actor, entry.subject) == (str(users.tenant_admin.id), str(customer.id))
    assert entry.reason == (body or {}).get("reason", "")
    assert entry.request_id == UUID(answer.headers["X-Request-ID"])


def test_no_copy_of_an_export_is_kept_for_repetitions(admin, tenant, customer):
    for _ in range(2):
        answer = admin.post(address(customer, "export"), {}, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["stored_answers"]) == (200, [])
    assert len(entries(tenant, "export_customer")) == 2


@pytest.fixture
def no_strays(db):
    """Tests that commit leave dead letters of no tenant, and every erasure looks through those."""
    with no_tenant_context():
        DeadLetter.objects.filter(tenant_id=NO_TENANT).delete()


def test_an_admin_erases_with_a_reason_and_the_record_says_it(admin, tenant, users, customer, no_strays):
    answer = admin.post(address(customer, "erase"), {"reason": " Request 17 ", "company": True})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body.pop("erased_at")
    assert body == {
        "customer_id": str(customer.id),
        "contacts": 1,
        "messages": 0,
        "answers": 0,
        "uploads": 0,
        "key_destroyed": True,
        "company": True,
        "unreadable": 0,
    }
    assert not is_there(tenant)
    with tenant_context(tenant.id):
        assert Customer.objects.get().name == "Erased customer"
    (entry,) = entries(tenant, "erase_customer")
    assert (entry.actor, entry.actor_kind, entry.reason) == (str(users.tenant_admin.id), "user", "Request 17")
    assert entry.request_id == UUID(answer.headers["X-Request-ID"])
    profile = admin.get(f"/api/v1/customers/{customer.id}").json()
    assert (profile["company"]["name"], profile["contacts"]) == ("Erased customer", [])
    assert not any(canary in json.dumps(profile) for canary in CANARIES.values())


def test_a_repeated_erasure_is_answered_as_the_first_time(admin, tenant, customer):
    headers = {"Idempotency-Key": "once"}
    first = admin.post(address(customer, "erase"), {"reason": "Request 17"}, headers=headers)
    again = admin.post(address(customer, "erase"), {"reason": "Request 17"}, headers=headers)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(entries(tenant, "erase_customer")) == 1


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "reason_required", "#/reason"),
        (None, "reason_required", "#/reason"),
        ({"reason": "  "}, "reason_required", "#/reason"),
        ({"reason": "x" * 501}, "invalid_request", "#/reason"),
        ({"reason": 5}, "invalid_request", "#/reason"),
        ({"reason": "r", "company": "yes"}, "invalid_request", "#/company"),
        ({"reason": "r", "customer": "c"}, "invalid_request", "#/customer"),
        ([], "invalid_request", None),
    ],
)
def test_a_bad_erasure_is_refused_and_erases_nothing(admin, tenant, customer, body, code, pointer):
    answer = admin.post(address(customer, "erase"), body)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.content
    assert [error["pointer"] for error in answer.json().get("errors", [])] == ([pointer] if pointer else [])
    assert is_there(tenant)
    assert entries(tenant, "erase_customer") == []


@pytest.mark.parametrize("action", ["export", "erase"])
@pytest.mark.parametrize("role", ["viewer", "account_manager", "service"])
def test_no_one_below_an_admin_does_either(api_client, tenant, customer, action, role):
    answer = api_client(role).post(address(customer, action), {"reason": "Curiosity"})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    verb = "hand out" if action == "export" else "erase"
    assert f"Your role cannot {verb} a customer's personal data" in answer.json()["detail"]
    assert CANARIES["name"] not in answer.content.decode()
    assert is_there(tenant)
    with tenant_context(tenant.id):
        assert RefusedAttempt.objects.get().customer_id == customer.id


@pytest.mark.parametrize("action", ["export", "erase"])
def test_a_super_admin_does_it_for_the_tenant_that_is_named(api_client, tenant, customer, action):
    answer = api_client("super_admin").post(address(customer, action), {"reason": "Request 17"}, HTTP_X_REASON="Asked")
    assert answer.status_code == 200, answer.content


def test_an_erased_customer_is_found_by_no_search_and_stays_in_the_list(admin, tenant, customer):
    def found(**query):
        return [row["external_id"] for row in admin.get("/api/v1/customers", query).json()["results"]]

    texts = ("Quetzal", "canary-1", CANARIES["email"])
    assert [found(search=text) for text in texts] == [["canary-1"]] * 3
    admin.post(address(customer, "erase"), {"reason": "Request 17"})
    assert [found(search=text) for text in (*texts, "Erased", CANARIES["name"])] == [[]] * 5
    assert found() == ["canary-1"]
