"""The list of customers, the whole profile and the history, through the API."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.sentences import say
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.transitions.apply import NOT_FOUND
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now

LIST = "/api/v1/customers"


@pytest.fixture
def viewer(api_client):
    return api_client("viewer")


@pytest.fixture
def five(tenant):
    """Five customers named A to E, each changed after the one before."""
    return [CustomerFactory(tenant=tenant, name=name, owner=f"{name}@t.example") for name in "ABCDE"]


def names(answer):
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]


def follow(client, address):
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


def test_the_last_change_comes_first_and_the_pages_lead_on_and_back(viewer, five):
    first = viewer.get(LIST, {"limit": 2})
    assert names(first) == ["E", "D"]
    assert first.json()["previous"] is None
    second = follow(viewer, first.json()["next"])
    assert names(second) == ["C", "B"]
    third = follow(viewer, second.json()["next"])
    assert names(third) == ["A"]
    assert third.json()["next"] is None
    assert names(follow(viewer, third.json()["previous"])) == ["C", "B"]
    assert names(follow(viewer, second.json()["previous"])) == ["E", "D"]


def test_the_addresses_of_other_pages_keep_the_question(viewer, five):
    answer = viewer.get(LIST, {"limit": 2, "ordering": "name", "stage": ["Prospect", "Active"]})
    asked = parse_qs(urlsplit(answer.json()["next"]).query)
    assert (asked["ordering"], asked["limit"], asked["stage"]) == (["name"], ["2"], ["Prospect", "Active"])
    assert answer.json()["next"].startswith("https://")
    assert names(answer) == ["A", "B"]


def test_the_list_can_be_narrowed(viewer, api_client, five):
    manager = api_client("account_manager")
    manager.patch(f"{LIST}/{five[1].id}/lifecycle", {"stage": "At-Risk", "reason_code": "Low Engagement"})
    assert names(viewer.get(LIST, {"stage": "At-Risk"})) == ["B"]
    assert names(viewer.get(LIST, {"at_risk": "true"})) == ["B"]
    assert names(viewer.get(LIST, {"category": "risk"})) == ["B"]
    assert names(viewer.get(LIST, {"owner": "D@t.example"})) == ["D"]
    assert names(viewer.get(LIST, {"industry": "manufacturing", "owner": "d@t.example"})) == ["D"]
    assert names(viewer.get(LIST, {"industry": "Mining"})) == []
    refused = viewer.get(LIST, {"industry": "x" * 101}).json()
    assert [error["parameter"] for error in refused["errors"]] == ["industry"]
    assert names(viewer.get(LIST, {"search": "d"})) == ["D"]
    assert names(viewer.get(LIST, {"search": five[4].external_id})) == ["E"]
    assert names(viewer.get(LIST, {"at_risk": "false", "search": "", "owner": ""})) == ["B", "E", "D", "C", "A"]


def test_conditions_are_put_together_with_and_or_and_brackets(viewer, api_client, five):
    api_client("account_manager").patch(
        f"{LIST}/{five[1].id}/lifecycle", {"stage": "At-Risk", "reason_code": "Low Engagement"}
    )
    where = "stage:At-Risk or (owner:d@t.example,e@t.example and not owner:e@t.example)"
    assert names(viewer.get(LIST, {"where": where})) == ["B", "D"]
    assert names(viewer.get(LIST, {"where": where, "category": "risk"})) == ["B"]
    first = viewer.get(LIST, {"where": where, "limit": 1})
    assert names(first) == ["B"]
    assert names(follow(viewer, first.json()["next"])) == ["D"]
    assert names(viewer.get(LIST, {"where": 'changed:"",At-Risk,2026-01-01'})) == ["B"]
    assert names(viewer.get(LIST, {"where": ""})) == ["B", "E", "D", "C", "A"]


def test_a_person_is_found_by_the_whole_email_address_alone(viewer, tenant):
    fact = CustomerFacts(
        external_id="x",
        source="/crm",
        occurred_at=utc_now(),
        company={"name": "X"},
        contacts=[ContactFacts(name="Zoë", email="Zoe@X.example")],
    )
    with tenant_context(tenant.id):
        record_customers([fact], tenant=tenant, actor=system_actor("t"), source="Import", now=utc_now(), create=True)
    assert names(viewer.get(LIST, {"search": "zoe@x.EXAMPLE"})) == ["X"]
    assert names(viewer.get(LIST, {"search": "zoe@x"})) == []


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"colour": "red"}, "colour"),
        ({"stage": "Nowhere"}, "stage"),
        ({"category": "nice"}, "category"),
        ({"at_risk": "yes"}, "at_risk"),
        ({"stuck": "1"}, "stuck"),
        ({"ordering": "size"}, "ordering"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "\u0663"}, "limit"),
        ({"limit": "+3"}, "limit"),
        ({"limit": "1_0"}, "limit"),
        ({"renewal_within": "\u0663"}, "renewal_within"),
        ({"renewal_within": "-1"}, "renewal_within"),
        ({"renewal_within": "9999999999999999999999"}, "renewal_within"),
        ({"owner": ["a", "b"]}, "owner"),
        ({"search": "x" * 201}, "search"),
        ({"where": "colour:red"}, "where"),
        ({"where": "(owner:ann"}, "where"),
        ({"where": ["owner:a", "owner:b"]}, "where"),
        ({"where": "owner:" + "x" * 2000}, "where"),
    ],
)
def test_a_parameter_that_is_wrong_is_refused_with_what_would_be_right(viewer, asked, parameter):
    answer = viewer.get(LIST, asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    (error,) = answer.json()["errors"]
    assert error["parameter"] == parameter
    assert answer.json()["detail"] == error["detail"]


def test_all_wrong_parameters_are_named_at_once(viewer):
    errors = viewer.get(LIST, {"colour": "red", "limit": "0", "stage": "Nowhere"}).json()["errors"]
    assert {error["parameter"] for error in errors} == {"colour", "limit", "stage"}


def test_a_cursor_from_elsewhere_is_refused(viewer, api_client, other_users, five):
    cursor = parse_qs(urlsplit(viewer.get(LIST, {"limit": 2}).json()["next"]).query)["cursor"][0]
    for asked in (
        {"cursor": cursor, "ordering": "name"},
        {"cursor": cursor[:-2]},
        {"cursor": "x"},
        {"cursor": "\u2713"},
    ):
        answer = viewer.get(LIST, asked)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
        assert [(error["pointer"], error["parameter"]) for error in answer.json()["errors"]] == [("#/cursor", "cursor")]
    outsider = api_client(other_users.viewer)
    assert outsider.get(LIST, {"cursor": cursor}).status_code == 400


def test_a_list_shows_only_the_customers_of_the_callers_tenant(viewer, api_client, other_users, five, other_customer):
    assert other_customer.name not in names(viewer.get(LIST, {"limit": 200}))
    assert names(api_client(other_users.viewer).get(LIST)) == [other_customer.name]
    assert names(viewer.get(LIST, {"search": other_customer.name})) == []


def test_a_profile_shows_everything_and_takes_no_parameters(viewer, five):
    answer = viewer.get(f"{LIST}/{five[0].id}")
    assert answer.status_code == 200
    assert set(answer.json()) == {
        "id", "customer_id", "external_id", "company", "contacts", "contacts_masked", "billing", "support",
        "created_at", "updated_at", "erased_at", "lifecycle", "provenance", "freshness",
    }  # fmt: skip
    assert answer.json()["company"]["name"] == "A"
    assert viewer.get(f"{LIST}/{five[0].id}?colour=red").status_code == 400


def test_a_hit_needs_no_statement_at_all(viewer, five, django_assert_num_queries):
    for suffix in ("", "/lifecycle/summary"):
        viewer.get(f"{LIST}/{five[0].id}{suffix}")
        with django_assert_num_queries(0):
            assert viewer.get(f"{LIST}/{five[0].id}{suffix}").status_code == 200
    viewer.get("/api/v1/lifecycle/summary")
    with django_assert_num_queries(0):
        assert viewer.get("/api/v1/lifecycle/summary").status_code == 200


def test_the_tenant_at_a_glance(viewer, five, other_customer):
    body = viewer.get("/api/v1/lifecycle/summary").json()
    assert [(stage["stage"], stage["customers"]) for stage in body["stages"]] == [
        ("Prospect", 5), ("Onboarded", 0), ("Active", 0), ("At-Risk", 0), ("Churned", 0),
    ]  # fmt: skip
    assert body["total"] == {"customers": 5, "over_expected": 0, "money": []}


def test_a_history_is_paged_newest_first_and_only_for_those_who_may(api_client, viewer, customer):
    manager = api_client("account_manager")
    for stage in ("Active", "Onboarded", "Prospect"):
        manager.patch(f"{LIST}/{customer.id}/lifecycle", {"stage": stage, "note": f"to {stage}"})
    address = f"{LIST}/{customer.id}/lifecycle/history"
    first = manager.get(address, {"limit": 3})
    assert [row["sequence"] for row in first.json()["results"]] == [4, 3, 2]
    assert [row["note"] for row in first.json()["results"]] == ["to Prospect", "to Onboarded", "to Active"]
    second = follow(manager, first.json()["next"])
    assert [row["sequence"] for row in second.json()["results"]] == [1]
    assert second.json()["next"] is None
    assert viewer.get(address).status_code == 403


def test_the_cursor_of_one_history_is_of_no_use_for_another(api_client, customer, five):
    manager = api_client("account_manager")
    manager.patch(f"{LIST}/{customer.id}/lifecycle", {"stage": "Active"})
    page = manager.get(f"{LIST}/{customer.id}/lifecycle/history", {"limit": 1}).json()
    cursor = parse_qs(urlsplit(page["next"]).query)["cursor"][0]
    for asked in ({"cursor": cursor}, {"cursor": "x"}, {"limit": "x"}, {"limit": "0"}, {"page": "2"}):
        answer = manager.get(f"{LIST}/{five[0].id}/lifecycle/history", asked)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
        assert [error["parameter"] for error in answer.json()["errors"]] == list(asked)


FOUND = "/api/v1/customers/by-external-id"


@pytest.mark.parametrize("external_id", ["CRM-7", "a/b/lifecycle", "Müller & Söhne #3", "0042", "x y?z", "lifecycle"])
def test_a_customer_is_found_by_its_id_in_the_tenant_s_own_systems(api_client, tenant, external_id):
    customer = CustomerFactory(tenant=tenant, external_id=external_id)
    CustomerFactory(tenant=tenant)
    for safe in ("", "/"):
        answer = api_client("viewer").get(f"{FOUND}/{quote(external_id, safe=safe)}")
        assert (answer.status_code, answer.json()["id"]) == (200, str(customer.id)), answer.content
    assert answer.json() == api_client("viewer").get(f"/api/v1/customers/{customer.id}").json()


def test_an_external_id_that_the_tenant_does_not_have_is_not_found(api_client, tenant, other_tenant):
    CustomerFactory(tenant=other_tenant, external_id="theirs", stage="Trial")
    customer = CustomerFactory(tenant=tenant, external_id="ours")
    viewer = api_client("viewer")
    for name in ("theirs", "no one-s", "OURS", str(customer.id), "a%C2%AD", "%20"):
        refused = viewer.get(f"{FOUND}/{name}")
        assert (refused.status_code, refused.json()["detail"]) == (404, say(NOT_FOUND)), name


def test_an_external_id_that_can_be_none_is_named(api_client, tenant):
    answer = api_client("viewer").get(f"{FOUND}/{'x' * 151}")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["parameter"]) == (400, "external_id")
    assert error["detail"] == "The external id is 151 characters long; at most 150 fit."


def test_finding_a_customer_by_its_external_id_takes_one_statement_more(api_client, tenant):
    customer = CustomerFactory(tenant=tenant, external_id="CRM-7")
    viewer = api_client("viewer")
    viewer.get(f"/api/v1/customers/{customer.id}")
    with CaptureQueriesContext(connection) as by_id:
        viewer.get(f"/api/v1/customers/{customer.id}")
    with CaptureQueriesContext(connection) as found:
        viewer.get(f"{FOUND}/CRM-7")
    questions = [[one["sql"] for one in captured if "lifecycle_customer" in one["sql"]] for captured in (by_id, found)]
    assert [len(one) for one in questions] == [0, 1]
