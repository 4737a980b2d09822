"""Tenant admins import customers in the browser; a worker does it, whatever is killed, and in no one else's tenant."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.admin.import_forms import list_fields
from lifecycle.models import Customer, ImportUpload
from lifecycle.services.imports import uploads
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.admin.test_walk import browser
from tests.admin.uploads import (
    ADD,
    FILE,
    LIST,
    State,
    actions,
    entries,
    fields_of,
    many,
    parts,
    press,
    row,
    send,
    stages,
    text_of,
    upload,
    work,
)
from tests.factories import TenantFactory


def test_an_admin_uploads_sees_the_mapping_tries_it_and_imports(
    tenant: TenantRef, users: Any, admin_browser: Client
) -> None:
    page = upload(admin_browser, FILE)
    shown = admin_browser.get(page)
    assert fields_of(shown) == {
        "revision": "1",
        "field-0": "external_id",
        "field-1": "name",
        "field-2": "stage",
        "field-3": "",
        "field-4": "contact.email",
        "as_of": "",
    }
    assert "Annual value" in text_of(shown)
    assert "Vale & Sons Norvale Südwerk Ostwerk" in text_of(shown), "the first rows"

    checked = press(admin_browser, page, "check", **{"field-3": "billing.arr"})
    assert f"Dry run 0 of {len(FILE.encode())} bytes" in text_of(checked)
    work()
    checked = admin_browser.get(page)
    assert "Dry run: nothing was written 2 would be created 0 would be changed" in text_of(checked)
    assert "2 would be rejected" in text_of(checked)
    assert "3 There is no stage “Zombie”." in text_of(checked)
    assert "4 “Annual value” is not a number: “12x”; write for example 1234.50." in text_of(checked)
    assert (stages(tenant), row(tenant).state) == ({}, State.READY)

    press(admin_browser, page, "import")
    work()
    done = admin_browser.get(page)
    assert "Imported 2 created 0 changed 0 unchanged 2 rejected" in text_of(done)
    assert stages(tenant) == {"1": "Active", "4": "Onboarded"}
    assert parts(tenant) == {"rejects": 1, "facts": 1}, "the file itself is gone"
    with tenant_context(tenant.id):
        reported = set(LifecycleHistory.objects.values_list("source", "changed_by"))
        assert reported == {("Import", str(users.tenant_admin.id))}
        entry = AdministrationEntry.objects.get(action="import_customers")
    assert (entry.subject, entry.actor) == ("crm.csv", str(users.tenant_admin.id))
    assert entry.detail == {"lines": 4, "created": 2, "changed": 0, "unchanged": 0, "rejected": 2}
    assert actions(tenant) == ["upload_import", "map_import", "check_import", "begin_import", "import_customers"]


def test_rejected_lines_are_downloaded_corrected_and_uploaded_again(tenant: TenantRef, admin_browser: Client) -> None:
    page = upload(admin_browser, "id,name,stage\n1,One,Active\n2,=1+1,Zombie\n")
    press(admin_browser, page, "import")
    work()
    answer = admin_browser.get(f"{page.removesuffix('change/')}rejects")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="crm.rejected.csv"'
    content = b"".join(answer.streaming_content).decode()
    (header, line) = csv.reader(io.StringIO(content))
    assert header == ["_line", "_error", "id", "name", "stage"]
    assert line[0] == "3"
    assert line[2:] == ["2", "'=1+1", "Zombie"]
    assert "download_rejects" in [*entries(tenant)]

    again = upload(admin_browser, content.replace("Zombie", "Active"), "crm.rejected.csv")
    press(admin_browser, again, "import")
    work()
    assert stages(tenant) == {"1": "Active", "2": "Active"}
    with tenant_context(tenant.id):
        assert Customer.objects.get(external_id="2").name == "=1+1"


def test_the_encoding_is_chosen_among_those_it_could_be(tenant: TenantRef, admin_browser: Client) -> None:
    page = upload(admin_browser, "id,name\n1,Zakłady Łódź\n2,Škoda Plzeň\n".encode("cp1250"))
    refused = admin_browser.get(page)
    assert "The file is not in UTF-8, and it is not certain what it is in." in text_of(refused)
    assert '<input type="radio" name="encoding" value="windows-1250" required>' in refused.content.decode()
    invalid = admin_browser.post(page, {"do": "encoding", "encoding": "klingon", "revision": "1"})
    assert "“klingon” is not a known encoding" in text_of(invalid)
    admin_browser.post(page, {"do": "encoding", "encoding": "windows-1250", "revision": "1"})
    work()
    assert "Zakłady Łódź Škoda Plzeň" in text_of(admin_browser.get(page))
    press(admin_browser, page, "import")
    work()
    with tenant_context(tenant.id):
        assert set(Customer.objects.values_list("name", flat=True)) == {"Zakłady Łódź", "Škoda Plzeň"}


def test_encodings_that_are_alike_are_named_in_the_language_of_the_reader(
    tenant: TenantRef, admin_browser: Client
) -> None:
    page = upload(admin_browser, "id,name\n1,Łuków\n".encode("cp1250"))
    for language, said in (("de", "(windows-1250 oder iso-8859-2 oder iso-8859-16)"), ("en", "(windows-1250 or iso-")):
        assert said in text_of(admin_browser.get(page, headers={"Accept-Language": language}))


def test_two_columns_that_could_be_the_id_are_asked_about(tenant: TenantRef, admin_browser: Client) -> None:
    page = upload(admin_browser, "Id,AccountNumber,Name\n001,A-1,One\n002,A-2,Two\n")
    sentence = "could be the customer's id in your systems, and they differ. Choose “external_id” for one of them."
    assert sentence in text_of(admin_browser.get(page))
    refused = press(admin_browser, page, "import")
    assert sentence in text_of(refused)
    assert "--mapping" not in text_of(refused)
    assert (row(tenant).state, row(tenant).revision, stages(tenant)) == (State.READY, 1, {})
    press(admin_browser, page, "import", **{"field-1": "external_id", "field-2": ""})
    work()
    with tenant_context(tenant.id):
        assert dict(Customer.objects.values_list("external_id", "name")) == {"A-1": "A-1", "A-2": "A-2"}


def test_a_mapping_that_does_not_fit_changes_nothing(tenant: TenantRef, admin_browser: Client) -> None:
    page = upload(admin_browser, "id,name,title,name\n1,One,x,y\n")
    assert "Two columns are called “name”" in text_of(admin_browser.get(page))
    twice = press(admin_browser, page, "check", **{"field-2": "industry", "field-3": "industry"})
    assert "gives “industry” to two columns" in text_of(twice)
    assert fields_of(twice)["field-2"] == "industry", "what was chosen is still there"
    wrong = press(admin_browser, page, "columns", **{"field-3": "salary"})
    assert "The mapping names a field “salary”" in text_of(wrong)
    date = press(admin_browser, page, "columns", as_of="tomorrow", **{"field-3": ""})
    assert "is not a date: “tomorrow”" in text_of(date)
    assert (row(tenant).state, row(tenant).revision) == (State.READY, 1)


def test_the_time_of_the_export_stays_beside_columns_that_are_refused(tenant: TenantRef, admin_browser: Client) -> None:
    """It was empty on the page that refused them, and with the next press the file counted as exported just now."""
    page = upload(admin_browser, "id,name,title,name\n1,One,x,y\n")
    wrong = press(admin_browser, page, "import", as_of="2026-03-31 18:00", **{"field-3": "salary"})
    assert "The mapping names a field “salary”" in text_of(wrong)
    assert fields_of(wrong)["as_of"] == "2026-03-31 18:00"
    no_date = press(admin_browser, page, "import", as_of="tomorrow", **{"field-3": ""})
    assert fields_of(no_date)["as_of"] == "tomorrow"
    admin_browser.post(page, {**fields_of(wrong), "field-3": "", "do": "columns"})
    assert row(tenant).as_of == datetime(2026, 3, 31, 18, tzinfo=UTC)


def test_what_is_no_file_of_customers_is_refused_at_once(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content, name, sentence in (
        (b"PK\x03\x04xl/workbook.xml", "crm.xlsx", "The file is an Excel workbook (.xlsx); open it in a spreadsheet"),
        (b"\x1f\x8b\x08\x00", "crm.csv.gz", "The file is compressed with gzip; unpack it and import the file inside."),
        (b"PK\x03\x04crm.csv", "crm.zip", "The file is a ZIP archive; unpack it and import the file inside."),
        (b"<html><table>", "crm.html", "The file is a web page, even if it is called a spreadsheet; if it shows"),
        (b'[{"id": "1"}]', "crm.json", "The file is a JSON array; write one object per line (NDJSON), for example"),
        (b'{"id": "1"}\n', "crm.csv", "The file is JSON, not CSV; call it .ndjson if it has one object per line."),
        (b"id,name\n1,One", "crm.dat", "is neither .csv, .tsv, .txt nor .ndjson, .jsonl: choose what it is."),
        (b"PK\x03\x04xl/workbook.xml", "crm.csv", "The file is an Excel workbook (.xlsx); open it in a spreadsheet"),
        (b"", "crm.csv", "The file is empty. Nothing was kept."),
    ):
        assert sentence in text_of(send(admin_browser, content, name))
    assert "Choose a file to upload." in text_of(admin_browser.post(ADD, {"kind": ""}))
    monkeypatch.setattr(uploads, "LARGEST", 10)
    assert "The file has 13 bytes; at most 10 can be uploaded. Nothing was kept" in text_of(
        send(admin_browser, "id,name\n1,One")
    )
    monkeypatch.setattr(uploads, "LARGEST", 100)
    monkeypatch.setattr(uploads, "MOST_KEPT", 1)
    upload(admin_browser, "id,name\n1,One", read=False)
    assert "1 files are kept already. Nothing was kept: discard one of them first." in text_of(
        send(admin_browser, "id,name\n1,One")
    )
    with tenant_context(tenant.id):
        assert ImportUpload.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"id,name\n1,One,more\n2,Two,more\n", "line 2 has 3 fields, the header has 2."),
        (b"id,name\n1,O\x00ne\n", "line 2 contains a NUL byte."),
    ],
)
def test_a_file_of_which_no_line_can_be_read_says_why(
    tenant: TenantRef, admin_browser: Client, content: bytes, error: str
) -> None:
    said = text_of(admin_browser.get(upload(admin_browser, content)))
    assert f"No line of the file can be read: {error}" in said
    assert "no lines to import" not in said


def test_ids_that_were_all_rounded_are_rejected_by_name(tenant: TenantRef, admin_browser: Client) -> None:
    page = upload(admin_browser, "id,name\n4111111111111110,One\n4222222222222220,Two\n17,Three\n")
    press(admin_browser, page, "import")
    work()
    said = text_of(admin_browser.get(page))
    for rounded in ("4111111111111110", "4222222222222220"):
        assert f"as a spreadsheet program rounds them: “{rounded}”; write the id as it is in the CRM" in said
    with tenant_context(tenant.id):
        assert list(Customer.objects.values_list("external_id", flat=True)) == ["17"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("id,name\n", "The file has no lines to import."), ("\n\n", "The file has no header.")],
)
def test_a_file_that_cannot_be_read_says_why_on_its_page(
    tenant: TenantRef, admin_browser: Client, content: str, sentence: str
) -> None:
    page = upload(admin_browser, content)
    assert sentence in text_of(admin_browser.get(page))
    assert row(tenant).state == State.REFUSED


def test_another_tenants_file_is_not_there(
    tenant: TenantRef, other_tenant: TenantRef, users: Any, other_users: Any, admin_browser: Client
) -> None:
    page = upload(browser(other_users.tenant_admin), FILE)
    base = page.removesuffix("change/")
    before = row(other_tenant).revision
    for address in (page, f"{base}rejects", f"{base}discard"):
        assert admin_browser.get(address).status_code == 404
    assert admin_browser.get(f"{base}progress").content == b""
    for do in ("stop", "columns", "check", "import", "encoding"):
        assert admin_browser.post(page, {"do": do, "revision": "1", "encoding": "utf-8"}).status_code == 404
    assert admin_browser.post(f"{base}discard").status_code == 404
    assert "crm.csv" not in admin_browser.get(LIST).content.decode()
    assert (row(other_tenant).revision, row(other_tenant).state) == (before, State.READY)
    for role in ("viewer", "account_manager"):
        client = browser(users.of(role))
        assert client.get(LIST).status_code == 302
        assert send(client, FILE).status_code == 302
    with tenant_context(tenant.id):
        assert not ImportUpload.objects.exists()


def test_a_page_takes_the_same_statements_however_large_the_file_is(tenant: TenantRef, admin_browser: Client) -> None:
    counts = []
    for content in (many(3), many(20_000)):
        page = upload(admin_browser, content)
        with CaptureQueriesContext(connection) as statements:
            assert admin_browser.get(page).status_code == 200
        counts.append(len(statements))
    assert counts[1] <= counts[0] + 2, "the first pieces of the file, not all"


def test_without_a_configuration_the_page_says_so(db: None) -> None:
    from tests.conftest import make_people

    unborn = TenantFactory(configuration=None)
    client = browser(make_people(unborn).tenant_admin)
    page = upload(client, FILE)
    press(client, page, "import")
    work()
    assert "There is no lifecycle configuration: publish one first. Nothing was imported." in text_of(client.get(page))


def test_what_a_column_can_be_is_named_as_people_call_it() -> None:
    names = dict(list_fields())
    assert names["billing.arr"] == "Annual revenue" and names["external_id"] == "Customer's ID in your systems"
    assert names["contact.email"] == "Contact: e-mail" and names["industry"] == "Industry"
    with translation.override("de"):
        said = dict(list_fields())
    same = [path for path, name in said.items() if name == names[path]]
    assert said["stage_entered_at"] == "In der Phase seit"
    # The same word in both languages.
    assert sorted(same) == ["name", "segment", "website"]
