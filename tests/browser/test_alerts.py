"""The bell counts while people look, and a change is taken back where it was made, in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.held import Held
from tests.browser.looks import HEARD
from tests.browser.test_stories import badge, open_customer, patch_stage, stage_of
from tests.effects.alerts import run_all
from tests.factories import CustomerFactory

pytestmark = pytest.mark.browser


def test_an_alert_is_counted_and_shown_on_open_pages_and_read_in_all_of_them(open_browser, site, users, tenant):
    owner = users.viewer
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live", owner=owner.username)
    counting, reading = open_browser(owner), open_browser(owner)
    counting.goto("/account")
    reading.goto("/notifications")
    expect(reading.get_by_text("No notifications yet.")).to_be_visible()
    for page in (counting, reading):
        page.evaluate("window.isTheSamePage = true")

    patch_stage(site, users.account_manager, customer, "Wobbly", reason_code="Usage Dropped")
    run_all()
    expect(counting.locator("#bell .count")).to_have_text("1 unread")
    expect(reading.locator("#bell .count")).to_have_text("1 unread")
    shown = reading.locator("#notifications")
    expect(shown).to_contain_text("Call the owner")
    expect(shown).to_contain_text("Live → Wobbly")
    for page in (counting, reading):
        assert page.evaluate("window.isTheSamePage") is True, "no page was loaded again"

    reading.get_by_role("button", name="Acknowledge Call the owner of Aurora Logistics").click()
    expect(shown).to_contain_text("Acknowledged")
    expect(counting.locator("#bell")).to_have_text("Notifications")
    expect(counting.locator("#bell .count")).to_have_count(0)
    assert counting.evaluate("window.isTheSamePage") is True


def test_an_alert_that_is_heard_of_during_a_look_is_looked_up_after_it(open_browser, site, users, tenant):
    owner = users.viewer
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live", owner=owner.username)
    page = open_browser(owner)
    page.add_init_script(HEARD)
    held = Held(page, "/notifications$")
    page.goto("/notifications")
    # It looks as soon as it is live.
    route = held.wait()
    response = route.fetch()
    patch_stage(site, users.account_manager, customer, "Wobbly", reason_code="Usage Dropped")
    run_all()
    expect(page.locator("body.heard-bell")).to_have_count(1)
    route.fulfill(response=response)
    expect(page.locator("#notifications")).to_contain_text("Call the owner")


def test_a_change_is_undone_from_the_message_that_says_it_was_made(open_browser, users, tenant):
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live")
    page = open_customer(open_browser(users.account_manager), customer)
    page.get_by_role("button", name="Change stage").or_(page.get_by_role("link", name="Change stage")).click()
    dialog = page.get_by_role("dialog", name="Change the stage of Aurora Logistics")
    dialog.get_by_role("radio", name="Renewing", exact=True).check()
    dialog.get_by_role("button", name="Change stage").click()
    expect(badge(page)).to_have_text("Renewing")
    message = page.get_by_role("status").filter(has_text="Aurora Logistics is now in Renewing.")
    message.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").filter(has_text="Undone: 1 customer moved back.")).to_be_visible()
    expect(badge(page)).to_have_text("Live")
    assert stage_of(tenant, customer) == "Live"
