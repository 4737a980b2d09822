"""Finding customers: the overview's first answer, filters, orders and pages."""

import datetime as dt
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.services.configuration import stage_migrations
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import SAAS, CustomerFactory, TenantFactory, utc_now
from tests.web.conftest import HTMX, markup_of, text_of


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration=SAAS)


@pytest.fixture
def client(page_client):
    return page_client("viewer")


def record(
    tenant,
    external_id,
    name,
    stage,
    *,
    days=0,
    reason=None,
    arr="1000",
    renewal_in=400,
    owner="",
    csat="4.5",
    industry="",
):
    now = utc_now()
    facts = CustomerFacts(
        external_id=external_id,
        source="/crm",
        occurred_at=now,
        company={"name": name, "owner": owner, "industry": industry},
        billing={"currency": "EUR", "arr": arr, "renewal_on": (now.date() + dt.timedelta(days=renewal_in)).isoformat()},
        support={"open_issues": 0, "csat": csat},
        stage=stage,
        reason_code=reason,
        stage_entered_at=now - dt.timedelta(days=days, minutes=1),
    )
    with tenant_context(tenant.id):
        (recorded,) = record_customers(
            [facts], tenant=tenant, actor=system_actor("tests"), source="Import", now=now, create=True
        )
    assert recorded.placed is None or recorded.placed.refused is None
    return recorded.customer_id


def names(response):
    """The customers of a table, from top to bottom."""
    return [tag["id"].removeprefix("c-") for tag in markup_of(response).all("a") if tag.get("id", "").startswith("c-")]


def test_a_manager_sees_first_who_is_at_risk_now_and_the_most_urgent_on_top(client, tenant):
    calm = record(tenant, "1", "Calm", "Wobbly", reason="Usage Dropped", arr="1000")
    urgent = record(
        tenant,
        "2",
        "Urgent",
        "Wobbly",
        reason="Champion Left",
        days=40,
        arr="900000",
        renewal_in=10,
        csat="2",
        owner="me@x",
    )
    record(tenant, "3", "Happy", "Live")
    page = client.get("/")
    assert names(page) == [str(urgent), str(calm)]
    text = text_of(page)
    assert "2 customers, €901k of annual revenue" in text
    row = text[text.index("Urgent") : text.index("Calm")]
    for fact in ("Wobbly", "Champion Left", "40 of 21 days", "19 days past target", "€900k", "in 10 days", "me@x"):
        assert fact in row, fact


def test_the_meaning_of_a_stage_counts_and_not_its_name(page_client, db):
    from tests.conftest import make_people

    document = {"stages": ["Fine", "At-Risk"], "categories": {"Fine": "risk", "At-Risk": "engaged"}}
    tenant = TenantFactory(configuration=document)
    fine = CustomerFactory(tenant=tenant, stage="Fine")
    CustomerFactory(tenant=tenant, stage="At-Risk")
    assert names(page_client(make_people(tenant).viewer).get("/")) == [str(fine.id)]


def test_the_picture_of_the_stages_says_the_same_in_words_and_numbers(client, tenant):
    for number in range(3):
        record(tenant, f"t{number}", f"Trial {number}", "Trial", arr="0")
    record(tenant, "l", "Live one", "Live", arr="2500000")
    page = client.get("/")
    (picture,) = [tag for tag in markup_of(page).all("svg") if tag.get("class") == "whole"]
    assert picture["aria-label"] == "Share of the stages: Trial 3, Rollout 0, Live 1, Wobbly 0, Renewing 0, Lost 0"
    widths = [float(tag["width"]) for tag in markup_of(page).all("rect") if tag.get("height") == "6" and "x" in tag]
    assert widths == [75, 0, 25, 0, 0, 0]
    assert "Live 1 €2.5M" in text_of(page)


def test_renewals_and_long_stays_are_listed(client, tenant):
    record(tenant, "r1", "Later", "Live", renewal_in=50)
    record(tenant, "r2", "Sooner", "Live", renewal_in=5)
    record(tenant, "r3", "Next year", "Live", renewal_in=300)
    record(tenant, "r4", "Gone already", "Lost", renewal_in=4, reason="Price")
    record(tenant, "s1", "Stuck in trial", "Trial", days=30)
    record(tenant, "s2", "On the last day", "Trial", days=14)
    text = text_of(client.get("/"))
    renewals = text[text.index("Renewals due soon") : text.index("Stuck in stage")]
    assert renewals.index("Sooner") < renewals.index("Later")
    assert "Next year" not in renewals
    assert "Gone already" not in renewals
    stuck = text[text.index("Stuck in stage") :]
    assert "16 days past target" in stuck
    assert "0 days past target" not in stuck and "On the last day" not in stuck


def test_an_empty_tenant_learns_that_no_one_is_at_risk_and_where_customers_come_from(client):
    assert "No customers at risk." in text_of(client.get("/"))
    assert "There are no customers yet." in text_of(client.get("/customers"))


def test_the_list_is_filtered_by_stage_category_owner_and_search_together(client, tenant):
    wanted = record(tenant, "a-1", "Orion Works", "Live", owner="ann@x.example")
    record(tenant, "a-2", "Orion Mines", "Trial", owner="ann@x.example")
    record(tenant, "a-3", "Orion Farms", "Live", owner="bob@x.example")
    record(tenant, "a-4", "Vega Works", "Live", owner="ann@x.example")
    page = client.get("/customers?stage=Live&owner=ann@x.example&search=orion")
    assert names(page) == [str(wanted)]
    assert names(client.get("/customers?category=engaged&owner=ann@x.example&search=Orion")) == [str(wanted)]
    assert names(client.get("/customers?search=a-1")) == [str(wanted)]
    assert "Try removing a filter." in text_of(client.get("/customers?stage=Lost"))


def test_the_list_is_narrowed_to_an_industry_and_says_so(client, tenant):
    wanted = record(tenant, "a-1", "Orion Works", "Live", owner="ann@x.example", industry="Ocean Shipping")
    record(tenant, "a-2", "Orion Mines", "Live", owner="ann@x.example", industry="Mining")
    record(tenant, "a-3", "Orion Farms", "Live", owner="bob@x.example", industry="Ocean Shipping")
    page = client.get("/customers?industry=ocean+shipping&owner=ann@x.example&ordering=name")
    assert names(page) == [str(wanted)]
    caption = "Customers owned by “ann@x.example” in the industry “ocean shipping”, by name, A to Z"
    assert caption in text_of(page)
    (field,) = [tag for tag in markup_of(page).all("input") if tag.get("name") == "industry"]
    assert (field["value"], field["maxlength"]) == ("ocean shipping", "100")
    heads = [tag["href"] for tag in markup_of(page).all("a") if "ordering=-arr" in tag.get("href", "")]
    assert "industry=ocean+shipping" in heads[0]
    assert "Try removing a filter." in text_of(client.get("/customers?industry=shipping"))


def test_a_stage_or_view_that_there_is_not_is_named_and_no_one_is_listed(client, tenant):
    record(tenant, "1", "One", "Live")
    for address, sentence in (
        ("stage=Nowhere", "There is no stage “Nowhere”. Choose one of: “Trial”, “Rollout”"),
        ("category=nonsense", "There is no view “nonsense”."),
    ):
        for headers in ({}, HTMX):
            page = client.get(f"/customers?{address}", headers=headers)
            assert (page.status_code, names(page)) == (400, [])
            assert sentence in text_of(page)
    page = client.get("/customers?ordering=secret&limit=1000000")
    assert (page.status_code, len(names(page))) == (200, 1)


def test_a_stage_is_found_by_the_names_that_it_had(client, tenant):
    live = record(tenant, "1", "One", "Live")
    record(tenant, "2", "Two", "Trial")
    document = SAAS
    for old, new in (("Live", "Running"), ("Running", "Thriving")):
        document = json.loads(json.dumps(document).replace(f'"{old}"', f'"{new}"'))
        with tenant_context(tenant.id):
            publish_configuration(
                document, tenant=tenant, actor=system_actor("tests"), now=utc_now(), renamed={old: new}
            )
    for asked in ("Live", "Running", " Live "):
        page = client.get("/customers", {"stage": asked})
        assert names(page) == [str(live)], asked
        assert f"“{asked.strip()}” is now called “Thriving”." in text_of(page).replace("“ Live ”", "“Live”")
    assert "is now called" not in text_of(client.get("/customers?stage=Thriving"))


def test_a_stage_that_is_asked_for_is_chosen_also_where_it_is_not_offered(client, tenant, monkeypatch):
    """The next filter dropped it: the list was everyone's then, and the field said “All stages” all the time."""
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    one = record(tenant, "1", "One", "Renewing")
    record(tenant, "2", "Two", "Live")
    gone = "Renewing"
    document = {
        **SAAS,
        "stages": [stage for stage in SAAS["stages"] if stage != gone],
        "transitions": {
            stage: [to for to in ways if to != gone] for stage, ways in SAAS["transitions"].items() if stage != gone
        },
        "categories": {stage: category for stage, category in SAAS["categories"].items() if stage != gone},
    }
    with tenant_context(tenant.id):
        publish_configuration(
            document, tenant=tenant, actor=system_actor("tests"), now=utc_now(), mapping={gone: "Live"}
        )

    def chosen(page):
        return [tag["value"] for tag in markup_of(page).all("option") if "selected" in tag]

    page = client.get("/customers", {"stage": gone})
    assert (names(page), chosen(page)) == ([str(one)], [gone])
    assert chosen(client.get("/customers", {"stage": "Trial", "category": "engaged"})) == ["Trial"]
    assert chosen(client.get("/customers", {"category": "engaged"})) == []


def test_a_condition_that_has_a_parameter_of_its_own_is_removed_as_any_other(client, tenant):
    """Its parameter stayed in the address: the link led to the same list again."""
    small, large = (record(tenant, arr, f"Of {arr}", "Live", arr=arr) for arr in ("1000", "9000"))

    def removing(page, part):
        (link,) = [tag["href"] for tag in markup_of(page).all("a") if part in tag.get("aria-label", "")]
        return client.get(f"/customers{link}")

    page = client.get("/customers?arr_min=5000&days_max=30&ordering=name")
    assert names(page) == [str(large)]
    left = removing(page, "Remove: ARR")
    assert names(left) == [str(small), str(large)] and "Remove: time in stage" in left.content.decode()
    assert "Remove: " not in removing(left, "Remove: time in stage").content.decode()
    # Of what cannot be read nothing is left out unseen.
    odd = client.get("/customers?arr_min=5000&days_max=many")
    assert removing(odd, "Remove: ARR").status_code == 400


def test_next_renewal_first_begins_with_the_next_one_and_past_ones_come_after(client, tenant):
    for days in (-200, 40, -3, 5):
        record(tenant, str(days), f"In {days}", "Live", renewal_in=days)
    text = text_of(client.get("/customers?ordering=renewal_on"))
    assert [text.index(f"In {days} ") for days in (5, 40, -3, -200)] == sorted(
        text.index(f"In {days} ") for days in (5, 40, -3, -200)
    )


def test_most_urgent_first_shows_what_is_at_stake_and_why(client, tenant):
    large = record(tenant, "1", "Large", "Live", arr="1000000000", renewal_in=1)
    small = record(tenant, "2", "Small", "Live", arr="9400", renewal_in=-207, csat="1")
    page = client.get("/customers?ordering=-urgency")
    assert names(page) == [str(large), str(small)]
    (reason,) = [tag["title"] for tag in markup_of(page).all("span") if "1,000,000,000" in tag.get("title", "")]
    assert reason.startswith("€183,870,968 at stake: €1,000,000,000 a year × 19% risk (health 90 of 100)")
    assert reason.endswith("97% for time (renewal in 1 day).")
    heads = [text for text in ("Health", "At stake") if f"{text}" in text_of(page)]
    assert heads == ["Health", "At stake"]


def test_the_head_health_sorts_by_health(client, tenant):
    well = record(tenant, "1", "Well", "Live", arr="10")
    poor = record(tenant, "2", "Poor", "Wobbly", reason="Usage Dropped", csat="1", arr="10")
    unknown = str(CustomerFactory(tenant=tenant, stage="Live").id)
    page = client.get("/customers?ordering=health")
    assert names(page) == [str(poor), str(well), unknown]
    (head,) = [tag for tag in markup_of(page).all("th") if "aria-sort" in tag]
    assert head["aria-sort"] == "ascending"
    assert "no figures yet" in text_of(page)


def test_a_click_on_a_head_sorts_and_another_one_turns_it_round(client, tenant):
    poor, rich = record(tenant, "1", "Poor", "Live", arr="10"), record(tenant, "2", "Rich", "Live", arr="99999")
    page = client.get("/customers?ordering=-arr")
    assert names(page) == [str(rich), str(poor)]
    (head,) = [tag for tag in markup_of(page).all("th") if "aria-sort" in tag]
    assert head["aria-sort"] == "descending"
    assert "?ordering=arr" in [tag.get("href") for tag in markup_of(page).all("a")]
    assert names(client.get("/customers?ordering=arr")) == [str(poor), str(rich)]


def test_the_view_of_those_at_risk_begins_with_the_most_urgent(client, tenant):
    calm = record(tenant, "1", "Calm", "Wobbly", reason="Usage Dropped", arr="10")
    urgent = record(tenant, "2", "Urgent", "Wobbly", reason="Usage Dropped", arr="900000", csat="1")
    assert names(client.get("/customers?category=risk")) == [str(urgent), str(calm)]


def test_the_views_above_the_list_lead_to_every_meaning_and_to_those_who_stay_too_long(client, tenant):
    late = record(tenant, "1", "Late", "Trial", days=30)
    record(tenant, "2", "Fresh", "Trial")
    record(tenant, "3", "Happy", "Live")
    page = client.get("/customers")
    text = text_of(page)
    assert "All 3 Acquisition 2 Onboarding 0 Engaged 1 At risk 0 Renewal 0 Lost 0 Stuck in stage 1" in text
    assert "/customers?stuck=1" in [tag.get("href") for tag in markup_of(page).all("a")]
    assert names(client.get("/customers?stuck=1")) == [str(late)]
    assert names(client.get("/customers?stuck=1&search=Happy")) == []


def follow(client, page, rel):
    (link,) = [tag["href"] for tag in markup_of(page).all("a") if tag.get("rel") == rel]
    return client.get(f"/customers{link}", headers=HTMX)


def test_fifty_a_page_and_next_and_previous_lead_there_and_back(client, tenant):
    CustomerFactory.create_batch(120, tenant=tenant, stage="Live")
    first = client.get("/customers?ordering=name&stage=Live")
    second = follow(client, first, "next")
    third = follow(client, second, "next")
    pages = [names(page) for page in (first, second, third)]
    assert [len(page) for page in pages] == [50, 50, 20]
    assert len({name for page in pages for name in page}) == 120
    assert not [tag for tag in markup_of(third).all("a") if tag.get("rel") == "next"]
    assert names(follow(client, follow(client, third, "prev"), "prev")) == pages[0]
    assert not markup_of(second).all("html")


def test_a_broken_cursor_is_an_error_that_says_how_to_go_on(client, tenant):
    record(tenant, "1", "One", "Live")
    page = client.get("/customers?cursor=bm9uc2Vuc2U")
    assert page.status_code == 400
    assert "This page link has expired" in text_of(page)
    assert "From the beginning" in text_of(page)


def test_of_a_page_whose_customers_have_gone_on_it_is_not_said_that_there_are_none(client, tenant, move):
    """Who alone was on the second page and is moved comes first: the page said that there are no customers yet."""
    last, *_others = CustomerFactory.create_batch(51, tenant=tenant, stage="Live")
    (second,) = [tag["href"] for tag in markup_of(client.get("/customers")).all("a") if tag.get("rel") == "next"]
    assert names(client.get(f"/customers{second}")) == [str(last.id)]
    move(last, "Wobbly", "Usage Dropped")
    page = client.get(f"/customers{second}")
    assert names(page) == [] and "There are no customers yet." not in text_of(page)
    (back,) = [tag["href"] for tag in markup_of(page).all("a") if tag.get("class") == "btn btn-quiet mt-2"]
    assert names(client.get(f"/customers{back}"))[0] == str(last.id)


def test_after_going_back_htmx_gets_the_whole_page(client, tenant):
    page = client.get("/customers", headers=HTMX | {"HX-History-Restore-Request": "true"})
    assert markup_of(page).all("html")


def test_names_are_text_whatever_they_contain(client, tenant):
    customer = record(tenant, "<b>1</b>", "<script>alert('x')</script>", "Wobbly", reason="Usage Dropped")
    for address in ("/", "/customers", f"/customers/{customer}"):
        assert b"<script>alert" not in client.get(address).content


def test_the_number_of_a_list_with_conditions_is_counted_once_and_again_when_a_customer_changes(client, tenant):
    def look():
        with CaptureQueriesContext(connection) as captured:
            shown = text_of(client.get("/customers?where=arr%3E%3D1000&ordering=name"))
        return shown, len(captured)

    for number in range(51):
        record(tenant, f"crm-{number}", f"Company {number:02}", "Live")
    # The first look of a process also reads who it is that looks.
    client.get("/customers")
    shown, counting = look()
    assert "51 customers" in shown
    assert look() == (shown, counting - 1)
    record(tenant, "crm-50", "Company 50", "Live", arr="10")
    shown, _statements = look()
    assert "51 customers" not in shown and "50 customers" in shown
    record(tenant, "crm-51", "Company 51", "Live")
    assert "51 customers" in look()[0]
