"""What is typed into a form survives the end of the session, for the person who typed it and for no one else."""

import datetime as dt

import pytest
from django.conf import settings
from playwright.sync_api import expect

from audit.models import LifecycleHistory
from tenants.authentication import Impersonation
from tenants.context import tenant_context
from tests.browser.test_configuration import HOME, edit_draft
from tests.browser.test_stories import await_looked
from tests.factories import PASSWORD, CustomerFactory, look_at, utc_now

pytestmark = pytest.mark.browser

PRESSED_TWICE = """(button) => {
  button.click();
  setTimeout(() => { button.click(); console.log("pressed again"); }, 1500);
}"""


@pytest.fixture
def customer(tenant):
    return CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Wobbly", reason_code="Usage Dropped")


def enter(open_browser, user):
    """A browser in which the person has logged in with the password that the servers know."""
    page = open_browser()
    page.goto("/login?next=/")
    log_in(page, user)
    page.wait_for_url("**/")
    return page


def fill_in(page, customer):
    page.goto(f"/customers/{customer.id}")
    # A look that a test asks for while the page takes its first one would come to nothing.
    await_looked(page, "#customer")
    page.locator("#change-stage").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="Lost", exact=True).check()
    dialog.get_by_role("textbox", name="Reason").fill("Bought by a competitor")
    dialog.get_by_label("Note").fill("They called us. Twice.")
    return dialog


def expire(page):
    """The session ends; the cookie that guards forms lasts longer."""
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)


def log_in(page, user):
    page.wait_for_url("**/login?next=**")
    page.get_by_label("User name").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def count_moves(tenant, customer):
    with tenant_context(tenant.id):
        return LifecycleHistory.objects.filter(customer_id=customer.id).count()


@pytest.mark.parametrize("ended_by", ["the submit", "a look for changes"])
def test_a_note_is_back_after_the_session_had_expired(open_browser, real_passwords, users, tenant, customer, ended_by):
    page = enter(open_browser, users.account_manager)
    dialog = fill_in(page, customer)
    expire(page)
    if ended_by == "the submit":
        dialog.get_by_role("button", name="Change stage").click()
    else:
        page.evaluate("htmx.trigger('#customer', 'c360:refresh')")
    log_in(page, users.account_manager)
    page.wait_for_url(f"**/customers/{customer.id}")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("What you typed is back; it has not been saved yet.")).to_be_visible()
    expect(dialog.get_by_role("radio", name="Lost", exact=True)).to_be_checked()
    expect(dialog.get_by_role("textbox", name="Reason")).to_have_value("Bought by a competitor")
    expect(dialog.get_by_label("Note")).to_have_value("They called us. Twice.")
    assert count_moves(tenant, customer) == 1
    dialog.get_by_role("button", name="Change stage").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#history")).to_contain_text("They called us. Twice.")
    assert count_moves(tenant, customer) == 2
    page.reload()
    page.locator("#change-stage").click()
    expect(page.get_by_role("dialog").get_by_label("Note")).to_have_value("")


def test_no_one_else_gets_what_was_typed(open_browser, real_passwords, users, tenant, customer):
    page = enter(open_browser, users.account_manager)
    dialog = fill_in(page, customer)
    expire(page)
    dialog.get_by_role("button", name="Change stage").click()
    log_in(page, users.tenant_admin)
    page.wait_for_url(f"**/customers/{customer.id}")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("#change-stage").click()
    expect(page.get_by_role("dialog").get_by_label("Note")).to_have_value("")
    assert page.evaluate("sessionStorage.getItem('c360:draft')") is None


def test_what_was_cancelled_does_not_come_back(open_browser, real_passwords, users, tenant, customer):
    page = enter(open_browser, users.account_manager)
    dialog = fill_in(page, customer)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expire(page)
    page.goto(f"/customers/{customer.id}")
    log_in(page, users.account_manager)
    page.wait_for_url(f"**/customers/{customer.id}")
    expect(page.locator("#change-stage")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_was_typed_is_back_though_the_palette_was_open_in_between(
    open_browser, real_passwords, users, tenant, customer
):
    page = enter(open_browser, users.account_manager)
    page.goto(f"/customers/{customer.id}")
    await_looked(page, "#customer")
    page.locator("#note-text").fill("They called us. Twice.")
    page.keyboard.press("Control+k")
    palette = page.locator("#palette")
    expect(palette).to_be_visible()
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    expire(page)
    page.evaluate("htmx.trigger('#customer', 'c360:refresh')")
    log_in(page, users.account_manager)
    page.wait_for_url(f"**/customers/{customer.id}")
    expect(page.locator("#note-text")).to_have_value("They called us. Twice.")
    expect(page.get_by_text("What you typed is back; it has not been saved yet.")).to_be_visible()


def test_what_was_typed_into_several_forms_of_a_page_is_back(open_browser, real_passwords, users, tenant, customer):
    page = enter(open_browser, users.account_manager)
    page.goto(f"/customers/{customer.id}")
    await_looked(page, "#customer")
    page.locator("#note-text").fill("They called us. Twice.")
    page.locator("#task-title").fill("Call them back")
    # What is cancelled takes nothing along that was typed beside it.
    page.locator("#change-stage").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Note").fill("No, they stay.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expire(page)
    page.evaluate("htmx.trigger('#customer', 'c360:refresh')")
    log_in(page, users.account_manager)
    page.wait_for_url(f"**/customers/{customer.id}")
    expect(page.get_by_text("What you typed is back; it has not been saved yet.")).to_have_count(2)
    expect(page.locator("#note-text")).to_have_value("They called us. Twice.")
    expect(page.locator("#task-title")).to_have_value("Call them back")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_who_was_ticked_is_ticked_again_and_stays_so(open_browser, real_passwords, users, tenant, customer):
    """The boxes were put back, none was counted, and the next look at the list took the ticks away."""
    page = enter(open_browser, users.account_manager)
    page.goto("/customers")
    await_looked(page)
    page.get_by_role("checkbox", name=f"Select {customer.name}").check()
    expire(page)
    page.evaluate("htmx.trigger('#results', 'c360:refresh')")
    log_in(page, users.account_manager)
    page.wait_for_url("**/customers")
    expect(page.get_by_text("What you typed is back; it has not been saved yet.")).to_be_visible()
    await_looked(page)
    expect(page.locator("#selection [data-count]")).to_have_text("1 customer selected")
    expect(page.get_by_role("checkbox", name=f"Select {customer.name}")).to_be_checked()


@pytest.mark.parametrize("button", ["Save the draft", "Check"])
def test_a_configuration_is_back_after_the_session_had_expired(open_browser, real_passwords, users, tenant, button):
    page = enter(open_browser, users.tenant_admin)
    edit_draft(page, tenant, "Two more stages")
    page.get_by_role("button", name="Add a stage").click()
    # The look at what is typed, half a second later, would lead to the log-in as well, and may come before the click.
    page.route("**/look", lambda _: None)
    page.get_by_label("Name of stage 7").fill("Expansion")
    expire(page)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_url("**/login?next=**")
    page.unroute_all(behavior="ignoreErrors")
    log_in(page, users.tenant_admin)
    expect(page.get_by_label("Name of stage 7")).to_have_value("Expansion")
    expect(page.locator(".editor .state")).to_have_text("Not saved yet")
    assert asked == [], "nothing is lost on the way to the log-in"


def open_workspace(page, tenant):
    page.wait_for_url("**/tenants?next=**")
    page.get_by_label("Tenant", exact=True).select_option(tenant.slug)
    page.get_by_label("Reason for access").fill("Ticket 8")
    page.get_by_role("button", name="Open workspace").click()


@pytest.mark.parametrize("ended_by", ["the submit", "a look at what is typed"])
@pytest.mark.parametrize("is_same", [True, False], ids=["the same tenant", "another tenant"])
def test_what_staff_typed_is_back_once_they_have_opened_the_workspace_again(
    open_browser, page_client, users, tenant, other_tenant, ended_by, is_same
):
    """Their hour was over: the page to choose a tenant had forgotten what was typed."""
    client = page_client(users.super_admin)
    session = client.session
    session["tenant"] = look_at(tenant.slug)
    session.save()
    page = open_browser()
    page.goto("/login")
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": page.url}])
    edit_draft(page, tenant, "Longer")
    # None of the looks that are on their way by now is the one that meets the end.
    page.route("**/look", lambda _: None)
    days = page.get_by_label("Days expected in Live")
    days.fill("7")
    session["tenant"] = Impersonation(tenant.slug, utc_now() - dt.timedelta(minutes=1)).to_session()
    session.save()
    if ended_by == "the submit":
        days.fill("77")
        page.get_by_role("button", name="Save the draft").click()
    else:
        page.unroute_all(behavior="ignoreErrors")
        days.press("End")
        page.keyboard.press("7")
    open_workspace(page, tenant if is_same else other_tenant)
    page.unroute_all(behavior="ignoreErrors")
    if is_same:
        expect(page.get_by_label("Days expected in Live")).to_have_value("77")
        expect(page.locator(".editor .state")).to_have_text("Not saved yet")
        return
    page.wait_for_url(f"**{HOME}*/change/")
    page.goto(HOME)
    assert page.evaluate("sessionStorage.getItem('c360:draft')") is None, "nothing of a tenant reaches another one"


def test_a_403_says_what_is_wrong_and_not_that_it_is_our_fault(open_browser, users, tenant, customer):
    page = open_browser(users.account_manager)
    dialog = fill_in(page, customer)
    dialog.locator("[name=csrfmiddlewaretoken]").evaluate("field => { field.value = 'x'.repeat(64); }")
    dialog.get_by_role("button", name="Change stage").click()
    expect(page.locator("#toasts")).to_contain_text("Nothing was changed.")
    expect(page.locator("#toasts")).not_to_contain_text("our side")
    expect(dialog.get_by_label("Note")).to_have_value("They called us. Twice.")
    page.reload()
    expect(page.get_by_role("dialog").get_by_label("Note")).to_have_value("They called us. Twice.")
    assert count_moves(tenant, customer) == 1


def test_a_form_that_is_pressed_again_before_its_answer_is_sent_once(open_browser, real_passwords, users):
    """Sent again it would meet a session that had ended with the former password, and the new one would be lost."""
    page = enter(open_browser, users.viewer)
    page.goto("/account")
    page.get_by_label("Current password").fill(PASSWORD)
    for label in ("New password", "Confirm password"):
        page.get_by_label(label).fill("quite another one 7")
    held = []
    page.route("**/account/password", lambda route: held.append(route))
    button = page.get_by_role("button", name="Change password", exact=True)
    # By a script, as a click of the mouse would wait for the page that comes.
    with page.expect_console_message(lambda message: message.text == "pressed again"):
        button.evaluate(PRESSED_TWICE)
    held[0].continue_()
    expect(page.get_by_text("Your password has been changed, and you are logged out everywhere else.")).to_be_visible()
    assert len(held) == 1
