"""An admin finds a customer, exports its data to a file, and erases it, in a real browser, with scripts and without."""

import json
import os

import pytest
from playwright.sync_api import expect

from lifecycle.models import Contact
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.browser.looks import assert_accessible
from tests.factories import utc_now

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_an_admin_exports_and_erases_a_customer(open_browser, users, tenant, scripts):
    facts = CustomerFacts(
        external_id="q-1",
        source="/crm",
        occurred_at=utc_now(),
        company={"name": "Quetzal Ltd"},
        contacts=[ContactFacts("Zora Quetzal", "zora@quetzal.example")],
    )
    with tenant_context(tenant.id):
        record_customers(
            [facts], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=True
        )
    page = open_browser(users.tenant_admin, java_script_enabled=scripts, accept_downloads=True)
    page.goto("/admin/")
    page.locator("#content").get_by_role("link", name="Customers", exact=True).click()
    page.locator("#searchbar").fill("zora@quetzal.example")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Quetzal Ltd").click()
    page.get_by_role("link", name="Export or erase personal data").click()
    if scripts:
        page.emulate_media(reduced_motion="reduce")
        assert_accessible(page, "personal data", part="#content")
    page.get_by_label("Reason").fill("Request 17")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert json.loads(download.value.path().read_text())["contacts"][0]["name"] == "Zora Quetzal"

    page.get_by_label("Reason").fill("Request 17")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("Enter the external id again")).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value("Request 17")
    if os.environ.get("SHOTS"):
        page.screenshot(path=f"{os.environ['SHOTS']}/personal-data-{scripts}.png", full_page=True)
    page.get_by_label("Confirm external id").fill("q-1")
    page.get_by_label("Erase the company's name as well").check()
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("Its data key is destroyed")).to_be_visible()
    expect(page.get_by_role("link", name="Erased customer")).to_be_visible()
    page.locator("#searchbar").fill("q-1")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    with tenant_context(tenant.id):
        assert not Contact.objects.exists()
