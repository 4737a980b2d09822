"""Burst traffic against the budget, by the API."""

from collections import Counter

from audit.models import LifecycleHistory, RefusedAttempt
from tenants.context import tenant_context
from tests.factories import CustomerFactory


def test_64_programs_at_once_change_exactly_as_many_customers_as_the_budget_allows(
    tenant, users, api_client, in_threads, settings
):
    settings.UPDATES_PER_HOUR = 40
    customers = CustomerFactory.create_batch(64, tenant=tenant)
    clients = [api_client("account_manager") for _ in customers]

    def move(number):
        return clients[number].patch(f"/api/v1/customers/{customers[number].id}/lifecycle", {"stage": "Active"})

    answers = in_threads(64, move)
    assert Counter(answer.status_code for answer in answers) == {200: 40, 429: 24}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 429} == {"rate_limited"}
    with tenant_context(tenant.id):
        assert LifecycleHistory.objects.filter(changed_by=str(users.account_manager.id)).count() == 40
        assert RefusedAttempt.objects.filter(tenant_id=tenant.id, code="rate_limited").count() == 24


def test_a_budget_is_a_person_s_and_not_an_address_s(tenant, users, api_client, settings):
    settings.UPDATES_PER_HOUR = 1
    first, second, third = CustomerFactory.create_batch(3, tenant=tenant)

    def move(role, customer):
        return api_client(role).patch(f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "Active"}).status_code

    assert [move("account_manager", first), move("account_manager", second)] == [200, 429]
    assert [move("tenant_admin", second), move("service", third)] == [200, 200]


def test_a_bulk_call_costs_its_items_and_goes_through_whole_or_not_at_all(tenant, users, api_client, settings):
    settings.UPDATES_PER_HOUR = 5
    customers = CustomerFactory.create_batch(6, tenant=tenant)
    client = api_client("account_manager")

    def move(rows):
        items = [{"customer_id": str(row.id), "stage": "Active"} for row in rows]
        return client.post("/api/v1/lifecycle/transitions", {"items": items})

    assert move(customers).status_code == 429
    assert move(customers[:3]).status_code == 200
    # Unchanged items cost nothing: three of these stand there already.
    assert move(customers[:5]).status_code == 200
    assert move(customers[:5]).status_code == 200
    refused = move(customers)
    assert refused.status_code == 429
    assert "0 of your 5 changes" in refused.json()["detail"]
