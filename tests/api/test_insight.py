"""Figures of a period over the API: what the pages show, and each number leads to a list of exactly so many."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.models import Customer
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.insight.keeping import keep_facts
from tenants.context import tenant_context
from tests.conftest import make_people
from tests.factories import MINIMAL, TenantFactory, utc_now
from tests.services.test_insight import ACTOR, at, step, tell

RISKY = {**MINIMAL, "categories": {"At-Risk": "risk", "Churned": "lost"}}
FIGURES = ("stages", "flow", "conversion", "durations", "cohorts", "risk", "save-rate")
PERIOD = f"from={at(1).date()}&to={at(70).date()}"
pytestmark = pytest.mark.one_tenant


@pytest.fixture(scope="module")
def shared_tenant(django_db_setup, django_db_blocker):
    """Four customers, one of whom a publication moved; ann and cyd have an owner, and dan is of another segment."""
    with django_db_blocker.unblock():
        tenant = TenantFactory(configuration=RISKY)
        customers = tell(tenant)
        with tenant_context(tenant.id):
            step(tenant, customers["dan"], 60, "Active", source="Configuration")
            Customer.objects.filter(id__in=[customers["ann"].id, customers["cyd"].id]).update(
                owner="Zoë", owner_key="zoë"
            )
            Customer.objects.filter(id=customers["dan"].id).update(segment="Enterprise")
        keep_facts(tenant)
    return tenant


def counts_in(body):
    """Every figure with its link, wherever it is."""
    if isinstance(body, dict):
        if body.keys() == {"count", "link"}:
            yield body["count"], body["link"]
        for one in body.values():
            yield from counts_in(one)
    elif isinstance(body, list):
        for one in body:
            yield from counts_in(one)


def get(client, address):
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.content)
    return answer.json()


@pytest.mark.parametrize("whose", ["", "&owner=zoë", "&segment=enterprise"])
@pytest.mark.parametrize("figure", FIGURES)
def test_each_number_leads_to_a_list_of_exactly_so_many(api_client, figure, whose):
    client = api_client("account_manager")
    body = get(client, f"/api/v1/insight/{figure}?{PERIOD}{whose}")
    assert (body["begins_on"], body["ends_on"]) == (str(at(1).date()), str(at(70).date()))
    found = list(counts_in(body))
    linked = {link: count for count, link in found if link}
    assert all(link for count, link in found if count) and not any(link for count, link in found if not count)
    assert linked or (figure in ("risk", "save-rate") and "segment" in whose)
    for link, count in linked.items():
        listed = get(client, link)
        assert listed["total"] == count == len(listed["results"]), link


@pytest.mark.parametrize("whose", ["", "&owner=zoë"])
def test_revenue_gained_and_lost_leads_to_the_moves_and_changes_that_add_up_to_it(api_client, whose):
    client, found = api_client("account_manager"), {}
    for row in get(client, f"/api/v1/insight/stages?{PERIOD}{whose}")["gained_and_lost"]:
        for way, link in row["links"].items():
            assert bool(link) == (Decimal(row[way]) != 0), (way, row)
            if link:
                listed = get(client, link)
                assert listed["total"] == len(listed["results"])
                assert sum(Decimal(one["change"]) for one in listed["results"]) == Decimal(row[way])
                found[row["currency"], way] = [one["name"] for one in listed["results"]]
    # ann's euros grew by 50 and became dollars, cyd came with euros and left with them.
    assert found == {
        ("EUR", "new"): ["cyd"],
        ("EUR", "grown"): ["ann"],
        ("EUR", "shrunk"): ["ann"],
        ("EUR", "gone"): ["cyd"],
        ("USD", "grown"): ["ann"],
    }
    assert all(
        row["links"][way] is None
        for row in get(api_client("viewer"), f"/api/v1/insight/stages?{PERIOD}{whose}")["gained_and_lost"]
        for way in row["links"]
    )


def test_the_figures_are_those_of_the_stories(api_client):
    client = api_client("account_manager")
    flow = get(client, f"/api/v1/insight/flow?{PERIOD}")
    counts = {one["stage"]: [one[name]["count"] for name in ("start", "came", "left", "end")] for one in flow["stages"]}
    assert counts["At-Risk"] == [0, 2, 2, 0] and counts["Prospect"] == [1, 3, 4, 0]
    for start, came, left, end in counts.values():
        assert start + came - left == end
    risk = get(client, f"/api/v1/insight/risk?{PERIOD}")
    (whole, at_risk) = risk["reasons"]
    assert (whole["reason_code"], at_risk["reason_code"]) == (None, "At-Risk!")
    assert {name: one["count"] for name, one in whole.items() if name != "reason_code"} == {
        "all": 2,
        "open": 0,
        "recovered": 1,
        "lost": 1,
        "published": 0,
        "nothing": 2,
        "note": 0,
        "task": 0,
        "message": 0,
        "contact": 0,
    }
    assert [(one["from_stage"], one["to_stage"], one["moves"]["count"]) for one in risk["came"]] == [
        ("Active", "At-Risk", 1),
        ("Onboarded", "At-Risk", 1),
    ]
    listed = get(client, whole["lost"]["link"])["results"]
    assert [(one["name"], one["stage"], one["to_stage"], one["left_reason"]) for one in listed] == [
        ("cyd", "At-Risk", "Churned", "Churned!")
    ]
    durations = get(client, f"/api/v1/insight/durations?{PERIOD}")["stages"]
    assert {one["stage"]: one["half_left_by_day"] for one in durations}["At-Risk"] == 10
    cohorts = get(client, f"/api/v1/insight/cohorts?{PERIOD}")["cohorts"]
    assert [(one["month"], one["customers"]["count"]) for one in cohorts] == [("2026-03-01", 3), ("2026-04-01", 1)]


def test_a_viewer_gets_the_figures_without_addresses_and_no_lists(api_client):
    viewer = api_client("viewer")
    for figure in FIGURES:
        body = get(viewer, f"/api/v1/insight/{figure}?{PERIOD}")
        assert {link for _count, link in counts_in(body)} <= {None}
    assert viewer.get("/api/v1/insight/customers?figure=came&cohort=2026-03-01").status_code == 403


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ("from=2026-05-01&to=2026-04-01", "#/from"),
        ("from=yesterday", "#/from"),
        ("to=1066-10-14", "#/to"),
        ("owner=" + "x" * 151, "#/owner"),
        ("owner=a&owner=b", "#/owner"),
        ("whose=me", "#/whose"),
    ],
)
def test_what_is_no_period_is_refused_and_named(api_client, asked, pointer):
    answer = api_client("viewer").get(f"/api/v1/insight/flow?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ("", "#/figure"),
        ("figure=nothing", "#/figure"),
        ("figure=standing&stage=Active", "#/stage"),
        ("figure=stays&stage=0:Active&way=out", "#/way"),
        ("figure=standing&day=2026-02-30", "#/day"),
        ("figure=standing&cursor=0", "#/cursor"),
        ("figure=standing&cursor=1.5", "#/cursor"),
    ],
)
def test_what_is_no_list_is_refused_and_named(api_client, asked, pointer):
    answer = api_client("account_manager").get(f"/api/v1/insight/customers?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_long_list_comes_in_pages_of_fifty(api_client, db):
    tenant = TenantFactory(configuration=RISKY)
    client = api_client(make_people(tenant).account_manager)
    made = tell(tenant, {f"c{number:02}": [(number / 100, "Active")] for number in range(53)}, {})
    keep_facts(tenant)
    day = get(client, f"/api/v1/insight/flow?from={at(0).date()}&to={at(1).date()}")
    (active,) = [one for one in day["stages"] if one["stage"] == "Active"]
    first = get(client, active["came"]["link"])
    second = get(client, first["next"])
    assert (first["total"], second["total"], first["previous"], second["next"]) == (53, 53, None, None)
    names = [one["name"] for page in (first, second) for one in page["results"]]
    assert names == sorted(made) and len(second["results"]) == 3
    assert get(client, second["previous"])["results"] == first["results"]


def test_renewals_are_counted_by_month_and_each_month_leads_to_its_contracts(api_client, db):
    tenant = TenantFactory(configuration=RISKY)
    client = api_client(make_people(tenant).account_manager)
    today = utc_now().date()
    ahead = today + dt.timedelta(days=70)
    made = tell(tenant, {"eve": [(0, "Active")], "flo": [(0, "Active")], "gus": [(0, "Churned")]}, {})
    with tenant_context(tenant.id):
        Customer.objects.filter(id=made["eve"].id).update(segment="SMB")
        for customer in made.values():
            billing = {"renewal_on": ahead.isoformat(), "arr": "9"}
            facts = CustomerFacts(customer.external_id, "/billing", utc_now(), billing=billing)
            record_customers([facts], tenant=tenant, actor=ACTOR, source="Import", now=utc_now(), create=False)
    body = get(client, f"/api/v1/insight/renewals?from={today}&to={ahead}")
    assert [one["due"]["count"] for one in body["months"]] == [0] * (len(body["months"]) - 1) + [2]
    listed = get(client, body["months"][-1]["due"]["link"])
    assert (listed["total"], {one["name"] for one in listed["results"]}) == (2, {"eve", "flo"})
    small = get(client, f"/api/v1/insight/renewals?from={today}&to={ahead}&segment=smb")
    assert [one["name"] for one in get(client, small["months"][-1]["due"]["link"])["results"]] == ["eve"]


def test_what_months_have_kept_is_said_of_everyone(api_client, tenant):
    body = get(api_client("viewer"), "/api/v1/insight/renewals?from=2026-03-01&to=2026-05-01")
    kept = {one["month"]: one["kept"] for one in body["months"]}
    assert kept.keys() == {"2026-03-01", "2026-04-01", "2026-05-01"}
    for_owner = get(api_client("viewer"), "/api/v1/insight/renewals?from=2026-03-01&to=2026-05-01&owner=zoë")
    assert [one["kept"] for one in for_owner["months"]] == [[], [], []]
    # Of the two with revenue one had reported any before April, in what it is billed in today: 150, and 120 at its end.
    assert [(one["currency"], one["customers"], one["gross_retention"]) for one in kept["2026-04-01"]] == [
        ("USD", 1, "80.0")
    ]
    (april,) = kept["2026-04-01"]
    assert april["link"] is None
    assert api_client("viewer").get("/api/v1/insight/renewals/kept?from=2026-04-01&currency=USD").status_code == 403
    manager = api_client("account_manager")
    body = get(manager, "/api/v1/insight/renewals?from=2026-03-01&to=2026-05-01")
    (april,) = body["months"][1]["kept"]
    listed = get(manager, april["link"])
    assert (listed["total"], listed["next"]) == (april["customers"], None)
    (row,) = listed["results"]
    assert [row["start"], row["end"], row["kept"]] == ["150.00", "120.00", "120.00"]
    assert get(manager, "/api/v1/insight/renewals/kept?from=2026-04-01&currency=CHF")["total"] == 0
    assert manager.get("/api/v1/insight/renewals/kept?from=2026-04-01&owner=x").status_code == 400


def test_an_answer_takes_as_many_statements_for_one_customer_as_for_many(api_client, db):
    tenant = TenantFactory(configuration=RISKY)
    client = api_client(make_people(tenant).account_manager)

    def count(figure):
        with CaptureQueriesContext(connection) as statements:
            get(client, f"/api/v1/insight/{figure}?{PERIOD}")
        return len(statements)

    tell(tenant, {"eve": [(0, "Active"), (5, "At-Risk")]}, {})
    keep_facts(tenant)
    # What the stages are called now is asked once.
    count("flow"), count("renewals")
    before = {figure: count(figure) for figure in (*FIGURES, "renewals")}
    tell(tenant, {name: [(3, "Active"), (7, "At-Risk"), (30, "Active")] for name in ("flo", "gus", "hal")}, {})
    keep_facts(tenant)
    assert {figure: count(figure) for figure in (*FIGURES, "renewals")} == before
