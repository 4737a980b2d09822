"""A person pins a field and sees the value that lost, and looks how a score came about; in both colour schemes."""

import datetime as dt
import os

import pytest
from playwright.sync_api import expect

from lifecycle.services.customers.recording import CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.browser.looks import SMALL_TARGETS, assert_accessible, set_width
from tests.factories import utc_now

pytestmark = pytest.mark.browser


def tell(tenant, source, days, **facts):
    at = utc_now() - dt.timedelta(days=days)
    fact = CustomerFacts("acme", source, at, **facts)
    with tenant_context(tenant.id):
        (recorded,) = record_customers(
            [fact], tenant=tenant, actor=system_actor("tests"), source="Import", now=at, create=True, backdated=True
        )
    return recorded.customer_id


def look(page, name):
    page.emulate_media(reduced_motion="reduce")
    assert_accessible(page, name)
    assert page.evaluate(SMALL_TARGETS) == [], name
    for scheme in ("light", "dark") if os.environ.get("SHOTS") else ():
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}-{scheme}.png", full_page=True)
    # A phone comes last, so that the story goes on as it began.
    set_width(page, 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    if os.environ.get("SHOTS"):
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}-phone.png", full_page=True)
    set_width(page, 1280)


def test_a_person_pins_the_owner_and_sees_what_lost_and_how_the_score_came_about(open_browser, users, tenant):
    customer_id = tell(tenant, "/crm", 30, company={"name": "Aurora Logistics", "owner": "ann"})
    tell(tenant, "/billing", 20, billing={"currency": "EUR", "arr": "1000.00", "balance_overdue": "0.00"})
    tell(tenant, "/support", 12, support={"open_issues": 0, "csat": "4.00"})
    tell(tenant, "/support", 9, support={"open_issues": 4})
    page = open_browser(users.account_manager)
    page.goto(f"/customers/{customer_id}")
    expect(page.locator("#freshness")).to_contain_text("Support last reported 9 days ago")
    page.get_by_text("Each field and its source").click()
    # What was opened stays open when the page looks again.
    tell(tenant, "/support", 0, support={"open_issues": 3})
    expect(page.locator(".tiles")).to_contain_text("Open issues3")
    page.get_by_role("link", name="Pin : Owner").click()
    expect(page.get_by_role("heading", level=1, name="Owner")).to_be_visible()
    look(page, "pin")

    page.get_by_label("Another value (optional)").fill("eve")
    page.get_by_role("button", name="Pin").click()
    # The browser itself asks for the reason, and what was typed is still there.
    expect(page.get_by_label("Another value (optional)")).to_have_value("eve")
    page.get_by_label("Reason").fill("Agreed in the call of Monday")
    page.get_by_role("button", name="Pin").click()
    expect(page.get_by_text("Owner is pinned.")).to_be_visible()

    tell(tenant, "/crm", 0, company={"owner": "bob"})
    page.reload()
    page.get_by_text("Each field and its source").click()
    owner = page.locator("#fields li", has_text="Owner:")
    expect(owner).to_contain_text("eve")
    expect(owner).to_contain_text("Not taken: “bob” (CRM, ")
    expect(owner).to_contain_text("the field is pinned")
    expect(owner).to_contain_text("Agreed in the call of Monday")
    look(page, "sources")

    page.get_by_role("link", name="How the score has changed").click()
    expect(page.get_by_role("img", name="The score day by day")).to_be_visible()
    expect(page.locator("#scores tbody tr").first).to_be_visible()
    look(page, "health")

    page.goto(f"/customers/{customer_id}/fields/owner")
    expect(page.locator("#losers")).to_contain_text("“bob” (CRM, ")
    page.get_by_role("button", name="Unpin").click()
    expect(page.get_by_text("Owner is not pinned any more.")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("bob")
