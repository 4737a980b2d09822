"""What a change would start is agreed to before it is made, or muted by those who may."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from rest_framework.test import APIClient

from audit.models import AdministrationEntry, LifecycleHistory, RefusedAttempt
from lifecycle.models import Customer, CustomerLifecycleStatus, EffectRun
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.conftest import People
from tests.factories import CustomerFactory, TenantFactory

DOCUMENT = {
    "stages": ["Prospect", "At-Risk", "Churned"],
    "categories": {"At-Risk": "risk", "Churned": "lost"},
    "effects": [
        {"name": "Escalate", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["owner"]},
        {"name": "Write", "on": "enter", "stages": ["At-Risk"], "kind": "email", "to": ["boss@acme.example"]},
    ],
}
BULK = "/api/v1/lifecycle/transitions"
NO_RIGHT = (
    "Only tenant admins can change a stage without starting its automations. Nothing was saved: change it with them, or"
    " ask a tenant admin."
)
Api = Callable[[str], APIClient]


@pytest.fixture
def tenant(db: None) -> TenantRef:
    return TenantFactory(configuration=DOCUMENT)


@pytest.fixture
def customers(tenant: TenantRef, users: People) -> list[Customer]:
    return [CustomerFactory(tenant=tenant, owner=users.viewer.username) for _ in range(3)]


def items(customers: list[Customer], stage: str = "At-Risk") -> list[dict[str, str]]:
    return [{"customer_id": str(customer.id), "stage": stage} for customer in customers]


def state(tenant: TenantRef) -> tuple[list[tuple[str, int]], int, int]:
    """Stages, history rows and effects: what a refusal leaves as they were."""
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id).order_by("customer_id")
        return (
            list(rows.values_list("stage", "version")),
            LifecycleHistory.objects.filter(tenant_id=tenant.id).count(),
            EffectRun.objects.filter(tenant_id=tenant.id).count(),
        )


def set_budget(tenant: TenantRef, budget: int) -> None:
    with tenant_context(tenant.id):
        Tenant.objects.filter(id=tenant.id).update(effects_budget=budget)


def runs(tenant: TenantRef) -> list[tuple[str, str, str]]:
    with tenant_context(tenant.id):
        found = EffectRun.objects.filter(tenant_id=tenant.id).order_by("id")
        return list(found.values_list("effect", "state", "reason"))


@pytest.mark.parametrize(
    ("budget", "confirm", "stage", "status"),
    [
        (50, None, "At-Risk", 200),
        (6, None, "At-Risk", 200),
        (5, None, "At-Risk", 409),
        (5, 6, "At-Risk", 200),
        (5, 5, "At-Risk", 409),
        (50, 0, "At-Risk", 409),
        (0, None, "At-Risk", 409),
        (0, None, "Churned", 200),
    ],
)
def test_a_bulk_change_above_the_budget_names_what_it_starts_and_saves_nothing(
    api_client: Api,
    tenant: TenantRef,
    customers: list[Customer],
    budget: int,
    confirm: int | None,
    stage: str,
    status: int,
) -> None:
    set_budget(tenant, budget)
    before = state(tenant)
    body = {"items": items(customers, stage), **({} if confirm is None else {"confirm_effects": confirm})}
    answer = api_client("account_manager").post(BULK, body, format="json")
    assert answer.status_code == status, answer.content
    if status == 200:
        assert len(runs(tenant)) == (6 if stage == "At-Risk" else 0)
        return
    problem = answer.json()
    assert problem["code"] == "effects_unconfirmed"
    assert problem["effects"] == [
        {"name": "Escalate", "kind": "alert", "count": 3},
        {"name": "Write", "kind": "email", "count": 3},
    ]
    if confirm is None:
        assert problem["detail"] == (
            f"This would start 6 automations: “Escalate” (alert), “Write” (email), more than the {budget} that a bulk"
            " change starts here without being asked. Nothing was saved: review what would start, then confirm the"
            " number (6)."
        )
    assert state(tenant) == before


def test_one_change_and_a_dry_run_ask_for_no_number(
    api_client: Api, tenant: TenantRef, customers: list[Customer]
) -> None:
    set_budget(tenant, 0)
    client = api_client("account_manager")
    assert client.post(BULK, {"items": items(customers), "dry_run": True}, format="json").status_code == 200
    path = f"/api/v1/customers/{customers[0].id}/lifecycle"
    assert client.patch(path, {"stage": "At-Risk"}, format="json").status_code == 200


@pytest.mark.parametrize("bulk", [False, True])
def test_a_tenant_admin_mutes_what_a_change_starts_and_the_log_says_why(
    api_client: Api, tenant: TenantRef, customers: list[Customer], users: People, bulk: bool
) -> None:
    set_budget(tenant, 0)
    client, request_id = api_client("tenant_admin"), uuid4()
    mute = {"mute_effects": {"reason": "  Clean-up of 2025 "}}
    if bulk:
        answer = client.post(
            BULK, {"items": items(customers), **mute}, format="json", HTTP_X_REQUEST_ID=str(request_id)
        )
    else:
        path = f"/api/v1/customers/{customers[0].id}/lifecycle"
        answer = client.patch(path, {"stage": "At-Risk", **mute}, format="json", HTTP_X_REQUEST_ID=str(request_id))
    assert answer.status_code == 200, answer.content
    moved = 3 if bulk else 1
    assert runs(tenant) == [("Escalate", "suppressed", "muted"), ("Write", "suppressed", "muted")] * moved
    with tenant_context(tenant.id):
        (entry,) = AdministrationEntry.objects.filter(tenant_id=tenant.id, action="mute_effects")
        request_ids = set(EffectRun.objects.filter(tenant_id=tenant.id).values_list("request_id", flat=True))
    assert (entry.actor, entry.reason) == (str(users.tenant_admin.id), "Clean-up of 2025")
    assert entry.detail == {"effects": {"Escalate": moved, "Write": moved}, "customers": moved}
    assert request_ids == {UUID(entry.subject)}
    listed = client.get("/api/v1/effects?state=suppressed").json()["results"]
    assert {row["reason"] for row in listed} == {"muted"}


@pytest.mark.parametrize("who", ["account_manager", "service"])
@pytest.mark.parametrize("bulk", [False, True])
def test_who_may_not_mute_is_refused_and_nothing_is_saved(
    api_client: Api, tenant: TenantRef, customers: list[Customer], who: str, bulk: bool
) -> None:
    before = state(tenant)
    mute = {"mute_effects": {"reason": "Quietly"}}
    client = api_client(who)
    if bulk:
        answer = client.post(BULK, {"items": items(customers), **mute}, format="json")
    else:
        path = f"/api/v1/customers/{customers[0].id}/lifecycle"
        answer = client.patch(path, {"stage": "At-Risk", **mute}, format="json")
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (403, "permission_denied", NO_RIGHT)
    assert state(tenant) == before
    with tenant_context(tenant.id):
        (refused,) = RefusedAttempt.objects.filter(tenant_id=tenant.id)
    assert (refused.code, refused.detail) == ("permission_denied", NO_RIGHT)


@pytest.mark.parametrize("mute", [{}, {"reason": ""}, {"reason": " "}, {"reason": 7}, {"why": "x"}, "yes", True])
def test_a_mute_without_a_reason_is_no_request(
    api_client: Api, tenant: TenantRef, customers: list[Customer], mute: Any
) -> None:
    before = state(tenant)
    path = f"/api/v1/customers/{customers[0].id}/lifecycle"
    answer = api_client("tenant_admin").patch(path, {"stage": "At-Risk", "mute_effects": mute}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.content
    assert state(tenant) == before


def test_the_dialog_offers_to_mute_to_those_who_may(
    page_client: Callable[..., Client], tenant: TenantRef, customers: list[Customer]
) -> None:
    address = f"/customers/{customers[0].id}/move"
    form = {"stage": "At-Risk", "version": 1, "configuration_version": 1, "effects:At-Risk": 2, "mute": "1"}
    assert 'name="mute"' not in page_client("account_manager").get(address).content.decode()
    admin, before = page_client("tenant_admin"), state(tenant)
    assert 'name="mute"' in admin.get(address).content.decode()
    for client, given, status in (
        (admin, form, 400),
        (page_client("account_manager"), {**form, "mute_reason": "Quietly"}, 403),
    ):
        answer = client.post(address, given)
        assert answer.status_code == status, answer.content
        assert state(tenant) == before
    assert admin.post(address, {**form, "mute_reason": "Quietly"}).status_code == 302
    assert runs(tenant) == [("Escalate", "suppressed", "muted"), ("Write", "suppressed", "muted")]


def test_a_tenant_admin_sets_how_many_a_bulk_change_starts_unasked(
    page_client: Callable[..., Client], tenant: TenantRef, users: People, other_tenant: TenantRef
) -> None:
    client, address = page_client("tenant_admin"), f"/admin/tenants/tenant/{tenant.id}/change/"
    assert 'name="effects_budget"' in client.get(address).content.decode()
    assert client.post(address, {"effects_budget": "-1"}).status_code == 200
    assert client.post(address, {"effects_budget": "200", "slug": "stolen"}).status_code == 302
    with tenant_context(tenant.id):
        row = Tenant.objects.get(id=tenant.id)
        (entry,) = AdministrationEntry.objects.filter(tenant_id=tenant.id, action="set_effects_budget")
    assert (row.effects_budget, row.slug) == (200, tenant.slug)
    assert (entry.actor, entry.detail) == (str(users.tenant_admin.id), {"before": 50, "now": 200})
    foreign = client.post(f"/admin/tenants/tenant/{other_tenant.id}/change/", {"effects_budget": "1"})
    assert foreign.status_code in (302, 403, 404)
    with tenant_context(other_tenant.id):
        assert Tenant.objects.get(id=other_tenant.id).effects_budget == 50
