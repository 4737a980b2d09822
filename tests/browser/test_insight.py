"""In a real browser: a rule is written, played, published and followed; figures open lists; forecasts show proof."""

import datetime as dt
import re

import pytest
from playwright.sync_api import expect

from lifecycle.models import CustomerLifecycleStatus, Note, RiskFiring
from lifecycle.rules.transitions import Change
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.risk.playing import work_off_plays
from lifecycle.services.risk.watching import watch_rules
from lifecycle.services.transitions.apply import Call, apply, place
from tenants.context import tenant_context
from tests.browser.looks import assert_accessible
from tests.browser.test_configuration import edit_draft, open_steps
from tests.conftest import make_people
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.services import acts
from tests.services.test_forecasts import RISKY, night, tell_past

pytestmark = pytest.mark.browser


NOW = utc_now()


def ago(days):
    return NOW - dt.timedelta(days=days)


def live_through(tenant, customer, *stages):
    """(days ago, stage), the first one first."""
    with tenant_context(tenant.id):
        for number, (days, stage) in enumerate(stages):
            reason = "Usage Dropped" if stage == "Wobbly" else "Price" if stage == "Lost" else None
            change = Change(customer.id, stage, reason_code=reason, effective_at=ago(days))
            call = Call(tenant, acts.ACTOR, "Import", utc_now())
            (outcome,) = (apply if number else place)(call, [change], backdated=True)
            assert outcome.moved, outcome


def report(tenant, customer, days, **billing):
    fact = CustomerFacts(customer.external_id, "/billing", ago(days), billing=billing)
    with tenant_context(tenant.id):
        record_customers([fact], tenant=tenant, actor=acts.ACTOR, source="Import", now=utc_now(), create=False)


@pytest.fixture
def past(tenant):
    """Ann was overdue for 50 days and left, Bob was overdue and stayed; Eve is overdue now."""
    made = {name: CustomerFactory(tenant=tenant, name=name, stage=None) for name in ("Ann", "Bob", "Eve")}
    live_through(tenant, made["Ann"], (300, "Live"), (160, "Wobbly"), (150, "Lost"))
    live_through(tenant, made["Bob"], (300, "Live"))
    live_through(tenant, made["Eve"], (300, "Live"))
    report(tenant, made["Ann"], 200, arr="1000", currency="EUR", balance_overdue="200")
    report(tenant, made["Bob"], 250, arr="500", currency="EUR", balance_overdue="400")
    report(tenant, made["Bob"], 220, balance_overdue="0")
    report(tenant, made["Eve"], 30, arr="800", currency="EUR", balance_overdue="300")
    return made


def test_an_admin_plays_a_rule_over_the_past_publishes_it_and_a_colleague_accepts_what_it_proposes(
    open_browser, users, tenant, past
):
    page = open_browser(users.tenant_admin, reduced_motion="reduce")
    edit_draft(page, tenant, "Deep in debt")
    open_steps(page)
    rules = page.locator("#risk_rules")
    rules.get_by_role("button", name="Add an at-risk rule").click()
    card = rules.locator("fieldset.card").first
    card.get_by_label("Name", exact=True).fill("Deep in debt")
    card.get_by_label("when true for (days)").fill("14")
    card.get_by_label("What to look at").first.select_option(label="Overdue balance, share of the annual revenue")
    card.get_by_label("Comparison").first.select_option(label="is more than")
    card.get_by_label("Value").first.fill("10")
    card.get_by_label("to the stage").select_option(label="Wobbly")
    card.get_by_label("with the reason").fill("Usage Dropped")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text(re.compile("Draft saved as revision"))).to_be_visible()

    page.get_by_role("link", name="Test the rules").click()
    page.get_by_label("Figures and stages").select_option("effective")
    page.get_by_role("button", name="Test the rules").click()
    expect(page.get_by_text("0 of 3 customers")).to_be_visible()
    list(work_off_plays(tenant, now=utc_now()))
    row = page.locator("table.results tbody tr")
    expect(row).to_have_count(1)
    # Ann's alarm was 14 days after her report, 36 days before she left. Bob's came to nothing; Eve's is too new.
    cells = [cell.strip() for cell in row.locator("td").all_inner_texts()]
    assert cells[:7] == ["1 of 1", "1", "36 (half: 36 to 36)", "€1,000", "3", "1", "1"]
    expect(page.get_by_text("35 to 41 days before: 1 churn")).to_be_attached()
    assert_accessible(page, "rules played over the past")
    with tenant_context(tenant.id):
        assert not RiskFiring.objects.exists(), "nothing is proposed by a draft"

    page.get_by_role("link", name="Back to the draft").click()
    page.get_by_role("link", name="Publish").first.click()
    page.get_by_label("Reason", exact=True).fill("Call them in time")
    page.get_by_role("button", name="Publish as version 2").click()
    expect(page.get_by_text("Version 2 is published.")).to_be_visible()

    # It was heard of today: so the rule fires two weeks from now.
    watch_rules(tenant)
    later = utc_now() + dt.timedelta(days=15)
    watch_rules(tenant, clock=lambda: later)
    colleague = open_browser(users.account_manager, reduced_motion="reduce")
    colleague.goto("/")
    proposals = colleague.locator("#proposals")
    expect(proposals).to_contain_text("“Deep in debt” has held since")
    assert_accessible(colleague, "home with a proposal")
    proposals.get_by_role("link", name="Accept for Eve").click()
    expect(colleague.get_by_role("radio", name="Wobbly", exact=True)).to_be_checked()
    assert_accessible(colleague, "form of a proposal")
    colleague.get_by_role("button", name="Change stage").click()
    expect(colleague.get_by_role("heading", name="Eve", level=1)).to_be_visible()
    watch_rules(tenant, clock=lambda: later)
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=past["Eve"].id).stage == "Wobbly"
        firing = RiskFiring.objects.get(customer_id=past["Eve"].id)
        assert (firing.state, firing.decided_by) == ("accepted", str(users.account_manager.id))
    colleague.goto("/")
    expect(colleague.locator("#proposals")).to_have_count(0)


def test_the_board_of_a_past_day_leads_to_a_customer_with_the_health_of_then(open_browser, users, tenant, past):
    keep_facts(tenant)
    page = open_browser(users.account_manager, reduced_motion="reduce")
    page.goto(f"/board/as-of?day={ago(240).date()}")
    live = page.get_by_role("region", name="Customers by stage").locator("section", has_text="Live")
    expect(live).to_contain_text("3 customers")
    assert_accessible(page, "board as of a day")
    live.get_by_role("link", name="Bob").click()
    # Then 400 of 500 were overdue; thirty days later they were paid.
    parts = page.locator("#health-parts")
    expect(parts.get_by_role("row", name="Overdue balance")).to_have_text(re.compile("−25"))
    expect(parts.get_by_role("row", name="Health")).to_have_text(re.compile("75"))
    expect(page.get_by_text("as none was live yet at the end of the day")).to_be_visible()
    assert_accessible(page, "customer as of a day")
    page.get_by_label("As of", exact=True).fill(ago(200).date().isoformat())
    page.get_by_role("button", name="Show").click()
    expect(parts.get_by_role("row", name="Overdue balance")).to_have_count(0)


@pytest.fixture
def at_risk(tenant):
    """Three customers that were at risk for more than a week: for two of them someone wrote a note in it."""
    made = {name: CustomerFactory(tenant=tenant, name=name, stage=None) for name in ("Flo", "Gus", "Hal")}
    for name, back in (("Flo", (150, "Live")), ("Gus", (150, "Lost")), ("Hal", (150, "Live"))):
        live_through(tenant, made[name], (300, "Live"), (200, "Wobbly"), back)
    with tenant_context(tenant.id):
        for name in ("Flo", "Gus"):
            Note.objects.create(
                tenant_id=tenant.id, customer_id=made[name].id, text=b"x", created_at=ago(197), created_by="someone"
            )
    keep_facts(tenant)
    return made


@pytest.mark.parametrize(
    ("view", "table", "row", "column"),
    [("save", "save-rate", "A note was written", 2), ("risk", "risk-by-reason", "All reasons", 7)],
)
def test_a_figure_opens_the_list_that_it_counts(open_browser, users, at_risk, view, table, row, column):
    page = open_browser(users.account_manager, reduced_motion="reduce")
    page.goto(f"/insight?show={view}")
    assert_accessible(page, view)
    found = page.locator("table").filter(has_text=row).first.locator("tbody tr").filter(has_text=row).first
    figure = found.locator("th, td").nth(column).get_by_role("link")
    expect(figure).to_have_text("2")
    figure.click()
    expect(page.locator("#count")).to_have_text("2 rows")
    expect(page.locator("td.main-cell a.name")).to_have_text(["Flo", "Gus"])
    assert_accessible(page, f"the list behind {table}")


def test_the_forecast_shows_how_it_proved_itself_as_a_chart_and_as_a_table(open_browser, db):
    tenant = TenantFactory(configuration=RISKY)
    tell_past(tenant, 700, seed=3)
    night(tenant)
    page = open_browser(make_people(tenant).account_manager, reduced_motion="reduce")
    page.goto("/insight/forecast")
    expect(page.locator("#forecast-state")).to_contain_text("better than stage and time in stage alone by more than")
    calibration = page.get_by_role("table", name=re.compile("Predicted and actual churn"))
    expect(calibration.locator("tbody tr")).to_have_count(10)
    expect(page.get_by_role("table", name=re.compile("The customers with the highest chances"))).to_be_visible()
    assert_accessible(page, "forecast that is shown")


def test_a_forecast_that_is_not_there_says_why(open_browser, users, tenant):
    page = open_browser(users.viewer, reduced_motion="reduce")
    page.goto("/insight/forecast")
    expect(page.locator("#forecast-state")).to_contain_text("No forecast has been made yet.")
    night(tenant, utc_now())
    page.reload()
    expect(page.locator("#forecast-state")).to_contain_text("There is not enough history for a forecast.")
    expect(page.get_by_role("table")).to_have_count(0)
    assert_accessible(page, "forecast that is hidden")
