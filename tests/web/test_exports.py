"""A view of the list as a file: the same customers, columns and order; no formulas; recorded; one at a time."""

import csv
import io
import sys
import threading
import tracemalloc
import zipfile
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test import Client

from audit.models import AdministrationEntry
from lifecycle.queries.list_columns import COLUMNS_BY_NAME, LIST_COLUMNS, USUAL_COLUMNS
from lifecycle.queries.listing import ListQuery, list_customers
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.lists import exports
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import SAAS, TenantFactory, utc_now
from tests.web.conftest import text_of
from tests.web.test_list_conditions import four  # noqa: F401
from tests.web.test_lists import names, record

SHEET = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration=SAAS)


@pytest.fixture
def client(page_client):
    return page_client("viewer")


def read_csv(response):
    assert response.status_code == 200, response.content
    content = b"".join(response.streaming_content)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def read_xlsx(response):
    """The cells of the sheet, as text; the library that wrote it has no part in it."""
    assert response.status_code == 200, response.content
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
        shared = []
        if "xl/sharedStrings.xml" in archive.namelist():
            strings = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
            shared = ["".join(part.text or "" for part in one.iter(f"{{{SHEET['m']}}}t")) for one in strings]
    assert not sheet.findall(".//m:f", SHEET), "a formula"
    rows = []
    for row in sheet.findall(".//m:row", SHEET):
        cells = {}
        for cell in row:
            value = "".join(part.text or "" for part in cell.iter() if part.tag.endswith(("}v", "}t")))
            column = cell.get("r").rstrip("0123456789")
            cells[column] = shared[int(value)] if cell.get("t") == "s" else value
        rows.append(cells)
    heads, *others = rows
    return [{head: row.get(column, "") for column, head in heads.items()} for row in others]


VIEWS = [
    {},
    {"ordering": "name", "where": "stage:Live or owner:ann", "columns": "arr,customer,industry"},
    {"ordering": "health", "category": "engaged"},
    {"ordering": "-days_in_stage", "search": "a", "columns": ",".join(column.name for column in LIST_COLUMNS)},
    {"ordering": "renewal_on", "stage": "Trial"},
    {"where": "stage:Trial and stage:Live"},
]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_file_has_exactly_the_customers_columns_and_order_of_the_page(client, tenant, four, view, kind):  # noqa: F811
    rows = (read_csv if kind == "csv" else read_xlsx)(client.get(f"/customers/export.{kind}", view))
    page = client.get("/customers", view)
    columns = [COLUMNS_BY_NAME[name] for name in view.get("columns", "").split(",") if name] or USUAL_COLUMNS
    fields = [field for column in columns for field in column.fields]
    assert len(rows) == len(names(page))
    if rows:
        assert list(rows[0]) == fields
    ids = {"1": "ann live", "2": "bob live", "3": "ann trial", "4": "no one's"}
    assert [four[ids[row["external_id"]]] for row in rows] == names(page)
    with tenant_context(tenant.id):
        policy = live_policy(tenant.id)
        known = list_customers(ListQuery(), tenant=tenant, policy=policy, now=utc_now()).rows
    values = {row["external_id"]: row for row in known}
    for row in rows:
        for column in columns:
            for field, value in column.fields.items():
                expected = value(values[row["external_id"]])
                if field == "updated_at":
                    assert row[field] == expected.isoformat(timespec="seconds")
                elif (
                    kind == "xlsx" and field in ("arr", "at_stake", "csat", "balance_overdue") and expected is not None
                ):
                    assert float(row[field]) == float(expected)
                else:
                    assert row[field] == ("" if expected is None else str(expected))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize(("columns", "amount"), [("customer,overdue", "balance_overdue"), ("at_stake", "at_stake")])
def test_an_amount_has_its_currency_also_where_no_revenue_is_shown(client, tenant, kind, columns, amount):
    record(tenant, "1", "Alpha", "Live")
    view = {"columns": columns}
    (row,) = (read_csv if kind == "csv" else read_xlsx)(client.get(f"/customers/export.{kind}", view))
    assert (list(row), row["currency"]) == (["external_id", "name", amount, "currency"], "EUR")


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_a_spreadsheet_program_would_compute_is_text(client, tenant, kind):
    traps = ['=HYPERLINK("http://x.example")', "+1+1", "@SUM(A1)", "\uff1d1+1", "-2+3"]
    for number, name in enumerate(traps):
        record(tenant, f"={number}", name, "Live", owner=f"-{number}x", industry="=1+1")
    address = f"/customers/export.{kind}?columns=customer,owner,industry&ordering=name"
    rows = (read_csv if kind == "csv" else read_xlsx)(client.get(address))
    assert sorted(row["name"] for row in rows) == sorted(f"'{name}" for name in traps)
    assert {row["external_id"] for row in rows} == {f"'={number}" for number in range(5)}
    assert {row["industry"] for row in rows} == {"'=1+1"}
    assert {row["owner"] for row in rows} == {f"'-{number}x" for number in range(5)}


def test_an_export_is_recorded_with_its_rows_and_without_what_names_people(client, tenant, users, four):  # noqa: F811
    view = {"where": "owner:ann,bob and stage:Live", "search": "alpha", "owner": "ann", "columns": "customer"}
    read_csv(client.get("/customers/export.csv", view))
    with tenant_context(tenant.id):
        (entry,) = AdministrationEntry.objects.filter(action="export_customers")
    assert (entry.actor, entry.actor_kind) == (str(users.viewer.id), "user")
    assert entry.detail == {
        "rows": 1,
        "format": "csv",
        "where": "owner:… and stage:Live",
        "search": "…",
        "owner": "…",
        "columns": "customer",
    }


def test_a_view_that_cannot_be_read_is_no_file(client, tenant, four):  # noqa: F811
    for kind in ("csv", "xlsx"):
        assert client.get(f"/customers/export.{kind}", {"where": "stage:Nowhere"}).status_code == 400
    assert client.get("/customers/export.pdf").status_code == 404
    assert client.post("/customers/export.csv").status_code == 405
    assert "There is no stage “Nowhere”." in text_of(client.get("/customers/export.csv?where=stage:Nowhere"))
    with tenant_context(tenant.id):
        assert not AdministrationEntry.objects.filter(action="export_customers").exists()


def test_while_the_process_makes_as_many_files_as_it_may_another_is_refused(client, tenant, four, monkeypatch):  # noqa: F811
    monkeypatch.setattr(exports, "_room", threading.BoundedSemaphore(1))
    with exports._room:
        page = client.get("/customers/export.csv")
    assert page.status_code == 429
    assert "Another export is being made. Nothing was exported. Try again in a minute." in text_of(page)
    assert len(read_csv(client.get("/customers/export.csv"))) == 4


def test_those_who_are_not_logged_in_are_sent_to_the_log_in_page(db):
    for kind in ("csv", "xlsx"):
        answer = Client().get(f"/customers/export.{kind}")
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/login")


def test_no_one_exports_the_customers_of_another_tenant(page_client, tenant, four, other_users):  # noqa: F811
    rows = read_csv(page_client(other_users.viewer).get("/customers/export.csv"))
    assert not {"Alpha", "Beta", "Gamma", "Delta"} & {row["name"] for row in rows}


def test_the_memory_of_an_export_does_not_grow_with_its_rows(tenant, monkeypatch):
    """Of 500 rows with long texts, twice as much as it may take, less than 8 MB stays: parts go to the disk."""
    texts = [field for column in LIST_COLUMNS for field in column.fields]
    rest = {"health": {"score": 50}, "updated_at": utc_now(), "days_in_stage": 3, "days_over": 0}

    def rows(*_args, **_options):
        for number in range(500):
            yield {field: f"{field} {number:<1600}x" for field in texts} | rest

    monkeypatch.setattr(exports, "stream_customers", rows)
    monkeypatch.setattr(exports, "TURN_SECONDS", 0)
    for kind in ("csv", "xlsx"):
        with tenant_context(tenant.id):
            tracemalloc.start()
            try:
                file = exports.export_customers(
                    ListQuery(),
                    LIST_COLUMNS,
                    kind,
                    tenant=tenant,
                    policy=live_policy(tenant.id),
                    actor=system_actor("tests"),
                    now=utc_now(),
                    described={},
                )
                assert tracemalloc.get_traced_memory()[1] < 8_000_000
            finally:
                tracemalloc.stop()
        with file:
            assert len(file.read()) > 100_000


def test_what_the_replica_takes_is_not_taken_from_the_primary(client, four, monkeypatch):  # noqa: F811
    """It is reached and read while the turn waits, for twice as long as a file may take; then the primary has all of
    its own time: the limit counts from when it is set again.
    """
    limits = []

    def note_limits():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('transaction_timeout'), current_setting('idle_in_transaction_session_timeout')"
            )
            limits.append(cursor.fetchone())

    def read_late(read, **_):
        note_limits()
        return read()

    def write(rows):
        note_limits()
        return rows

    monkeypatch.setattr(exports, "read_from_replica", read_late)
    monkeypatch.setattr(exports, "_in_turns", write)
    assert len(read_csv(client.get("/customers/export.csv"))) == len(names(client.get("/customers")))
    assert exports.MOST_SECONDS == 300
    assert limits == [("10min", "10min"), ("5min", "1min")]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize(
    ("role", "email", "phone", "recorded"),
    [
        ("account_manager", "zoe@acme.example", "'+49 30 123456", "clear"),
        ("viewer", "z•••@acme.example", "••• 56", "masked"),
    ],
)
def test_contacts_are_exported_when_asked_for_and_masked_without_the_right(
    page_client, users, tenant, kind, role, email, phone, recorded
):
    record(tenant, "1", "Alpha", "Live")
    record(tenant, "2", "Beta", "Live")
    add_contacts(tenant, "1", ("Zoë =1+1", "zoe@acme.example", "+49 30 123456"), ("Second", "b@acme.example", None))
    client, read = page_client(role), read_csv if kind == "csv" else read_xlsx
    view = {"columns": "customer", "ordering": "name"}
    assert "contact_name" not in read(client.get(f"/customers/export.{kind}", view))[0]
    rows = read(client.get(f"/customers/export.{kind}", {**view, "contacts": "1"}))
    assert rows == [
        {
            "external_id": "1", "name": "Alpha", "contact_name": "Zoë =1+1", "contact_role": "Buyer",
            "contact_email": email, "contact_phone": phone,
        },
        {"external_id": "2", "name": "Beta"} | dict.fromkeys(list(rows[0])[2:], ""),
    ]  # fmt: skip
    with tenant_context(tenant.id):
        kept = [entry.detail.get("contacts") for entry in AdministrationEntry.objects.order_by("id")]
        assert kept[-2:] == [None, recorded]
    offered = (
        f"/customers/export.{kind}?ordering=-updated_at&amp;contacts=1" in client.get("/customers").content.decode()
    )
    assert offered is (role == "account_manager")


def test_the_contacts_of_one_who_was_erased_are_in_no_file(page_client, tenant):
    record(tenant, "1", "Alpha", "Live")
    add_contacts(tenant, "1", ("Zoë", "zoe@acme.example", "+49 30 123456"))
    with tenant_context(tenant.id):
        erase_customer("1", tenant=tenant, actor=system_actor("tests"), reason="asked", now=utc_now())
    content = page_client("account_manager").get("/customers/export.csv?contacts=1").getvalue().decode()
    assert "zoe@" not in content and "Zoë" not in content


def add_contacts(tenant, external_id, *contacts):
    fact = CustomerFacts(
        external_id=external_id,
        source="/crm",
        occurred_at=utc_now(),
        contacts=[ContactFacts(name=name, email=email, phone=phone, role="Buyer") for name, email, phone in contacts],
    )
    with tenant_context(tenant.id):
        record_customers([fact], tenant=tenant, actor=system_actor("tests"), source="API", now=utc_now(), create=False)


def test_while_a_file_is_written_others_get_their_turn_sooner_and_afterwards_as_ever(client, four, monkeypatch):  # noqa: F811
    usual, seen, in_turns = sys.getswitchinterval(), [], exports._in_turns

    def watch(rows):
        seen.append(sys.getswitchinterval())
        return in_turns(rows)

    monkeypatch.setattr(exports, "_in_turns", watch)
    assert client.get("/customers/export.xlsx").status_code == 200
    assert seen == [exports.SWITCH_SECONDS] and sys.getswitchinterval() == usual

    def fail(rows):
        raise ZeroDivisionError

    monkeypatch.setattr(exports, "_in_turns", fail)
    assert client.get("/customers/export.csv").status_code == 500
    assert sys.getswitchinterval() == usual
