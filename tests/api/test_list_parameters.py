"""The parameters of the list of customers that are conditions, saved views and columns, as the API takes them."""

import datetime as dt
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.queries.list_columns import LIST_COLUMNS
from lifecycle.services.lists.saved_views import save_view
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.conftest import make_people
from tests.factories import SAAS, TenantFactory, utc_now
from tests.web.test_list_conditions import four  # noqa: F401
from tests.web.test_lists import record

LIST = "/api/v1/customers"
# Days of the test: when its module is loaded it may be the day before.
DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration={**SAAS, "currency": "EUR", "rates": {"USD": 0.91}})


@pytest.fixture
def viewer(api_client, four):  # noqa: F811
    return api_client("viewer")


def day(name):
    return str(utc_now().date() + dt.timedelta(days=DAYS[name]))


def found(client, **asked):
    answer = client.get(LIST, {"ordering": "name", **asked})
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]


def refused(client, **asked):
    """The parameter that the answer names, and what it says."""
    answer = client.get(LIST, asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    (error,) = answer.json()["errors"]
    assert error["pointer"] == f"#/{error['parameter']}"
    return error["parameter"], error["detail"]


def keep(person, query, tenant, *, share=False):
    """The id of a view that the person has saved."""
    with tenant_context(tenant.id):
        about = {"user_id": person.id, "tenant": tenant, "actor": system_actor("tests"), "now": utc_now()}
        view = save_view(f"View {uuid4()}", query, share=share, **about)
    return str(view.id)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"days_min": "5"}, ["Alpha", "Delta", "Gamma"]),
        ({"days_max": "5"}, ["Beta", "Gamma"]),
        ({"days_min": "4", "days_max": "40"}, ["Alpha", "Gamma"]),
        ({"arr_min": "5000"}, ["Alpha", "Beta"]),
        ({"arr_max": "5000"}, ["Alpha", "Delta", "Gamma"]),
        ({"arr_min": "1000.01", "arr_max": "69999.99"}, ["Alpha"]),
        ({"health_max": "100"}, ["Alpha", "Beta", "Delta", "Gamma"]),
        ({"segment": "Enterprise"}, []),
        ({"renewal_within": "400"}, ["Alpha", "Beta", "Delta", "Gamma"]),
        ({"renewal_within": "399"}, []),
        ({"renewing_within": "399"}, []),
        ({"changed_from": "today", "changed_to": "today"}, ["Alpha", "Beta", "Delta", "Gamma"]),
        ({"changed_from": "tomorrow"}, []),
        ({"changed_to": "yesterday"}, []),
        ({"category": "engaged", "days_min": "4"}, ["Alpha"]),
        ({"days_min": "4", "where": "owner:ann or stage:Lost"}, ["Alpha", "Delta", "Gamma"]),
        ({"days_min": "4", "where": "owner:ann or stage:Lost", "arr_max": "1000", "industry": "mining"}, ["Gamma"]),
        (
            {"days_min": "", "arr_max": "", "segment": " ", "view": "", "columns": ""},
            ["Alpha", "Beta", "Delta", "Gamma"],
        ),
    ],
)
def test_each_parameter_is_a_condition_that_holds_together_with_all_others(viewer, asked, names):
    asked = {name: day(value) if value in DAYS else value for name, value in asked.items()}
    assert found(viewer, **asked) == names
    answer = viewer.get(LIST, {"ordering": "name", "limit": "1", "count": "true", **asked})
    assert answer.json()["total"] == len(names)
    paged = []
    while True:
        paged += [row["name"] for row in answer.json()["results"]]
        if answer.json()["next"] is None:
            break
        parts = urlsplit(answer.json()["next"])
        answer = viewer.get(f"{parts.path}?{parts.query}")
    assert paged == names


def test_customers_are_found_by_the_moment_of_their_last_change(viewer):
    rows = viewer.get(LIST, {"ordering": "updated_at"}).json()["results"]
    third, names = rows[2]["updated_at"], [row["name"] for row in rows]
    assert found(viewer, ordering="updated_at", changed_from=third) == names[2:]
    assert found(viewer, ordering="updated_at", changed_to=third) == names[:3]
    assert found(viewer, ordering="updated_at", changed_from=third, changed_to=third) == names[2:3]


def test_customers_are_found_by_how_poor_their_health_is_at_best(viewer):
    health = {row["name"]: row["health"]["score"] for row in viewer.get(LIST).json()["results"]}
    assert len(set(health.values())) > 1
    for most in sorted(set(health.values())):
        assert found(viewer, health_max=str(most)) == sorted(name for name, score in health.items() if score <= most)
    assert found(viewer, health_max=str(min(health.values()) - 1)) == []


def test_revenue_is_compared_in_the_currency_of_the_tenant(viewer, tenant):
    in_dollars = record(tenant, "5", "Epsilon", "Live", arr="1000000")
    assert str(in_dollars) and found(viewer, arr_min="1000000") == ["Epsilon"]
    assert found(viewer, arr_min="1000000.01") == []


@pytest.mark.parametrize(
    ("asked", "parameter", "detail"),
    [
        ({"days_min": "-1"}, "days_min", "“-1” must be from 0 to 3,650. Give a number of days from 0 to 3650."),
        ({"days_max": "ten"}, "days_max", "Give a number of days from 0 to 3650."),
        ({"days_max": "3651"}, "days_max", "Give a number of days from 0 to 3650."),
        ({"arr_min": "much"}, "arr_min", "Give a number such as 10000."),
        ({"arr_max": "1e12"}, "arr_max", "must be less than 1,000,000,000,000."),
        ({"arr_max": "0.00001"}, "arr_max", "has more than 4 decimals."),
        ({"health_max": "101"}, "health_max", "Give a number from 0 to 100."),
        ({"health_max": "1.5"}, "health_max", "must be a whole number."),
        ({"changed_from": "2026-02-30"}, "changed_from", "“2026-02-30” is not a date such as 2026-03-31."),
        ({"changed_to": "2026-03-31T09:00"}, "changed_to", "is not a timestamp such as 2026-03-31T09:00:00Z."),
        ({"changed_to": "0001-01-01T00:00:00+14:00"}, "changed_to", "is not a timestamp such as"),
        ({"changed_from": "1899-12-31"}, "changed_from", "must be between 1900 and 2200."),
        ({"segment": "x" * 201}, "segment", "is not a value that can be kept."),
        ({"segment": "a\x01"}, "segment", "is not a value that can be kept."),
        ({"segment": ["a", "b"]}, "segment", "was given more than once; give it once."),
        ({"renewal_within": "3651"}, "renewal_within", "Give a number of days from 0 to 3650."),
        ({"columns": "customer,colour"}, "columns", "There is no column “colour”; the columns are “customer”, “stage”"),
        ({"view": "mine"}, "view", "The id of a view is a UUID: check it."),
        ({"count": "yes"}, "count", "Give true or false."),
    ],
)
def test_a_value_that_is_out_of_bounds_is_refused_with_the_parameter_s_name(viewer, asked, parameter, detail):
    named, said = refused(viewer, **asked)
    assert named == parameter
    assert detail in said


def test_rows_have_the_columns_that_are_asked_for_with_the_values_that_they_always_have(viewer):
    (whole, *_) = viewer.get(LIST, {"ordering": "name"}).json()["results"]
    always = {"id", "customer_id", "external_id", "name"}
    for asked in ({"columns": "arr,health"}, {"columns": ["arr", "health"]}):
        (row, *_) = viewer.get(LIST, {"ordering": "name", **asked}).json()["results"]
        assert set(row) == always | {"arr", "currency", "health"}
        assert row == {name: whole[name] for name in row}
    (row, *_) = viewer.get(LIST, {"ordering": "name", "columns": "name,renewal_on"}).json()["results"]
    assert set(row) == always | {"renewal_on", "days_to_renewal"}
    every = ",".join(column.name for column in LIST_COLUMNS)
    (row, *_) = viewer.get(LIST, {"ordering": "name", "columns": every}).json()["results"]
    assert row == {name: whole[name] for name in row}


def test_a_view_gives_its_filters_order_and_columns_and_what_is_given_goes_before(viewer, users, tenant):
    query = "stage=Live&renewing_within=500&stuck=&ordering=-name&columns=customer,arr&where=days_in_stage%3E%3D3"
    view = keep(users.viewer, query, tenant)
    rows = viewer.get(LIST, {"view": view}).json()["results"]
    assert [row["name"] for row in rows] == ["Beta", "Alpha"]
    assert set(rows[0]) == {"id", "customer_id", "external_id", "name", "arr", "currency"}
    assert found(viewer, view=view) == ["Alpha", "Beta"]
    assert found(viewer, view=view, arr_min="6000") == ["Beta"]
    assert found(viewer, view=view, stage="Trial") == ["Gamma"]
    assert found(viewer, view=view, stage="") == ["Alpha", "Beta", "Delta", "Gamma"]
    assert found(viewer, view=view, where="owner:ann") == ["Alpha"]
    first = viewer.get(LIST, {"view": view, "limit": "1", "count": "true"}).json()
    assert (first["results"][0]["name"], first["total"]) == ("Beta", 2)
    parts = urlsplit(first["next"])
    assert [row["name"] for row in viewer.get(f"{parts.path}?{parts.query}").json()["results"]] == ["Alpha"]


def test_a_view_that_the_pages_have_saved_is_read_as_they_read_it(viewer, users, tenant):
    assert found(viewer, view=keep(users.viewer, "stuck=1", tenant)) == []
    assert found(viewer, view=keep(users.viewer, "at_risk=1&edit=columns", tenant)) == []
    answer = viewer.get(LIST, {"view": keep(users.viewer, "stage=Nowhere", tenant)})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "stage")


def test_no_one_opens_a_view_that_is_someone_else_s_or_another_tenant_s(viewer, users, tenant):
    other = TenantFactory(configuration=SAAS)
    views = [
        keep(users.account_manager, "stage=Live", tenant),
        keep(make_people(other).viewer, "stage=Live", other, share=True),
        str(uuid4()),
    ]
    for view in views:
        answer = viewer.get(LIST, {"view": view})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json()["detail"] == "There is no such view, or it is not shared with you."
    assert found(viewer, view=keep(users.account_manager, "stage=Live", tenant, share=True)) == ["Alpha", "Beta"]


def test_the_statements_are_as_many_for_many_customers_and_filters_as_for_few(viewer, users, tenant):
    view = keep(users.viewer, "stage=Live", tenant)
    asked = {
        "days_min": "0",
        "days_max": "3000",
        "arr_min": "0",
        "arr_max": "900000",
        "health_max": "100",
        "changed_from": "2020-01-01",
        "changed_to": day("tomorrow"),
        "renewal_within": "3000",
        "view": view,
        "columns": "arr,health",
        "count": "true",
        "ordering": "name",
    }

    def statements():
        viewer.get(LIST, asked)
        with CaptureQueriesContext(connection) as captured:
            assert viewer.get(LIST, asked).status_code == 200
        return [one["sql"] for one in captured.captured_queries]

    few = statements()
    for number in range(10, 40):
        record(tenant, str(number), f"More {number}", "Live")
    many = statements()
    assert len(many) == len(few)
    assert len([sql for sql in many if "lifecycle_saved_view" in sql]) == 1
