"""Repeating a request under an Idempotency-Key: one effect, one answer."""

import datetime as dt

import pytest
from django.utils import timezone

from audit.models import LifecycleHistory
from lifecycle.models import IdempotentRequest
from lifecycle.services.transitions.idempotency import LIFETIME
from tenants.actors import USER, Actor
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS, Role
from tenants.services.accounts.people import set_role
from tests.api.traces import nothing_changes, take_snapshot
from tests.factories import CustomerFactory, UserFactory
from tests.services.threads import run_together

BATCH = "/api/v1/lifecycle/transitions"


def address(customer):
    return f"/api/v1/customers/{customer.id}/lifecycle"


def patch(client, customer, body, key="key-1", **headers):
    return client.patch(address(customer), body, headers={"Idempotency-Key": key, **headers})


def kept(tenant):
    with tenant_context(tenant.id):
        return list(IdempotentRequest.objects.order_by("id"))


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")


def test_a_repeated_change_is_answered_as_the_first_time_and_made_once(manager, tenant, customer):
    first = patch(manager, customer, {"stage": "Active"})
    manager.patch(address(customer), {"stage": "Onboarded"})
    with nothing_changes(tenant):
        again = patch(manager, customer, {"stage": "Active"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert (first.headers["ETag"], again.headers["ETag"]) == ('"2"', '"2"')
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "RateLimit" not in again.headers


def test_the_same_request_written_differently_is_the_same_request(manager, tenant, customer):
    patch(manager, customer, {"stage": "Active", "note": "n"})
    with nothing_changes(tenant):
        again = manager.patch(
            address(customer),
            '{ "note" : "n",\n "stage":"Active"}',
            content_type="application/json",
            headers={"Idempotency-Key": "key-1"},
        )
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("different", ["body", "if-match", "customer", "batch"])
def test_a_key_that_was_used_for_something_else_is_refused(manager, tenant, customer, different):
    patch(manager, customer, {"stage": "Active"})
    other = CustomerFactory(tenant=tenant)
    with nothing_changes(tenant):
        if different == "body":
            answer = patch(manager, customer, {"stage": "Onboarded"})
        elif different == "if-match":
            answer = patch(manager, customer, {"stage": "Active"}, **{"If-Match": '"2"'})
        elif different == "customer":
            answer = patch(manager, other, {"stage": "Active"})
        else:
            body = {"items": [{"customer_id": str(other.id), "stage": "Active"}]}
            answer = manager.post(BATCH, body, headers={"Idempotency-Key": "key-1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")


def test_a_refused_request_does_not_use_up_its_key(manager, tenant, customer):
    with nothing_changes(tenant):
        assert patch(manager, customer, {"stage": "At-Risk"}).status_code == 400
    assert kept(tenant) == []
    answer = patch(manager, customer, {"stage": "At-Risk", "reason_code": "Low Engagement"})
    assert answer.status_code == 200


def test_a_key_belongs_to_the_one_who_used_it(manager, api_client, users, tenant, customer):
    patch(manager, customer, {"stage": "Active"})
    answer = patch(api_client("tenant_admin"), customer, {"stage": "Onboarded"})
    assert answer.status_code == 200
    assert "Idempotency-Replayed" not in answer.headers
    assert {row.principal for row in kept(tenant)} == {str(users.account_manager.id), str(users.tenant_admin.id)}


def test_who_lost_their_role_is_not_given_the_answer_again(api_client, users, tenant, customer):
    person = users.account_manager
    client = api_client(person)
    patch(client, customer, {"stage": "Active"})
    with tenant_context(tenant.id):
        demote(person, users, tenant)
    answer = patch(client, customer, {"stage": "Active"})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_after_a_day_the_key_is_free_again(manager, tenant, customer):
    patch(manager, customer, {"stage": "Active"})
    with tenant_context(tenant.id):
        IdempotentRequest.objects.update(created_at=timezone.now() - LIFETIME - dt.timedelta(seconds=1))
    answer = patch(manager, customer, {"stage": "Onboarded"})
    assert answer.status_code == 200
    assert "Idempotency-Replayed" not in answer.headers
    again = patch(manager, customer, {"stage": "Onboarded"})
    assert again.headers["Idempotency-Replayed"] == "true"


def test_answers_that_no_one_may_ask_for_any_more_are_removed(manager, tenant, customer):
    for number, stage in enumerate(["Active", "Onboarded", "Prospect"]):
        patch(manager, customer, {"stage": stage}, key=f"old-{number}")
    with tenant_context(tenant.id):
        IdempotentRequest.objects.update(created_at=timezone.now() - dt.timedelta(hours=25))
    patch(manager, customer, {"stage": "Active"}, key="new")
    assert [row.key for row in kept(tenant)] == ["new"]


def test_a_kept_answer_is_encrypted(manager, tenant, customer):
    patch(manager, customer, {"stage": "Active"})
    (row,) = kept(tenant)
    assert (row.status, row.headers) == (200, {"ETag": '"2"'})
    assert b"success" not in bytes(row.body)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "käse", " lead", "trail "])
def test_a_malformed_key_is_a_bad_request(manager, tenant, customer, key):
    with nothing_changes(tenant):
        answer = manager.patch(address(customer), {"stage": "Active"}, HTTP_IDEMPOTENCY_KEY=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("key", ["x" * 255, "~", "a b", "8e03978e-40d5-43e8-bc93-6894a57f9324"])
def test_any_printable_key_of_up_to_255_characters_will_do(manager, customer, key):
    assert patch(manager, customer, {"stage": "Active"}, key=key).status_code == 200
    assert patch(manager, customer, {"stage": "Active"}, key=key).headers["Idempotency-Replayed"] == "true"


def test_a_key_of_one_tenant_means_nothing_in_another(
    api_client, tenant, other_tenant, other_users, customer, other_customer
):
    patch(api_client("account_manager"), customer, {"stage": "Active"})
    answer = patch(api_client(other_users.account_manager), other_customer, {"stage": "Rollout"})
    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (200, False)


def test_twelve_requests_with_one_key_at_once_have_one_effect_and_one_answer(api_client, tenant, customer):
    clients = [api_client("account_manager") for _ in range(12)]
    clients[0].get(BATCH)  # the middleware registers its metrics with the first request, and not in a race for it
    answers = run_together([lambda client=client: patch(client, customer, {"stage": "Active"}) for client in clients])
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["ETag"] for answer in answers} == {'"2"'}
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 11
    with tenant_context(tenant.id):
        assert LifecycleHistory.objects.filter(customer_id=customer.id).count() == 2


def test_when_the_first_of_several_fails_another_takes_its_place(api_client, tenant, customer):
    service = UserFactory(tenant=tenant, is_service_account=True, updates_per_hour=1)
    clients = [api_client(service) for _ in range(6)]
    clients[0].get(BATCH)
    other = CustomerFactory(tenant=tenant)

    def ask(client, number):
        return patch(client, customer if number % 2 else other, {"stage": "Active"}, key=f"key-{number % 2}")

    answers = run_together([lambda c=client, n=number: ask(c, n) for number, client in enumerate(clients)])
    # The budget is one change: one key wins and is replayed, the other is refused each time and stays free.
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429, 429, 429]
    assert take_snapshot(tenant)["history"] == 3
    assert len(kept(tenant)) == 1


def test_a_batch_is_replayed_whole_with_its_status(manager, tenant, customer, other_customer):
    body = {
        "items": [
            {"customer_id": str(customer.id), "stage": "Active"},
            {"customer_id": str(other_customer.id), "stage": "Active"},
        ]
    }
    first = manager.post(BATCH, body, headers={"Idempotency-Key": "b"})
    with nothing_changes(tenant):
        again = manager.post(BATCH, body, headers={"Idempotency-Key": "b"})
    assert (first.status_code, again.status_code) == (207, 207)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"


def demote(person, users, tenant):
    """Make an account manager a viewer, as a tenant admin does."""
    admin = Actor(kind=USER, name=str(users.tenant_admin.id), permissions=frozenset(PERMISSIONS))
    set_role(person.id, Role.VIEWER, tenant=tenant, actor=admin, now=timezone.now())
