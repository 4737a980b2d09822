"""Where a customer was at the end of a past day, over the API."""

import datetime as dt
from collections import Counter

import pytest

from lifecycle.models import FigureChange
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.insight.as_of import EFFECTIVE, RECORDED, PastQuestion, count_past, list_past
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.insight.reading import Stages
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import MINIMAL, utc_now
from tests.services.test_health_past import forget_how_to_read_the_first
from tests.services.test_insight import ACTOR, NOW, at, tell
from tests.statements import statements_of


@pytest.fixture
def ann(tenant):
    return tell(tenant)["ann"]


def test_the_stage_of_a_day_is_the_one_of_then_with_who_set_it_and_why(api_client, ann):
    client = api_client("account_manager")
    answer = client.get(f"/api/v1/customers/{ann.id}/lifecycle?as_of={at(55).date()}")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["stage"], body["reason_code"], body["version"]) == ("At-Risk", "At-Risk!", 4)
    assert body["stage_entered_at"].startswith("2026-04-20T00:00:00") and body["transitions"] == []
    # It was loaded today: no one knew it then.
    assert client.get(f"/api/v1/customers/{ann.id}/lifecycle?as_of={at(55).date()}&known=recorded").status_code == 404
    today = client.get(f"/api/v1/customers/{ann.id}/lifecycle?as_of=9999-12-31&known=recorded").json()
    assert (today["stage"], today["version"]) == ("Active", 5)


def test_time_in_stage_and_figures_are_those_of_the_day_and_of_no_later_report(api_client, tenant, ann):
    address = f"/api/v1/customers/{ann.id}/lifecycle"
    client = api_client("account_manager")
    with tenant_context(tenant.id):
        fact = CustomerFacts(ann.external_id, "/support", at(33), support={"open_issues": 3, "csat": "2.5"})
        record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=NOW, create=False)

    def of(days, known=EFFECTIVE):
        body = client.get(f"{address}?as_of={at(days).date()}&known={known}").json()
        return body["days_in_stage"], {path: (one["value"], one["since"][:10]) for path, one in body["figures"].items()}

    support = {"support.csat": ("2.5", "2026-04-03"), "support.open_issues": (3, "2026-04-03")}
    since = "2026-03-03"
    assert of(1) == (2, {})
    assert of(25) == (6, {"billing.arr": ("100.00", since), "billing.currency": ("EUR", since)})
    assert of(35) == (16, {"billing.arr": ("150.00", "2026-03-31"), "billing.currency": ("EUR", since), **support})
    began = "2026-04-20"
    assert of(55) == (6, {"billing.arr": ("120.00", began), "billing.currency": ("USD", began), **support})


def test_a_figure_that_was_heard_of_later_is_not_among_those_known_by_then(api_client, tenant, ann):
    with tenant_context(tenant.id):
        FigureChange.objects.create(
            tenant_id=tenant.id,
            customer_id=ann.id,
            effective_at=at(70),
            recorded_at=utc_now() + dt.timedelta(days=2),
            source="/billing",
            figures={"billing.arr": "90.00", "billing.renewal_on": None},
        )
    address = f"/api/v1/customers/{ann.id}/lifecycle?as_of=9999-12-31"
    client = api_client("account_manager")
    figures = client.get(address).json()["figures"]
    assert {path: one["value"] for path, one in figures.items()} == {
        "billing.arr": "90.00",
        "billing.currency": "USD",
        "billing.renewal_on": None,
    }
    known = client.get(f"{address}&known=recorded").json()["figures"]
    assert {path: one["value"] for path, one in known.items()} == {"billing.arr": "120.00", "billing.currency": "USD"}


def test_the_stage_of_then_comes_with_what_it_is_called_today(api_client, tenant, ann):
    document = {**MINIMAL, "stages": [{"Active": "Live"}.get(name, name) for name in MINIMAL["stages"]]}
    with tenant_context(tenant.id):
        publish_configuration(document, tenant=tenant, actor=ACTOR, now=utc_now(), renamed={"Active": "Live"})
    body = api_client("account_manager").get(f"/api/v1/customers/{ann.id}/lifecycle?as_of={at(25).date()}").json()
    assert (body["stage"], body["stage_now"]) == ("Active", "Live")


def test_a_day_under_rules_that_are_none_today_is_judged_by_those_of_today(api_client, tenant, ann, monkeypatch):
    """Every page of such a day, and its totals, were an error page."""
    with tenant_context(tenant.id):
        publish_configuration({**MINIMAL, "max_days": {"Active": 3}}, tenant=tenant, actor=ACTOR, now=utc_now())
    keep_facts(tenant)
    forget_how_to_read_the_first(monkeypatch)
    client, day = api_client("account_manager"), at(25).date()
    body = client.get(f"/api/v1/customers/{ann.id}/lifecycle?as_of={day}").json()
    assert (body["stage"], body["configuration_version"]) == ("Active", 1)
    assert [row["name"] for row in listed(client, as_of=str(day), stage="Active")] == ["ann"]
    assert client.get(f"/api/v1/lifecycle/summary?as_of={day}").status_code == 200


def test_before_it_came_the_customer_is_not_found(api_client, ann):
    answer = api_client("account_manager").get(f"/api/v1/customers/{ann.id}/lifecycle?as_of={at(-1).date()}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "The customer did not exist yet at the end of that day."


def test_who_sees_no_history_sees_no_past(api_client, ann):
    address = f"/api/v1/customers/{ann.id}/lifecycle"
    assert api_client("viewer").get(f"{address}?as_of={at(55).date()}").status_code == 403
    assert api_client("viewer").get(address).status_code == 200


@pytest.mark.parametrize(
    "asked", ["as_of=", "as_of=20260101", "as_of=2026-02-30", "as_of=2026-01-01&known=x", "known=recorded"]
)
def test_what_is_no_day_is_refused(api_client, ann, asked):
    answer = api_client("account_manager").get(f"/api/v1/customers/{ann.id}/lifecycle?{asked}")
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_request"


def listed(client, **asked):
    """All rows of the list of a day, a page after the other."""
    rows, cursor = [], None
    while True:
        answer = client.get("/api/v1/customers", {**asked, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.content
        body = answer.json()
        rows += body["results"]
        cursor = body["next_cursor"]
        if not cursor:
            return rows


def test_the_list_of_each_day_is_that_of_the_page_and_each_row_says_what_its_customer_s_own_answer_says(
    api_client, tenant, ann
):
    keep_facts(tenant)
    client = api_client("account_manager")
    today = dt.datetime.now(dt.UTC).date()
    for day in (*(at(days).date() for days in range(-1, 75, 5)), today):
        for known in (EFFECTIVE, RECORDED):
            with tenant_context(tenant.id):
                stages = Stages.of(live_policy(tenant.id), tenant)
                expected = list_past(PastQuestion(day, known), stages=stages, tenant=tenant).rows
                count = count_past(PastQuestion(day, known), tenant=tenant)
            rows = listed(client, as_of=str(day), known=known, limit=2)
            assert [(row["name"], row["stage"], row["days_in_stage"], row["reason_code"]) for row in rows] == [
                (row["name"], row["stage"], row["days_in_stage"], row["reason_code"]) for row in expected
            ]
            assert client.get(f"/api/v1/customers?as_of={day}&known={known}&count=true").json()["total"] == count
            for row in rows:
                own = client.get(f"/api/v1/customers/{row['id']}/lifecycle?as_of={day}&known={known}").json()
                assert {name: row[name] for name in own if name in row} == {
                    name: value for name, value in own.items() if name in row
                }
                held = {path: one["value"] for path, one in own["figures"].items()}
                if held or known == RECORDED:
                    assert (row["arr"], row["currency"]) == (held.get("billing.arr"), held.get("billing.currency", ""))


def test_the_figures_and_the_filters_are_those_of_the_day(api_client, tenant, ann):
    keep_facts(tenant)
    client = api_client("account_manager")

    def found(days, **asked):
        return [
            (row["name"], row["arr"], row["currency"]) for row in listed(client, as_of=str(at(days).date()), **asked)
        ]

    assert found(25, stage="Active") == [("ann", "100.00", "EUR")]
    assert found(35, stage="Active") == [("ann", "150.00", "EUR")]
    assert found(35, stage=["Onboarded", "Active"]) == [("ann", "150.00", "EUR"), ("cyd", "70.00", "EUR")]
    assert found(55, category="renewal") == [] and found(55, owner="else@t.example") == []
    assert found(55, stage="At-Risk") == [("ann", "120.00", "USD"), ("cyd", "70.00", "EUR")]


@pytest.mark.parametrize(("arr", "currency"), [("70.00", "EUR"), ("1235", "JPY"), ("1234.565", "KWD")])
def test_revenue_of_a_past_day_has_the_decimals_of_its_currency_as_that_of_today(api_client, tenant, arr, currency):
    tell(tenant, {"ann": [(0, "Prospect")]}, {"ann": [(2, arr, currency)]})
    keep_facts(tenant)
    client = api_client("account_manager")
    for asked in ({}, {"as_of": str(at(35).date())}):
        (row,) = listed(client, **asked)
        total = client.get("/api/v1/lifecycle/summary", asked).json()["total"]
        assert (row["arr"], total["money"]) == (arr, [{"currency": currency, "arr": arr}]), asked


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ("as_of=2026-13-01", "as_of"),
        ("as_of=2026-04-01&known=x", "known"),
        ("known=recorded", "known"),
        ("as_of=2026-04-01&search=ann", "search"),
        ("as_of=2026-04-01&where=health<=40", "where"),
        ("as_of=2026-04-01&stage=Nowhere", "stage"),
        ("as_of=2026-04-01&cursor=x", "cursor"),
        ("as_of=2026-04-01&nonsense=1", "nonsense"),
    ],
)
def test_what_the_list_of_a_day_cannot_be_asked_for_is_named(api_client, users, asked, parameter):
    answer = api_client("account_manager").get(f"/api/v1/customers?{asked}")
    assert answer.status_code == 400
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


def test_rows_of_a_past_day_have_the_columns_that_are_asked_for(api_client, tenant, ann):
    keep_facts(tenant)
    (row,) = listed(api_client("account_manager"), as_of=str(at(35).date()), stage="Active", columns="arr")
    assert row == {
        **{name: str(ann.id) for name in ("id", "customer_id")},
        "external_id": ann.external_id,
        "name": "ann",
        "arr": "150.00",
        "currency": "EUR",
    }


def test_a_list_of_the_past_takes_as_many_statements_for_one_customer_as_for_many(api_client, tenant, ann):
    keep_facts(tenant)
    client = api_client("account_manager")
    one, many = (
        len(statements_of(client, f"/api/v1/customers?as_of={at(35).date()}&limit={limit}")) for limit in (1, 200)
    )
    assert one == many
    assert many < 15


def test_who_sees_no_history_sees_no_list_of_the_past(api_client, users):
    refused = api_client("viewer").get("/api/v1/customers?as_of=2026-04-01")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_the_tenant_at_a_glance_on_each_day_adds_up_what_the_list_of_the_day_names(api_client, tenant, ann):
    keep_facts(tenant)
    client = api_client("account_manager")
    for day in (at(days).date() for days in range(-1, 75, 5)):
        for known in (EFFECTIVE, RECORDED):
            body = client.get(f"/api/v1/lifecycle/summary?as_of={day}&known={known}").json()
            rows = listed(client, as_of=str(day), known=known)
            counted = {stage["stage"]: stage["customers"] for stage in body["stages"] if stage["customers"]}
            assert counted == Counter(row["stage"] for row in rows), (day, known)
            assert body["total"]["customers"] == len(rows)
    body = client.get(f"/api/v1/lifecycle/summary?as_of={at(55).date()}").json()
    money = {stage["stage"]: stage["money"] for stage in body["stages"]}
    assert [(one["currency"], float(one["arr"])) for one in money["At-Risk"]] == [("EUR", 70.0), ("USD", 120.0)]
    today = dt.datetime.now(dt.UTC).date()
    now = client.get("/api/v1/lifecycle/summary").json()
    past = client.get(f"/api/v1/lifecycle/summary?as_of={today}").json()
    assert [(one["stage"], one["customers"], one["over_expected"], one["category"]) for one in past["stages"]] == [
        (one["stage"], one["customers"], one["over_expected"], one["category"]) for one in now["stages"]
    ]
    assert past["configuration_version"] == now["configuration_version"]


def test_the_tenant_s_past_is_for_those_who_see_histories(api_client, ann):
    assert api_client("viewer").get("/api/v1/lifecycle/summary?as_of=2026-03-01").status_code == 403
    assert api_client("viewer").get("/api/v1/lifecycle/summary").status_code == 200
    for asked in ("as_of=x", "known=recorded", "as_of=2026-03-01&known=x"):
        assert api_client("account_manager").get(f"/api/v1/lifecycle/summary?{asked}").status_code == 400
