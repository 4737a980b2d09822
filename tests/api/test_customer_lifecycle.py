"""Seeing where a customer stands, and moving it, through the API [API-1, API-2, AC-2]."""

import datetime as dt
from uuid import UUID, uuid4

import pytest

from audit.models import LifecycleHistory
from tenants.context import tenant_context
from tests.api.lifecycles import address
from tests.api.traces import nothing_changes, refused_attempts
from tests.conftest import make_people
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, UserFactory


def history_of(tenant, customer):
    with tenant_context(tenant.id):
        return list(LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence"))


def test_an_account_manager_moves_a_customer(manager, users, tenant, customer):
    answer = manager.patch(address(customer.id), {"stage": "At-Risk", "reason_code": "Low Engagement"})
    assert answer.status_code == 200
    assert set(answer.json()) == {"success", "updated_at"}
    assert answer.json()["success"] is True
    assert answer.json()["updated_at"].endswith("Z")
    assert answer.headers["ETag"] == '"2"'
    assert answer.headers["RateLimit-Policy"] == '"updates";q=1000;w=3600'
    assert answer.headers["RateLimit"].startswith('"updates";r=999;t=')
    first, second = history_of(tenant, customer)
    assert (second.from_stage, second.to_stage) == ("Prospect", "At-Risk")
    assert (second.source, second.actor_kind, second.changed_by) == ("API", "user", str(users.account_manager.id))
    assert (second.reason_code, second.on_behalf_of, second.configuration_version) == ("Low Engagement", "", 1)
    assert bytes(second.previous_hash) == bytes(first.hash)
    assert second.changed_at == dt.datetime.fromisoformat(answer.json()["updated_at"])


def test_each_history_row_names_the_request_and_not_what_the_caller_calls_it(manager, tenant, customer):
    sent = uuid4()
    for stage in ("Active", "Onboarded"):
        manager.patch(address(customer.id), {"stage": stage}, headers={"X-Request-ID": str(sent)})
    first, second = (row.request_id for row in history_of(tenant, customer)[1:])
    assert len({first, second, sent}) == 3


def test_where_a_customer_stands_is_shown_with_every_way_on(manager, users, customer):
    manager.patch(address(customer.id), {"stage": "Active"})
    answer = manager.get(address(customer.id))
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2"'
    body = answer.json()
    assert {name: body[name] for name in ("customer_id", "stage", "source", "reason_code", "version")} == {
        "customer_id": str(customer.id),
        "stage": "Active",
        "source": "API",
        "reason_code": "",
        "version": 2,
    }
    assert body["updated_by"] == str(users.account_manager.id)
    assert body["stage_entered_at"] == body["updated_at"]
    assert [option["stage"] for option in body["transitions"]] == ["Prospect", "Onboarded", "At-Risk", "Churned"]
    assert [option["reason_required"] for option in body["transitions"]] == [False, False, True, True]
    assert all(option["allowed"] and option["refusal"] is None for option in body["transitions"])


def test_ways_that_the_configuration_closes_are_explained_and_effects_are_named(
    api_client, other_users, other_customer
):
    client = api_client(other_users.account_manager)
    client.patch(address(other_customer.id), {"stage": "Rollout"})
    ways = {way["stage"]: way for way in client.get(address(other_customer.id)).json()["transitions"]}
    assert ways["Trial"]["allowed"] is False
    assert ways["Trial"]["refusal"] == {
        "code": "transition_not_allowed",
        "sentence": "A customer in “Rollout” cannot be moved to “Trial”. Choose one of: “Live”, “Wobbly” or “Lost”.",
    }
    assert ways["Wobbly"]["allowed"] is True
    assert ways["Wobbly"]["reason_codes"] == ["Usage Dropped", "Champion Left"]
    assert ways["Wobbly"]["effects"] == [{"name": "Call the owner", "kind": "alert", "on": "enter", "to": ["owner"]}]


def test_a_change_that_starts_other_effects_than_were_confirmed_is_refused_with_their_number(
    api_client, other_tenant, other_users, other_customer
):
    client = api_client(other_users.account_manager)
    client.patch(address(other_customer.id), {"stage": "Rollout"})
    change = {"stage": "Wobbly", "reason_code": "Usage Dropped"}
    with nothing_changes(other_tenant):
        answer = client.patch(address(other_customer.id), change | {"confirm_effects": 0})
    assert (answer.status_code, answer.json()["code"]) == (409, "effects_unconfirmed")
    assert answer.json()["effects"] == [{"name": "Call the owner", "kind": "alert", "count": 1}]
    assert "“Call the owner” (alert); you confirmed none" in answer.json()["detail"]
    assert answer.headers["ETag"] == '"2"'
    assert refused_attempts(other_tenant) == [("effects_unconfirmed", "Rollout", "Wobbly", "API")]
    with nothing_changes(other_tenant):
        answer = client.patch(address(other_customer.id), {"stage": "Live", "confirm_effects": 1})
    assert (answer.status_code, answer.json()["effects"]) == (409, [])
    assert client.patch(address(other_customer.id), change | {"confirm_effects": 1}).status_code == 200
    # Nothing is started a second time, whatever was confirmed.
    assert client.patch(address(other_customer.id), change | {"confirm_effects": 1}).status_code == 200
    assert client.patch(address(other_customer.id), {"stage": "Live", "confirm_effects": None}).status_code == 200


@pytest.mark.parametrize("number", ["1", -1, True, 1.5])
def test_what_is_confirmed_is_a_whole_number(manager, tenant, customer, number):
    with nothing_changes(tenant):
        answer = manager.patch(address(customer.id), {"stage": "Active", "confirm_effects": number})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/confirm_effects"]


def test_a_viewer_learns_why_no_way_is_open_to_them(api_client, customer):
    ways = api_client("viewer").get(address(customer.id)).json()["transitions"]
    assert {(way["refusal"]["code"], way["refusal"]["sentence"]) for way in ways} == {
        (
            "permission_denied",
            "You have view-only access. Ask an account manager.",
        )
    }
    assert not any(way["allowed"] for way in ways)


def test_the_same_stage_again_changes_nothing(manager, tenant, customer):
    first = manager.patch(address(customer.id), {"stage": "Active"})
    with nothing_changes(tenant):
        again = manager.patch(address(customer.id), {"stage": "Active"})
    assert again.status_code == 200
    assert again.json() == first.json()
    assert again.headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("body", "code", "allowed"),
    [
        ({"stage": "Nowhere"}, "invalid_stage", ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"]),
        ({"stage": ""}, "invalid_stage", ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"]),
        ({"stage": "At-Risk"}, "reason_required", None),
        ({"stage": "Churned", "reason_code": "   "}, "reason_required", None),
        ({"stage": "Active", "colour": "red"}, "invalid_request", None),
        ({"stage": 5}, "invalid_request", None),
        ({"stage": None}, "invalid_request", None),
        ({}, "invalid_request", None),
        ({"stage": "At-Risk", "reason_code": "x" * 256}, "invalid_request", None),
        ({"stage": "Active", "note": "x" * 4001}, "invalid_request", None),
        ({"stage": "x" * 101}, "invalid_request", None),
    ],
)
def test_a_wrong_body_is_refused_and_leaves_no_trace(manager, tenant, customer, body, code, allowed):
    with nothing_changes(tenant):
        answer = manager.patch(address(customer.id), body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert problem.get("allowed") == allowed
    assert len(problem["errors"]) == 1


def test_a_move_that_the_configuration_forbids_names_the_stages_that_are_allowed(
    api_client, other_tenant, other_users, other_customer
):
    client = api_client(other_users.account_manager)
    with nothing_changes(other_tenant):
        answer = client.patch(address(other_customer.id), {"stage": "Live"})
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["code"] == "transition_not_allowed"
    assert problem["allowed"] == ["Rollout", "Lost"]
    assert problem["errors"][0]["pointer"] == "#/stage"
    assert refused_attempts(other_tenant) == [("transition_not_allowed", "Trial", "Live", "API")]


def test_a_stage_that_leads_nowhere_has_no_stages_that_are_allowed(api_client):
    """A program that reads the stages of such a refusal found none to read."""
    tenant = TenantFactory(configuration={**MINIMAL, "transitions": {"Prospect": ["Active"], "Active": []}})
    customer, client = CustomerFactory(tenant=tenant, stage="Active"), api_client(make_people(tenant).account_manager)
    with nothing_changes(tenant):
        alone = client.patch(address(customer.id), {"stage": "Onboarded"})
        asked = {"items": [{"customer_id": str(customer.id), "stage": "Onboarded"}]}
        (item,) = client.post("/api/v1/lifecycle/transitions", asked).json()["results"]
    assert (alone.status_code, alone.json()["code"], alone.json()["allowed"]) == (400, "transition_not_allowed", [])
    assert (item["status"], item["code"], item["allowed"]) == (400, "transition_not_allowed", [])


def test_an_unknown_reason_names_those_that_are_accepted(api_client, other_tenant, other_users):
    customer = CustomerFactory(tenant=other_tenant, stage="Live")
    with nothing_changes(other_tenant):
        answer = api_client(other_users.account_manager).patch(
            address(customer.id), {"stage": "Wobbly", "reason_code": "Invalid Mood"}
        )
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_reason")
    assert answer.json()["allowed"] == ["Usage Dropped", "Champion Left"]


def test_a_viewer_cannot_move_a_customer(api_client, tenant, customer):
    with nothing_changes(tenant):
        answer = api_client("viewer").patch(address(customer.id), {"stage": "Active"})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert refused_attempts(tenant) == [("permission_denied", "", "", "API")]


def test_a_viewer_learns_nothing_about_which_customers_exist(api_client, customer, other_customer):
    client = api_client("viewer")
    answers = [client.patch(address(id_), {"stage": "Active"}) for id_ in (customer.id, other_customer.id, uuid4())]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize(("method", "suffix"), [("get", ""), ("patch", ""), ("get", "/summary"), ("get", "/history")])
def test_another_tenants_customer_is_answered_like_one_that_never_was(
    api_client, other_tenant, other_customer, method, suffix
):
    client = api_client("tenant_admin")
    body = {"stage": "Active"} if method == "patch" else None
    with nothing_changes(other_tenant):
        answers = [getattr(client, method)(address(id_) + suffix, body) for id_ in (other_customer.id, uuid4())]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["code"] == "not_found"
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("invalid", ["42", "not-a-uuid", "{00000000-0000-0000-0000-000000000000}", "0" * 32, "١٢٣"])
@pytest.mark.parametrize("suffix", ["", "/lifecycle", "/lifecycle/summary", "/lifecycle/history"])
def test_what_is_no_id_is_a_bad_request(manager, invalid, suffix):
    answer = manager.get(f"/api/v1/customers/{invalid}{suffix}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    detail = answer.json()["detail"]
    assert answer.json()["errors"] == [
        {"pointer": "#/customer_id", "parameter": "customer_id", "detail": detail, "code": "invalid_parameter"}
    ]


def test_an_id_may_be_written_in_capitals(manager, customer):
    assert manager.get(address(str(customer.id).upper())).status_code == 200


def test_the_caller_may_call_themselves_by_any_of_their_names(api_client, tenant, customer):
    person = UserFactory(tenant=tenant, external_subject="user-42")
    client = api_client(person)
    for stage, name in (("Active", "user-42"), ("Onboarded", person.username), ("Prospect", str(person.id))):
        answer = client.patch(address(customer.id), {"stage": stage, "updated_by": name})
        assert answer.status_code == 200, answer.content
    assert {(row.changed_by, row.on_behalf_of) for row in history_of(tenant, customer)[1:]} == {(str(person.id), "")}


def test_an_id_of_a_person_may_be_written_in_capitals(api_client, users, tenant, customer):
    """As some databases write it."""
    own = api_client("account_manager").patch(
        address(customer.id), {"stage": "Active", "updated_by": str(users.account_manager.id).upper()}
    )
    assert own.status_code == 200, own.content
    named = api_client("service").patch(
        address(customer.id), {"stage": "Onboarded", "updated_by": str(users.viewer.id).upper()}
    )
    assert named.status_code == 200, named.content
    assert [row.on_behalf_of for row in history_of(tenant, customer)[-2:]] == ["", str(users.viewer.id)]


def test_no_one_signs_with_somebody_elses_name(manager, users, tenant, customer):
    for name in (users.tenant_admin.username, str(users.viewer.id), "no one", "'; --"):
        with nothing_changes(tenant):
            answer = manager.patch(address(customer.id), {"stage": "Active", "updated_by": name})
        assert (answer.status_code, answer.json()["code"]) == (403, "actor_mismatch")
        assert answer.json()["errors"][0]["pointer"] == "#/updated_by"
    assert refused_attempts(tenant) == [("actor_mismatch", "", "Active", "API")] * 4


def test_a_service_account_may_act_on_behalf_of_a_user_of_its_tenant(api_client, users, tenant, customer):
    client = api_client("service")
    answer = client.patch(address(customer.id), {"stage": "Active", "updated_by": users.account_manager.username})
    assert answer.status_code == 200
    row = history_of(tenant, customer)[-1]
    assert (row.changed_by, row.on_behalf_of) == (str(users.service.id), str(users.account_manager.id))
    assert row.actor_kind == "service"


def test_a_service_account_cannot_name_a_user_of_another_tenant_nor_one_who_left(
    api_client, tenant, other_users, customer
):
    gone = UserFactory(tenant=tenant)
    with tenant_context(tenant.id):
        type(gone).objects.filter(id=gone.id).update(is_active=False)
    for name in (other_users.account_manager.username, str(other_users.account_manager.id), gone.username, "ghost"):
        with nothing_changes(tenant):
            answer = api_client("service").patch(address(customer.id), {"stage": "Active", "updated_by": name})
        assert (answer.status_code, answer.json()["code"]) == (403, "actor_mismatch")


def test_a_super_admin_moves_a_customer_of_the_tenant_they_name(api_client, users, tenant, customer):
    answer = api_client("super_admin").patch(address(customer.id), {"stage": "Active"})
    assert answer.status_code == 200
    assert history_of(tenant, customer)[-1].changed_by == str(users.super_admin.id)


def test_a_note_is_kept_encrypted(manager, tenant, customer):
    manager.patch(address(customer.id), {"stage": "Active", "note": "Ann called, she is happy"})
    row = history_of(tenant, customer)[-1]
    assert b"Ann" not in bytes(row.note)


def test_the_budget_counts_only_what_was_changed(manager, customer):
    manager.patch(address(customer.id), {"stage": "Active"})
    manager.patch(address(customer.id), {"stage": "Active"})
    manager.patch(address(customer.id), {"stage": "Nowhere"})
    answer = manager.patch(address(customer.id), {"stage": "Onboarded"})
    assert answer.headers["RateLimit"].startswith('"updates";r=998;t=')


def test_an_exhausted_budget_is_refused_with_the_time_to_wait(api_client, tenant, customer):
    service = UserFactory(tenant=tenant, is_service_account=True, updates_per_hour=1)
    client = api_client(service)
    client.patch(address(customer.id), {"stage": "Active"})
    with nothing_changes(tenant):
        answer = client.patch(address(customer.id), {"stage": "Onboarded"})
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer.headers["RateLimit-Policy"] == '"updates";q=1;w=3600'
    assert 1 <= int(answer.headers["Retry-After"]) <= 3660


def test_answers_are_not_to_be_kept_by_anybody(manager, customer):
    for suffix in ("", "/lifecycle/summary", "/lifecycle/history"):
        assert manager.get(f"/api/v1/customers/{customer.id}{suffix}").headers["Cache-Control"] == "no-store"
    assert UUID(manager.get(f"/api/v1/customers/{customer.id}").json()["id"]) == customer.id
