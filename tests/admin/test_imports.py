"""Tenant admins import customers in the browser; a worker does it, whatever is killed, and in no one else's tenant."""

import csv
import io
import re
from collections import Counter
from datetime import timedelta
from functools import partial
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import Customer, CustomerLifecycleStatus, ImportPart, ImportUpload
from lifecycle.services.compliance import key_rotation
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.retention import forget_old_uploads
from lifecycle.services.imports import uploads, working
from lifecycle.services.imports.importing import Import
from lifecycle.services.imports.working import UploadWorker
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.admin.test_walk import browser
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.services.test_encryption import dump_everything

LIST = reverse("admin:lifecycle_importupload_changelist")
ADD = reverse("admin:lifecycle_importupload_add")
State = ImportUpload.State

FILE = """Record ID,Company name,Stage,Annual value,Email
1,Vale & Sons,Active,1200.50,ann@vale.example
2,Norvale,Zombie,,
3,Südwerk,,12x,
4,Ostwerk,Onboarded,,ben@ost.example
"""


@pytest.fixture
def admin_browser(users: Any) -> Client:
    return browser(users.tenant_admin)


def send(client: Client, content: str | bytes, name: str = "crm.csv", kind: str = "") -> Any:
    file = SimpleUploadedFile(name, content if isinstance(content, bytes) else content.encode())
    return client.post(ADD, {"file": file, "kind": kind})


def upload(client: Client, content: str | bytes, name: str = "crm.csv", *, read: bool = True) -> str:
    """The address of the file's page, once it was read."""
    answer = send(client, content, name)
    assert answer.status_code == 302, text_of(answer)
    if read:
        work()
    return str(answer.headers["Location"])


def work(worker: UploadWorker | None = None) -> None:
    """What the process does until nothing is left."""
    worker = worker or UploadWorker()
    while worker.work():
        pass


def later(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker's clock be ahead."""
    monkeypatch.setattr(working, "timezone", type("Clock", (), {"now": staticmethod(lambda: shifted(seconds))}))


def shifted(seconds: int) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def press(client: Client, page: str, do: str, **changes: str) -> Any:
    """Press a button of the page, as it stands, with some fields changed."""
    form = fields_of(client.get(page)) | changes
    return client.post(page, {**form, "do": do}, follow=True)


def fields_of(answer: Any) -> dict[str, str]:
    """The values that a browser would send of the page's last form."""
    html = answer.content.decode().rpartition("<form")[2]
    values = dict(re.findall(r'<input type="(?:hidden|text)"[^>]*name="([^"]+)" value="([^"]*)"', html))
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r"<option selected>([^<]*)", options)
        values[name] = chosen[1] if chosen else ""
    return {name: unescape(value) for name, value in values.items() if name != "csrfmiddlewaretoken"}


def text_of(answer: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode())))


def row(tenant: TenantRef) -> ImportUpload:
    with tenant_context(tenant.id):
        return ImportUpload.objects.get()


def parts(tenant: TenantRef) -> Counter[str]:
    with tenant_context(tenant.id):
        return Counter(ImportPart.objects.values_list("kind", flat=True))


def stages(tenant: TenantRef) -> dict[str, str]:
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.for_tenant(tenant.id)
        return dict(rows.values_list("customer__external_id", "stage"))


def actions(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(action__contains="import").order_by("id")
        return list(entries.values_list("action", flat=True))


def many(count: int) -> str:
    return "id,name\n" + "".join(f"C-{number},Company {number}\n" for number in range(count))


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


def entries(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        return list(AdministrationEntry.objects.order_by("id").values_list("action", flat=True))


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


def test_only_one_of_two_people_starts_it(tenant: TenantRef, users: Any, admin_browser: Client) -> None:
    page = upload(admin_browser, FILE)
    form = {**fields_of(admin_browser.get(page)), "do": "import"}
    admin_browser.post(page, form)
    second = browser(users.tenant_admin).post(page, form)
    assert "The file is in another state than the page showed. Nothing was changed." in text_of(second)
    work()
    late = browser(users.tenant_admin).post(page, {**form, "do": "stop"})
    assert "just updated by someone else" in text_of(late)
    assert actions(tenant).count("begin_import") == actions(tenant).count("import_customers") == 1
    with tenant_context(tenant.id):
        assert LifecycleHistory.objects.count() == 3


def test_a_worker_that_is_killed_neither_loses_nor_doubles(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "Import", partial(Import, batch_size=10))
    content = many(35) + "C-3,Again\n" + "C-99,New\n"
    page = upload(admin_browser, content)
    press(admin_browser, page, "import")
    first = UploadWorker()
    first.work()
    first.work()
    assert (row(tenant).line, row(tenant).created) == (21, 20)
    second = UploadWorker()
    assert second.work() is False, "the first still has it"

    later(60, monkeypatch)
    work(second)
    first.work()
    done = row(tenant)
    assert (done.state, done.created, done.changed, done.unchanged, done.rejected) == (State.DONE, 36, 0, 0, 1)
    with tenant_context(tenant.id):
        assert Customer.objects.count() == LifecycleHistory.objects.count() == 36
        assert AdministrationEntry.objects.filter(action="import_customers").count() == 1
    assert "Line 5 names the same customer, “C-3”." in text_of(admin_browser.get(page))


def test_a_batch_that_cannot_be_noted_is_not_imported(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is so slow that another has taken over when it commits."""
    monkeypatch.setattr(working, "Import", partial(Import, batch_size=10))
    page = upload(admin_browser, many(30))
    press(admin_browser, page, "import")
    first = UploadWorker()
    first.work()
    with tenant_context(tenant.id):
        ImportUpload.objects.update(worker=uuid4())
    assert first.work() is True
    with tenant_context(tenant.id):
        assert Customer.objects.count() == row(tenant).created == 10


def test_a_database_that_is_away_is_no_fault_of_the_file(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, many(3))
    press(admin_browser, page, "import")

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(Import, "_commit", fail)
        with pytest.raises(OperationalError):
            UploadWorker().work()
    assert row(tenant).state == State.IMPORTING
    later(60, monkeypatch)
    work()
    assert (row(tenant).state, row(tenant).created) == (State.DONE, 3)


def test_an_internal_error_leaves_the_other_files_alone(
    tenant: TenantRef, other_users: Any, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, many(3))
    press(admin_browser, page, "import")
    other_page = upload(browser(other_users.tenant_admin), many(3), read=False)
    original = Import._commit

    def fail_for_one(self: Import, *arguments: Any) -> None:
        if self.tenant.id == tenant.id:
            raise RuntimeError("an error in the program")
        original(self, *arguments)

    monkeypatch.setattr(Import, "_commit", fail_for_one)
    work()
    assert "It failed because of an internal error; the log of the worker says why." in text_of(admin_browser.get(page))
    assert (row(tenant).state, stages(tenant)) == (State.READY, {})
    assert "external_id" in text_of(browser(other_users.tenant_admin).get(other_page))


def test_an_import_is_stopped_and_goes_on_from_what_is_there(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "Import", partial(Import, batch_size=10))
    page = upload(admin_browser, many(30))
    press(admin_browser, page, "import")
    worker = UploadWorker()
    worker.work()
    progress = admin_browser.get(f"{page.removesuffix('change/')}progress")
    assert "10 created, 0 changed, 0 unchanged, 0 rejected so far." in text_of(progress)
    stopped = press(admin_browser, page, "stop")
    assert "It was stopped after line 11. What was imported stays, and is skipped next time." in text_of(stopped)
    worker.work()
    assert len(stages(tenant)) == 10
    answer = admin_browser.get(f"{page.removesuffix('change/')}progress")
    assert answer.headers["HX-Refresh"] == "true"
    press(admin_browser, page, "import")
    work(worker)
    assert (row(tenant).created, row(tenant).unchanged, len(stages(tenant))) == (20, 10, 30)


def test_a_file_is_discarded_in_the_midst_of_its_import(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "Import", partial(Import, batch_size=10))
    page = upload(admin_browser, many(30))
    press(admin_browser, page, "import")
    worker = UploadWorker()
    worker.work()
    discard = f"{page.removesuffix('change/')}discard"
    assert "Its import ends after line 11." in text_of(admin_browser.get(discard))
    reported = admin_browser.post(discard, follow=True)
    assert "“crm.csv” is discarded. What was imported of it stays." in text_of(reported)
    work(worker)
    assert (len(stages(tenant)), parts(tenant)) == (10, Counter())
    assert admin_browser.get(page).status_code == 404


def test_an_erasure_destroys_what_was_uploaded(tenant: TenantRef, admin_browser: Client) -> None:
    CustomerFactory(tenant=tenant, external_id="1")
    upload(admin_browser, FILE)
    with tenant_context(tenant.id):
        erase_customer("1", tenant=tenant, actor=system_actor("tests"), reason="asked for", now=utc_now())
        entry = AdministrationEntry.objects.get(action="erase_customer")
    assert entry.detail["uploads"] == 1
    assert parts(tenant) == Counter()


def test_a_file_is_forgotten_after_a_day(tenant: TenantRef, admin_browser: Client) -> None:
    upload(admin_browser, FILE)
    assert forget_old_uploads(now=utc_now() + timedelta(hours=23)) == 0
    assert forget_old_uploads(now=utc_now() + timedelta(hours=25)) >= 1
    assert parts(tenant) == Counter()


def test_nothing_of_a_file_lies_in_clear(tenant: TenantRef, admin_browser: Client) -> None:
    secret = "Zora Canary-Import"
    page = upload(admin_browser, f"id,{secret},name,stage\n1,{secret},{secret},Zombie\n")
    press(admin_browser, page, "check")
    work()
    assert parts(tenant) == {"file": 1, "facts": 1, "rejects": 1}
    assert secret.encode() not in dump_everything()


def test_parts_are_brought_under_a_new_master_key(
    tenant: TenantRef, admin_browser: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, FILE)
    monkeypatch.setitem(key_rotation.ENCRYPTED_TABLES, "lifecycle_importpart", ("value", 1))
    settings.MASTER_KEYS = {77: bytes(range(32)), **settings.MASTER_KEYS}
    assert key_rotation.count_old(tenant.id) >= 2
    assert sum(key_rotation.rotate_tenant(tenant.id)) >= 2
    assert key_rotation.count_old(tenant.id) == 0
    settings.MASTER_KEYS = {77: bytes(range(32))}
    assert "Ostwerk" in text_of(admin_browser.get(page))


def test_a_large_file_is_read_over_its_pieces(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.services.imports.parts.PART_BYTES", 64)
    monkeypatch.setattr(uploads, "PART_BYTES", 64)
    page = upload(admin_browser, many(40).replace("Company", "Süd-Gesellschaft"))
    assert parts(tenant)["file"] > 10
    press(admin_browser, page, "import")
    work()
    with tenant_context(tenant.id):
        assert set(Customer.objects.values_list("name", flat=True)) == {f"Süd-Gesellschaft {n}" for n in range(40)}


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
