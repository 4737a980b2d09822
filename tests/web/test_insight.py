"""The page Insight: every number opens a list of exactly so many, and what the page says is what happened; and
customers as of a past day: what a replay of the history says, of every day.
"""

import csv
import datetime as dt
import io
import re
from collections import Counter
from functools import partial
from html import unescape
from urllib import parse

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import LifecycleHistory
from lifecycle.models import Customer, FigureChange
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.insight.as_of import EFFECTIVE, RECORDED, PastQuestion, count_past, list_past, read_past
from lifecycle.services.insight.as_of_board import read_past_board
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.insight.reading import Stages
from lifecycle.web.insight_page import VIEWS, Question
from lifecycle.web.views import as_of
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.conftest import make_people
from tests.factories import MINIMAL, TenantFactory, utc_now
from tests.services.test_insight import ACTOR, NOW, STORIES, at, replayed, step, tell
from tests.web.conftest import text_of

PERIOD = "from=2026-03-02&to=2026-05-10"
CELL = re.compile(r'<a href="(/insight/customers\?[^"]+)">([^<]+)</a>')
COUNT = re.compile(r'id="count">([0-9,]+) row')
RISKY = {**MINIMAL, "categories": {"At-Risk": "risk", "Churned": "lost"}}
pytestmark = pytest.mark.one_tenant(configuration=RISKY)


@pytest.fixture(scope="module")
def stories(shared_tenant, django_db_blocker):
    """Four customers, one of whom a publication moved; ann and cyd have an owner, and dan is of another segment."""
    with django_db_blocker.unblock():
        customers = tell(shared_tenant)
        with tenant_context(shared_tenant.id):
            step(shared_tenant, customers["dan"], 60, "Active", source="Configuration")
            Customer.objects.filter(id__in=[customers["ann"].id, customers["cyd"].id]).update(
                owner="Zoë", owner_key="zoë"
            )
            Customer.objects.filter(id=customers["dan"].id).update(segment="Enterprise")
        keep_facts(shared_tenant)
    return customers


def cells_of(response):
    """Table -> its rows, as the file has them that the page offers."""
    return list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))


@pytest.mark.parametrize("whose", ["", "&owner=zoë", "&segment=enterprise"])
@pytest.mark.parametrize("view", VIEWS)
def test_each_number_opens_the_page_of_a_list(page_client, stories, view, whose):
    client = page_client("account_manager")
    page = client.get(f"/insight?{PERIOD}{whose}&show={view}")
    assert page.status_code == 200
    found = CELL.findall(page.content.decode())
    assert found or (view in ("risk", "save") and "segment" in whose)
    for address in dict(found):
        # That it is as many as the figure says: test_insight_figures, of all figures.
        listed = client.get(unescape(address))
        assert listed.status_code == 200
        assert listed.content.decode().count('class="main-cell"') == int(COUNT.search(listed.content.decode())[1]) > 0


def test_what_came_in_less_what_left_is_what_stands(page_client, stories):
    rows = cells_of(page_client("viewer").get(f"/insight?{PERIOD}&show=flow&csv=balance"))
    assert rows[0] == ["Stage", "At the start", "Came in", "Left", "At the end"]
    assert rows[1:] == [
        ["Prospect", "1", "3", "4", "0"],
        ["Onboarded", "0", "2", "2", "0"],
        ["Active", "0", "4", "1", "3"],
        ["At-Risk", "0", "2", "2", "0"],
        ["Churned", "0", "2", "1", "1"],
    ]


def test_the_same_filtered_by_owner_and_by_segment(page_client, stories):
    client = page_client("viewer")
    by_owner = cells_of(client.get(f"/insight?{PERIOD}&show=flow&owner=ZOË&csv=balance"))
    assert [row[-1] for row in by_owner[1:]] == ["0", "0", "1", "0", "1"]
    by_segment = cells_of(client.get(f"/insight?{PERIOD}&show=flow&segment=ENTERPRISE&csv=balance"))
    assert [row[-1] for row in by_segment[1:]] == ["0", "0", "1", "0", "0"]


def test_the_facts_of_everybody_and_those_made_for_chosen_customers_say_the_same(page_client):
    tenant = TenantFactory(configuration=RISKY)
    story = [(0, "Prospect"), (9, "Onboarded"), (30, "Active"), (40, "At-Risk"), (50, "Active")]
    tell(
        tenant,
        {"ann": story, "bob": [(33, "Prospect"), (40, "Churned"), (45, "Prospect")]},
        {"ann": [(20, 100, "EUR"), (35, 80, "USD"), (45, 90, "USD")]},
    )
    keep_facts(tenant)
    client = page_client(make_people(tenant).viewer)
    for view in VIEWS:
        pages = [
            client.get(f"/insight?{PERIOD}&show={view}{whose}").content.decode()
            for whose in ("", "&segment=MID-market")
        ]
        everybody, chosen = (re.findall(r"<t[hd][^>]*>.*?</t[hd]>", page) for page in pages)
        assert everybody == chosen and len(everybody) > 5, view


def test_revenue_gained_and_lost_is_what_was_reported(page_client, stories):
    rows = cells_of(
        page_client("viewer").get("/insight?from=2026-02-01&to=2026-06-30&show=stages&csv=revenue-gained-and-lost")
    )
    assert rows[1:] == [
        # ann: 100, then 50 more, all of which goes to another currency; cyd: 70 came and were lost.
        ["EUR", "170", "0", "50", "-150", "-70", "0"],
        ["USD", "0", "0", "120", "0", "0", "120"],
    ]


def test_a_file_has_numbers_that_programs_read_in_whatever_language(page_client):
    """The page rounds and groups; 1.500 in a German file would be one and a half."""
    tenant = TenantFactory(configuration=RISKY)
    tell(tenant, {"ann": [(0, "Prospect"), (9, "Active")]}, {"ann": [(20, 1_234_567, "EUR")]})
    keep_facts(tenant)
    client = page_client(make_people(tenant).viewer)
    page = client.get(f"/insight?{PERIOD}&show=stages", headers={"Accept-Language": "de"}).content.decode()
    assert "1,2\u00a0Mio.\u00a0€" in page
    name = re.search(r"csv=([a-z-]*revenue[a-z-]*)", page)[1]
    for language in ("de", "en"):
        address = f"/insight?{PERIOD}&show=stages&csv={name}"
        cells = {cell for row in cells_of(client.get(address, headers={"Accept-Language": language})) for cell in row}
        assert any(cell.startswith("1234567") for cell in cells), (language, cells)


def test_those_who_still_stand_are_counted_in_the_time_in_stage(page_client, stories):
    rows = cells_of(page_client("viewer").get(f"/insight?{PERIOD}&show=time&csv=time-in-stage"))
    by_stage = {row[0]: row[1:] for row in rows[1:]}
    # Stays of 20 to 50 and three that go on: the half has not left.
    assert by_stage["Active"][:4] == ["4", "3", "30", "not yet"]


def test_a_viewer_sees_the_figures_but_neither_links_nor_lists(page_client, stories):
    page = page_client("viewer").get(f"/insight?{PERIOD}&show=flow")
    assert page.status_code == 200 and not CELL.search(page.content.decode())
    assert page_client("viewer").get(f"/insight/customers?figure=left&stage=0:Active&{PERIOD}").status_code == 403


@pytest.mark.parametrize("asked", ["from=x", "from=2026-05-01&to=2026-04-01", "from=1890-01-01", "to=2026-02-31"])
def test_a_period_that_cannot_be_is_named_and_the_usual_one_is_shown(page_client, tenant, asked):
    page = page_client("viewer").get(f"/insight?{asked}")
    assert page.status_code == 400 and "Shown are the days from " in text_of(page)


@pytest.mark.parametrize("ends", ["&to={here}", "&to={utc}", ""])
def test_the_day_that_has_begun_where_the_reader_is_and_not_in_utc_is_that_of_utc(ends):
    with timezone.override("Pacific/Kiritimati"):
        here = timezone.localdate()
        utc = here - dt.timedelta(days=1)
        question = Question.read(QueryDict(f"from={here}{ends.format(here=here, utc=utc)}"), utc)
        assert (question.trouble, question.period.begin, question.period.end) == ("", utc, utc)
        # One that has not begun there either is refused.
        assert Question.read(QueryDict(f"from={here + dt.timedelta(days=2)}"), utc).trouble


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "figure=x",
        "figure=standing&stage=Active",
        "figure=left&page=x",
        "figure=cohort&cohort=x",
        "figure=stays&way=x",
    ],
)
def test_a_list_of_nothing_known_is_refused_in_a_sentence(page_client, tenant, asked):
    page = page_client("account_manager").get(f"/insight/customers?{asked}")
    said = text_of(page)
    assert page.status_code == 400 and ("There is no such" in said or "is not a day" in said)


def test_no_list_has_another_tenant_s_customers(page_client, tenant, other_tenant):
    theirs = tell(other_tenant, {"eve": [(0, "Trial")]}, {})
    keep_facts(other_tenant)
    page = page_client("account_manager").get("/insight/customers?figure=standing&stage=0:Trial&day=2026-05-01")
    assert COUNT.search(page.content.decode())[1] == "0" and theirs["eve"].external_id not in text_of(page)


def test_a_view_takes_as_many_statements_for_one_customer_as_for_many(page_client, other_tenant, other_users):
    client = page_client(other_users.viewer)

    def count(view):
        with CaptureQueriesContext(connection) as statements:
            assert client.get(f"/insight?{PERIOD}&show={view}").status_code == 200
        return len(statements)

    tell(other_tenant, {"eve": [(0, "Trial"), (5, "Rollout")]}, {})
    keep_facts(other_tenant)
    count("flow")
    before = {view: count(view) for view in VIEWS}
    tell(other_tenant, {name: [(3, "Trial"), (7, "Rollout"), (30, "Live")] for name in ("flo", "gus", "hal")}, {})
    keep_facts(other_tenant)
    assert {view: count(view) for view in VIEWS} == before


# --- as of a day ---


def test_the_list_and_each_customer_are_on_every_day_where_a_replay_says(tenant, stories):
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        for days in range(-1, 75, 3):
            day = at(days).date()
            rows, count = (
                list_past(PastQuestion(day), stages=stages, tenant=tenant).rows,
                count_past(PastQuestion(day), tenant=tenant),
            )
            assert Counter(f"0:{row['stage']}" for row in rows) == replayed(tenant, day) and count == len(rows)
            one_by_one = [read_past(one.id, day, known=EFFECTIVE, tenant=tenant) for one in stories.values()]
            assert Counter(f"0:{one.stage}" for one in one_by_one if one.stage) == replayed(tenant, day)
            assert {row["customer_id"]: row["days_in_stage"] for row in rows} == {
                one.id: past.days_in_stage for one, past in zip(stories.values(), one_by_one, strict=True) if past.stage
            }
            # What was loaded today was not known on any of those days.
            unknown = PastQuestion(day, RECORDED)
            assert not list_past(unknown, stages=stages, tenant=tenant).rows and not count_past(unknown, tenant=tenant)
            assert read_past(stories["ann"].id, day, known=RECORDED, tenant=tenant).stage is None
        today = utc_now().date()
        known = PastQuestion(today, RECORDED)
        rows, count = list_past(known, stages=stages, tenant=tenant).rows, count_past(known, tenant=tenant)
        assert count == len(STORIES) and {row["stage"] for row in rows} == {"Active", "Churned"}


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_page_by_page_there_and_back_the_list_is_the_whole_list(tenant, stories, limit):
    day = PastQuestion(at(60).date())
    with tenant_context(tenant.id):
        about = {"stages": Stages.of(live_policy(tenant.id), tenant), "tenant": tenant}
        whole = [row["name"] for row in list_past(day, **about).rows]
        assert whole == sorted(STORIES)
        page, there = list_past(day, **about, limit=limit), []
        assert page.previous_cursor is None
        while True:
            there.append([row["name"] for row in page.rows])
            if page.next_cursor is None:
                break
            page = list_past(day, **about, cursor=page.next_cursor, limit=limit)
        assert [name for names in there for name in names] == whole
        back = [there[-1]]
        while page.previous_cursor is not None:
            page = list_past(day, **about, cursor=page.previous_cursor, limit=limit)
            back.append([row["name"] for row in page.rows])
        assert back == there[::-1]


def test_a_page_of_the_past_is_found_where_it_begins_and_only_the_first_counts_them_all(
    page_client, tenant, stories, monkeypatch
):
    monkeypatch.setattr(as_of, "list_past", partial(list_past, limit=2))
    client, address = page_client("account_manager"), f"/customers/as-of?day={at(60).date()}"
    first, statements = text_and_statements(client, address)
    assert f"{len(STORIES)} customers" in first and "Next" in first and "Previous" not in first
    assert [one for one in statements if "lifecycle_insight_fact" in one]
    second, statements = text_and_statements(client, f"{address}&{next_of(client, address)}")
    assert "Previous" in second and f"{len(STORIES)} customers" not in second
    assert not [one for one in statements if "lifecycle_insight_fact" in one or "OFFSET" in one]
    expired = client.get(f"{address}&cursor=x")
    assert expired.status_code == 400 and "This page link has expired" in text_of(expired)


def next_of(client, address):
    return parse.unquote(re.search(r'rel="next" href="\?[^"]*(cursor=[^"&]+)', client.get(address).content.decode())[1])


def text_and_statements(client, address):
    with CaptureQueriesContext(connection) as statements:
        answer = client.get(address)
    assert answer.status_code == 200
    kept = ("lifecycle_stay", "lifecycle_insight_fact")
    return text_of(answer), [one["sql"] for one in statements if any(table in one["sql"] for table in kept)]


def test_the_figures_are_those_that_held_on_the_day_or_that_were_known_by_then(tenant, stories):
    with tenant_context(tenant.id):
        FigureChange.objects.create(
            tenant_id=tenant.id,
            customer_id=stories["ann"].id,
            effective_at=at(10),
            recorded_at=at(40),
            source="/support",
            figures={"support.open_issues": 3},
        )
        held = read_past(stories["ann"].id, at(35).date(), known=EFFECTIVE, tenant=tenant).figures
        assert held["billing.arr"] == ("150.00", at(30)) and held["support.open_issues"] == (3, at(10))
        assert not read_past(stories["ann"].id, at(35).date(), known=RECORDED, tenant=tenant).figures
        known = read_past(stories["ann"].id, at(40).date(), known=RECORDED, tenant=tenant).figures
        assert known == {"support.open_issues": (3, at(10))}


def test_the_pages_say_it(page_client, tenant, stories):
    client = page_client("account_manager")
    page = text_of(client.get(f"/customers/as-of?day={at(49).date()}&stage=At-Risk"))
    assert "Customers as of 19 Apr 2026" in page and "1 customer" in page and "5 days" in page and "€70" in page
    page = text_of(client.get(f"/customers/{stories['ann'].id}/as-of?day={at(21).date()}"))
    assert "Active" in page and "2 days" in page and "Active!" in page and "€100" in page
    page = text_of(client.get(f"/customers/{stories['dan'].id}/as-of?day={at(21).date()}"))
    assert "The customer did not exist yet." in page
    refused = client.get("/customers/as-of?day=tomorrow")
    assert refused.status_code == 400 and "is not a day" in text_of(refused) and "Today is shown." in text_of(refused)


def test_the_health_of_a_past_day_is_by_the_figures_and_the_configuration_of_then(page_client):
    tenant = TenantFactory(configuration=RISKY)
    ann = tell(tenant, {"ann": [(0, "Active")]}, {})["ann"]
    keep_facts(tenant)
    with tenant_context(tenant.id):
        for published, points in ((5, 40), (30, 80)):
            anger = {"name": "Anger", "measure": "open_issues", "points": points, "from": 2, "to": 6}
            document = {**RISKY, "health": {"parts": [anger]}}
            publish_configuration(document, tenant=tenant, actor=ACTOR, now=at(published))
        for days, issues in ((10, 4), (50, 2)):
            fact = CustomerFacts(ann.external_id, "/support", at(days), support={"open_issues": issues})
            record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=NOW, create=False)
    client = page_client(make_people(tenant).account_manager)

    def health_of(days):
        return text_of(client.get(f"/customers/{ann.id}/as-of?day={at(days).date()}"))

    assert "Not known: none of the figures that the score asks for is kept of that day." in health_of(8)
    assert "Full score 100 Anger −20 Health 80 By version 2" in health_of(20)
    assert "Full score 100 Anger −40 Health 60 By version 3" in health_of(35)
    assert "Full score 100 Health 100 By version 3" in health_of(51)
    assert "Full score" not in health_of(-2) and "Not known" not in health_of(-2)


def test_a_viewer_who_sees_no_history_is_offered_no_past(page_client, stories):
    client = page_client("viewer")
    for address in ("/customers", f"/customers/{stories['ann'].id}"):
        assert "as-of" not in client.get(address).content.decode()
    assert "as-of" in page_client("account_manager").get("/customers").content.decode()


def test_what_is_recorded_late_is_known_only_from_then_on(tenant, stories):
    with tenant_context(tenant.id):
        recorded = LifecycleHistory.objects.get(customer_id=stories["dan"].id, sequence=1).recorded_at
        before, after = recorded.date() - dt.timedelta(days=1), recorded.date()
        assert read_past(stories["dan"].id, before, known=EFFECTIVE, tenant=tenant).stage == "Active"
        assert read_past(stories["dan"].id, before, known=RECORDED, tenant=tenant).stage is None
        assert read_past(stories["dan"].id, after, known=RECORDED, tenant=tenant).stage == "Active"


def test_the_board_of_each_day_counts_whom_the_list_of_the_day_names(page_client, tenant, stories):
    client = page_client("account_manager")
    for day in (at(days).date() for days in range(-1, 75, 9)):
        with tenant_context(tenant.id):
            stages = Stages.of(live_policy(tenant.id), tenant)
            rows = list_past(PastQuestion(day), stages=stages, tenant=tenant).rows
            columns = read_past_board(day, stages=stages, tenant=tenant)
        assert {column.stage: column.customers for column in columns if column.customers} == Counter(
            row["stage"] for row in rows
        )
        assert sorted(
            (column.stage, card["name"], card["days_in_stage"]) for column in columns for card in column.cards
        ) == (sorted((row["stage"], row["name"], row["days_in_stage"]) for row in rows))
        worth = Counter()
        for row in rows:
            worth[row["stage"], row["currency"]] += row["arr"]
        assert {(column.stage, currency): arr for column in columns for currency, arr in column.money} == {
            key: arr for key, arr in worth.items() if arr
        }
    page = client.get(f"/board/as-of?day={at(55).date()}")
    assert "At-Risk 2 customers" in text_of(page)
    assert f"/customers/{stories['ann'].id}/as-of?day={at(55).date()}" in page.content.decode().replace("&amp;", "&")
    known = text_of(client.get(f"/board/as-of?day={at(55).date()}&known=recorded"))
    assert "At-Risk 0 customers" in known
    assert "is not a day" in text_of(client.get("/board/as-of?day=tomorrow"))


@pytest.mark.parametrize("view", ["flow", "risk"])
def test_the_list_behind_a_figure_leads_back_to_where_the_figure_is(page_client, stories, view):
    client = page_client("account_manager")
    page = client.get(f"/insight?{PERIOD}&owner=zoë&show={view}").content.decode()
    address = unescape(CELL.search(page)[1])
    listed = client.get(address).content.decode()
    back = unescape(re.search(r'<a class="btn btn-quiet" href="([^"]+)"', listed)[1])
    assert dict(parse.parse_qsl(parse.urlsplit(back).query)) == {
        **dict(parse.parse_qsl(PERIOD)),
        "owner": "zoë",
        "show": view,
    }


@pytest.mark.parametrize("view", VIEWS)
def test_on_a_phone_where_the_heads_are_not_seen_each_figure_says_what_it_is(page_client, stories, view):
    page = page_client("account_manager").get(f"/insight?{PERIOD}&show={view}").content.decode()
    for table in re.findall(r'<table class="rows figures">(.*?)</table>', page, re.DOTALL):
        heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table)
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]:
            labels = re.findall(r'<td[^>]* data-label="([^"]*)">', row)
            assert len(labels) == row.count("<td") > 0
            assert labels == heads[-len(heads) + row.count("<th") :][: len(labels)]
