"""The editor of a draft in a browser: steps that fold, a look at what is typed, conditions and sources in words."""

import pytest
from playwright.sync_api import expect

from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tests.browser.looks import PATIENT_PRESS, assert_accessible_across
from tests.browser.test_configuration import edit_draft, open_step, open_steps

pytestmark = pytest.mark.browser


def drafted(tenant):
    with tenant_context(tenant.id):
        return ConfigurationVersion.objects.get(tenant_id=tenant.id, number=None)


def test_what_is_typed_is_looked_at_beside_the_form_and_nothing_is_saved(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Look")
    before = drafted(tenant)
    days = page.get_by_label("Days expected in Live")
    days.fill("soon")
    verdict = page.locator("#verdict")
    expect(verdict.get_by_role("heading", level=2)).to_have_text("1 error")
    expect(page.locator("#verdict-said")).to_have_text("1 error")
    expect(page.locator("#holds-stages")).to_contain_text("1 error")
    expect(days).to_have_attribute("aria-invalid", "true")
    expect(page.locator("td:has(#stage-2-days) .finding.error")).to_be_visible()
    expect(days).to_be_focused()
    days.fill("30")
    expect(verdict.get_by_role("heading", level=2)).not_to_have_text("1 error")
    expect(page.locator("td:has(#stage-2-days) .finding")).to_have_count(0)
    page.get_by_label("Name of stage 3", exact=True).fill("Running")
    expect(verdict.locator("svg")).to_contain_text("Running")
    expect(verdict).to_contain_text("Stage “Live” is renamed to “Running”.")
    # A stage without a color of its own is shown in its category's, and so is its picker.
    color, picker = page.locator("#stage-2-color"), page.locator("#stage-2-color + input[type=color]")
    color.fill("#123456")
    expect(picker).to_have_value("#123456")
    color.fill("")
    page.locator("#stage-2-category").select_option("risk")
    expect(picker).to_have_value("#b54708")
    now = drafted(tenant)
    assert (now.document, now.revision, now.updated_at) == (before.document, before.revision, before.updated_at)


# Without the focus, which would scroll to it.
TYPED = "field => { field.value = 'soon'; field.dispatchEvent(new Event('input', {bubbles: true})); }"


def test_a_click_is_not_lost_to_what_a_look_puts_among_the_fields(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    page.add_init_script(PATIENT_PRESS)
    edit_draft(page, tenant, "Press")
    step, findings = page.locator("#step-transitions"), page.locator("td:has(#stage-2-days) .finding.error")
    step.locator("summary").first.hover()
    page.mouse.down()
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.get_by_label("Days expected in Live").evaluate(TYPED)
    expect(page.locator("#verdict:not(.htmx-request)")).to_have_count(1)
    expect(findings).to_have_count(0)
    page.mouse.up()
    expect(step).to_have_attribute("open", "")
    expect(findings).to_be_visible()


def test_an_error_opens_the_step_that_it_is_in_and_its_link_leads_to_the_field(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Errors")
    step = open_step(page, "Sources and currency")
    step.get_by_label("Your currency").fill("Thaler")
    expect(page.locator("#holds-data")).to_contain_text("1 error")
    step.locator("summary").first.click()
    expect(step).not_to_have_attribute("open", "")
    # It is closed over an error that they have seen. The list leads back to it.
    page.locator("#verdict").get_by_role("link", name="Sources and currency").click()
    expect(page.get_by_label("Your currency")).to_be_focused()
    step.locator("summary").first.click()
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_label("Your currency")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_steps_stay_as_they_are_while_the_server_answers(open_browser, users, tenant, scripts):
    page = open_browser(users.tenant_admin, java_script_enabled=scripts)
    edit_draft(page, tenant, "Steps")
    expect(page.locator("details.step[open]")).to_have_count(1)
    open_step(page, "Reasons").get_by_label("Reason required for Live").check()
    if scripts:
        open_step(page, "Health")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#holds-reasons")).to_contain_text("3 stages require a reason")
    expect(page.locator("#step-reasons")).to_have_attribute("open", "")
    if scripts:
        expect(page.locator("#step-health")).to_have_attribute("open", "")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text("Draft saved as revision 2.")).to_be_visible()
    expect(page.locator("#step-reasons")).to_have_attribute("open", "")
    expect(page.locator("#step-transitions")).not_to_have_attribute("open", "")


def test_a_step_is_opened_by_the_keyboard(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Keys")
    summary = page.locator("#step-transitions > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("From Live to Lost")).to_be_visible()
    expect(summary).to_be_focused()


def test_an_event_rule_is_written_as_a_sentence(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Rules")
    open_step(page, "Rules").get_by_role("button", name="Add a rule", exact=True).click()
    rule = page.locator("#event_rules fieldset").last
    number = rule.locator("legend").inner_text()
    rule = page.locator("fieldset").filter(has=page.get_by_text(number, exact=True))
    rule.get_by_label("When", exact=True).focus()
    rule.get_by_label("When", exact=True).select_option(label="a support issue is closed")
    # What is offered depends on the event; where they were, they go on.
    expect(rule.get_by_label("When", exact=True)).to_be_focused()
    fields = rule.get_by_label("What to look at").first
    expect(fields.locator("option")).to_contain_text(["choose what to look at", "Closed at", "Customer's ID"])
    fields.select_option(label="Satisfaction")
    expect(rule.locator(".unit").first).to_have_text("of 5")
    rule.get_by_label("Comparison").first.select_option(label="is at least")
    rule.get_by_label("Value").first.fill("4.5")
    rule.get_by_label("move the customer to").select_option(label="Live")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(rule.get_by_label("What to look at")).to_have_count(2)
    rule.get_by_label("What to look at").last.select_option(label="Severity")
    rule.get_by_label("Comparison").last.select_option(label="is not known")
    expect(rule.get_by_label("Value").last).to_be_hidden()
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text("Draft saved as revision 2.")).to_be_visible()
    assert drafted(tenant).document["event_rules"][-1] == {
        "event": "support.issue.closed",
        "to": "Live",
        "when": [
            {"field": "csat", "op": "ge", "value": 4.5},
            {"field": "severity", "op": "exists", "value": False},
        ],
    }


@pytest.mark.parametrize("is_another", [False, True], ids=["the same field", "another one"])
def test_what_is_chosen_while_the_server_answers_is_asked_about_after_that(open_browser, users, tenant, is_another):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Late")
    step = open_step(page, "Rules")
    rules = page.locator("#event_rules fieldset.card")
    count = rules.count()
    for number in (1, 2):
        step.get_by_role("button", name="Add a rule", exact=True).click()
        expect(rules).to_have_count(count + number)
    held, is_answered = [], False

    def hold(route):
        held.append(route) if route.request.method == "POST" and not is_answered else route.fallback()

    page.route("**/change/", hold)
    first, second = rules.nth(count), rules.nth(count + 1 if is_another else count)
    first.get_by_label("When", exact=True).select_option(label="a support issue is closed")
    for _ in range(1200):
        if held:
            break
        page.wait_for_timeout(50)
    second.get_by_label("When", exact=True).select_option(label="a contract is canceled")
    page.get_by_label("Description").fill("Two at once")
    is_answered = True
    for route in held:
        route.fulfill(response=route.fetch())
    expect(second.get_by_label("What to look at").first.locator("option[value=cancelled_at]")).to_have_count(1)
    expect(second.get_by_label("When", exact=True)).to_have_value("contract.cancelled")
    expect(page.get_by_label("Description")).to_have_value("Two at once")


def test_an_admin_says_which_source_goes_first(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Sources")
    open_step(page, "Sources and currency").get_by_role("button", name="Add an order of sources").click()
    order = page.locator("#sources fieldset")
    order.get_by_label("For the field").select_option(label="Annual revenue")
    order.get_by_label("Source 1", exact=True).fill("/import")
    page.get_by_role("button", name="Check", exact=True).click()
    order.get_by_label("Source 2", exact=True).fill("/billing")
    page.get_by_role("button", name="Check", exact=True).click()
    order.get_by_role("button", name="Move /billing up").click()
    expect(order.get_by_label("Source 1", exact=True)).to_have_value("/billing")
    order.get_by_label("Source 3", exact=True).fill("/elsewhere")
    expect(page.locator("#verdict")).to_contain_text("/elsewhere")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text("Draft saved as revision 2.")).to_be_visible()
    assert drafted(tenant).document["source_priority"] == {"billing.arr": ["/billing", "/import", "/elsewhere"]}


def test_every_step_is_accessible_and_fits_the_screen(open_browser, users, tenant):
    page = open_browser(users.tenant_admin, reduced_motion="reduce")
    edit_draft(page, tenant, "Look")
    open_steps(page)
    for button in ("Add a rule", "Add an at-risk rule", "Add an automation", "Add an order of sources"):
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.locator(".editor button:disabled:not(.small)")).to_have_count(0)
    assert_accessible_across(page, "editor", 1440, 1024, 390)
