"""The list of customers as a file over the API: rows and columns of the same question, recorded as the page's are."""

import threading

import pytest

from audit.models import AdministrationEntry
from lifecycle.queries.list_columns import COLUMNS_BY_NAME, USUAL_COLUMNS
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.lists import exports
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.api.test_as_of import keep_facts
from tests.api.test_list_parameters import keep
from tests.factories import SAAS, TenantFactory, utc_now
from tests.web.test_exports import read_csv, read_xlsx
from tests.web.test_list_conditions import four  # noqa: F401
from tests.web.test_lists import record

LIST, FILE = "/api/v1/customers", "/api/v1/customers/export"
READERS = {"csv": read_csv, "xlsx": read_xlsx}


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration={**SAAS, "currency": "EUR"})


@pytest.fixture
def viewer(api_client, four):  # noqa: F811
    return api_client("viewer")


def entries(tenant):
    with tenant_context(tenant.id):
        return list(AdministrationEntry.objects.filter(action="export_customers").order_by("id"))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"ordering": "name", "days_min": "4", "arr_max": "5000", "columns": "arr,renewal"},
        {"ordering": "-arr", "where": "owner:ann or stage:Lost", "health_max": "100"},
        {"ordering": "health", "category": "engaged", "columns": ["health", "days_in_stage"], "limit": "1"},
        {"search": "alpha", "count": "true"},
        {"where": "stage:Trial and stage:Live"},
    ],
)
def test_the_file_has_the_rows_and_columns_of_exactly_this_question(viewer, kind, asked):
    listed = viewer.get(LIST, {**asked, "limit": "200"}).json()["results"]
    rows = READERS[kind](viewer.get(FILE, {**asked, "format": kind}))
    assert [row["external_id"] for row in rows] == [row["external_id"] for row in listed]
    texts = asked.get("columns", [])
    names = texts.split(",") if isinstance(texts, str) else texts
    columns = [COLUMNS_BY_NAME[name] for name in ("customer", *names)] if names else USUAL_COLUMNS
    for row, one in zip(rows, listed, strict=True):
        assert list(row) == [field for column in columns for field in column.fields]
        for field in row.keys() & {"arr", "name", "stage", "owner", "days_in_stage", "renewal_on"}:
            expected = "" if one[field] is None else str(one[field])
            assert row[field] == expected or float(row[field]) == float(expected)


def test_the_file_has_the_type_and_the_name_that_it_says(viewer):
    for kind, media_type in exports.CONTENT_TYPES.items():
        answer = viewer.get(FILE, {"format": kind})
        assert answer["Content-Type"] == media_type
        assert answer["Content-Disposition"] == f'attachment; filename="customers-{utc_now().date()}.{kind}"'
        assert "no-store" in answer["Cache-Control"]
        answer.close()
    assert len(read_csv(viewer.get(FILE))) == 4


@pytest.mark.parametrize("accepted", ["*/*", "application/json", "text/csv", "text/html, text/*;q=0.5"])
def test_a_program_that_takes_json_or_a_file_is_sent_the_file(viewer, accepted):
    assert len(read_csv(viewer.get(FILE, {"format": "csv"}, HTTP_ACCEPT=accepted))) == 4
    refused = viewer.get(FILE, {"format": "pdf"}, HTTP_ACCEPT=accepted)
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")


def test_what_a_spreadsheet_program_would_compute_is_text(viewer, tenant):
    for number, name in enumerate(["=1+1", "+1+1", "-2+3", "@SUM(A1)"], 10):
        record(tenant, str(number), name, "Live", owner="=cmd")
    for kind, read in READERS.items():
        rows = read(viewer.get(FILE, {"format": kind, "where": 'owner:"=cmd"', "columns": "owner", "ordering": "name"}))
        assert sorted(row["name"] for row in rows) == ["'+1+1", "'-2+3", "'=1+1", "'@SUM(A1)"]
        assert {row["owner"] for row in rows} == {"'=cmd"}


def test_a_text_that_begins_with_a_minus_is_guarded_though_it_looks_like_a_number(viewer, tenant):
    """Of an id such as -12 a spreadsheet program made a number; a negative amount is one, and stays so."""
    record(tenant, "-12", "-7.5", "Live", owner="-3")
    facts = CustomerFacts("-12", "/billing", utc_now(), billing={"balance_overdue": "-12.50"})
    with tenant_context(tenant.id):
        record_customers([facts], tenant=tenant, actor=system_actor("t"), source="Import", now=utc_now(), create=False)
    asked = {"where": 'owner:"-3"', "columns": "customer,owner,overdue"}
    for kind, read in READERS.items():
        (row,) = read(viewer.get(FILE, {**asked, "format": kind}))
        assert (row["external_id"], row["name"], row["owner"]) == ("'-12", "'-7.5", "'-3"), kind
        assert float(row["balance_overdue"]) == -12.5


def test_an_export_is_recorded_with_its_rows_and_without_what_names_people(viewer, users, tenant):
    view = keep(users.viewer, "stage=Live&owner=ann", tenant)
    asked = {"view": view, "search": "alpha", "days_min": "3", "where": "owner:ann,bob", "columns": "customer,arr"}
    assert len(read_csv(viewer.get(FILE, {**asked, "limit": "7", "format": "csv"}))) == 1
    (entry,) = entries(tenant)
    assert (entry.actor, entry.actor_kind) == (str(users.viewer.id), "user")
    assert entry.detail == {
        "rows": 1,
        "format": "csv",
        "view": view,
        "stage": "Live",
        "owner": "…",
        "search": "…",
        "where": "owner:… and days_in_stage>=3",
        "columns": "customer,arr",
    }


def test_who_asks_for_the_head_of_a_file_has_none_made_and_is_not_recorded(viewer, tenant):
    head = viewer.head(FILE, {"format": "xlsx"})
    whole = viewer.get(FILE, {"format": "xlsx"})
    assert head.status_code == 200 and head.getvalue() == b"" and "Content-Length" not in head
    assert {name: head[name] for name in ("Content-Type", "Content-Disposition")} == {
        name: whole[name] for name in ("Content-Type", "Content-Disposition")
    }
    assert len(entries(tenant)) == 1
    assert viewer.head(FILE, {"format": "pdf"}).status_code == 400


def test_main_contacts_are_masked_for_those_who_may_not_reveal_them(viewer, api_client, tenant):
    fact = CustomerFacts(
        external_id="with",
        source="/crm",
        occurred_at=utc_now(),
        company={"name": "With"},
        contacts=[ContactFacts(name="Zoë", email="zoe@x.example")],
    )
    with tenant_context(tenant.id):
        record_customers([fact], tenant=tenant, actor=system_actor("t"), source="Import", now=utc_now(), create=True)
    asked = {"search": "with", "contacts": "true", "columns": "customer", "format": "csv"}
    (masked,) = read_csv(viewer.get(FILE, asked))
    (clear,) = read_csv(api_client("account_manager").get(FILE, asked))
    assert (masked["contact_name"], clear["contact_name"]) == ("Zoë", "Zoë")
    assert (masked["contact_email"], clear["contact_email"]) == ("z•••@x.example", "zoe@x.example")
    assert [entry.detail["contacts"] for entry in entries(tenant)] == ["masked", "clear"]
    assert "contact_name" not in read_csv(viewer.get(FILE, asked | {"contacts": "false"}))[0]


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"format": "pdf"}, "format"),
        ({"contacts": "1"}, "contacts"),
        ({"colour": "red"}, "colour"),
        ({"stage": "Nowhere"}, "stage"),
        ({"days_min": "many"}, "days_min"),
        ({"columns": "colour"}, "columns"),
        ({"known": "recorded"}, "known"),
    ],
)
def test_what_cannot_be_asked_makes_no_file_and_is_not_recorded(viewer, tenant, asked, parameter):
    answer = viewer.get(FILE, asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]
    assert entries(tenant) == []


def test_while_a_file_is_made_another_is_refused_with_when_to_try_again(viewer, monkeypatch):
    monkeypatch.setattr(exports, "_room", threading.BoundedSemaphore(1))
    with exports._room:
        answer = viewer.get(FILE)
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (429, "rate_limited", "60")
    assert answer.json()["detail"] == "Another export is being made. Nothing was exported. Try again in a minute."


def test_the_customers_as_of_a_past_day_are_exported_by_those_who_see_histories(viewer, api_client, tenant):
    keep_facts(tenant)
    asked = {"as_of": str(utc_now().date()), "stage": "Live", "columns": "stage", "format": "csv"}
    assert viewer.get(FILE, asked).status_code == 403
    rows = read_csv(api_client("account_manager").get(FILE, asked))
    assert [(row["name"], row["stage"]) for row in rows] == [("Alpha", "Live"), ("Beta", "Live")]
    before = {**asked, "as_of": "2020-01-01"}
    assert read_csv(api_client("account_manager").get(FILE, before)) == []
    assert [entry.detail["as_of"] for entry in entries(tenant)] == [asked["as_of"], "2020-01-01"]
    refused = api_client("account_manager").get(FILE, asked | {"search": "alpha"})
    assert [error["parameter"] for error in refused.json()["errors"]] == ["search"]


def test_a_super_admin_names_the_tenant_and_no_one_is_sent_another_tenant_s_customers(viewer, api_client, tenant):
    other = TenantFactory(configuration=SAAS)
    assert len(read_csv(api_client("super_admin").get(FILE))) == 4
    assert read_csv(api_client("super_admin", tenant=other).get(FILE)) == []
    assert api_client("super_admin", tenant=None).get(FILE).status_code == 400
    assert [len(entries(one)) for one in (tenant, other)] == [1, 1]
