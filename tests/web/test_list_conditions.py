"""The list of customers: conditions put together without a script, columns, any column sorted, how many there are."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.queries import selection
from lifecycle.queries.list_columns import LIST_COLUMNS
from tests.factories import SAAS, CustomerFactory, TenantFactory
from tests.web.conftest import HTMX, markup_of, text_of
from tests.web.test_lists import names, record


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration=SAAS)


@pytest.fixture
def client(page_client):
    return page_client("viewer")


@pytest.fixture
def four(tenant):
    """Customers by the name of their stage and owner."""
    return {
        "ann live": str(record(tenant, "1", "Alpha", "Live", owner="ann", days=40, arr="5000")),
        "bob live": str(record(tenant, "2", "Beta", "Live", owner="bob", days=3, arr="70000")),
        "ann trial": str(record(tenant, "3", "Gamma", "Trial", owner="ann", days=5, industry="Mining")),
        "no one's": str(record(tenant, "4", "Delta", "Lost", owner="", days=90, csat="1", reason="Price")),
    }


def where_of(response):
    return parse_qs(urlsplit(response["Location"]).query)["where"][0]


def links(page, text):
    """The addresses of the links that say this, also to screen readers."""
    tags = markup_of(page).all("a")
    return [tag["href"] for tag in tags if tag.get("aria-label") == text]


def test_conditions_are_part_of_the_address_and_said_in_words(client, four):
    page = client.get("/customers", {"where": "stage:Live and (owner:bob or days_in_stage>=30)", "ordering": "name"})
    assert names(page) == [four["ann live"], four["bob live"]]
    words = "Customers: stage is “Live” and (owner is “bob” or time in stage is at least 30 days), by name, A to Z"
    assert words in text_of(page)
    page = client.get("/customers", {"where": "stage:Live and not owner:bob", "industry": "", "search": "alp"})
    assert names(page) == [four["ann live"]]
    assert "2 customers" in text_of(client.get("/customers", {"where": "stage:Live"}))


def test_what_no_further_page_could_be_asked_for_is_refused_at_once(client, api_client, four):
    most = " and ".join(f"days_in_stage>={number}" for number in range(30))
    page = client.get("/customers", {"where": most, "days_max": "3650"})
    assert page.status_code == 400
    assert "The filter has more than 30 conditions." in text_of(page)
    refused = api_client("viewer").get("/api/v1/customers", {"where": most, "days_max": "3650"})
    assert refused.status_code == 400
    assert "where" in refused.content.decode() and "The filter has more than 30 conditions." in refused.content.decode()
    few = most.rpartition(" and ")[0]
    assert names(client.get("/customers", {"where": few, "days_max": "3650", "ordering": "name"})) == [
        four["ann live"],
        four["no one's"],
    ]


def test_the_filters_of_the_api_are_filters_of_the_page(client, tenant, four):
    soon = str(record(tenant, "9", "Soon", "Wobbly", reason="Usage Dropped", renewal_in=4))
    page = client.get("/customers?renewal_within=10&at_risk=true")
    assert names(page) == [soon]
    assert "Customers: at risk and renewal is due within 10 days, latest change first" in text_of(page)
    # As it was called before.
    assert names(client.get("/customers?renewing_within=10&at_risk=true")) == [soon]
    today = str(record(tenant, "8", "Today", "Wobbly", reason="Usage Dropped", renewal_in=0))
    for days, found in (("0", [today]), ("00", [today]), ("1", [today]), ("04", [soon, today])):
        page = client.get(f"/customers?renewal_within={days}&ordering=name")
        assert names(page) == found, days
        (sent,) = [
            tag["value"]
            for tag in markup_of(page).all("input")
            if tag.get("form") == "save-view" and tag["name"] == "of"
        ]
        assert f"renewal_within={int(days)}" in sent, days
    page = client.get("/customers?renewal_within=soon")
    assert (page.status_code, names(page)) == (400, [])
    assert "Give a number of days from 0 to 3650." in text_of(page)


def test_a_parameter_that_is_a_condition_is_one_of_the_filter_and_said_in_words(client, four):
    page = client.get("/customers?days_min=4&arr_max=6000&where=owner:ann&columns=name,renewal_on&ordering=name")
    assert names(page) == [four["ann live"], four["ann trial"]]
    assert "owner is “ann” and time in stage is at least 4 days and ARR is at most 6,000" in text_of(page)
    page = client.get("/customers?health_max=101")
    assert (page.status_code, names(page)) == (400, [])
    assert "health_max: “101” must be from 0 to 100. Give a number from 0 to 100." in text_of(page)


def test_a_condition_is_added_without_a_script_beside_the_others(client, four):
    added = client.get("/customers", {"add": "stage:", "value": "Live", "ordering": "name"})
    assert added.status_code == 302
    assert where_of(added) == "stage:Live"
    assert parse_qs(urlsplit(added["Location"]).query)["ordering"] == ["name"]
    narrowed = client.get(
        "/customers", {"where": "stage:Live", "add": "days_in_stage>=", "value": "30", "beside": "and"}
    )
    assert where_of(narrowed) == "stage:Live and days_in_stage>=30"
    assert names(client.get(narrowed["Location"])) == [four["ann live"]]
    asked = {"where": "stage:Live and days_in_stage>=30", "add": 'owner:""', "value": "", "beside": "or-1"}
    assert where_of(client.get("/customers", asked)) == 'stage:Live and (days_in_stage>=30 or owner:"")'
    widened = client.get("/customers", {**asked, "add": "!owner:", "value": "ann, bob", "beside": "or"})
    assert where_of(widened) == "(stage:Live and days_in_stage>=30) or not owner:ann,bob"
    assert set(names(client.get(widened["Location"]))) == {four["ann live"], four["no one's"]}
    form = markup_of(client.get("/customers", {"where": "stage:Live", "columns": "customer,arr", "search": "a"}))
    (kept,) = [tag["value"] for tag in form.all("input") if tag.get("form") == "conditions"]
    assert parse_qs(kept) == {
        "where": ["stage:Live"], "columns": ["customer,arr"], "search": ["a"],
    }  # fmt: skip
    added = client.get("/customers", {"of": kept, "add": "owner:", "value": "ann", "beside": "and"})
    assert parse_qs(urlsplit(added["Location"]).query) == parse_qs(kept) | {"where": ["stage:Live and owner:ann"]}


def place_options(page):
    """The places that the form offers for a new condition: what each says, and what it sends."""
    select = re.search(r'<select[^>]*name="beside">(.*?)</select>', page.content.decode(), re.DOTALL)
    return {
        unescape(said): value for value, said in re.findall(r'<option value="([^"]*)".*?>(.*?)</option>', select[1])
    }


def test_conditions_are_added_to_any_group_as_the_form_offers_it(client, four):
    def add(where, code, value, place=""):
        page = client.get("/customers", {"where": where} if where else {})
        beside = place_options(page)[place] if place else ""
        return where_of(client.get("/customers", {"where": where, "add": code, "value": value, "beside": beside}))

    where = add("", "stage:", "Live")
    where = add(where, "owner:", "ann", "and")
    where = add(where, "segment:", "SMB", "or, instead of all of this")
    where = add(where, "arr>=", "9", "and, together with: segment is “SMB”")
    assert where == "(stage:Live and owner:ann) or (segment:SMB and arr>=9)"
    where = add(where, "days_in_stage>=", "30", "and, together with: stage is “Live” and owner is “ann”")
    assert where == "(stage:Live and owner:ann and days_in_stage>=30) or (segment:SMB and arr>=9)"
    assert names(client.get("/customers", {"where": where})) == [four["ann live"]]
    # And one within another: each condition of a group, too, and the whole of it.
    where = add(where, "open_issues>=", "2", "or, instead of: owner is “ann”")
    assert where == "(stage:Live and (owner:ann or open_issues>=2) and days_in_stage>=30) or (segment:SMB and arr>=9)"
    where = add(where, "owner:", "bob", "or, instead of: owner is “ann” or open issues is at least 2")
    assert "(owner:ann or open_issues>=2 or owner:bob)" in where
    where = add(where, "industry:", "Mining", "and")
    assert where.endswith("(segment:SMB and arr>=9)) and industry:Mining")


def test_a_condition_that_would_lie_too_deep_is_refused_and_the_filter_stays(client, four):
    where, beside = "stage:Live and owner:ann", "or-1"
    for number in range(40):
        added = client.get("/customers", {"where": where, "add": "arr>=", "value": str(number), "beside": beside})
        if added.status_code != 302:
            break
        where = where_of(added)
        last, _sign, path = beside.partition("-")
        beside = f"{'and' if last == 'or' else 'or'}-{path}-1"
    assert added.status_code == 400
    assert "brackets" in text_of(added)
    assert client.get("/customers", {"where": where}).status_code == 200


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"add": "days_in_stage>=", "value": "many"}, "Time in stage: “many” is not a number"),
        ({"add": "days_in_stage>=", "value": ""}, "Enter a value."),
        ({"add": "stage:", "value": "Nowhere"}, "There is no stage “Nowhere”."),
        ({"add": "colour:", "value": "red"}, "There is no field “colour”"),
        ({"add": "owner<:", "value": "red"}, "The filter cannot be read from"),
        ({"add": "=", "value": "red"}, "The filter cannot be read from"),
        ({"add": "x", "value": "red"}, "The filter cannot be read from"),
        ({"add": "changed:", "value": "Trial"}, "Give three values"),
    ],
)
def test_a_condition_that_cannot_be_added_is_refused_and_what_was_typed_is_kept(client, four, asked, sentence):
    page = client.get("/customers", {"where": "stage:Live", **asked})
    assert page.status_code == 400
    assert sentence in text_of(page)
    assert set(names(page)) == {four["ann live"], four["bob live"]}
    (field,) = [tag for tag in markup_of(page).all("input") if tag.get("id") == "value"]
    assert field["value"] == asked["value"]


def test_each_condition_is_taken_away_by_its_own_link(client, four):
    page = client.get("/customers", {"where": "stage:Live and (owner:bob or days_in_stage>=30)"})
    (link,) = links(page, "Remove: owner is “bob”")
    page = client.get(f"/customers{link}")
    assert names(page) == [four["ann live"]]
    (link,) = links(page, "Remove: time in stage is at least 30 days")
    page = client.get(f"/customers{link}")
    (link,) = links(page, "Remove: stage is “Live”")
    assert len(names(client.get(f"/customers{link}"))) == 4


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_conditions_that_cannot_be_read_are_an_error_and_no_one_is_listed(client, four, headers):
    page = client.get("/customers", {"where": "stage:Live and"}, headers=headers)
    assert (page.status_code, names(page)) == (400, [])
    assert "The filter ends too early" in text_of(page)


def test_columns_are_chosen_and_ordered_by_the_address(client, four):
    page = client.get("/customers?columns=arr,customer,industry&ordering=name")
    table = text_of(page)
    assert [tag.get("data-label") for tag in markup_of(page).all("td")][:3] == ["ARR", None, "Industry"]
    assert "Mining" in table
    usual = markup_of(client.get("/customers?columns=nonsense")).all("td")
    assert len(usual) == 4 * 8
    # The customer is always there.
    assert [tag.get("data-label") for tag in markup_of(client.get("/customers?columns=csat")).all("td")][:2] == [
        None,
        "CSAT",
    ]
    every = ",".join(column.name for column in LIST_COLUMNS)
    page = client.get(f"/customers?columns={every}")
    assert len(markup_of(page).all("td")) == 4 * len(LIST_COLUMNS)


def test_columns_are_shown_hidden_and_moved_by_links(client, four):
    def choose(page, text, column):
        urls = [tag["href"] for tag in markup_of(page).all("a") if "edit=columns" in tag.get("href", "")]
        wanted = [url for url in urls if parse_qs(urlsplit(url).query)["columns"] == [column]]
        assert wanted, (text, column, urls)
        return client.get(wanted[0])

    page = client.get("/customers?columns=customer,arr,owner&ordering=name")
    page = choose(page, "Hide", "customer,owner")
    page = choose(page, "Show", "customer,owner,csat")
    page = choose(page, "Earlier", "customer,csat,owner")
    page = choose(page, "Later", "csat,customer,owner")
    assert [tag.get("data-label") for tag in markup_of(page).all("td")][:3] == ["CSAT", None, "Owner"]
    assert names(page) == [four[name] for name in ("ann live", "bob live", "no one's", "ann trial")]


@pytest.mark.parametrize("column", LIST_COLUMNS, ids=lambda column: column.name)
def test_every_column_is_sorted_both_ways_by_its_head(client, four, column):
    page = client.get("/customers", {"columns": f"customer,{column.name}", "ordering": column.ordering})
    (head,) = [tag for tag in markup_of(page).all("th") if "aria-sort" in tag]
    turned = client.get("/customers", {"columns": column.name, "ordering": f"-{column.ordering}".replace("--", "")})
    (other,) = [tag for tag in markup_of(turned).all("th") if "aria-sort" in tag]
    assert {head["aria-sort"], other["aria-sort"]} == {"ascending", "descending"}
    assert len(names(page)) == len(names(turned)) == 4


def test_the_longest_stay_and_the_owners_are_in_order(client, four):
    page = client.get("/customers?ordering=-days_in_stage")
    assert names(page) == [four[name] for name in ("no one's", "ann live", "ann trial", "bob live")]
    page = client.get("/customers?ordering=-owner")
    assert names(page)[0] == four["bob live"]
    assert names(page)[-1] == four["no one's"]


def test_all_who_are_found_are_counted_beyond_the_page_and_too_many_are_said_to_be_more(client, tenant, monkeypatch):
    CustomerFactory.create_batch(60, tenant=tenant, stage="Live")
    CustomerFactory.create_batch(2, tenant=tenant, stage="Trial")
    for address, said in (
        ("/customers", "62 customers · 50 customers on this page"),
        ("/customers?stage=Live", "60 customers · 50"),
        ("/customers?where=not+stage:Trial", "60 customers · 50"),
        ("/customers?stage=Trial", "2 customers · 2"),
    ):
        assert said in text_of(client.get(address))
    monkeypatch.setattr(selection, "MOST_COUNTED", 10)
    assert "More than 10 customers · 50" in text_of(client.get("/customers?where=not+stage:Trial"))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"where": "stage:Live and (owner:bob or days_in_stage>=30) or not health<=50"},
        {"where": 'changed:"Live","",2026-01-01', "stage": "Live"},
        {"search": "alpha", "ordering": "-arr", "columns": "customer,csat"},
    ],
)
def test_a_page_of_the_list_takes_few_statements_however_many_there_are(client, tenant, four, asked):
    counts = []
    for more in (0, 60):
        CustomerFactory.create_batch(more, tenant=tenant, stage="Live")
        with CaptureQueriesContext(connection) as statements:
            client.get("/customers", asked)
        asked_for = [str(one["sql"]) for one in statements]
        # What begins, ends and labels a transaction goes with the others.
        counts.append(sum(not text.startswith(("BEGIN", "COMMIT", "SELECT set_config")) for text in asked_for))
    assert max(counts) < 15
    assert counts[1] - counts[0] <= 1


def test_what_is_wrong_with_a_condition_is_said_with_the_name_that_the_form_has_for_it(client, four):
    for added, value, said in (
        ("renewal_on>=", "12/31/2026", "Renewal date: “12/31/2026” is not a date such as 2026-03-31."),
        ("arr>=", "abc", "ARR: “abc” is not a number"),
        ("arr>=", " ", "Enter a value."),
    ):
        page = client.get("/customers", {"add": added, "value": value, "of": ""})
        assert (page.status_code, said in text_of(page)) == (400, True), text_of(page)
        assert "arr>=”" not in text_of(page)
    page = client.get("/customers", {"where": "arr>=abc"})
    assert "ARR: “abc” is not a number" in text_of(page)


def test_an_owner_is_found_and_shown_by_name(client, tenant, users, four):
    name, username = users.account_manager.full_name, users.account_manager.username
    theirs = str(record(tenant, "7", "Theirs", "Live", owner=username))
    for code, found in (("owner:", {theirs}), ("!owner:", set(four.values()))):
        response = client.get("/customers", {"add": code, "value": name.upper(), "of": ""})
        where = where_of(response)
        assert username in where
        page = client.get("/customers", {"where": where})
        assert set(names(page)) == found
        assert f"owner is “{name}”" in text_of(page) and username not in text_of(page)


def test_the_values_that_a_field_has_are_offered(client, four):
    page = markup_of(client.get("/customers"))
    offered = {tag["id"] for tag in page.all("datalist") if tag["id"].startswith("values-")}
    assert offered == {"values-stage", "values-category", "values-owner", "values-industry"}


def test_an_expired_link_to_a_page_leads_to_the_beginning_of_the_same_list(client, four):
    page = client.get("/customers", {"stage": "Live", "cursor": "garbage"})
    assert page.status_code == 400
    assert "This page link has expired." in text_of(page)
    assert "next and previous" not in text_of(page)
    assert "?stage=Live" in [tag["href"] for tag in markup_of(page).all("a")]
