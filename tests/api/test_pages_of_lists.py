"""Every list of the API is paged and counted alike."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from lifecycle.api.docs import build_schema
from lifecycle.models import Notification, WebhookEndpoint
from lifecycle.services.effects.notifications import list_notifications
from tenants.context import tenant_context
from tenants.models import ApiKey
from tests.factories import CustomerFactory, UserFactory

# The feed has no last page: `after` takes what the others call cursor, and next_cursor is always there.
FEED = "list_changes"
AROUND = {"next", "previous", "next_cursor", "total"}
# The lists behind figures are counted always, for the count is the figure, and have fifty rows.
COUNTED = {"list_behind_figure", "list_renewals_due", "list_revenue_kept", "list_forecast_customers"}


def lists_of_the_api() -> dict[str, dict[str, Any]]:
    """Each operation that answers with rows, by its id, and the schema of its answer."""
    schema = build_schema()
    found = {}
    for operations in schema["paths"].values():
        content = operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        for described in content.values():
            name = described["schema"].get("$ref", "").rsplit("/", 1)[-1]
            answer = schema["components"]["schemas"].get(name, {})
            if "results" in answer.get("properties", {}):
                found[operations["get"]["operationId"]] = {"operation": operations["get"], "answer": answer}
    return found


def test_every_list_says_where_it_goes_on_and_how_many_there_are(db: None) -> None:
    found = lists_of_the_api()
    assert {"list_customers", "list_history", "list_notes", "list_tasks", "list_own_tasks", "list_effects"} < set(found)
    assert {"list_views", "list_timeline", "list_notifications", "list_keys", "list_webhook_endpoints", FEED} < set(
        found
    )
    for name, one in found.items():
        parameters = {parameter["name"] for parameter in one["operation"]["parameters"]}
        expected = AROUND if name != FEED else {"next_cursor", "total", "has_more"}
        assert expected <= set(one["answer"]["required"]), name
        asked = {"after" if name == FEED else "cursor"} | (set() if name in COUNTED else {"limit", "count"})
        assert asked <= parameters, name


@pytest.fixture
def addresses(tenant: Any, users: Any, api_client: Any) -> list[str]:
    """Three rows in every list, for an admin."""
    customers = CustomerFactory.create_batch(3, tenant=tenant)
    customer = customers[0]
    client = api_client("tenant_admin")
    home = f"/api/v1/customers/{customer.id}"
    for number in range(2):
        stage = ("Onboarded", "Active")[number]
        assert client.patch(f"{home}/lifecycle", {"stage": stage}, format="json").status_code == 200
    for number in range(3):
        assert client.post(f"{home}/notes", {"text": f"Note {number}"}, format="json").status_code == 201
        task = {"title": f"Task {number}", "assignee": users.tenant_admin.username}
        assert client.post(f"{home}/tasks", task, format="json").status_code == 201
    account = UserFactory(tenant=tenant, is_service_account=True)
    now = timezone.now()
    with tenant_context(tenant.id):
        for number in range(3):
            ApiKey.objects.create(
                tenant_id=tenant.id,
                user_id=account.id,
                name=f"Key {number}",
                secret_hash=b"",
                created_at=now,
                created_by="a test",
                expires_at=now,
            )
            WebhookEndpoint.objects.create(
                tenant_id=tenant.id,
                name=f"hook-{number}",
                url="https://crm.example/hook",
                created_at=now,
                created_by="a test",
            )
    return [
        "/api/v1/customers",
        f"{home}/lifecycle/history",
        f"{home}/notes",
        f"{home}/tasks",
        "/api/v1/tasks",
        "/api/v1/keys",
        "/api/v1/webhooks/endpoints",
    ]


def test_the_cursor_alone_leads_through_every_list(addresses: list[str], api_client: Any) -> None:
    client = api_client("tenant_admin")
    for address in addresses:
        whole = client.get(address, {"count": "true"}).json()
        assert (whole["total"], whole["next_cursor"], whole["next"]) == (3, None, None), address
        first = client.get(address, {"limit": 2, "count": "true"}).json()
        assert (len(first["results"]), first["total"]) == (2, 3), address
        assert first["next_cursor"] and first["next_cursor"] in first["next"], address
        second = client.get(address, {"limit": 2, "cursor": first["next_cursor"]}).json()
        assert (second["total"], second["next_cursor"]) == (None, None), address
        assert [*first["results"], *second["results"]] == whole["results"], address
        for wrong in ({"count": "yes"}, {"cursor": "x"}, {"limit": 0}):
            refused = client.get(address, wrong)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), (address, wrong)
            assert refused.json()["errors"][0]["parameter"] in wrong


def test_a_total_counts_what_the_filters_leave(api_client: Any, tenant: Any, addresses: list[str]) -> None:
    client = api_client("tenant_admin")
    asked = {"stage": "Active", "count": "true", "limit": 1}
    assert client.get("/api/v1/customers", asked).json()["total"] == 1
    assert client.get("/api/v1/customers", {**asked, "search": "no one is called so"}).json()["total"] == 0
    assert client.get("/api/v1/tasks", {"state": "done", "count": "true"}).json()["total"] == 0
    feed = client.get("/api/v1/lifecycle/history", {"count": "true", "limit": 1}).json()
    assert feed["total"] == int(client.get("/api/v1/lifecycle/history").json()["next_cursor"]) >= 2


def test_notifications_and_effects_are_counted(api_client: Any, tenant: Any, users: Any, customer: Any) -> None:
    now = timezone.now()
    with tenant_context(tenant.id):
        for number in range(3):
            Notification.objects.create(
                tenant_id=tenant.id,
                user_id=users.viewer.id,
                effect_id=uuid4(),
                customer_id=CustomerFactory(tenant=tenant).id,
                effect=f"Alert {number}",
                created_at=now,
                read_at=now if number else None,
            )
        assert len(list_notifications(users.viewer.id, tenant=tenant)) == 3
    client = api_client("viewer")
    first = client.get("/api/v1/notifications", {"limit": 2, "count": "true"}).json()
    assert (first["total"], first["unread"], len(first["results"])) == (3, 1, 2)
    second = client.get("/api/v1/notifications", {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert (len(second["results"]), second["next_cursor"]) == (1, None)
    assert client.get("/api/v1/notifications", {"unread": "true", "count": "true"}).json()["total"] == 1
    assert api_client("account_manager").get("/api/v1/effects", {"count": "true"}).json()["total"] == 0
