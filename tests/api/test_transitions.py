"""Moving many customers in one request."""

import datetime as dt
from itertools import pairwise
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import LifecycleHistory
from tenants.context import tenant_context
from tests.api.traces import nothing_changes, refused_attempts
from tests.factories import CustomerFactory, UserFactory, utc_now

ADDRESS = "/api/v1/lifecycle/transitions"


def post(client, items, **body):
    return client.post(ADDRESS, {"items": items, **body})


def item(customer, stage, **more):
    return {"customer_id": str(customer.id), "stage": stage, **more}


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")


def test_every_item_is_answered_in_its_place(manager, tenant, customer, other_customer):
    second = CustomerFactory(tenant=tenant)
    answer = post(
        manager,
        [
            item(customer, "Active"),
            item(second, "At-Risk"),
            item(other_customer, "Active"),
            item(second, "Prospect"),
            {"customer_id": "42", "stage": "Active"},
            item(second, "Active", colour="red"),
            "nonsense",
            item(second, "Active", version=7),
            item(second, "Active", updated_by="somebody"),
        ],
    )
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [(result["status"], result.get("code"), result["changed"]) for result in results] == [
        (200, None, True),
        (400, "reason_required", False),
        (404, "not_found", False),
        (200, None, False),
        (400, "invalid_request", False),
        (400, "invalid_request", False),
        (400, "invalid_request", False),
        (412, "version_conflict", False),
        (403, "actor_mismatch", False),
    ]
    moved = results[0]
    assert {name: moved[name] for name in ("customer_id", "success", "stage", "version", "etag")} == {
        "customer_id": str(customer.id),
        "success": True,
        "stage": "Active",
        "version": 2,
        "etag": '"2"',
    }
    assert results[4]["customer_id"] == "42"
    assert results[4]["errors"][0]["pointer"] == "#/customer_id"
    (error,) = results[5]["errors"]
    assert (error["pointer"], error["code"]) == ("#/colour", "unknown_field")
    assert error["detail"].startswith("There is no such field; ")
    assert results[5]["detail"] == f"colour: {error['detail']}"
    assert results[6]["customer_id"] is None
    assert results[7]["version"] == 1
    assert answer.headers["RateLimit"].startswith('"updates";r=999;t=')


def test_what_is_no_item_at_all_is_answered_in_its_place(manager, tenant, customer):
    answer = post(manager, [item(customer, "Active"), None, 5, "x", [], {}])
    assert answer.status_code == 207
    moved, *refused = answer.json()["results"]
    assert (moved["status"], moved["stage"]) == (200, "Active")
    assert [(result["status"], result["code"], result["customer_id"]) for result in refused] == [
        (400, "invalid_request", None)
    ] * 5
    assert refused[0]["errors"] == [{"pointer": "#", "detail": "This field may not be null.", "code": "null"}]


def test_an_id_is_taken_in_the_form_that_an_address_takes_and_in_no_other(manager, tenant, customer):
    id_ = str(customer.id)
    refused = [customer.id.int, 5, 1.5, True, f"urn:uuid:{id_}", f"{{{id_}}}", customer.id.hex, f" {id_}", [id_], None]
    with nothing_changes(tenant):
        answer = post(manager, [{"customer_id": value, "stage": "Active"} for value in refused])
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [(result["status"], result["code"]) for result in results] == [(400, "invalid_request")] * len(refused)
    assert [[error["pointer"] for error in result["errors"]] for result in results] == [["#/customer_id"]] * len(
        refused
    )
    # What was sent, or nothing: never an id that somebody made of it.
    shown = {result["customer_id"] for result in results}
    assert shown == {None, customer.id.hex}
    assert post(manager, [{"customer_id": id_.upper(), "stage": "Active"}]).json()["results"][0]["changed"] is True


def test_a_version_is_a_whole_number(manager, tenant, customer):
    versions = ["1", True, 1.0, -1, []]
    with nothing_changes(tenant):
        answer = post(manager, [item(customer, "Active", version=version) for version in versions])
    assert [(result["status"], result["code"]) for result in answer.json()["results"]] == [
        (400, "invalid_request")
    ] * len(versions)
    for result in answer.json()["results"]:
        assert [error["pointer"] for error in result["errors"]] == ["#/version"]
    assert post(manager, [item(customer, "Active", version=1)]).json()["results"][0]["changed"] is True


def test_items_that_fare_alike_are_answered_with_200(manager, tenant):
    customers = [CustomerFactory(tenant=tenant) for _ in range(3)]
    answer = post(manager, [item(customer, "Active") for customer in customers])
    assert answer.status_code == 200
    assert answer.json()["dry_run"] is False
    assert [result["version"] for result in answer.json()["results"]] == [2, 2, 2]


def test_one_refused_item_does_not_stop_the_others_and_is_kept_as_an_attempt(manager, tenant, customer):
    second = CustomerFactory(tenant=tenant)
    post(manager, [item(customer, "At-Risk"), item(second, "Active")])
    with tenant_context(tenant.id):
        assert LifecycleHistory.objects.filter(customer_id=second.id).count() == 2
        assert LifecycleHistory.objects.filter(customer_id=customer.id).count() == 1
    assert refused_attempts(tenant) == [("reason_required", "Prospect", "At-Risk", "API")]


def test_several_items_about_one_customer_are_judged_one_after_the_other(api_client, other_tenant, other_users):
    customer = CustomerFactory(tenant=other_tenant, stage="Trial")
    answer = post(
        api_client(other_users.account_manager),
        [
            item(customer, "Rollout"),
            item(customer, "Live"),
            item(customer, "Trial"),
            item(customer, "Renewing", version=3),
        ],
    )
    assert answer.status_code == 207
    assert [(result["status"], result["version"]) for result in answer.json()["results"]] == [
        (200, 2),
        (200, 3),
        (400, 3),
        (200, 4),
    ]
    with tenant_context(other_tenant.id):
        rows = LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence")
        assert [(row.from_stage, row.to_stage) for row in rows] == [
            (None, "Trial"), ("Trial", "Rollout"), ("Rollout", "Live"), ("Live", "Renewing"),
        ]  # fmt: skip
        chain = [(bytes(row.previous_hash), bytes(row.hash)) for row in rows]
    assert all(later[0] == earlier[1] for earlier, later in pairwise(chain))


def test_an_item_is_refused_in_the_words_of_a_change_alone(api_client, other_tenant, other_users):
    client = api_client(other_users.account_manager)
    customer = CustomerFactory(tenant=other_tenant, stage="Live")
    asked = [
        ({"stage": "Nowhere"}, "invalid_stage", "#/stage"),
        ({"stage": "Trial"}, "transition_not_allowed", "#/stage"),
        ({"stage": "Wobbly"}, "reason_required", "#/reason_code"),
        ({"stage": "Wobbly", "reason_code": "Because"}, "unknown_reason", "#/reason_code"),
    ]
    with nothing_changes(other_tenant):
        results = post(client, [item(customer, **change) for change, _, _ in asked]).json()["results"]
        for (change, code, pointer), result in zip(asked, results, strict=True):
            alone = client.patch(f"/api/v1/customers/{customer.id}/lifecycle", change).json()
            assert [(error["code"], error["pointer"]) for error in result["errors"]] == [(code, pointer)]
            reported = ("status", "code", "detail", "allowed", "errors")
            assert {name: result.get(name) for name in reported} == {name: alone.get(name) for name in reported}


def test_a_dry_run_tells_what_would_happen_and_changes_nothing(api_client, other_tenant, other_users):
    customer = CustomerFactory(tenant=other_tenant, stage="Live")
    with nothing_changes(other_tenant):
        answer = post(
            api_client(other_users.account_manager),
            [item(customer, "Wobbly", reason_code="Usage Dropped"), item(customer, "Trial")],
            dry_run=True,
        )
    assert answer.status_code == 207
    assert answer.json()["dry_run"] is True
    would, would_not = answer.json()["results"]
    assert (would["changed"], would["stage"]) == (True, "Wobbly")
    assert would["effects"] == [{"name": "Call the owner", "kind": "alert", "on": "enter", "to": ["owner"]}]
    assert would_not["code"] == "transition_not_allowed"
    assert refused_attempts(other_tenant) == []
    assert "RateLimit" not in answer.headers


def test_a_batch_that_starts_more_effects_than_were_confirmed_is_refused_whole(api_client, other_tenant, other_users):
    client = api_client(other_users.account_manager)
    customers = [CustomerFactory(tenant=other_tenant, stage="Live") for _ in range(3)]
    items = [
        *(item(customer, "Wobbly", reason_code="Usage Dropped") for customer in customers[:2]),
        # Refused, and so it would start nothing.
        item(customers[2], "Wobbly"),
    ]
    with nothing_changes(other_tenant):
        seen = post(client, items, dry_run=True, confirm_effects=7).json()["results"]
        assert sum(len(result.get("effects", [])) for result in seen) == 2
        answer = post(client, items, confirm_effects=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "effects_unconfirmed")
    assert answer.json()["effects"] == [{"name": "Call the owner", "kind": "alert", "count": 2}]
    assert "This would start 2 automations: “Call the owner” (alert); you confirmed 1." in answer.json()["detail"]
    assert "RateLimit" not in answer.headers
    assert [code for code, *_ in refused_attempts(other_tenant)] == ["effects_unconfirmed"]
    answer = post(client, items, confirm_effects=2)
    assert [result["changed"] for result in answer.json()["results"]] == [True, True, False]


def test_a_batch_costs_its_changed_items_and_is_refused_whole_when_they_are_too_many(api_client, tenant):
    client = api_client(UserFactory(tenant=tenant, is_service_account=True, updates_per_hour=2))
    customers = [CustomerFactory(tenant=tenant) for _ in range(3)]
    with nothing_changes(tenant):
        answer = post(client, [item(customer, "Active") for customer in customers])
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    # What is unchanged or refused costs nothing.
    answer = post(
        client,
        [
            item(customers[0], "Active"),
            item(customers[1], "Active"),
            item(customers[2], "Prospect"),
            item(customers[2], "At-Risk"),
        ],
    )
    assert answer.status_code == 207
    assert answer.headers["RateLimit"].startswith('"updates";r=0;t=')


def test_a_viewer_cannot_move_many_either(api_client, tenant, customer):
    with nothing_changes(tenant):
        answer = post(api_client("viewer"), [item(customer, "Active")])
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": []},
        {"items": {}},
        {"items": None},
        {"items": [{}] * 1001},
        {"items": [{}], "dry_run": "perhaps"},
        {"items": [{}], "dry_run": "yes"},
        {"items": [{}], "dry_run": "true"},
        {"items": [{}], "dry_run": "1"},
        {"items": [{}], "dry_run": 1},
        {"items": [{}], "dry_run": 0},
        {"items": [{}], "dry_run": None},
        {"items": [{}], "colour": "red"},
    ],
)
def test_a_malformed_batch_is_refused_whole(manager, tenant, body):
    with nothing_changes(tenant):
        answer = manager.post(ADDRESS, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_service_account_may_name_a_user_in_each_item(api_client, users, tenant):
    customers = [CustomerFactory(tenant=tenant) for _ in range(3)]
    names = [users.account_manager.username, users.service.username, "ghost"]
    answer = post(
        api_client("service"),
        [item(customer, "Active", updated_by=name) for customer, name in zip(customers, names, strict=True)],
    )
    assert [result["status"] for result in answer.json()["results"]] == [200, 200, 403]
    with tenant_context(tenant.id):
        kept = dict(LifecycleHistory.objects.filter(source="API").values_list("customer_id", "on_behalf_of"))
    assert kept == {customers[0].id: str(users.account_manager.id), customers[1].id: ""}


def test_items_may_spell_the_same_user_in_several_ways(api_client, users, tenant):
    customers = [CustomerFactory(tenant=tenant) for _ in range(3)]
    name = users.account_manager.username
    answer = post(
        api_client("service"),
        [
            item(one, "Active", updated_by=said)
            for one, said in zip(customers, (name.title(), name.upper(), name), strict=True)
        ],
    )
    assert [result["status"] for result in answer.json()["results"]] == [200, 200, 200]
    with tenant_context(tenant.id):
        kept = set(LifecycleHistory.objects.filter(source="API").values_list("on_behalf_of", flat=True))
    assert kept == {str(users.account_manager.id)}


def test_a_thousand_items_cost_as_many_statements_as_one(api_client, tenant):
    client = api_client(UserFactory(tenant=tenant, is_service_account=True, updates_per_hour=5000))
    customers = make_many(tenant, 1000)
    counts = []
    for stage, some in (("Active", customers[:1]), ("Onboarded", customers), ("Active", customers[:1])):
        with CaptureQueriesContext(connection) as statements:
            answer = post(client, [{"customer_id": str(id_), "stage": stage} for id_ in some])
        assert answer.status_code == 200
        counts.append(len(statements))
    # The first may have to read the configuration.
    assert counts[1] == counts[2]


def test_notes_of_a_thousand_items_cost_as_many_statements_as_the_note_of_one(api_client, tenant):
    client = api_client(UserFactory(tenant=tenant, is_service_account=True, updates_per_hour=5000))
    customers = make_many(tenant, 1000)
    for stage in ("Active", "Onboarded"):
        counts = []
        for some in (customers[:1], customers[1:]):
            with CaptureQueriesContext(connection) as statements:
                post(client, [{"customer_id": str(id_), "stage": stage, "note": "n"} for id_ in some])
            counts.append(len(statements))
        if stage == "Onboarded":
            assert counts[0] == counts[1]


def test_one_change_costs_two_statements_beside_the_transaction(api_client, customer):
    client = api_client("account_manager")
    address = f"/api/v1/customers/{customer.id}/lifecycle"
    client.patch(address, {"stage": "Active"})
    with CaptureQueriesContext(connection) as statements:
        client.patch(address, {"stage": "Onboarded"})
    # BEGIN, the tenant, the lock of the row, the write with its budget, COMMIT.
    assert len(statements) == 5, [statement["sql"] for statement in statements]


def make_many(tenant, count):
    from lifecycle.services.customers.recording import CustomerFacts, record_customers
    from tenants.actors import system_actor

    facts = [
        CustomerFacts(external_id=f"m-{uuid4()}", source="/crm", occurred_at=utc_now() - dt.timedelta(days=1))
        for _ in range(count)
    ]
    with tenant_context(tenant.id):
        recorded = record_customers(
            facts, tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=True
        )
    return [one.customer_id for one in recorded]
