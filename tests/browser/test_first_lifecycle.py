"""Someone who never saw the product gets from an empty tenant to a published lifecycle, by clicks alone."""

import pytest
from playwright.sync_api import expect

from tests.browser.looks import SMALL_TARGETS, assert_accessible, set_width
from tests.browser.test_configuration import live, open_step, open_steps
from tests.factories import TenantFactory

# The first button of the form is there for the Enter key alone.
SMALL = SMALL_TARGETS.replace("main button", "main button:not(.visually-hidden)")

pytestmark = pytest.mark.browser

# Reading the page, finding the control and using it: generous for someone who sees each of them for the first time.
SECONDS_AN_ACT = 15
FIVE_MINUTES = 300


@pytest.fixture
def tenant(db):
    """A tenant that has no stages yet."""
    return TenantFactory(configuration=None)


class Person:
    """Someone at the page; what they do is counted."""

    def __init__(self):
        self.acts = 0

    def click(self, what):
        self.acts += 1
        what.click()

    def fill(self, what, text):
        self.acts += 1
        what.fill(text)

    def choose(self, what, label):
        self.acts += 1
        what.select_option(label=label)


def test_from_nothing_to_a_published_lifecycle_in_less_than_five_minutes(open_browser, users, tenant):
    page = open_browser(users.tenant_admin, at="/", reduced_motion="reduce", viewport={"width": 1440, "height": 900})
    they = Person()
    they.click(page.get_by_role("link", name="Admin", exact=True))
    they.click(page.locator("main").get_by_role("link", name="Lifecycle", exact=True))
    expect(page.get_by_role("heading", name="Not live yet")).to_be_visible()
    assert_accessible(page, "nothing yet")
    they.click(page.get_by_role("button", name="Start with SaaS subscription"))

    they.fill(page.get_by_label("Name of stage 1", exact=True), "Lead")
    verdict = page.locator("#verdict")
    expect(verdict.locator("svg")).to_contain_text("Lead")
    expect(page.locator("#holds-stages")).to_contain_text("new customers begin in “Lead”")

    they.click(open_step(page, "Rules").get_by_role("button", name="Add an at-risk rule"))
    rule = page.locator("fieldset").filter(has=page.get_by_text("At-risk rule 1", exact=True))
    expect(rule.get_by_label("Name")).to_be_focused()
    # A rule that says nothing yet is an error, in the step that is open.
    expect(page.locator("#holds-rules")).to_contain_text("error")
    they.fill(rule.get_by_label("Name"), "Too many open issues")
    they.choose(rule.get_by_label("What to look at").first, "Open issues")
    they.choose(rule.get_by_label("Comparison").first, "is at least")
    they.fill(rule.get_by_label("Value").first, "three")
    expect(verdict).to_contain_text("give a number to compare it with")
    expect(rule.locator(".condition .finding.error")).to_be_visible()
    they.fill(rule.get_by_label("Value").first, "3")
    they.choose(rule.get_by_label("to the stage"), "At-Risk")
    they.fill(rule.get_by_label("with the reason"), "Support Escalation")
    expect(verdict.get_by_role("heading", level=2)).not_to_contain_text("error")
    expect(rule.locator(".condition .finding.error")).to_have_count(0)

    they.click(page.get_by_role("button", name="Save and publish"))
    page.wait_for_url("**/publish")
    expect(page.get_by_role("heading", name="The first version")).to_be_visible()
    assert_accessible(page, "publish", part="#content")
    they.fill(page.get_by_label("Reason", exact=True), "Our first lifecycle")
    they.click(page.get_by_role("button", name="Publish as version 1"))
    expect(page.get_by_text("Version 1 is published.")).to_be_visible()
    expect(page.get_by_role("heading", name="Live: version 1")).to_be_visible()

    document = live(tenant).document
    assert document["stages"][0] == document["initial"] == "Lead"
    assert document["risk_rules"] == [
        {
            "name": "Too many open issues",
            "when": [{"field": "support.open_issues", "op": "ge", "value": 3}],
            "action": "propose",
            "to": "At-Risk",
            "reason_code": "Support Escalation",
        }
    ]
    assert they.acts == 15
    # What the machine takes is on top of that: a few seconds of the minute and more that is left.
    assert they.acts * SECONDS_AN_ACT < FIVE_MINUTES - 60


def test_every_link_and_button_of_the_lifecycle_is_large_enough_to_hit(open_browser, users, tenant):
    page = open_browser(users.tenant_admin, reduced_motion="reduce")
    for address in ("/admin/", "/admin/tenants/configurationversion/"):
        page.goto(address)
        assert page.evaluate(SMALL) == [], address
    page.get_by_role("button", name="Start with SaaS subscription").click()
    page.wait_for_url("**/change/")
    open_steps(page)
    for width in (390, 1440):
        set_width(page, width)
        assert page.evaluate(SMALL) == [], width
