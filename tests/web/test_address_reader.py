"""What of an address cannot be read is said on the page, and what else it asks for is shown all the same."""

import datetime as dt

import pytest
from django.http import QueryDict
from django.utils import timezone

from lifecycle.web.address_reader import AddressReader
from tests.factories import CustomerFactory, utc_now
from tests.web.conftest import markup_of, text_of


@pytest.fixture
def client(page_client):
    return page_client("account_manager")


@pytest.fixture
def customer(tenant):
    return CustomerFactory(tenant=tenant, name="Aurora Logistics", owner="ann", stage="Active")


BEGINNING = "This page link has expired. The list is shown from its beginning."
PROBLEM = "application/problem+json"
THIS_MONTH = "is no month. Write it as 2026-01. This month is shown."


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("/?whose=theirs", "“theirs” is not one of the values. Choose one of: “mine”, “team” and “all”."),
        ("/renewals?month=2026-13", f"“2026-13” {THIS_MONTH}"),
        ("/renewals?month=0001-01", f"“0001-01” {THIS_MONTH}"),
        ("/renewals?month=2026-03&day=2026-02-30", "“2026-02-30” is not a day. Write it as 2026-01-31. The whole"),
        ("/renewals?month=2026-03&day=2026-04-01", "1 Apr 2026 is not in this month. The whole month is shown."),
        ("/renewals?whose=theirs", "“theirs” is not one of the values. Choose one of: “mine” and “all”."),
        ("/renewals?page=last", "There is no page “last”. The first one is shown."),
        ("/renewals?renewed=-1", "There is no page “-1”. The first one is shown."),
        ("/renewals/kept?month=March&currency=EUR", f"“March” {THIS_MONTH}"),
        ("/renewals/kept?page=0", "There is no page “0”. The first one is shown."),
        ("/tasks?state=late", "“late” is not one of the values. Choose one of: “open” and “done”."),
        ("/tasks?cursor=x", BEGINNING),
        ("/customers/{id}/notes?cursor=x", BEGINNING),
        ("/customers/{id}/tasks?cursor=x", BEGINNING),
        ("/customers/{id}/timeline?kind=calls", "“calls” is not one of the values."),
        ("/customers/{id}/as-of?known=here", "“here” is not one of the values. Choose one of: “effective” and"),
        ("/customers/as-of?day=2026-02-30", "“2026-02-30” is not a day. Write it as 2026-01-31. Today is shown."),
        ("/customers/as-of?cursor=x", BEGINNING),
        ("/board/as-of?day=1066-10-14", "“1066-10-14” is too long ago, or too far ahead. Today is shown."),
        ("/insight?show=all", "“all” is not one of the values. Choose one of: “stages”, “flow”"),
    ],
)
def test_what_cannot_be_read_is_said_above_what_is_shown(client, customer, address, sentence):
    page = client.get(address.replace("{id}", str(customer.id)))
    alerts = [tag for _name, tag in markup_of(page).tags if tag.get("role") == "alert"]
    assert [tag["class"] for tag in alerts if "poor" in tag.get("class", "")] == ["notice poor mb-3"]
    assert (page.status_code, sentence in text_of(page)) == (400, True), text_of(page)


def test_where_the_day_has_begun_already_that_is_tomorrow_in_utc_it_is_no_day_to_come():
    here = timezone.localdate()
    reader = AddressReader(QueryDict(f"day={here}"))
    assert (reader.read_past_day(here - dt.timedelta(days=1)), reader.troubles) == (here - dt.timedelta(days=1), [])
    reader = AddressReader(QueryDict(f"day={here + dt.timedelta(days=1)}"))
    assert reader.read_past_day(here) == here and reader.troubles


@pytest.mark.parametrize("path", ["/customers/as-of", "/board/as-of"])
def test_a_day_that_has_not_been_is_said_and_the_owner_is_kept(client, customer, path):
    page = client.get(path, {"day": utc_now().date() + dt.timedelta(days=3), "owner": "ann", "segment": "none"})
    (owner,) = [tag["value"] for tag in markup_of(page).all("input") if tag.get("name") == "owner"]
    assert (page.status_code, owner) == (400, "ann")
    assert "is still to come. Today is shown." in text_of(page)
    assert "Aurora" not in text_of(page), "the segment is kept as well"


def test_of_two_days_the_one_that_can_be_read_is_kept(client, customer):
    page = client.get("/insight?show=flow&from=soon&to=2026-03-31&owner=ann")
    text, fields = text_of(page), {tag.get("name"): tag.get("value") for tag in markup_of(page).all("input")}
    assert "“soon” is not a day." in text and "Shown are the days from 1 Apr 2025 to 31 Mar 2026." in text
    assert (fields["to"], fields["owner"], fields["show"]) == ("2026-03-31", "ann", "flow")


def test_each_filter_that_there_is_not_is_said_and_the_others_stay_in_the_form(client, customer):
    page = client.get("/customers?where=owner:ann&days_min=many&arr_max=10&stuck=often&category=lost&industry=Food")
    text, fields = text_of(page), {tag.get("name"): tag.get("value") for tag in markup_of(page).all("input")}
    assert page.status_code == 400
    assert "“many” is not a number" in text and "“often” is not one of the values." in text
    assert fields["where"] == "owner:ann and arr<=10"
    assert (fields["category"], fields["industry"]) == ("lost", "Food")
    (rest,) = [tag["href"] for tag in markup_of(page).all("a") if tag.get("class") == "btn btn-quiet mt-2"]
    assert client.get(rest).status_code == 200
    assert "where=owner%3Aann+and+arr%3C%3D10" in rest and "industry=Food" in rest


@pytest.mark.parametrize("address", ["/customers?search=%00", "/help?" + "&".join(["a=1"] * 1001)])
def test_an_address_that_no_page_can_have_is_refused_by_a_page(client, customer, address):
    page = client.get(address, headers={"accept-language": "de"})
    assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "Diese Anfrage konnte nicht bearbeitet werden" in text_of(page)
    assert "default-src 'self'" in page["Content-Security-Policy"]
    api = client.get(f"/api/v1{address}")
    assert (api.status_code, api["Content-Type"], api.json()["code"]) == (400, PROBLEM, "invalid_request")


def test_columns_and_an_order_that_there_are_not_are_said_beside_the_list(client, customer):
    page = client.get("/customers?columns=customer,colour,%20arr&ordering=secret")
    text = text_of(page)
    assert page.status_code == 200 and "Aurora Logistics" in text
    assert "There is no column “colour”. There is no order “secret”. The usual one is used." in text
    heads = [head for head in ("Customer", "ARR", "Owner") if f">{head}" in page.content.decode()]
    assert "ARR" in heads
