"""An admin adds one effect to many in the draft, sees what it would say to a real customer, and publishes it."""

import pytest
from playwright.sync_api import expect

from lifecycle.models import EffectRun
from tenants.context import tenant_context
from tests.browser.test_configuration import edit_draft, live, open_step
from tests.factories import SAAS, CustomerFactory, TenantFactory

pytestmark = pytest.mark.browser

MANY = [{"name": f"Ask {number}", "on": "enter", "stages": ["Live"], "kind": "forecast"} for number in range(1, 12)]


@pytest.fixture
def tenant(db):
    """A tenant with so many effects that they are folded."""
    return TenantFactory(configuration={**SAAS, "effects": MANY})


def test_an_admin_writes_an_email_sees_it_for_a_customer_and_publishes_it(open_browser, users, tenant):
    CustomerFactory(tenant=tenant, external_id="C-7", name="Vale & Sons", stage="Live", owner=users.viewer.username)
    page = open_browser(users.tenant_admin)
    edit_draft(page, tenant, "Write to the owner")

    open_step(page, "Automations")
    # Each is a line; the one that is edited and the one that is added are open.
    expect(page.locator("#effects p.folded")).to_have_count(11)
    page.get_by_role("button", name="Edit automation 3", exact=True).click()
    expect(page.locator("#effects p.folded")).to_have_count(10)
    third = page.locator("fieldset").filter(has=page.get_by_text("Automation 3", exact=True))
    third.get_by_label("switched on").uncheck()
    third.get_by_role("button", name="Collapse automation 3").click()
    expect(page.get_by_text("Ask 3: forecast the churn again when a customer enters, switched off")).to_be_visible()
    page.get_by_role("button", name="Add an automation").click()
    effect = page.locator("fieldset").filter(has=page.get_by_text("Automation 12", exact=True))
    expect(effect.get_by_label("Name")).to_be_visible()
    expect(page.locator("#effects p.folded")).to_have_count(11)
    effect.get_by_label("Name").fill("Write")
    effect.get_by_label("then", exact=True).select_option("email")
    effect.get_by_label("Recipients, one per line").fill("owner")
    effect.get_by_label("Wobbly", exact=True).first.check()
    effect.get_by_text("Message, time and limits").click()
    effect.get_by_label("Subject").fill("{{ customer.name }} wobbles")
    effect.get_by_label("Text", exact=True).fill("Dear {{ recipient.name }},\nit was in {{ from_stage }}.")
    effect.get_by_label("Delay in minutes").fill("90")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text("Draft saved as revision 2.")).to_be_visible()

    page.get_by_role("link", name="Preview automations").click()
    page.get_by_label("Automation").select_option("Write")
    page.get_by_label("Customer, by its ID in your systems").fill("C-7")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#shown-subject")).to_have_text("Vale & Sons wobbles")
    expect(page.locator("#shown-body")).to_have_text(f"Dear {users.viewer.full_name},\nit was in Live.")
    expect(page.locator("#shown-recipients li")).to_have_count(1)
    expect(page.locator("#shown-recipients")).to_contain_text(users.viewer.full_name)
    expect(page.get_by_role("heading", name="Vale & Sons, from “Live” to “Wobbly”")).to_be_visible()

    page.get_by_role("link", name="Back to the draft").click()
    page.get_by_role("link", name="Publish").first.click()
    page.get_by_label("Reason", exact=True).fill("Owners hear of it")
    page.get_by_role("button", name="Publish as version 2").click()
    expect(page.get_by_text("Version 2 is published.")).to_be_visible()

    published = live(tenant).document["effects"]
    assert published[:11] == [*MANY[:2], {**MANY[2], "enabled": False}, *MANY[3:]], "what was folded is as it was"
    assert published[11:] == [
        {
            "name": "Write",
            "on": "enter",
            "stages": ["Wobbly"],
            "kind": "email",
            "to": ["owner"],
            "subject": "{{ customer.name }} wobbles",
            "body": "Dear {{ recipient.name }},\nit was in {{ from_stage }}.",
            "delay_minutes": 90,
        }
    ]
    with tenant_context(tenant.id):
        assert not EffectRun.objects.filter(tenant_id=tenant.id).exists(), "nothing was started by looking"
