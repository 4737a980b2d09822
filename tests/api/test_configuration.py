"""The configuration over the API: seen by everybody, changed and tried by those who may configure."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.roles import Role
from tests.api.tags import REWRITTEN
from tests.factories import CONTRACT_EXAMPLE, MINIMAL, CustomerFactory, TenantFactory, UserFactory, utc_now
from tests.services.publishing import SHORTER, stages_of, written

ADDRESS = "/api/v1/configuration"
PREVIEW = "/api/v1/configuration/preview"
ApiClients = Callable[..., APIClient]


def test_everybody_of_the_tenant_sees_the_configuration_and_its_version(
    tenant: TenantRef, api_client: ApiClients
) -> None:
    answer = api_client("viewer").get(ADDRESS)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"1"'
    assert answer.json()["stages"] == MINIMAL["stages"]
    assert api_client("viewer").get(ADDRESS, headers={"If-None-Match": '"1"'}).status_code == 304


@pytest.mark.parametrize("role", ["viewer", "account_manager", "service", None])
def test_no_one_below_an_admin_changes_or_tries_it(tenant: TenantRef, api_client: ApiClients, role: Any) -> None:
    before = written(tenant)
    expected = 401 if role is None else 403
    assert api_client(role).put(ADDRESS, MINIMAL).status_code == expected
    assert api_client(role).post(PREVIEW, MINIMAL).status_code == expected
    assert written(tenant) == before


def test_an_admin_puts_the_contracts_json_itself(tenant: TenantRef, users: Any, api_client: ApiClients) -> None:
    answer = api_client("tenant_admin").put(ADDRESS, CONTRACT_EXAMPLE)
    assert answer.status_code == 200, answer.json()
    assert answer.headers["ETag"] == '"2"'
    assert answer.json()["event_rules"] == CONTRACT_EXAMPLE["event_rules"]
    assert api_client("viewer").get(ADDRESS).json() == answer.json()
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.order_by("-id")[0]
    assert (entry.action, entry.actor) == ("publish_configuration", str(users.tenant_admin.pk))


def test_what_was_got_can_be_changed_and_put_back(tenant: TenantRef, api_client: ApiClients) -> None:
    client = api_client("tenant_admin")
    seen = client.get(ADDRESS)
    changed = {**seen.json(), "max_days": {"Active": 90}}
    answer = client.put(ADDRESS, changed, headers={"If-Match": seen.headers["ETag"]})
    assert (answer.status_code, answer.json()["max_days"]) == (200, {"Active": 90})


@pytest.mark.parametrize("tag", ["*", '"0", "1"', *REWRITTEN])
def test_the_version_seen_may_come_as_a_proxy_has_rewritten_it(
    tenant: TenantRef, api_client: ApiClients, tag: str
) -> None:
    client = api_client("tenant_admin")
    answer = client.put(ADDRESS, MINIMAL | {"max_days": {"Active": 90}}, headers={"If-Match": tag})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert client.get(ADDRESS, headers={"If-None-Match": 'W/"2-gzip"'}).status_code == 304


@pytest.mark.parametrize("tag", ["1", '"one"', "", '"1-tar"'])
def test_a_malformed_if_match_publishes_nothing(tenant: TenantRef, api_client: ApiClients, tag: str) -> None:
    before = written(tenant)
    answer = api_client("tenant_admin").put(ADDRESS, MINIMAL, headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "in double quotes" in answer.json()["detail"]
    assert written(tenant) == before


def test_the_first_configuration_and_only_that_can_be_asked_for(api_client: ApiClients) -> None:
    empty = TenantFactory(configuration=None)
    admin = api_client(UserFactory(tenant=empty, role=Role.TENANT_ADMIN))
    refused = admin.put(ADDRESS, MINIMAL, headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (412, "version_conflict")
    answers = [admin.put(ADDRESS, MINIMAL, headers={"If-None-Match": "*"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 412]
    assert [answer.headers["ETag"] for answer in answers] == ['"1"', '"1"']


def test_a_stale_version_is_refused_with_the_one_that_is_live(tenant: TenantRef, api_client: ApiClients) -> None:
    before = written(tenant)
    answer = api_client("tenant_admin").put(ADDRESS, MINIMAL, headers={"If-Match": '"7"'})
    assert (answer.status_code, answer.json()["code"]) == (412, "version_conflict")
    assert answer.json()["current"] == {"version": 1}
    assert answer.headers["ETag"] == '"1"'
    assert written(tenant) == before


def test_renames_mapping_and_comment_come_around_the_configuration(tenant: TenantRef, api_client: ApiClients) -> None:
    for _ in range(2):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    CustomerFactory(tenant=tenant)
    body = {
        "configuration": SHORTER,
        "renamed": {"Prospect": "Lead"},
        "mapping": {"At-Risk": {"to": "Churned", "reason_code": "Stage removed"}},
        "comment": "Fewer stages",
    }
    answer = api_client("tenant_admin").put(ADDRESS, body, headers={"If-Match": '"1"'})
    assert answer.status_code == 200, answer.json()
    assert stages_of(tenant) == {"Churned": 2, "Lead": 1}, "a small move is made with the answer"
    with tenant_context(tenant.id):
        assert AdministrationEntry.objects.order_by("-id")[0].reason == "Fewer stages"
        assert set(LifecycleHistory.objects.filter(sequence=2).values_list("source", "reason_code")) == {
            ("Configuration", "Stage removed")
        }


def test_customers_without_a_place_are_named(tenant: TenantRef, api_client: ApiClients) -> None:
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    before = written(tenant)
    body = {"configuration": SHORTER, "renamed": {"Prospect": "Lead"}}
    answer = api_client("tenant_admin").put(ADDRESS, body)
    assert answer.status_code == 400
    assert answer.json()["stages"] == {"At-Risk": 1}
    assert answer.json()["errors"][0]["code"] == "mapping_needed"
    assert written(tenant) == before


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"stages": ["A", "a"]}, "#/stages/1", "duplicate"),
        ({"configuration": {"stages": ["A", "a"]}}, "#/configuration/stages/1", "duplicate"),
        ({"stages": ["A"], "colour": "red"}, "#/colour", "unknown_key"),
        ({}, "#/stages", "missing_key"),
        ({"configuration": MINIMAL, "colour": "red"}, "#/colour", "unknown_field"),
        ({"configuration": MINIMAL, "renamed": {"Prospect": 7}}, "#/renamed/Prospect", "invalid"),
        ({"configuration": MINIMAL, "renamed": {"Ghost": "Active"}}, "#/renamed/Ghost", "unknown_stage"),
        ({"configuration": MINIMAL, "mapping": {"Active": 7}}, "#/mapping/Active", "invalid"),
        ({"configuration": SHORTER, "mapping": {"At-Risk": "Moon"}}, "#/mapping/At-Risk", "invalid_stage"),
        ({"configuration": MINIMAL, "comment": "x" * 501}, "#/comment", "max_length"),
        ({"configuration": None}, "#/configuration", "null"),
        ({"configuration": []}, "#/configuration", "wrong_type"),
    ],
)
def test_every_error_is_named_at_its_place_in_the_body(
    tenant: TenantRef, api_client: ApiClients, body: Any, pointer: str, code: str
) -> None:
    before = written(tenant)
    answer = api_client("tenant_admin").put(ADDRESS, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert written(tenant) == before


def test_a_preview_says_what_would_happen_and_writes_nothing(tenant: TenantRef, api_client: ApiClients) -> None:
    customer = CustomerFactory(tenant=tenant)
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    with tenant_context(tenant.id):
        change = Change(customer_id=customer.id, stage="Active")
        apply(Call(tenant, system_actor("tests"), "API", utc_now()), [change])
    before = written(tenant)
    body = {
        "configuration": {**SHORTER, "transitions": {"Lead": ["Onboarded"]}},
        "renamed": {"Prospect": "Lead"},
        "mapping": {"At-Risk": "Moon"},
    }
    answer = api_client("tenant_admin").post(PREVIEW, body)
    assert answer.status_code == 200, answer.json()
    reported = answer.json()
    assert (reported["valid"], reported["live_version"], reported["customers"]) == (True, 1, 2)
    assert reported["stages_going_away"] == [{"stage": "At-Risk", "customers": 1}]
    assert reported["mapping_needed"] == ["At-Risk"]
    assert [(error["path"], error["code"]) for error in reported["plan_errors"]] == [
        ("/mapping/At-Risk", "invalid_stage")
    ]
    assert reported["moves_refused"] == 1
    assert reported["refused_moves"][0]["examples"] == [str(customer.id)]
    assert "Stage “Prospect” is renamed to “Lead”." in [change["sentence"] for change in reported["changes"]]
    assert written(tenant) == before


def test_a_preview_of_an_invalid_configuration_names_its_errors(tenant: TenantRef, api_client: ApiClients) -> None:
    answer = api_client("tenant_admin").post(PREVIEW, {"stages": ["A", "a"], "initial": "B"})
    assert answer.status_code == 200
    assert answer.json()["valid"] is False
    assert {error["path"] for error in answer.json()["errors"]} >= {"/stages/1", "/initial"}


def test_a_preview_of_many_moves_takes_less_than_two_seconds(tenant: TenantRef, api_client: ApiClients) -> None:
    customers = [CustomerFactory(tenant=tenant) for _ in range(300)]
    with tenant_context(tenant.id):
        for stage in ("Onboarded", "Active") * 5:
            changes = [Change(customer_id=customer.id, stage=stage) for customer in customers]
            apply(Call(tenant, system_actor("tests"), "API", utc_now()), changes)
    # Of the processor, which a busy machine does not make longer.
    began = time.process_time()
    answer = api_client("tenant_admin").post(PREVIEW, MINIMAL)
    assert answer.json()["moves_judged"] == 3000
    assert time.process_time() - began < 2


def test_a_tenant_without_a_configuration_has_none_to_see_and_puts_its_first(db: None, api_client: ApiClients) -> None:
    from tests.conftest import make_people

    bare = TenantFactory(configuration=None)
    client = api_client(make_people(bare).tenant_admin)
    assert client.get(ADDRESS).status_code == 404
    first = client.put(ADDRESS, MINIMAL)
    assert (first.status_code, first.headers["ETag"]) == (200, '"1"')
