"""Answers that come late, or not at all: what a person does in between is kept, and what was missed is looked up."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.held import Held
from tests.browser.looks import HEARD
from tests.browser.test_stories import await_looked, badge, open_customer, patch_stage
from tests.effects.alerts import run_all
from tests.factories import CustomerFactory
from tests.services.bulk.changing import actor_of, begin, select

pytestmark = pytest.mark.browser

# What is looked up each half minute, or each minute, is here twice a second.
HASTE = "const start = window.setInterval; window.setInterval = (work, after) => start(work, Math.min(after, 500))"
REFRESH = "htmx.trigger('#results', 'c360:refresh')"
# How long a trouble is said ends when the test says so: the first, the second...
ENDS = """const start = window.setTimeout;
window.ends = [];
window.setTimeout = (work, after) => after === 8000 ? window.ends.push(work) : start(work, after)"""
# What htmx reports of a request that has found no way to the server.
UNREACHED = """document.body.dispatchEvent(
  new CustomEvent("htmx:sendError", { bubbles: true, detail: { elt: document.body } }))"""
# What htmx reports of an answer that the server could not give just then, and what the page says of it.
UNAVAILABLE = """(part) => {
  const detail = { elt: part, xhr: { status: 503, responseText: "" } };
  part.dispatchEvent(new CustomEvent("htmx:responseError", { bubbles: true, detail }));
  return document.getElementById("toasts").textContent.trim();
}"""


@pytest.fixture
def customer(tenant):
    return CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live")


def answer(route):
    route.fulfill(response=route.fetch())


def test_what_was_pressed_in_a_part_that_is_exchanged_since_is_on_its_way_no_longer(
    open_browser, site, users, tenant, customer
):
    page = open_customer(open_browser(users.account_manager), customer)
    held = Held(page, "/move$")
    page.locator("#change-stage").click()
    route = held.wait()
    expect(page.locator("#busy")).to_be_visible()
    patch_stage(site, users.service, customer, "Renewing")
    expect(badge(page)).to_have_text("Renewing")
    answer(route)
    expect(page.get_by_role("dialog", name="Change the stage of Aurora Logistics")).to_be_visible()
    expect(page.locator("#busy")).to_be_hidden()
    expect(page.locator("#dialog-slot[aria-busy]")).to_have_count(0)


def test_a_dialog_that_was_asked_for_twice_keeps_what_is_typed_into_it(open_browser, users, tenant, customer):
    page = open_customer(open_browser(users.account_manager), customer)
    held = Held(page, "/move$", most=2)
    opener = page.locator("#change-stage")
    opener.click()
    first = held.wait()
    opener.click()
    answer(first)
    second = held.wait(2)
    note = page.get_by_role("dialog").get_by_label("Note")
    note.fill("They said so on the phone.")
    answer(second)
    expect(page.locator("#change-stage:not(.htmx-request)")).to_have_count(1)
    expect(note).to_have_value("They said so on the phone.")


def test_a_look_that_has_failed_is_taken_again(open_browser, site, users, tenant, customer):
    page = open_browser(users.viewer)
    page.add_init_script(HEARD)
    page.add_init_script(HASTE)
    page.goto("/customers")
    await_looked(page)
    held = Held(page, "/customers$")
    patch_stage(site, users.service, customer, "Renewing")
    route = held.wait()
    expect(page.locator("body.heard-changed")).to_have_count(1)
    route.abort()
    expect(page.locator("#results tbody tr:has-text('Renewing')")).to_have_count(1)
    expect(page.locator(".live")).to_have_text("Live")


def test_the_bell_that_could_not_be_asked_is_asked_again(open_browser, site, users, tenant):
    owner = users.viewer
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live", owner=owner.username)
    page = open_browser(owner)
    page.add_init_script(HASTE)
    page.goto("/customers")
    await_looked(page)
    expect(page.locator("#bell:not(.htmx-request)")).to_have_count(1)
    held = Held(page, "/bell$")
    patch_stage(site, users.account_manager, customer, "Wobbly", reason_code="Usage Dropped")
    run_all()
    held.wait().abort()
    expect(page.locator("#bell")).to_contain_text("1 unread")


@pytest.mark.parametrize("path", ["/customers", "/customers/{id}"], ids=["list", "customer"])
def test_a_change_before_the_stream_is_back_is_shown_though_a_look_was_out(
    open_browser, site, users, tenant, customer, path
):
    page = open_browser(users.viewer)
    page.add_init_script(HASTE)
    page.goto(path.format(id=customer.id))
    expect(page.locator(".live")).to_have_text("Live")
    site.stream.stop()
    try:
        expect(page.locator(".live")).to_have_text("Checking for changes")
        held = Held(page, r"/customers$|/live\?version")
        route = held.wait()
        # Read before the change, of which no one hears; answered after the stream is back.
        response = route.fetch()
        patch_stage(site, users.service, customer, "Renewing")
    finally:
        site.stream.start("/live/healthz")
    expect(page.locator(".live")).to_have_text("Live")
    route.fulfill(response=response)
    expect(page.locator(":is(#results tbody, .stage-now) .stage")).to_have_text("Renewing")


def test_more_cards_that_were_asked_for_are_shown_though_the_board_looks_in_between(open_browser, users, tenant):
    CustomerFactory.create_batch(25, tenant=tenant, stage="Live")
    page = open_browser(users.viewer)
    page.goto("/board")
    await_looked(page)
    cards = page.locator(".board-column[data-stage=Live] .card-of-board")
    expect(cards).to_have_count(20)
    held = Held(page, "/board/cards")
    page.get_by_role("link", name="Show more").click()
    route = held.wait()
    with page.expect_response(lambda response: response.url.endswith("/board")):
        page.evaluate(REFRESH)
    expect(page.locator("#results:not(.htmx-request)")).to_have_count(1)
    answer(route)
    expect(cards).to_have_count(25)


def test_what_the_filters_of_the_board_were_asked_is_answered_when_the_menu_of_a_card_is_closed(
    open_browser, users, tenant, customer
):
    other = CustomerFactory(tenant=tenant, name="Birch Foods", stage="Live")
    page = open_browser(users.account_manager)
    page.goto("/board")
    await_looked(page)
    held = Held(page, "/board.search=aurora")
    page.get_by_label("Search", exact=True).fill("aurora")
    route = held.wait()
    page.locator(f"#move-{other.id}").focus()
    page.keyboard.press("Enter")
    menu = page.get_by_role("menu", name="Move to")
    expect(menu).to_be_visible()
    answer(route)
    expect(page.locator("#results:not(.htmx-request)")).to_have_count(1)
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".card-of-board")).to_have_count(1)
    expect(page.locator(f"#card-{customer.id}")).to_be_visible()
    expect(page).to_have_url(re.compile("search=aurora"))


def test_a_trouble_is_said_for_its_time_whatever_was_said_before_it(open_browser, users, tenant):
    page = open_browser(users.viewer)
    page.add_init_script(ENDS)
    page.goto("/customers")
    shown = page.locator("#toasts .notice")
    page.evaluate(UNREACHED)
    page.evaluate(UNREACHED)
    page.evaluate("window.ends[0]()")
    expect(shown).to_have_count(1)
    page.evaluate("window.ends[1]()")
    expect(shown).to_have_count(0)


def test_a_look_at_the_progress_that_has_failed_says_nothing_of_what_was_changed(open_browser, users, tenant, customer):
    actor = actor_of(users.account_manager)
    change = select(tenant, actor, [customer.id])
    begin(tenant, actor, change, "Renewing")
    page = open_browser(users.account_manager, at=reverse("bulk-change", args=[change.id]))
    assert page.locator("#bulk").evaluate(UNAVAILABLE) == ""
    # Of what was pressed it does.
    assert "may not have been saved" in page.locator("#main").evaluate(UNAVAILABLE)
