"""What people do with the pages, in a real browser, on the real servers."""

import json
import re
import urllib.request
from contextlib import suppress
from uuid import UUID

import pytest
from playwright.sync_api import Error, expect

from audit.models import LifecycleHistory
from lifecycle.models import CustomerLifecycleStatus
from lifecycle.rules.transitions import Change
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, apply
from tenants.context import tenant_context
from tenants.services.accounts.tokens import issue_access
from tests.browser.held import Held
from tests.browser.looks import HEARD, PATIENT_PRESS
from tests.factories import PASSWORD, CustomerFactory, utc_now

pytestmark = pytest.mark.browser


@pytest.fixture
def customer(tenant):
    return CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Wobbly", reason_code="Usage Dropped")


def history_of(tenant, customer):
    with tenant_context(tenant.id):
        rows = LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence")
        return [(row.from_stage, row.to_stage, row.source, row.reason_code) for row in rows]


def stage_of(tenant, customer):
    with tenant_context(tenant.id):
        return CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage


def call_api(site, path, body, *, token=None, method="POST", **headers):
    request = urllib.request.Request(
        f"{site.url}/api/v1{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {}), **headers},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def patch_stage(site, user, customer, stage, **body):
    path = f"/customers/{customer.id}/lifecycle"
    return call_api(site, path, {"stage": stage, **body}, token=issue_access(user).token, method="PATCH")


def open_customer(page, customer):
    page.goto(f"/customers/{customer.id}")
    expect(page.locator(".live")).to_have_text("Live")
    return page


def await_looked(page, part="#results"):
    """The page is live, and the look that it takes as soon as it is has come back."""
    expect(page.locator(".live")).to_have_text("Live")
    expect(page.locator(f"{part}:not(.htmx-request)")).to_have_count(1)


def badge(page):
    return page.locator(".stage-now .stage")


def test_a_manager_finds_who_is_at_risk_moves_it_and_later_sees_what_the_api_did(
    open_browser, site, users, tenant, customer
):
    page = open_browser(users.account_manager, at="/")
    at_risk = page.get_by_role("region", name="Customers at risk")
    expect(at_risk).to_contain_text("Usage Dropped")
    at_risk.get_by_role("link", name="Aurora Logistics", exact=True).click()
    expect(badge(page)).to_have_text("Wobbly")
    expect(page.locator(".live")).to_have_text("Live")

    page.get_by_role("button", name="Change stage").or_(page.get_by_role("link", name="Change stage")).click()
    dialog = page.get_by_role("dialog", name="Change the stage of Aurora Logistics")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text("A customer in “Wobbly” cannot be moved to “Trial”")).to_be_visible()
    expect(dialog.get_by_role("radio", name="Trial", exact=True)).to_be_disabled()
    dialog.get_by_role("radio", name="Lost", exact=True).check()
    dialog.get_by_role("textbox", name="Reason").fill("Bought by a competitor")
    dialog.get_by_label("Note").fill("They said so on the phone.")
    dialog.get_by_role("button", name="Change stage").click()

    expect(dialog).to_be_hidden()
    expect(badge(page)).to_have_text("Lost")
    expect(page.locator("#history")).to_contain_text("Bought by a competitor")
    expect(page.locator("#history")).to_contain_text("They said so on the phone.")
    expect(page.locator("#announcer")).to_have_text(
        f"Aurora Logistics is now in Lost, moved by {users.account_manager.full_name} (you)."
    )
    expect(page.locator("#change-stage")).to_be_focused()
    assert history_of(tenant, customer)[-1] == ("Wobbly", "Lost", "UI", "Bought by a competitor")

    page.evaluate("window.isTheSamePage = true")
    patch_stage(site, users.service, customer, "Trial", updated_by=str(users.service.id))
    expect(badge(page)).to_have_text("Trial")
    expect(page.locator("#history")).to_contain_text(users.service.full_name)
    expect(page.locator("#announcer")).to_have_text(
        f"Aurora Logistics is now in Trial, moved by {users.service.full_name}."
    )
    assert page.evaluate("window.isTheSamePage") is True


def test_while_the_stream_is_away_the_page_asks_by_itself_every_second_and_a_half(
    open_browser, site, users, tenant, customer
):
    page = open_customer(open_browser(users.account_manager), customer)
    site.stream.stop()
    try:
        expect(page.locator(".live")).to_have_text("Checking for changes")
        patch_stage(site, users.service, customer, "Live")
        expect(badge(page)).to_have_text("Live")
    finally:
        site.stream.start("/live/healthz")
    expect(page.locator(".live")).to_have_text("Live")
    patch_stage(site, users.service, customer, "Renewing")
    expect(badge(page)).to_have_text("Renewing")


def test_two_managers_move_the_same_customer_and_the_second_decides_again(open_browser, users, tenant, customer):
    first = open_customer(open_browser(users.account_manager), customer)
    second = open_customer(open_browser(users.tenant_admin), customer)
    for page in (first, second):
        page.locator("#change-stage").click()
        expect(page.get_by_role("dialog")).to_be_visible()
    first.get_by_role("radio", name="Live", exact=True).check()
    first.get_by_role("dialog").get_by_role("button", name="Change stage").click()
    expect(badge(first)).to_have_text("Live")

    dialog = second.get_by_role("dialog")
    dialog.get_by_role("radio", name="Lost", exact=True).check()
    dialog.get_by_role("textbox", name="Reason").fill("Gone")
    dialog.get_by_role("button", name="Change stage").click()
    conflict = dialog.get_by_role("alert")
    expect(conflict).to_contain_text("Aurora Logistics was just updated by someone else.")
    expect(conflict).to_contain_text("Wobbly → Live")
    expect(conflict).to_contain_text(users.account_manager.full_name)
    expect(conflict).to_be_focused()
    expect(dialog.get_by_role("radio", name="Lost", exact=True)).to_be_disabled()
    dialog.get_by_role("radio", name="Renewing", exact=True).check()
    dialog.get_by_role("button", name="Change stage").click()
    expect(dialog).to_be_hidden()
    expect(badge(second)).to_have_text("Renewing")
    expect(badge(first)).to_have_text("Renewing")
    moves = [(row[0], row[1]) for row in history_of(tenant, customer)]
    assert moves == [(None, "Wobbly"), ("Wobbly", "Live"), ("Live", "Renewing")]


def test_a_viewer_looks_on_and_touches_nothing(open_browser, site, users, tenant, customer):
    page = open_browser(users.viewer)
    # While it is live the page asks for nothing by itself: what it shows it has heard.
    page.add_init_script("window.setInterval = () => 0")
    open_customer(page, customer)
    # What it heard during a look it would look up at its own pace.
    await_looked(page, "#customer")
    expect(badge(page)).to_have_text("Wobbly")
    expect(page.get_by_text("Change stage")).to_have_count(0)
    expect(page.locator("#history")).to_have_count(0)
    for stage in ("Live", "Renewing", "Live"):
        patch_stage(site, users.service, customer, stage)
        expect(badge(page)).to_have_text(stage)
    assert page.goto(f"/customers/{customer.id}/move").status == 403


def test_a_manager_does_it_all_with_the_keyboard(open_browser, users, real_passwords, tenant, customer):
    page = open_browser()
    page.goto("/login")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type(users.account_manager.username)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    # The first look would put another link in the place of the one that is asked whether it has the focus.
    await_looked(page, "#overview")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="Aurora Logistics").first)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/customers/{customer.id}")
    tab_to(page, page.locator("#change-stage"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name="Live", exact=True)).to_be_focused()
    # The focus stays in the dialog however often Tab is pressed, and Escape gives it back.
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#change-stage")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("radio", name="Live", exact=True)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("radio", name="Renewing", exact=True)).to_be_checked()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(badge(page)).to_have_text("Renewing")
    expect(page.locator("#change-stage")).to_be_focused()
    assert stage_of(tenant, customer) == "Renewing"


def test_who_types_as_soon_as_the_log_in_page_is_there_types_into_its_field(open_browser, users):
    page = open_browser()
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () => { window.focusedFirst = document.activeElement.id; })"
    )
    page.goto("/login")
    assert page.evaluate("window.focusedFirst") == "username"


# Presses a key, so to say, at the first moment at which a person's key can reach what has just been put into the page.
AT_ONCE = """([watched, wanted, act]) => {
  const watcher = new MutationObserver(() => {
    const found = document.querySelector(wanted);
    if (found) { watcher.disconnect(); new Function("found", act)(found); }
  });
  watcher.observe(document.querySelector(watched), { childList: true, subtree: true });
}"""


def test_a_key_pressed_the_moment_something_new_is_shown_does_what_it_does_later(open_browser, users, tenant, customer):
    page = open_customer(open_browser(users.account_manager, bypass_csp=True), customer)
    page.evaluate("window.isTheSamePage = true")
    choose = "found.click(); found.form.querySelector('button[type=submit]').click();"
    page.evaluate(AT_ONCE, ["#dialog-slot", "dialog[open] input[value=Live]", choose])
    page.locator("#change-stage").click()
    expect(badge(page)).to_have_text("Live")
    expect(page.locator("#change-stage")).to_be_focused()

    page.evaluate(AT_ONCE, ["[sse-connect]", "[data-version='3'] #change-stage", "found.click();"])
    with tenant_context(tenant.id):
        change = Change(customer_id=UUID(str(customer.id)), stage="Renewing")
        (outcome,) = apply(Call(tenant, identity_actor(users.service), "API", utc_now()), [change])
    assert outcome.moved
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(badge(page)).to_have_text("Renewing")
    assert page.evaluate("window.isTheSamePage") is True
    assert [row[:3] for row in history_of(tenant, customer)] == [
        (None, "Wobbly", "Import"),
        ("Wobbly", "Live", "UI"),
        ("Live", "Renewing", "API"),
    ]


def test_what_is_typed_into_the_search_before_its_script_is_there_is_searched_for(
    open_browser, users, tenant, customer
):
    CustomerFactory.create_batch(3, tenant=tenant, stage="Live")
    page = open_browser(users.viewer)

    def type_first(route):
        page.get_by_label("Search", exact=True).fill("aurora")
        route.continue_()

    page.route("**/c360*.js", type_first)
    page.goto("/customers")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    assert page.url.endswith("/customers?search=aurora")


def test_what_is_chosen_in_a_filter_before_its_script_is_there_is_chosen(open_browser, users, tenant, customer):
    CustomerFactory.create_batch(3, tenant=tenant, stage="Live")
    page = open_browser(users.viewer)

    def choose_first(route):
        page.get_by_label("Stage").select_option("Live")
        route.continue_()

    page.goto("/customers")
    expect(page.locator("#results tbody tr")).to_have_count(4)
    page.route("**/htmx.min*.js", choose_first)
    page.reload()
    expect(page.locator("#results tbody tr")).to_have_count(3)
    assert "stage=Live" in page.url


def tab_to(page, target):
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the keyboard does not lead there")


def test_a_refusal_is_shown_as_it_is_and_what_was_written_is_kept(open_browser, users, tenant, customer):
    page = open_customer(open_browser(users.account_manager), customer)
    page.locator("#change-stage").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="Lost", exact=True).check()
    dialog.get_by_label("Note").fill("No answer for weeks.")
    dialog.get_by_role("button", name="Change stage").click()
    refusal = dialog.get_by_role("alert")
    expect(refusal).to_have_text(
        "To move a customer to “Lost” you must give a reason. Any text of up to 255 characters works."
    )
    expect(refusal).to_be_focused()
    expect(dialog.get_by_label("Note")).to_have_value("No answer for weeks.")
    expect(dialog.get_by_role("radio", name="Lost", exact=True)).to_be_checked()
    dialog.get_by_role("link", name="Cancel").or_(dialog.get_by_role("button", name="Cancel")).click()
    expect(dialog).to_be_hidden()
    assert stage_of(tenant, customer) == "Wobbly"


def test_the_list_filters_as_one_types_and_keeps_its_address_in_the_history(open_browser, users, tenant, customer):
    CustomerFactory.create_batch(60, tenant=tenant, stage="Live")
    page = open_browser(users.viewer)
    page.goto("/customers")
    rows = page.locator("#results tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("link", name="Next").click()
    expect(rows).to_have_count(11)
    assert "cursor=" in page.url
    page.get_by_label("Search", exact=True).fill("aurora")
    expect(rows).to_have_count(1)
    assert page.url.endswith("/customers?search=aurora")
    page.go_back()
    expect(rows).to_have_count(11)
    page.get_by_label("Stage").select_option("Live")
    expect(rows).to_have_count(50)
    expect(page.get_by_text("Aurora Logistics")).to_have_count(0)


class SlowLine:
    """Holds the requests of the list's page, to answer them in another order than they were sent."""

    def __init__(self, page):
        self.page, self.held = page, []
        page.route(re.compile(r"/customers(\?|$)"), lambda route: self.held.append(route))

    def wait_for(self, text, ask=lambda: None):
        """The request whose address has the text, once it has been sent; ``ask`` until then."""
        for _ in range(1200):
            found = [route for route in self.held if text in f"{route.request.url}$"]
            if found:
                return found[0]
            ask()
            self.page.wait_for_timeout(50)
        raise AssertionError(f"nothing was sent to {text}")

    def answer(self, route):
        """Let it through; one that the page has given up is gone."""
        with suppress(Error):
            route.fulfill(response=route.fetch())
        self.page.wait_for_timeout(200)


@pytest.mark.parametrize("first", ["search", "look"])
def test_a_search_on_a_slow_line_is_never_overtaken_by_a_look_for_changes(open_browser, users, tenant, customer, first):
    CustomerFactory.create_batch(8, tenant=tenant, stage="Live")
    page = open_browser(users.viewer)
    page.goto("/customers")
    rows = page.locator("#results tbody tr")
    expect(rows).to_have_count(9)
    line = SlowLine(page)
    if first == "look":
        # While the page is looking already, as it does when it has become live, another look comes to nothing.
        line.wait_for("/customers$", lambda: page.evaluate("htmx.trigger('#results', 'c360:refresh')"))
    page.get_by_label("Search", exact=True).fill("aurora")
    search = line.wait_for("search=aurora")
    if first == "search":
        page.evaluate("htmx.trigger('#results', 'c360:refresh')")
        page.wait_for_timeout(200)
    line.answer(search)
    expect(rows).to_have_count(1)
    for route in [route for route in line.held if route is not search]:
        line.answer(route)
    assert rows.count() == 1
    assert page.get_by_label("Search", exact=True).input_value() == "aurora"


def test_a_change_during_a_search_is_looked_up_after_it_at_the_address_of_the_search(
    open_browser, site, users, tenant, customer
):
    page = open_browser(users.viewer)
    page.goto("/customers")
    expect(page.locator(".live")).to_have_text("Live")
    held = Held(page, "/customers.search=aurora")
    page.get_by_label("Search", exact=True).fill("aurora")
    route = held.wait()
    response = route.fetch()
    patch_stage(site, users.service, customer, "Live")
    page.wait_for_timeout(1500)
    route.fulfill(response=response)
    rows = page.locator("#results tbody tr")
    expect(rows).to_contain_text(["Live"])
    expect(rows).to_have_count(1)


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/customers", "#results tbody tr:has-text('Live')"), ("/board", "[data-stage=Live] .card-of-board")],
    ids=["list", "board"],
)
def test_a_change_that_is_heard_during_a_look_is_looked_up_after_it(
    open_browser, site, users, tenant, customer, path, shown
):
    page = open_browser(users.viewer)
    page.add_init_script(HEARD)
    page.goto(path)
    await_looked(page)
    held = Held(page, f"{path}$")
    page.evaluate("htmx.trigger('#results', 'c360:refresh')")
    route = held.wait()
    # Read before the change, and answered after the page has heard of it.
    response = route.fetch()
    patch_stage(site, users.service, customer, "Live")
    expect(page.locator("body.heard-changed")).to_have_count(1)
    expect(page.locator(shown)).to_have_count(0)
    route.fulfill(response=response)
    expect(page.locator(shown)).to_have_count(1)


def test_of_two_wishes_the_last_one_wins_whichever_answer_comes_first(open_browser, users, tenant, customer):
    CustomerFactory.create_batch(60, tenant=tenant, stage="Live")
    page = open_browser(users.viewer)
    page.goto("/customers")
    line = SlowLine(page)
    rows = page.locator("#results tbody tr")
    page.get_by_role("link", name="Next").click()
    following = line.wait_for("cursor=")
    page.get_by_label("Search", exact=True).fill("aurora")
    line.answer(line.wait_for("search=aurora"))
    line.answer(following)
    expect(rows).to_have_count(1)
    assert "search=aurora" in page.url


def test_the_back_button_has_one_entry_for_a_search_however_it_was_typed(open_browser, users, tenant, customer):
    page = open_browser(users.viewer)
    page.goto("/customers")
    before = page.evaluate("history.length")
    field = page.get_by_label("Search", exact=True)
    for text in ("au", "auror", "aurora"):
        field.fill(text)
        page.wait_for_url(re.compile(f"search={text}(&|$)"))
    field.press("Enter")
    field.blur()
    page.wait_for_timeout(500)
    assert page.evaluate("history.length") == before + 1
    page.get_by_label("Stage").select_option("Live")
    page.wait_for_url("**stage=Live**")
    page.go_back()
    expect(page.get_by_label("Search", exact=True)).to_have_value("aurora")
    expect(page.get_by_label("Stage")).to_have_value("")
    page.go_back()
    expect(page.get_by_label("Search", exact=True)).to_have_value("")
    assert page.url.endswith("/customers")


def test_the_list_and_the_overview_follow_when_somebody_else_moves_a_customer(
    open_browser, site, users, tenant, customer
):
    overview, listing = open_browser(users.viewer, at="/"), open_browser(users.viewer)
    listing.goto("/customers?stage=Live")
    expect(listing.get_by_text("Try removing a filter.")).to_be_visible()
    for page in (overview, listing):
        expect(page.locator(".live")).to_have_text("Live")
    patch_stage(site, users.service, customer, "Live")
    expect(listing.get_by_role("link", name="Aurora Logistics")).to_be_visible()
    expect(overview.get_by_text("No customers at risk.")).to_be_visible()


def test_a_click_is_not_lost_to_what_comes_while_the_button_is_down(open_browser, users, tenant, customer):
    CustomerFactory.create_batch(60, tenant=tenant, stage="Live")
    page = open_browser(users.viewer)
    page.add_init_script(PATIENT_PRESS)
    page.goto("/customers")
    await_looked(page)
    rows = page.locator("#results tbody tr")
    former = page.locator("[data-former]")

    def is_look(response):
        return response.request.resource_type == "xhr" and response.url.endswith("/customers")

    def look_while_pressed(what):
        what.hover()
        rows.first.evaluate("row => { row.dataset.former = 'true'; }")
        page.mouse.down()
        with page.expect_response(is_look):
            page.evaluate("htmx.trigger('#results', 'c360:refresh')")
        expect(page.locator("#results:not(.htmx-request)")).to_have_count(1)

    # What came is looked up when the button is let go, also where that leads nowhere.
    look_while_pressed(page.get_by_role("heading", level=1))
    expect(former).to_have_count(1)
    page.mouse.up()
    expect(former).to_have_count(0)
    expect(page.locator("#results:not(.htmx-request)")).to_have_count(1)

    look_while_pressed(page.get_by_role("link", name="Next"))
    page.mouse.up()
    expect(rows).to_have_count(11)


def test_fifty_changes_in_a_row_leave_the_page_at_the_last_one(open_browser, users, tenant, customer):
    page = open_customer(open_browser(users.account_manager), customer)
    actor = identity_actor(users.service)
    for number in range(50):
        with tenant_context(tenant.id):
            stage = ("Live", "Wobbly")[number % 2]
            (outcome,) = apply(
                Call(tenant, actor, "API", utc_now()),
                [
                    Change(
                        customer_id=UUID(str(customer.id)),
                        stage=stage,
                        reason_code="Usage Dropped" if number % 2 else None,
                    )
                ],
            )
            assert outcome.moved
    expect(page.locator("#customer")).to_have_attribute("data-version", "51")
    expect(badge(page)).to_have_text("Wobbly")


def test_new_figures_appear_on_an_open_page(open_browser, users, tenant, customer):
    page = open_customer(open_browser(users.viewer), customer)
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    fact = CustomerFacts(
        external_id=customer.external_id,
        source="/billing",
        occurred_at=utc_now(),
        billing={"arr": "4711.00", "currency": "EUR"},
    )
    with tenant_context(tenant.id):
        record_customers(
            [fact], tenant=tenant, actor=identity_actor(users.service), source="API", now=utc_now(), create=False
        )
    expect(page.locator("#customer")).to_contain_text("4,711")
    expect(page.locator("#customer")).to_have_attribute("data-version", "1")


def identity_actor(user):
    from tenants.actors import Actor
    from tenants.roles import ROLE_PERMISSIONS, Role

    return Actor(kind="service", name=str(user.id), permissions=ROLE_PERMISSIONS[Role(user.role)])


def test_logging_out_ends_the_session_in_every_open_page(open_browser, users, tenant, customer):
    page = open_customer(open_browser(users.viewer), customer)
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    other.wait_for_url("**/login")
    page.goto("/")
    page.wait_for_url("**/login?next=/")
