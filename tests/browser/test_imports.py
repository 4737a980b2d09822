"""An admin imports customers in a real browser, with scripts and without."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import expect

from lifecycle.models import Customer, ImportUpload
from lifecycle.services.imports.working import UploadWorker
from tenants.context import tenant_context
from tests.browser.looks import assert_accessible, set_width

pytestmark = pytest.mark.browser

HOME = "/admin/lifecycle/importupload/"


def work():
    worker = UploadWorker()
    while worker.work():
        pass


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "crm.csv"
    path.write_text("Record ID,Company name,Stage,Annual value\n1,=Vale & Sons,Live,1200\n2,Norvale,Nowhere,7\n")
    return path


def send(page, file):
    page.goto(HOME)
    page.get_by_label("File from your CRM").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/change/")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_an_admin_imports_a_file_and_then_its_corrected_rest(open_browser, users, tenant, file, scripts):
    page = open_browser(users.tenant_admin, java_script_enabled=scripts)
    page.goto("/admin/")
    page.get_by_role("link", name="Imports").first.click()
    send(page, file)
    expect(page.get_by_role("heading", name="Being read")).to_be_visible()
    work()
    # By itself: htmx asks every second, without scripts the page is loaded every three.
    expect(page.get_by_role("heading", name="Match the columns")).to_be_visible()
    expect(page.get_by_label("What Company name is")).to_have_value("name")
    expect(page.get_by_text("=Vale & Sons")).to_be_visible()
    page.get_by_label("What Annual value is").select_option("billing.arr")

    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_role("heading", name="Dry run")).to_be_visible()
    work()
    expect(page.get_by_role("heading", name="Dry run: nothing was written")).to_be_visible()
    expect(page.get_by_text("There is no stage “Nowhere”.")).to_be_visible()
    expect(page.get_by_label("What Annual value is")).to_have_value("billing.arr")

    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="Being imported")).to_be_visible()
    work()
    expect(page.get_by_role("heading", name="Imported")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download 1 rejected line").click()
    assert download.value.suggested_filename == "crm.rejected.csv"
    rejected = Path(download.value.path()).read_text()
    assert next(csv.reader([rejected.splitlines()[1]]))[2:] == ["2", "Norvale", "Nowhere", "7"]

    corrected = file.with_name("crm.rejected.csv")
    corrected.write_text(rejected.replace("Nowhere", "Trial"))
    send(page, corrected)
    work()
    expect(page.get_by_label("What Annual value is")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    work()
    expect(page.get_by_role("heading", name="Imported")).to_be_visible()
    page.get_by_role("link", name="See the customers").click()
    expect(page.get_by_role("link", name="Norvale")).to_be_visible()
    with tenant_context(tenant.id):
        assert set(Customer.objects.values_list("name", flat=True)) == {"=Vale & Sons", "Norvale"}


def test_a_file_that_is_too_large_is_not_sent_and_one_that_just_fits_is_taken(open_browser, users, tenant, tmp_path):
    large = tmp_path / "large.csv"
    large.write_bytes(b"id,name\n" + b"1,One\n" * 5_100_000)
    page = open_browser(users.tenant_admin)
    page.goto(HOME)
    page.get_by_label("File from your CRM").set_input_files(large)
    page.get_by_role("button", name="Upload").click()
    message = page.get_by_label("File from your CRM").evaluate("field => field.validationMessage")
    assert message.startswith("This file is larger than 30,000,000 bytes.")
    assert page.url.endswith(HOME)
    with tenant_context(tenant.id):
        assert not ImportUpload.objects.exists()

    with large.open("r+b") as file:
        file.truncate(29_999_996)
    send(page, large)
    expect(page.get_by_text("0 of 29,999,996 bytes")).to_be_visible()
    # Five million lines: not for the workers of other tests.
    page.get_by_role("link", name="Discard it").click()
    page.get_by_role("button", name="Discard the file").click()
    expect(page.get_by_text("“large.csv” is discarded.")).to_be_visible()


def test_the_pages_are_accessible_and_fit_the_screen(open_browser, users, tenant, file):
    page = open_browser(users.tenant_admin, reduced_motion="reduce")
    send(page, file)
    work()
    expect(page.get_by_role("heading", name="Match the columns")).to_be_visible()
    look_at(page, "columns")
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_role("heading", name="Dry run", exact=True)).to_be_visible()
    look_at(page, "progress")
    work()
    expect(page.get_by_role("heading", name="Dry run: nothing was written")).to_be_visible()
    look_at(page, "tried")
    file.write_bytes("id,name\n1,Łódź\n2,Plzeň\n".encode("cp1250"))
    send(page, file)
    work()
    expect(page.get_by_role("heading", name="Which encoding is it?")).to_be_visible()
    look_at(page, "encoding")
    page.goto(HOME)
    look_at(page, "list")


def look_at(page, what):
    for width in (1440, 768, 390):
        set_width(page, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (what, width)
    assert_accessible(page, what, part="#content")
