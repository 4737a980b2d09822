"""The morning: calls worked through by keyboard alone, and the command palette."""

from itertools import pairwise

import pytest
from playwright.sync_api import expect

from lifecycle.models import Customer, Snooze
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.home.snoozing import snooze_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.browser.looks import assert_accessible, assert_accessible_across
from tests.factories import utc_now

pytestmark = pytest.mark.browser

# From the most urgent to the least.
CALLS = ("Aurora", "Boreas", "Cirrus", "Draco", "Etesia", "Foehn", "Galerna", "Haboob", "Irifi", "Jauk")


@pytest.fixture
def calls(tenant):
    now = utc_now()
    facts = [
        CustomerFacts(
            external_id=f"crm-{number}",
            source="/crm",
            occurred_at=now,
            company={"name": name},
            contacts=[ContactFacts(name="Zoë Beispiel", email="zoe@acme.example", phone=f"+49 30 12345{number}")],
            billing={"currency": "EUR", "arr": str(100_000 - number * 9000)},
            support={"open_issues": 2, "csat": "3.0"},
            stage="Wobbly",
            reason_code="Usage Dropped",
        )
        for number, name in enumerate(CALLS)
    ]
    with tenant_context(tenant.id):
        record_customers(facts, tenant=tenant, actor=system_actor("tests"), source="Import", now=now, create=True)


def call(page, name):
    return page.get_by_role("region", name="Customers at risk").get_by_role("link", name=name, exact=True)


def wait_for_keys(page):
    """The scripts of a new page listen."""
    expect(page.locator("#palette-open")).to_have_attribute("aria-haspopup", "dialog")


def test_ten_calls_are_worked_through_by_keyboard_alone(open_browser, users, tenant, calls):
    page = open_browser(users.account_manager, at="/")
    expect(page.locator(".calls > li")).to_have_count(10)
    wait_for_keys(page)
    assert_accessible_across(page, "home", 1440, 1024, 390)

    # The first four are snoozed one by one: the focus waits on the next each time.
    page.keyboard.press("j")
    for done, following in pairwise(CALLS[:5]):
        expect(call(page, done)).to_be_focused()
        page.keyboard.press("s")
        reason = page.get_by_role("textbox", name="Why")
        expect(reason).to_be_focused()
        # Letters are letters while one types.
        page.keyboard.type("jks spoke with them")
        expect(reason).to_have_value("jks spoke with them")
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"“{done}” is snoozed.")).to_be_visible()
        expect(call(page, following)).to_be_focused()

    # Two are selected and snoozed together.
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".calls input:checked")).to_have_count(2)
    page.keyboard.press("s")
    expect(page.get_by_role("textbox", name="Why")).to_be_focused()
    page.keyboard.type("both on Monday")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“Etesia” and “Foehn” are snoozed.")).to_be_visible()
    expect(page.locator(".calls > li")).to_have_count(4)
    wait_for_keys(page)

    # One is moved, found by the palette.
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search or jump to")
    expect(field).to_be_focused()
    page.keyboard.type("galer")
    option = page.get_by_role("option", name="Galerna")
    expect(option).to_have_attribute("aria-selected", "true")
    assert_accessible(page, "palette")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Galerna").first).to_be_visible()
    wait_for_keys(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("change this")
    expect(page.get_by_role("option", name="Change this customer's stage")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name="Live", exact=True)).to_be_visible()

    # Back home the rest is walked backwards, and help says which keys there are.
    page.goto("/")
    expect(page.locator(".calls > li")).to_have_count(4)
    wait_for_keys(page)
    page.keyboard.press("k")
    expect(call(page, "Jauk")).to_be_focused()
    page.keyboard.press("k")
    expect(call(page, "Irifi")).to_be_focused()
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keys")
    expect(help_).to_be_visible()
    assert_accessible(page, "keys")
    # Who needs their letters for something else switches them off (WCAG 2.1.4).
    help_.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    page.keyboard.press("?")
    expect(help_).to_be_hidden()
    page.get_by_role("button", name="Keys").click()
    expect(help_).to_be_visible()
    with tenant_context(tenant.id):
        assert Snooze.objects.count() == 6


def test_a_live_update_leaves_the_focus_on_the_link_that_has_it(open_browser, users, tenant, calls):
    """Links without an id, too: of the first page, the list and the board."""
    page = open_browser(users.account_manager)
    for path, part in (("/", "overview"), ("/customers", "results"), ("/board", "results")):
        page.goto(path)
        wait_for_keys(page)
        links = page.locator(f"#{part} a[href]:not([id]):visible")
        link = links.last
        address = link.get_attribute("href")
        link.focus()
        # The node itself is another one afterwards.
        link.evaluate("element => { element.dataset.former = 'true'; }")
        page.evaluate(f"htmx.trigger('#{part}', 'c360:refresh')")
        expect(page.locator("[data-former]")).to_have_count(0)
        expect(page.locator("a:focus")).to_have_attribute("href", address)


def test_an_open_page_wakes_a_customer_whose_figures_have_changed_within_a_minute(open_browser, users, tenant, calls):
    page = open_browser(users.account_manager)
    page.clock.install()
    page.goto("/")
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    with tenant_context(tenant.id):
        aurora = Customer.objects.get(tenant_id=tenant.id, name="Aurora")
        of_person = {"user_id": users.account_manager.id, "tenant": tenant, "actor": system_actor("tests")}
        snooze_customers([aurora.id], reason="Waits", until=None, now=utc_now(), **of_person)
    page.clock.fast_forward(61_000)
    expect(call(page, "Aurora")).to_have_count(0)
    fact = CustomerFacts(external_id="crm-0", source="/crm", occurred_at=utc_now(), support={"open_issues": 7})
    with tenant_context(tenant.id):
        record_customers(
            [fact], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=False
        )
    page.clock.fast_forward(61_000)
    expect(page.get_by_text("Back from snooze: open issues 7 (was 2).")).to_be_visible()
    expect(call(page, "Aurora")).to_be_visible()
