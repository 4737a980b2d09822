"""An admin drafts, tries, publishes and takes back the lifecycle, in a real browser, with scripts and without."""

import re

import pytest
from playwright.sync_api import expect

from lifecycle.models import CustomerLifecycleStatus
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.services.configuration.versions import live_version, open_draft
from tests.browser.looks import assert_accessible_across
from tests.factories import CustomerFactory, utc_now

pytestmark = pytest.mark.browser

HOME = "/admin/tenants/configurationversion/"


def begin_draft(page, comment):
    page.goto(HOME)
    page.get_by_role("link", name="New draft").click()
    page.get_by_label("Description").fill(comment)
    page.get_by_role("button", name="Create draft").click()
    page.wait_for_url("**/change/")


def edit_draft(page, tenant, comment):
    """A new draft in its editor, where how it is begun is not what a test is about."""
    with tenant_context(tenant.id):
        draft = open_draft(tenant=tenant, actor=system_actor("tests"), now=utc_now(), comment=comment)
    page.goto(f"{HOME}{draft.id}/change/")


def open_step(page, title):
    """Unfold a step of the editor, unless it is open already."""
    step = page.locator("details.step").filter(has=page.get_by_role("heading", name=title, exact=True))
    if step.get_attribute("open") is None:
        step.locator("summary").first.click()
    return step


def open_steps(page):
    """Unfold all steps."""
    for title in page.locator("details.step > summary h2").all():
        open_step(page, title.evaluate("one => one.lastChild.textContent"))


def live(tenant):
    with tenant_context(tenant.id):
        return live_version(tenant)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_an_admin_renames_adds_and_removes_stages_and_publishes(open_browser, users, tenant, scripts):
    moved = CustomerFactory(tenant=tenant, stage="Renewing")
    page = open_browser(users.tenant_admin, java_script_enabled=scripts)
    begin_draft(page, "Fewer stages")

    page.get_by_role("button", name="Add a stage").click()
    page.get_by_label("Name of stage 7").fill("Paused")
    page.get_by_label("Name of stage 1", exact=True).fill("Pilot")
    page.get_by_role("button", name="Remove Renewing").click()
    expect(page.get_by_label("Name of stage 6")).to_have_value("Paused")
    expect(page.get_by_text("Renamed from “Trial”: its customers stay in it.")).to_be_visible()
    open_step(page, "Transitions")
    page.get_by_label("From Live to Paused").check()
    page.get_by_label("From Paused to Live").check()
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_text("1 customer is in “Renewing”: choose their target stage.").first).to_be_visible()
    page.get_by_label("Where the customers of Renewing go").select_option(label="Live")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text("Draft saved as revision 2.")).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text("No errors, 1 warning")

    page.get_by_role("link", name="Publish").first.click()
    expect(page.get_by_text("Stage “Trial” is renamed to “Pilot”.")).to_be_visible()
    page.get_by_label("Reason", exact=True).fill("Renewals are part of Live")
    page.get_by_role("button", name="Publish as version 2").click()
    expect(page.get_by_text("Version 2 is published.")).to_be_visible()
    expect(page.locator("#report")).to_have_text("1 customer has moved.")
    assert live(tenant).document["stages"] == ["Pilot", "Rollout", "Live", "Wobbly", "Lost", "Paused"]
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=moved.id).stage == "Live"

    page.get_by_role("link", name="Roll back to version 1").click()
    page.get_by_label("Reason", exact=True).fill("It was a mistake")
    page.get_by_role("button", name="Roll back to version 1").click()
    expect(page.get_by_text("Version 3 is live: the former configuration again.")).to_be_visible()
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=moved.id).stage == "Renewing"


def test_rows_keep_what_was_typed_while_others_come_and_go(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Typing")
    page.get_by_label("Days expected in Live").fill("77")
    page.get_by_role("button", name="Move Lost up").click()
    expect(page.get_by_label("Name of stage 5")).to_have_value("Lost")
    expect(page.get_by_label("Days expected in Live")).to_have_value("77")
    page.get_by_role("button", name="Add a stage").click()
    expect(page.get_by_label("Name of stage 7")).to_be_focused()
    expect(page.locator(".state")).to_have_text("Not saved yet")
    page.get_by_role("button", name="As JSON").click()
    expect(page.get_by_label("JSON", exact=True)).to_have_value(re.compile('"Live": 77'))


ANSWERED = """document.addEventListener("htmx:afterSettle", ({detail: {target}}) => {
  if (target.id === "editor") document.body.dataset.isAnswered = "yes";
})"""


def test_what_is_typed_while_the_server_answers_is_not_lost(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Fast fingers")
    open_step(page, "Transitions")
    held = []
    page.route(
        "**/change/**", lambda route: held.append(route) if route.request.method == "POST" else route.continue_()
    )
    # Of a look at what is typed there is an answer as well, and it may be sooner.
    page.evaluate(ANSWERED)
    with page.expect_request(lambda request: request.method == "POST"):
        page.get_by_role("button", name="Check", exact=True).click()
    # Of two answers the later one would undo what the other did.
    expect(page.get_by_role("button", name="Remove Lost")).to_be_disabled()
    expect(page.get_by_role("button", name="Save the draft")).to_be_disabled()
    page.get_by_label("Days expected in Live").fill("77")
    page.get_by_label("From Live to Lost").check()
    page.get_by_label("Category of Live").select_option("renewal")
    held.pop().continue_()
    expect(page.locator("body")).to_have_attribute("data-is-answered", "yes")
    expect(page.get_by_label("Days expected in Live")).to_have_value("77")
    expect(page.get_by_label("From Live to Lost")).to_be_checked()
    expect(page.get_by_label("Category of Live")).to_have_value("renewal")
    expect(page.get_by_role("button", name="Remove Lost")).to_be_enabled()


def test_what_is_typed_into_one_of_several_lines_while_the_server_answers_stays_in_that_line(
    open_browser, users, tenant
):
    """The sources of an order have one name: the second one, typed then, had replaced the first."""
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Lines")
    open_step(page, "Sources and currency").get_by_role("button", name="Add an order of sources").click()
    order = page.locator("#sources fieldset")
    order.get_by_label("Source 1", exact=True).fill("/import")
    open_step(page, "Rules").get_by_role("button", name="Add an at-risk rule", exact=True).click()
    rule = page.locator("#risk_rules fieldset.card").last
    rule.get_by_label("Name", exact=True).fill("Quiet")
    origins = open_step(page, "Automations").get_by_label("only for customers who come from").first
    page.get_by_text("Message, time and limits").first.click()
    held = []
    page.route(
        "**/change/**", lambda route: held.append(route) if route.request.method == "POST" else route.continue_()
    )
    page.evaluate(ANSWERED)
    with page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/change/")):
        page.get_by_role("button", name="Check", exact=True).click()
    order.get_by_label("Source 2", exact=True).fill("/billing")
    rule.get_by_label("What to look at").first.select_option(index=1)
    looked_at = rule.get_by_label("What to look at").first.input_value()
    rule.get_by_label("Value").first.fill("3")
    origins.select_option(["0", "2"])
    page.locator("#stage-2-color + input[type=color]").fill("#123456")
    held.pop().continue_()
    expect(page.locator("body")).to_have_attribute("data-is-answered", "yes")
    expect(order.get_by_label("Source 1", exact=True)).to_have_value("/import")
    expect(order.get_by_label("Source 2", exact=True)).to_have_value("/billing")
    expect(rule.get_by_label("What to look at").first).to_have_value(looked_at)
    expect(rule.get_by_label("Value").first).to_have_value("3")
    expect(origins).to_have_values(["0", "2"])
    expect(page.locator("#stage-2-color")).to_have_value("#123456")


def test_leaving_unsaved_work_asks_first(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Unsaved")
    page.get_by_label("Days expected in Live").click()
    page.get_by_label("Days expected in Live").fill("77")
    # The page stands still while it asks. So the link is followed without anything waiting for the end of that, and the
    # question is answered from here, not by a listener in the midst of another call.
    with page.expect_event("dialog") as asked:
        page.get_by_role("link", name="Preview impact").evaluate("link => { setTimeout(() => link.click()); }")
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    expect(page.get_by_label("Days expected in Live")).to_have_value("77")

    more = []
    page.on("dialog", lambda dialog: (more.append(dialog.type), dialog.accept()))
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text("Draft saved as revision 2.")).to_be_visible()
    assert more == []


def test_unsaved_edits_are_saved_on_the_way_to_the_publication(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Published at once")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_label("Days expected in Live").fill("77")
    expect(page.locator(".state")).to_have_text("Not saved yet")
    page.get_by_role("link", name="Publish").click()
    page.wait_for_url("**/publish")
    expect(page.get_by_text("“Live” may last at most 77 days instead of any time.")).to_be_visible()
    page.get_by_label("Reason", exact=True).fill("Seventy-seven days are enough")
    page.get_by_role("button", name="Publish as version 2").click()
    expect(page.get_by_text("Version 2 is published.")).to_be_visible()
    assert live(tenant).document["max_days"]["Live"] == 77
    assert asked == []


def test_a_stage_takes_the_name_of_one_that_goes_away_and_gives_it_back(open_browser, users, tenant):
    old = CustomerFactory(tenant=tenant, stage="Renewing")
    kept = CustomerFactory(tenant=tenant, stage="Live")
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "One name for both")
    page.get_by_role("button", name="Remove Renewing").click()
    expect(page.get_by_role("heading", name="Removed stages")).to_be_visible()
    page.get_by_label("Name of stage 3").fill("Renewing")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_text("is the name of another stage already").first).to_be_visible()
    page.get_by_label("Where the customers of Renewing go").select_option(label="Rollout")
    page.get_by_role("button", name="Save and publish").click()
    page.wait_for_url("**/publish")
    expect(page.get_by_text("Stage “Renewing” is removed; another one gets its name.")).to_be_visible()
    page.get_by_label("Reason", exact=True).fill("Both are renewals")
    page.get_by_role("button", name="Publish as version 2").click()
    expect(page.locator("#report")).to_have_text("1 customer has moved.")
    assert where(tenant) == {old.id: "Rollout", kept.id: "Renewing"}

    page.get_by_role("link", name="Roll back to version 1").click()
    page.get_by_label("Reason", exact=True).fill("They are not")
    page.get_by_role("button", name="Roll back to version 1").click()
    expect(page.get_by_text("Version 3 is live: the former configuration again.")).to_be_visible()
    assert where(tenant) == {old.id: "Renewing", kept.id: "Live"}


def where(tenant):
    with tenant_context(tenant.id):
        return dict(CustomerLifecycleStatus.objects.values_list("customer_id", "stage"))


def test_what_is_typed_before_the_script_is_there_counts_as_unsaved(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Early")
    expect(page.locator(".state")).to_have_text("Saved, revision 1")

    def type_first(route):
        page.get_by_label("Days expected in Live").fill("77")
        route.continue_()

    page.route("**/configuration*.js", type_first)
    page.reload()
    expect(page.locator(".state")).to_have_text("Not saved yet")


def test_the_pages_are_accessible_and_fit_the_screen(open_browser, users, tenant):
    CustomerFactory(tenant=tenant, stage="Renewing")
    page = open_browser(users.tenant_admin, reduced_motion="reduce")
    edit_draft(page, tenant, "Look")
    editor = page.url
    check_page(page, "editor")
    page.get_by_label("Days expected in Live").fill("soon")
    page.get_by_role("button", name="Remove Renewing").click()
    expect(page.get_by_text("must be a whole number").first).to_be_visible()
    check_page(page, "errors")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text("Draft saved as revision 2.")).to_be_visible()
    for address in (
        HOME,
        f"{HOME}add/",
        f"{editor}?view=json",
        *(editor.replace("/change/", f"/{name}") for name in ("try", "publish", "discard")),
        "/admin/audit/refusedattempt/summary",
    ):
        page.goto(address)
        check_page(page, address)


def check_page(page, what):
    assert_accessible_across(page, what, 1440, 390, part="#content")
