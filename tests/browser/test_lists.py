"""Lists in a real browser: a view from its author to the team to the file; renewals; what each role sees [SEC-1]."""

import csv
import datetime as dt

import openpyxl
import pytest
from playwright.sync_api import expect

from lifecycle.models import SavedView
from tenants.context import tenant_context
from tests.factories import CustomerFactory, look_at, utc_now
from tests.messaging.speaking import Speaker
from tests.messaging.waiting import await_that
from tests.web.test_lists import record

pytestmark = pytest.mark.browser


def names_of(page):
    return [name.strip() for name in page.locator("#results tbody a.name").all_inner_texts()]


def download(page, label, where):
    with page.expect_download() as downloading:
        page.locator(".exports").get_by_role("link", name=label, exact=True).first.click()
    path = where / downloading.value.suggested_filename
    downloading.value.save_as(path)
    return path


def test_a_view_is_saved_shared_locked_and_exported_as_it_is_shown(open_browser, users, tenant, other_users, tmp_path):
    for number, (name, arr, owner) in enumerate(
        (
            ("Aurora", "3000", "ann"),
            ("=Birch & Söhne", "1000", "ann"),
            ("Cedar", "2000", "bob"),
            ("Dune", "4000", "ann"),
        )
    ):
        record(tenant, f"C-{number}", name, "Live", arr=arr, owner=owner)
    manager = open_browser(users.account_manager)
    manager.goto("/customers?where=owner:ann&ordering=arr&columns=customer,arr,owner")
    shown = ["=Birch & Söhne", "Aurora", "Dune"]
    expect(manager.get_by_text("3 customers on this page")).to_be_visible()
    assert names_of(manager) == shown
    manager.get_by_text("Save this view").click()
    manager.get_by_label("Name", exact=True).fill("Ann's smallest")
    manager.get_by_label("Share with the team").check()
    manager.locator("#save-view").get_by_role("button", name="Save", exact=True).click()
    expect(manager.get_by_text("The view “Ann's smallest” was saved.")).to_be_visible()
    with tenant_context(tenant.id):
        view = SavedView.objects.get(tenant_id=tenant.id)

    admin = open_browser(users.tenant_admin)
    admin.goto(f"/views/{view.id}")
    expect(admin.get_by_role("link", name="Ann's smallest")).to_have_attribute("aria-current", "page")
    admin.get_by_text("View “Ann's smallest”").click()
    admin.get_by_role("button", name="Lock", exact=True).click()
    expect(admin.get_by_text("The view “Ann's smallest” was changed.")).to_be_visible()

    viewer = open_browser(users.viewer)
    viewer.goto(f"/views/{view.id}")
    expect(viewer.get_by_text("3 customers on this page")).to_be_visible()
    assert names_of(viewer) == shown
    viewer.get_by_text("View “Ann's smallest”").click()
    expect(viewer.get_by_text("An admin has locked this view.")).to_be_visible()
    expect(viewer.locator("#change-view")).to_have_count(0)
    expect(viewer.locator("#view-state")).to_have_text("")
    sheet = openpyxl.load_workbook(download(viewer, "XLSX", tmp_path)).active
    head, *rows = sheet.iter_rows(values_only=True)
    assert head == ("external_id", "name", "arr", "currency", "owner")
    guarded = ["'=Birch & Söhne", "Aurora", "Dune"]
    assert [row[1:] for row in rows] == [
        (name, arr, "EUR", "ann") for name, arr in zip(guarded, (1000, 3000, 4000), strict=True)
    ]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n"}, "a formula"
    with download(viewer, "CSV", tmp_path).open(encoding="utf-8-sig", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == guarded
    viewer.get_by_text("View “Ann's smallest”").click()
    viewer.locator("#stage").select_option("Trial")
    expect(viewer.get_by_text("View “Ann's smallest” · changed")).to_be_visible()
    expect(viewer.get_by_label("Save as")).to_be_visible()

    elsewhere = open_browser(other_users.tenant_admin)
    assert elsewhere.goto(f"/views/{view.id}").status == 404


def test_renewals_show_what_is_due_and_what_a_contract_has_renewed(open_browser, users, tenant):
    speaker = Speaker(tenant)
    speaker.hear(speaker.created("K", name="Kestrel Foods", minutes=-60 * 24 * 30))
    before = {"renewal_on": "2026-03-31", "arr": 1200, "currency": "EUR"}
    speaker.hear(speaker.updated("K", source="/billing", billing=before, minutes=-60 * 24 * 20))
    speaker.hear(speaker.renewed("K", contract_id="K-77", starts_on="2026-04-01", ends_on="2027-03-31", arr=1500))
    record(tenant, "due", "Larch Labs", "Live", renewal_in=0)
    page = open_browser(users.viewer, at="/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Renewals").click()
    today = utc_now().date()
    expect(page.locator("#month-heading")).to_have_text(today.strftime("%B %Y"))
    due = page.get_by_role("table", name="Due in this month")
    expect(due.get_by_role("link", name="Larch Labs")).to_be_visible()
    page.get_by_role("link", name="Month after").click()
    after = (today.replace(day=1) + dt.timedelta(days=32)).strftime("%B %Y")
    expect(page.locator("#month-heading")).to_have_text(after)
    expect(page.get_by_role("link", name="Larch Labs")).to_have_count(0)
    page.goto("/renewals?month=2026-03")
    renewed = page.get_by_role("table", name="Contracts renewed in this month").get_by_role("row").nth(1)
    for text in ("Kestrel Foods", "K-77", "31 Mar 2027", "€1,500", "€1,200"):
        expect(renewed).to_contain_text(text)
    renewed.get_by_role("link", name="Kestrel Foods").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Kestrel Foods")


@pytest.mark.parametrize(
    ("role", "updates", "sees_history", "configures"),
    [
        ("viewer", False, False, False),
        ("account_manager", True, True, False),
        ("tenant_admin", True, True, True),
        ("super_admin", True, True, True),
    ],
)
def test_each_role_sees_exactly_its_row_of_the_matrix(
    open_browser, page_client, settings, users, tenant, other_customer, role, updates, sees_history, configures
):
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live")
    page = open_browser(None if role == "super_admin" else users.of(role))
    if role == "super_admin":
        # Internal staff have opened the workspace; how has a test of its own.
        client = page_client(users.super_admin)
        session = client.session
        session["tenant"] = look_at(tenant.slug)
        session.save()
        name = settings.SESSION_COOKIE_NAME
        page.goto("/login")
        page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": page.url}])
    page.goto(f"/customers/{customer.id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Aurora Logistics")
    expect(page.locator("#change-stage")).to_have_count(int(updates))
    expect(page.locator("#history")).to_have_count(int(sees_history))
    expect(page.get_by_role("link", name="Timeline", exact=True)).to_have_count(int(sees_history))
    expect(page.get_by_role("link", name="Admin", exact=True)).to_have_count(int(configures))
    reached = {
        "view": page.goto("/customers").status,
        "update": page.goto(f"/customers/{customer.id}/move").status,
        "history": page.goto(f"/customers/{customer.id}/timeline").status,
    }
    assert reached == {"view": 200, "update": 200 if updates else 403, "history": 200 if sees_history else 403}
    page.goto("/admin/tenants/configurationversion/")
    expect(page.locator("#user-tools")).to_have_count(int(configures))
    assert page.goto(f"/customers/{other_customer.id}").status == 404


def test_what_is_unfolded_stays_so_while_the_list_looks_for_what_is_new(open_browser, users, tenant):
    CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live")
    page = open_browser(users.account_manager, at="/customers")
    page.get_by_text("Columns", exact=True).click()
    with page.expect_response(lambda response: response.request.headers.get("hx-request") == "true"):
        page.evaluate("htmx.trigger('#results', 'c360:refresh')")
    # Not wait_for_function: where it does not hold at once it is evaluated in the page, which the policy forbids.
    expect(page.locator("#results:not(.htmx-swapping, .htmx-request)")).to_have_count(1)
    expect(page.locator("#column-choice")).to_have_attribute("open", "")
    expect(page.locator("#column-choice").get_by_role("link").first).to_be_visible()


def test_the_values_of_the_chosen_condition_are_suggested(open_browser, users, tenant):
    page = open_browser(users.account_manager, at="/customers")
    page.get_by_text("Add a condition").click()
    page.get_by_label("Condition", exact=True).select_option("!owner:")
    expect(page.get_by_label("Value")).to_have_attribute("list", "values-owner")
    names = page.locator("#values-owner option").evaluate_all("options => options.map((one) => one.value)")
    assert users.viewer.full_name in names


def test_the_rows_of_the_short_lists_at_home_are_as_wide_as_their_list(open_browser, users, tenant):
    for number, name in enumerate(("Ada", "A Company Of A Longer Name")):
        record(tenant, str(number), name, "Live", renewal_in=5)
    page = open_browser(users.account_manager, at="/")
    rows = page.get_by_role("region", name="Renewals due soon").get_by_role("list")
    expect(rows.locator("li")).to_have_count(2)

    def are_as_wide():
        widths = rows.evaluate(
            "list => [list, ...list.children].map((one) => Math.round(one.getBoundingClientRect().width))"
        )
        return len(set(widths)) == 1 and widths[0] > 200

    # The page hears of the new customers, and puts another list in the place of the one that is measured.
    await_that(are_as_wide, seconds=30)
