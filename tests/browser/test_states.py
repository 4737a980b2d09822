"""What a page says when there is nothing, when it is slow, when the connection is away, and when one may not."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.looks import assert_accessible
from tests.browser.test_forms import enter, expire, log_in
from tests.factories import CustomerFactory

pytestmark = pytest.mark.browser

AWAY = "You are offline."
# In which words a page says that it has nothing to show.
SAYS_SO = re.compile(r"\b(No|no|Nothing|nothing)\b")


@pytest.fixture
def customer(tenant):
    return CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live")


def test_offline_says_so_sends_nothing_and_keeps_what_was_typed(open_browser, users, customer):
    page = open_browser(users.account_manager)
    page.goto(f"/customers/{customer.id}")
    note = page.get_by_label("Write a note")
    note.fill("They called us. Twice.")
    expect(page.get_by_text(AWAY)).to_be_hidden()
    page.context.set_offline(True)
    expect(page.get_by_text(AWAY)).to_be_visible()
    assert_accessible(page, "offline", part="#offline")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator("#toasts")).to_contain_text("The server cannot be reached.")
    expect(note).to_have_value("They called us. Twice.")
    assert page.url.endswith(f"/customers/{customer.id}")
    page.context.set_offline(False)
    expect(page.get_by_text(AWAY)).to_be_hidden()
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_text("They called us. Twice.").first).to_be_visible()


def test_what_takes_long_is_shown_to_be_on_its_way(open_browser, users, customer):
    page = open_browser(users.account_manager)
    page.goto("/customers")
    held = []
    page.route("**/customers?*search=Aurora*", lambda route: held.append(route))
    page.get_by_label("Search").first.fill("Aurora")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    expect(page.locator("#busy")).to_be_visible()
    for route in held:
        route.continue_()
    expect(page.locator("#busy")).to_be_hidden()
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#results")).to_contain_text("Aurora Logistics")


def test_without_customers_every_page_says_what_comes_here(open_browser, users):
    page = open_browser(users.tenant_admin)
    said = {}
    for address in ("/", "/customers", "/board", "/renewals", "/tasks", "/notifications", "/insight"):
        page.goto(address)
        said[address] = page.locator("main").inner_text()
        assert_accessible(page, f"{address} without customers")
    assert {address: text for address, text in said.items() if not SAYS_SO.search(text)} == {}


def test_who_may_not_sees_why_and_is_led_back(open_browser, users, customer):
    page = open_browser(users.viewer)
    for address in (f"/customers/{customer.id}/move", "/tasks", f"/customers/{customer.id}/handover"):
        answer = page.goto(address)
        assert answer.status == 403
        expect(page.get_by_role("heading", name="You don't have access")).to_be_visible()
        assert_accessible(page, f"{address} without the right")
    page.get_by_role("link", name="Go to the home page").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


def test_a_note_on_the_page_is_back_after_a_new_log_in(open_browser, real_passwords, users, customer):
    page = enter(open_browser, users.account_manager)
    page.goto(f"/customers/{customer.id}")
    # A look for what is new would lead to the log-in as well, and may come first (test_forms.py).
    page.route(
        "**/*",
        lambda route: (
            None
            if route.request.resource_type in ("xhr", "fetch") and route.request.method == "GET"
            else route.continue_()
        ),
    )
    page.get_by_label("Write a note").fill("They called us. Twice.")
    expire(page)
    page.get_by_role("button", name="Save note").click()
    page.wait_for_url("**/login?next=**")
    page.unroute_all(behavior="ignoreErrors")
    log_in(page, users.account_manager)
    expect(page.get_by_text("What you typed is back; it has not been saved yet.")).to_be_visible()
    expect(page.get_by_label("Write a note")).to_have_value("They called us. Twice.")
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_text("They called us. Twice.").first).to_be_visible()
