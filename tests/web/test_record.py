"""Where the figures of a customer come from, on its page: sources, losers, pins; and how its health came about."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from audit.models import AdministrationEntry
from lifecycle.sentences.codes import name_source
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.web.record import show_freshness
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.web.conftest import markup_of, text_of


def tell(tenant, customer, source="/crm", days=0, **facts):
    fact = CustomerFacts(customer.external_id, source, utc_now() - dt.timedelta(days=days), **facts)
    with tenant_context(tenant.id):
        record_customers(
            [fact], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=False
        )


def test_a_field_is_pinned_on_its_page_and_the_loser_is_shown(page_client, tenant, customer):
    tell(tenant, customer, days=1, company={"owner": "ann"})
    client = page_client("account_manager")
    address = f"/customers/{customer.id}/fields/owner"
    (version, *_) = [
        one["value"] for one in markup_of(client.get(address)).all("input") if one.get("name") == "version"
    ]
    posted = client.post(address, {"version": version, "sets_value": "1", "value": "eve", "reason": "Agreed."})
    assert (posted.status_code, posted["Location"]) == (302, f"/customers/{customer.id}")
    tell(tenant, customer, company={"owner": "bob"})
    page = text_of(client.get(f"/customers/{customer.id}"))
    assert "Owner : eve pinned By hand" in page
    assert "Not taken: “bob” (CRM, " in page and "the field is pinned" in page
    stale = client.post(address, {"version": version, "unpin": "1"})
    assert stale.status_code == 412
    assert "was just changed by someone else" in text_of(stale)
    client.post(address, {"unpin": "1"})
    assert "Owner : bob" in text_of(client.get(f"/customers/{customer.id}"))


def test_a_pin_that_is_sent_twice_is_not_taken_for_one_of_someone_else_s(page_client, tenant, customer):
    tell(tenant, customer, days=1, company={"owner": "ann"})
    client, address = page_client("account_manager"), f"/customers/{customer.id}/fields/owner"
    for asked in ({"value": "eve", "reason": "Agreed."}, {"unpin": "1"}):
        inputs = markup_of(client.get(address)).all("input")
        # Of two forms that for unpinning is the first.
        given = {one["name"]: one["value"] for one in reversed(inputs) if one.get("name") in ("version", "submission")}
        answers = [client.post(address, asked | given) for _ in range(2)]
        assert [(one.status_code, one.get("Location")) for one in answers] == [(302, f"/customers/{customer.id}")] * 2
    with tenant_context(tenant.id):
        recorded = AdministrationEntry.objects.filter(subject=str(customer.id)).order_by("id")
        assert list(recorded.values_list("action", flat=True)) == ["pin_field", "unpin_field"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"reason": ""}, "why the field is pinned"),
        ({"reason": "x", "until": "soon"}, "is not a date"),
        ({"reason": "x", "until": "9999-12-31"}, "is not a date"),
        ({"reason": "x", "until": "2001-01-01"}, "must end in the future"),
    ],
)
def test_what_cannot_be_pinned_is_said_and_what_was_typed_stays(page_client, customer, typed, said):
    answer = page_client("account_manager").post(f"/customers/{customer.id}/fields/owner", typed)
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert typed["reason"] in [
        one.get("value") for one in markup_of(answer).all("input") if one.get("name") == "reason"
    ]


def test_a_viewer_sees_the_sources_and_may_pin_nothing(page_client, tenant, customer, other_customer):
    tell(tenant, customer, "/billing", days=9, billing={"currency": "EUR", "arr": "100.00"})
    client = page_client("viewer")
    page = client.get(f"/customers/{customer.id}")
    assert "Billing last reported 9 days ago" in text_of(page)
    assert not [one for one in markup_of(page).all("a") if "/fields/" in one.get("href", "")]
    assert client.get(f"/customers/{customer.id}/fields/owner").status_code == 403
    manager = page_client("account_manager")
    assert manager.get(f"/customers/{other_customer.id}/fields/owner").status_code == 404
    assert manager.get(f"/customers/{customer.id}/fields/stage").status_code == 404


def test_the_score_has_a_line_and_a_table_that_says_the_same(page_client, tenant):
    for days, facts in ((20, {}), (15, {"support": {"open_issues": 0}}), (1, {"support": {"open_issues": 4}})):
        at = utc_now() - dt.timedelta(days=days)
        fact = CustomerFacts("acme", "/support", at, **facts)
        with tenant_context(tenant.id):
            (recorded,) = record_customers(
                [fact],
                tenant=tenant,
                actor=system_actor("tests"),
                source="Import",
                now=at,
                create=True,
                backdated=True,
            )
    client = page_client("viewer")
    address = f"/customers/{recorded.customer_id}"
    assert "Full score 100 Open issues −12 Health 88" in text_of(client.get(address))
    answer = client.get(f"{address}/health")
    (line,) = [one for one in markup_of(answer).all("svg") if one.get("class") == "health-line"]
    assert line["role"] == "img" and "table" in line["aria-label"]
    (drawn,) = markup_of(answer).all("polyline")
    assert {point.split(",")[1] for point in drawn["points"].split()} == {"0", "12"}
    assert [one for one in markup_of(answer).all("table") if one.get("id") == "scores"]
    assert len(markup_of(answer).all("tr")) == 3, "the head, and one row a change"


def test_a_score_that_has_not_changed_says_so(page_client, tenant):
    at = utc_now() - dt.timedelta(days=20)
    fact = CustomerFacts("acme", "/support", at, support={"open_issues": 4})
    with tenant_context(tenant.id):
        (recorded,) = record_customers(
            [fact], tenant=tenant, actor=system_actor("tests"), source="Import", now=at, create=True, backdated=True
        )
    shown = text_of(page_client("viewer").get(f"/customers/{recorded.customer_id}/health"))
    assert "88, unchanged since Monday." in shown and "88 to 88" not in shown


def test_a_source_is_named_as_people_call_it():
    asked = ("/crm", "/crm/eu-1", "/people", "UI", "/else", "")
    assert [name_source(one) for one in asked] == ["CRM", "CRM (eu-1)", "By hand", "In the app", "/else", "Not known"]


def read_pin_form(client, address):
    """What the form of a pin is filled with."""
    return {one.get("name"): one.get("value") for one in markup_of(client.get(address)).all("input")}


def test_a_value_that_was_typed_is_set_without_a_tick(page_client, tenant, customer):
    tell(tenant, customer, company={"segment": "SMB"})
    client = page_client("account_manager")
    address = f"/customers/{customer.id}/fields/segment"
    form = text_of(client.get(address))
    assert "Kept with the pin, and shown beside the field." in form
    assert "what you set stays until a source reports something newer, or takes priority." in form
    client.post(address, {"value": "Enterprise", "reason": "They have grown."})
    assert "Segment : Enterprise pinned" in text_of(client.get(f"/customers/{customer.id}"))
    client.post(address, {"value": " ", "reason": "It is right."})
    assert "Segment : Enterprise pinned" in text_of(client.get(f"/customers/{customer.id}"))


def test_a_pin_that_is_changed_keeps_its_reason_and_its_day(page_client, tenant, customer):
    tell(tenant, customer, company={"segment": "SMB"})
    client = page_client("account_manager")
    client.post("/account/settings", {"time_zone": "Asia/Kolkata"})
    address = f"/customers/{customer.id}/fields/segment"
    until = (utc_now() + dt.timedelta(days=9)).date()
    assert client.post(address, {"reason": "Agreed.", "until": until.isoformat()}).status_code == 302
    filled = read_pin_form(client, address)
    assert (filled["reason"], filled["until"]) == ("Agreed.", until.isoformat())
    assert "Pinned by" in text_of(client.get(address)) and " until " in text_of(client.get(address))


def test_a_value_that_does_not_fit_is_refused_under_the_name_that_people_know(page_client, tenant, customer):
    tell(tenant, customer, "/billing", billing={"currency": "EUR", "balance_overdue": "100.00"})
    address = f"/customers/{customer.id}/fields/billing.balance_overdue"
    answer = page_client("account_manager").post(address, {"value": "abc", "reason": "By phone."})
    assert answer.status_code == 400
    assert "Overdue balance is not a number; write for example 1234.50. Nothing was changed." in text_of(answer)
    assert "billing.balance_overdue" not in text_of(answer)


def test_a_source_that_reported_last_night_did_not_report_today():
    profile = {"freshness": [{"source": "/crm", "heard_at": dt.datetime(2026, 11, 27, 23, 11, tzinfo=dt.UTC)}]}
    now = dt.datetime(2026, 11, 28, 6, 0, tzinfo=dt.UTC)
    assert [one["days"] for one in show_freshness(profile, now)] == [1]
    with timezone.override(ZoneInfo("Asia/Kolkata")):
        assert [one["days"] for one in show_freshness(profile, now)] == [0]


def test_what_a_person_set_is_not_reported_by_a_source(page_client, tenant, customer):
    tell(tenant, customer, company={"segment": "SMB"})
    client = page_client("account_manager")
    address = f"/customers/{customer.id}/fields/segment"
    client.post(address, {"value": "Enterprise", "reason": "They have grown."})
    assert "Now “Enterprise” (By hand, " in text_of(client.get(address))
    timeline = text_of(client.get(f"/customers/{customer.id}/timeline"))
    assert " · set by hand" in timeline and "reported by By hand" not in timeline
