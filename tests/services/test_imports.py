"""Importing files from any CRM: what is read, what is set aside, what is left alone."""

import csv
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from django.core.management import CommandError, call_command

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import BillingFigures, Contact, Customer, CustomerLifecycleStatus, EffectRun, SupportFigures
from lifecycle.services.imports.columns import MappingRefused, plan_columns
from lifecycle.services.imports.files import Record, RecordReader, open_file, sniff_delimiter
from lifecycle.services.imports.importing import _take_batches
from lifecycle.services.imports.kinds import CSV, NDJSON
from lifecycle.services.imports.texts import detect_encoding
from lifecycle.services.imports.values import READERS, read_day, read_timestamp
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.values import InvalidValue
from tests.factories import SAAS, TenantFactory


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


def run(path: Path, tenant: TenantRef, *options: str) -> tuple[int, str, str]:
    """Exit status, output, and the one line of an error."""
    out = StringIO()
    try:
        call_command("import_customers", str(path), "--tenant", tenant.slug, *options, stdout=out, stderr=StringIO())
    except CommandError as error:
        return 1, out.getvalue(), str(error)
    return 0, out.getvalue(), ""


def customers(tenant: TenantRef) -> dict[str, str]:
    with tenant_context(tenant.id):
        return dict(Customer.objects.for_tenant(tenant.id).order_by("external_id").values_list("external_id", "name"))


def stages(tenant: TenantRef) -> dict[str, str]:
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.for_tenant(tenant.id)
        return dict(rows.values_list("customer__external_id", "stage"))


def contacts(tenant: TenantRef, external_id: str) -> list[tuple[str, Any, Any, str]]:
    with tenant_context(tenant.id):
        rows = Contact.objects.filter(customer__external_id=external_id).order_by("position")
        return [(row.name, row.email, row.phone, row.role) for row in rows]


# --- what a file may look like ------------------------------------------------------------------------------------


def test_a_hubspot_export_is_understood_by_its_headers(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(
        tmp_path / "hubspot.csv",
        "Record ID,Company name,Industry,Company owner,Lifecycle Stage,Email,Job Title,Number of Employees",
        '17,"Vale, Dane & Sons",Energy,maya@acme.example,Active,ann@vale.example,Buyer,250',
    )
    status, out, error = run(path, tenant)
    assert (status, error) == (0, "")
    assert "left out: Number of Employees" in out
    assert "1 created, 0 changed, 0 unchanged, 0 rejected" in out
    assert customers(tenant) == {"17": "Vale, Dane & Sons"}
    assert stages(tenant) == {"17": "Active"}
    assert contacts(tenant, "17") == [("ann@vale.example", "ann@vale.example", None, "Buyer")]


def test_semicolons_windows_encoding_and_decimal_commas_are_understood(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(
        tmp_path / "export.csv",
        "Kundennummer;Firma;Branche;ARR;Renewal Date;CSAT",
        "K-1;Müller & Söhne;Straßenbau;1.234,50;31.03.2027;4,5",
        encoding="cp1252",
    )
    assert run(path, tenant)[0] == 0
    assert customers(tenant) == {"K-1": "Müller & Söhne"}
    with tenant_context(tenant.id):
        billing = BillingFigures.objects.get(tenant_id=tenant.id)
        support = SupportFigures.objects.get(tenant_id=tenant.id)
    assert (billing.arr, billing.renewal_on.isoformat()) == (Decimal("1234.50"), "2027-03-31")
    assert support.csat == Decimal("4.50")


def test_another_encoding_is_refused_until_it_is_named(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "polish.csv", "id,name", "PL-1,Zakłady Łódź", "PL-1,Škoda Plzeň", encoding="cp1250")
    status, _, error = run(path, tenant)
    assert (status, "It could be in windows-1250 (“Łódź”). Say which with --encoding" in error) == (1, True)
    assert customers(tenant) == {}
    status, out, error = run(path, tenant, "--encoding", "windows-1250")
    assert (status, error) == (1, "1 of 2 lines were rejected.")
    assert "read as cp1250" in out
    assert customers(tenant) == {"PL-1": "Zakłady Łódź"}
    assert (tmp_path / "polish.rejected.csv").read_bytes().endswith("PL-1,Škoda Plzeň\n".encode("cp1250"))
    assert "is not a known encoding" in run(path, tenant, "--encoding", "klingon")[2]


def test_the_output_says_which_column_was_taken(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(
        tmp_path / "accounts.csv", "Id,Name,AccountNumber,Contract", "001AAA,One,,Monthly", "002AAA,Two,,Yearly"
    )
    status, out, error = run(path, tenant)
    assert (status, error) == (0, "")
    assert "“Id” is taken as external_id, not “AccountNumber”; --mapping can say otherwise" in out
    assert "left out: AccountNumber, Contract" in out
    assert customers(tenant) == {"001AAA": "One", "002AAA": "Two"}


def test_every_field_can_be_mapped_and_columns_left_out(tenant: TenantRef, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"Nr": "external_id", "Umsatz p.a.": "billing.arr", "Name": None, "Titel": "name"}))
    path = write(tmp_path / "odd.csv", "Nr,Name,Titel,Umsatz p.a.", "1,internal,Norvale Ltd,1200")
    assert run(path, tenant, "--mapping", str(mapping))[0] == 0
    assert customers(tenant) == {"1": "Norvale Ltd"}


def test_json_lines_bring_lists_of_contacts(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(
        tmp_path / "export.ndjson",
        json.dumps(
            {
                "external_id": 42,
                "name": "Norvale",
                "billing": {"currency": "eur", "arr": 1200.5},
                "contacts": [
                    {"name": "Ann", "email": "ann@norvale.example"},
                    {"name": "Ben", "phone": "+1 202 555 0100"},
                ],
            }
        ),
    )
    assert run(path, tenant)[0] == 0
    assert contacts(tenant, "42") == [
        ("Ann", "ann@norvale.example", None, ""),
        ("Ben", None, "+1 202 555 0100", ""),
    ]
    with tenant_context(tenant.id):
        assert BillingFigures.objects.values_list("currency", "arr").get(tenant_id=tenant.id) == (
            "EUR",
            Decimal("1200.50"),
        )


def test_a_record_may_go_over_several_lines(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name", '1,"Norvale', 'Holding"', "2,Other")
    assert run(path, tenant)[0] == 0
    assert customers(tenant) == {"1": "Norvale Holding", "2": "Other"}


def test_a_rejected_formula_is_computed_by_no_spreadsheet_and_read_again_as_it_was(
    tenant: TenantRef, tmp_path: Path
) -> None:
    cells = [
        "=cmd|' /C calc'!A0",
        "+1 202 555 0100",
        "@SUM(A1)",
        "-12",
        "'=quoted",
        '="00124"',
        "\t=tab",
        "＝wide",
        "it's",
    ]
    rows = [["id", "name", "stage", "industry", "balance overdue"]]
    rows += [[f"C-{number}", cell, "Zombie", "a,=b", "-1"] for number, cell in enumerate(cells)]
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert run(path, tenant)[0] == 1
    rejects = tmp_path / "a.rejected.csv"
    with rejects.open(newline="") as file:
        written = list(csv.reader(file))
    assert [cell for row in written for cell in row if cell[:1] in tuple("=+-@\t\r＝")] == []
    assert [row[5] for row in written[1:]] == ["a,=b"] * len(cells)
    rejects.write_text(rejects.read_text().replace(",Zombie", ",Active"))
    assert run(rejects, tenant) == (0, ANY, "")
    assert list(customers(tenant).values()) == [
        *cells[:4], "'=quoted", "00124", "=tab", "＝wide", "it's",
    ]  # fmt: skip
    with tenant_context(tenant.id):
        assert set(BillingFigures.objects.values_list("balance_overdue", flat=True)) == {Decimal(-1)}


def test_a_broken_line_with_a_formula_is_guarded_as_well(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name", '=1+1,"open', "2,Two")
    assert run(path, tenant)[0] == 1
    assert (tmp_path / "a.rejected.csv").read_text().splitlines()[1].endswith(""",'=1+1,"open""")


def test_a_formula_is_a_name_like_any_other(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name", "1,=cmd|' /C calc'!A0")
    assert run(path, tenant)[0] == 0
    assert customers(tenant) == {"1": "=cmd|' /C calc'!A0"}


# --- invalid lines ----------------------------------------------------------------------------------------------------


def test_bad_lines_are_set_aside_by_number_and_good_ones_are_kept(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(
        tmp_path / "mixed.csv",
        "id,name,stage,reason code,arr,email",
        "1,Good,Active,,1200,ann@one.example",
        "2,Wrong stage,Zombie,,,",
        "3,No reason,At-Risk,,,",
        "4,Invalid money,,,12x,",
        '5,Two numbers,,,"1,234",',
        "6,Invalid mail,,,,ann@",
        ",No one,,,,",
        "1,Again,,,,",
        "9,Too many,,,,,7",
        f"10,{'x' * 201},,,,",
        "11,Nul\x00byte,,,,",
        "12,Risky,At-Risk,Low Engagement,,",
    )
    status, out, error = run(path, tenant)
    assert status == 1
    assert error == "10 of 12 lines were rejected."
    assert "2 created, 0 changed, 0 unchanged, 10 rejected" in out
    assert customers(tenant) == {"1": "Good", "12": "Risky"}
    rejected = (tmp_path / "mixed.rejected.csv").read_text().splitlines()
    assert rejected[0] == "_line,_error,id,name,stage,reason code,arr,email"
    reported = {int(line.split(",", 1)[0]): line.split(",", 1)[1] for line in rejected[1:] if line[0].isdigit()}
    assert reported[3].startswith("There is no stage “Zombie”.") or reported[3].startswith(
        '"There is no stage “Zombie”.'
    )
    assert "you must give a reason" in reported[4]
    assert "“arr” is not a number: “12x”; write for example 1234.50." in reported[5]
    assert "“arr” could be 1234 or 1.234: “1,234”; write it without a separator." in reported[6]
    assert "“email” is not an e-mail address such as name@company.example: “ann@”." in reported[7]
    assert "The line names no customer: its external id is empty." in reported[8]
    assert reported[9] == '"Line 2 names the same customer, “1”.",1,Again,,,,'
    assert reported[10] == '"The line has 7 fields, the header has 6.",9,Too many,,,,,7'
    assert "“name” is 201 characters long; at most 200 fit: “xxx" in reported[11]
    assert "The line contains a NUL byte." in reported[12]


def test_a_reject_file_can_be_corrected_and_imported(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name,stage", "1,One,Zombie", "2,Two,Active")
    assert run(path, tenant)[0] == 1
    rejects = tmp_path / "a.rejected.csv"
    assert oct(rejects.stat().st_mode)[-3:] == "600"
    rejects.write_text(rejects.read_text().replace(",Zombie", ",Active"))
    assert run(rejects, tenant)[0] == 0
    assert customers(tenant) == {"1": "One", "2": "Two"}


def test_a_quote_that_is_never_closed_costs_its_own_line_only(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name", '1,"open', *(f"{number},Company {number}" for number in range(2, 300)))
    status, _, error = run(path, tenant)
    assert (status, error) == (1, "1 of 299 lines were rejected.")
    assert len(customers(tenant)) == 298
    assert (tmp_path / "a.rejected.csv").read_text().splitlines()[1].startswith("2,The line is not valid CSV")


def test_two_stray_quotes_do_not_swallow_the_lines_between_them(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name", '1,"open', "2,Two", '3,"open', "4,Four")
    assert run(path, tenant)[2] == "2 of 4 lines were rejected."
    assert customers(tenant) == {"2": "Two", "4": "Four"}


def test_bytes_in_another_encoding_cost_their_own_line(tenant: TenantRef, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,name\n1,Müller\n".encode() + "2,Söhne\n".encode("latin-1"))
    assert run(path, tenant)[2] == "1 of 2 lines were rejected."
    assert customers(tenant) == {"1": "Müller"}
    assert (tmp_path / "a.rejected.csv").read_bytes().endswith("2,Söhne\n".encode("latin-1"))


def test_json_that_is_none_costs_its_own_line(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ndjson",
        '{"external_id": "1", "name": "One"}',
        "{broken",
        "[1]",
        '{"external_id": "2", "name": {"deep": {"er": 1}}, "contacts": "x"}',
        '{"name": "no one"}',
        "",
        '{"external_id": true}',
        '{"external_id": "3", "name": "Three"}',
    )
    status, _, error = run(path, tenant)
    assert (status, error) == (1, "5 of 7 lines were rejected.")
    assert customers(tenant) == {"1": "One", "3": "Three"}
    rejected = [json.loads(line) for line in (tmp_path / "a.rejected.ndjson").read_text().splitlines()]
    assert [(line["_line"], line["_error"]) for line in rejected[:2]] == [
        (2, "The line is not JSON."),
        (3, "The line is not a JSON object."),
    ]
    assert rejected[0]["_text"] == "{broken"


def test_a_line_refused_by_the_rules_leaves_nothing_behind(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name,stage,arr,email", "1,One,Churned,1200,ann@one.example")
    assert run(path, tenant)[0] == 1
    with tenant_context(tenant.id):
        for model in (Customer, CustomerLifecycleStatus, Contact, BillingFigures):
            assert not model.objects.filter(tenant_id=tenant.id).exists()
        assert not LifecycleHistory.objects.filter(tenant_id=tenant.id).exists()


# --- again --------------------------------------------------------------------------------------------------------

FULL = (
    "id,name,industry,stage,reason,arr,currency,renewal date,open issues,csat,contact name,email,phone",
    "1,One,Energy,Active,,1200.50,EUR,2027-01-31,3,4.5,Ann,ann@one.example,+1 202 555 0100",
    "2,Two,Media,At-Risk,Low Engagement,,,,,,,,",
)


def test_the_same_file_again_changes_nothing(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "full.csv", *FULL)
    assert "2 created" in run(path, tenant)[1]
    with tenant_context(tenant.id):
        before = list(Customer.objects.order_by("id").values()), list(Contact.objects.values("id", "name"))
    status, out, _ = run(path, tenant)
    assert (status, "0 created, 0 changed, 2 unchanged, 0 rejected" in out) == (0, True)
    with tenant_context(tenant.id):
        assert (list(Customer.objects.order_by("id").values()), list(Contact.objects.values("id", "name"))) == before
        assert LifecycleHistory.objects.filter(tenant_id=tenant.id).count() == 2


def test_only_what_differs_is_written(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "full.csv", *FULL), tenant)
    changed = write(tmp_path / "again.csv", "id,arr,phone,email", "1,1300,+1 202 555 0199,ann@one.example", "2,,,")
    assert "0 created, 1 changed, 1 unchanged" in run(changed, tenant)[1]
    assert contacts(tenant, "1") == [("Ann", "ann@one.example", "+1 202 555 0199", "")]
    with tenant_context(tenant.id):
        billing = BillingFigures.objects.get(tenant_id=tenant.id)
    assert (billing.arr, billing.currency) == (Decimal("1300.00"), "EUR")


def test_another_person_is_added_to_the_contacts(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "full.csv", *FULL), tenant)
    run(write(tmp_path / "more.csv", "id,contact name,email", "1,Ben,ben@one.example"), tenant)
    assert [name for name, *_ in contacts(tenant, "1")] == ["Ann", "Ben"]


def test_a_known_customer_is_never_moved(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "full.csv", *FULL), tenant)
    status, out, _ = run(write(tmp_path / "moved.csv", "id,stage", "1,Prospect"), tenant)
    assert (status, "1 unchanged" in out) == (0, True)
    assert stages(tenant)["1"] == "Active"
    assert run(write(tmp_path / "odd.csv", "id,stage", "1,Zombie"), tenant)[0] == 1


def test_an_old_export_does_not_overwrite_what_is_newer(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "full.csv", *FULL), tenant)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    old = write(tmp_path / "old.csv", "id,name,segment", "1,Old name,Enterprise")
    assert run(old, tenant, "--as-of", yesterday)[0] == 0
    with tenant_context(tenant.id):
        assert Customer.objects.values_list("name", "segment").get(external_id="1") == ("One", "Enterprise")


def test_a_dry_run_judges_everything_and_writes_nothing(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name,stage", "1,One,Zombie", "2,Two,Active")
    status, out, _ = run(path, tenant, "--dry-run")
    assert status == 1
    assert "nothing written; 1 created, 0 changed, 0 unchanged, 1 rejected" in out
    assert customers(tenant) == {}


def test_a_new_customer_without_stage_begins_at_the_initial_one(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "a.csv", "id,name", "1,One"), tenant)
    with tenant_context(tenant.id):
        row = LifecycleHistory.objects.get(tenant_id=tenant.id)
    assert (row.to_stage, row.source, row.changed_by, row.event_id) == (
        "Prospect",
        "Import",
        "system:import_customers",
        "a.csv:2",
    )


def test_an_import_is_noted_in_the_administration_log(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "a.csv", "id,name,stage", "1,One,Zombie", "2,Two,Active"), tenant)
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="import_customers")
    assert (entry.subject, entry.actor) == ("a.csv", "system:import_customers")
    assert entry.detail == {"lines": 2, "created": 1, "changed": 0, "unchanged": 0, "rejected": 1}


def test_small_batches_give_the_same_as_one_large(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name", *(f"{number},Company {number}" for number in range(25)), "3,Twice")
    status, out, _ = run(path, tenant, "--batch-size", "4")
    assert (status, "25 created" in out) == (1, True)
    assert len(customers(tenant)) == 25


# --- files that are none ------------------------------------------------------------------------------------------


def test_what_is_no_file_is_refused_in_one_line(tenant: TenantRef, tmp_path: Path) -> None:
    good = write(tmp_path / "good.csv", "id,name", "1,One")
    (tmp_path / "link.csv").symlink_to(good)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "empty.csv").touch()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "utf16.csv").write_bytes("id,name\n1,One\n".encode("utf-16"))
    write(tmp_path / "noid.csv", "name,city", "One,Berlin")
    write(tmp_path / "header.csv", "id,name")
    refusals = {
        "missing.csv": f"{tmp_path}/missing.csv does not exist.",
        "link.csv": f"{tmp_path}/link.csv is a symbolic link; name the file itself.",
        "folder.csv": f"{tmp_path}/folder.csv is not a file.",
        "empty.csv": f"{tmp_path}/empty.csv is empty.",
        "pipe.csv": f"{tmp_path}/pipe.csv is not a file.",
        "utf16.csv": "The file is in UTF-16; save it as UTF-8 (in Excel: CSV UTF-8).",
        "noid.csv": "No column is the customer's id in your systems. The file has “name”, “city”; say with --mapping "
        "which of them is “external_id”.",
        "header.csv": "The file has no lines to import.",
        "good.xlsx": f"{tmp_path}/good.xlsx is neither .csv, .tsv, .txt nor .ndjson, .jsonl: say which with --format.",
    }
    write(tmp_path / "good.xlsx", "x")
    for name, sentence in refusals.items():
        assert run(tmp_path / name, tenant) == (1, "", sentence)
    assert customers(tenant) == {}


def test_a_reject_file_is_never_written_through_a_link_or_over_the_file_itself(
    tenant: TenantRef, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.csv", "id,name,stage", "1,One,Zombie")
    victim = write(tmp_path / "victim.txt", "precious")
    (tmp_path / "a.rejected.csv").symlink_to(victim)
    assert run(path, tenant)[2].endswith("is not a plain file; name another with --reject-file.")
    assert run(path, tenant, "--reject-file", str(path))[2] == "The reject file cannot be the import file itself."
    assert victim.read_text() == "precious\n"
    assert path.read_text().startswith("id,name,stage")


def test_unknown_tenants_and_tenants_without_stages_are_refused(db: None, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name", "1,One")
    unborn = TenantFactory(configuration=None)
    assert run(path, unborn)[2].endswith("has no lifecycle configuration: publish one first.")
    with pytest.raises(CommandError, match="There is no tenant 'no one'"):
        call_command("import_customers", str(path), "--tenant", "no one")


def test_mappings_that_do_not_fit_are_refused() -> None:
    columns = ("Nr", "Name", "ID", "id")
    for mapping, sentence in (
        ({"Nummer": "external_id"}, "The mapping names a column “Nummer”; the file has “Nr”, “Name”, “ID”, “id”."),
        ({"Nr": "externalid"}, "The mapping names a field “externalid”; the fields are external_id, name,"),
        ({"Nr": "name", "Name": "name"}, "The mapping gives “name” to two columns, “Nr” and “Name”."),
    ):
        with pytest.raises(MappingRefused) as refusal:
            plan_columns(columns, mapping)
        assert str(refusal.value).startswith(sentence)
    with pytest.raises(MappingRefused, match="Two columns are called “id”"):
        plan_columns(("id", "name", "id"), None)
    with pytest.raises(MappingRefused, match="Each of “Account ID”, “ID” could be the customer's id"):
        plan_columns(("Account ID", "ID", "Account Name"), None)
    assert plan_columns(("Account ID", "Account Name"), None).fields == {
        "Account ID": "external_id",
        "Account Name": "name",
    }


# --- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1200", "1200.00"),
        ("1200.5", "1200.50"),
        ("1200,5", "1200.50"),
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1 234,5", "1234.50"),
        ("1'234'567.25", "1234567.25"),
        ("1,234,567", "1234567.00"),
        ("1.234.567", "1234567.00"),
        ("$1,234.50", "1234.50"),
        ("1.200,00 €", "1200.00"),
        ("-12.5", "-12.50"),
        ("0", "0.00"),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, number: str) -> None:
    assert str(READERS["billing.balance_overdue"](text)) == number


@pytest.mark.parametrize(
    "text",
    ["1,234", "1.234", "12,345", "1e5", "NaN", "inf", "", "12.345,6,7", "1,23,456", "1 23", "0.12345", "--1", "9" * 13],
)
def test_numbers_that_could_be_two_or_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        READERS["billing.balance_overdue"](text)


@pytest.mark.parametrize("filling", [" ", "1", "1,", "1 234 ", "1.234", "$", "1/", "Jan", "a", "é", "@a.", "a@", "-"])
@pytest.mark.parametrize("field", READERS)
def test_a_cell_of_any_length_is_read_or_refused_at_once(field: str, filling: str) -> None:
    """A number with 20,000 blanks inside took five seconds, and a cell may have a million characters."""
    text = f"1{filling * (100_000 // len(filling))}1"
    began = time.process_time()
    with suppress(ValueError):
        READERS[field](text)
    assert time.process_time() - began < 0.5


def test_counts_are_whole() -> None:
    read_count = READERS["support.open_issues"]
    assert read_count("3") == 3
    for text in ("2.5", "-1", "x"):
        with pytest.raises(InvalidValue):
            read_count(text)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2027-03-31", "2027-03-31"),
        ("2027-03-31T10:00:00Z", "2027-03-31"),
        ("31.03.2027", "2027-03-31"),
        ("31 Mar 2027", "2027-03-31"),
        ("March 31, 2027", "2027-03-31"),
        ("03/31/2027", "2027-03-31"),
        ("31/03/2027", "2027-03-31"),
        ("05/05/2027", "2027-05-05"),
    ],
)
def test_days_are_read_as_people_write_them(text: str, day: str) -> None:
    assert read_day(text) == day


@pytest.mark.parametrize(
    "text", ["03/04/2027", "2027-02-30", "31.13.2027", "tomorrow", "0001-01-01", "9999-12-31", "45000"]
)
def test_days_that_could_be_two_or_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        read_day(text)


def test_moments_without_a_zone_are_utc() -> None:
    assert read_timestamp("2026-01-31 10:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert read_timestamp("31.01.2026") == datetime(2026, 1, 31, tzinfo=UTC)
    assert read_timestamp("2026-01-31T10:00:00+02:00") == datetime(2026, 1, 31, 8, tzinfo=UTC)


def test_texts_are_one_line_without_control_characters() -> None:
    assert READERS["name"]("  two \n words ") == "two words"
    with pytest.raises(InvalidValue):
        READERS["name"]("bell\x07")


def test_the_separator_is_the_one_that_fits() -> None:
    assert sniff_delimiter("id;name\n1;One, Two\n2;Three, Four\n") == ";"
    assert sniff_delimiter("id\tname\n1\tOne\n") == "\t"
    assert sniff_delimiter("id|name\n1|One\n") == "|"
    assert sniff_delimiter("id\n1\n") == ","


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffid,name\n1,Müller\n".encode())
    with open_file(path) as file:
        reader = RecordReader(file, CSV)
        assert reader.columns == ("id", "name")
        assert [record.cells for record in reader] == [{"id": "1", "name": "Müller"}]


def test_plain_letters_are_utf_8(tmp_path: Path) -> None:
    with open_file(write(tmp_path / "a.csv", "id", "1")) as file:
        assert detect_encoding(file) == "utf-8"


def test_an_endless_line_is_one_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"external_id": "' + b"x" * 3_000_000 + b'"}\n{"external_id": "2"}\n')
    with open_file(path) as file:
        records = list(RecordReader(file, NDJSON))
    assert [(record.line, record.error) for record in records] == [(1, "is too long to be a record"), (2, None)]
    assert len(records[0].text) <= 1_000_000


# --- size and signals ---------------------------------------------------------------------------------------------


GROWTH = """
import sys; from pathlib import Path
import django; django.setup()
from django.utils import timezone
from lifecycle.services.imports.columns import plan_columns
from lifecycle.services.imports.files import RecordReader, open_file
from lifecycle.services.imports.importing import _Seen
from lifecycle.services.imports.lines import read_line
from lifecycle.services.imports.survey import gather_evidence
from lifecycle.services.imports.evidence import Evidence

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

now, early, count = timezone.now(), 5_000, 0
with open_file(Path(sys.argv[1])) as file, _Seen() as seen:
    reader = RecordReader(file, "csv")
    evidence = Evidence(reader.columns)
    for _ in gather_evidence(evidence, reader):
        if evidence.records == early:
            begun = resident()
    surveyed = resident() - begun
    plan = plan_columns(reader.columns, None, evidence)
    for record in reader:
        count += seen.line_of(read_line(record, plan, now=now).external_id, record.line) == record.line
        if count == early:
            begun = resident()
    print(count, surveyed, resident() - begun)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """From the 5,000th line to the 45,000th, looking at columns and reading take less than 75 bytes a line more."""
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("id,name,industry,arr,email,contract id\n")
        for number in range(45_000):
            figures = f"{number % 9000}.50,a{number}@x.example,V-{number}"
            file.write(f"CUST-{number},Company {number} Industries Ltd,Manufacturing,{figures}\n")
    result = subprocess.run([sys.executable, "-c", GROWTH, str(path)], capture_output=True, text=True, check=True)
    count, surveyed, read = map(int, result.stdout.split())
    assert count == 45_000
    assert max(surveyed, read) < 3_000_000, (surveyed, read)


def test_long_records_are_worked_on_a_few_at_a_time() -> None:
    records = [Record(line, "x" * 900_000) for line in range(10)]
    assert [len(batch) for batch in _take_batches(iter(records), 1000)] == [5, 5]
    short = [Record(line, "x") for line in range(2_001)]
    assert [len(batch) for batch in _take_batches(iter(short), 1000)] == [1000, 1000, 1]


def test_sigterm_ends_it_between_batches_and_a_second_run_does_the_rest(
    tenant: TenantRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from lifecycle.services.imports import importing

    path = write(tmp_path / "a.csv", "id,name", *(f"{number},Company {number}" for number in range(30)))
    original = importing.Import._write

    def write_and_be_asked_to_stop(self: Any, *arguments: Any) -> None:
        original(self, *arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(importing.Import, "_write", write_and_be_asked_to_stop)
        assert run(path, tenant, "--batch-size", "10")[2] == (
            "Stopped after line 11. Run it again: imported lines are skipped."
        )
    assert len(customers(tenant)) == 10
    assert "20 created, 0 changed, 10 unchanged" in run(path, tenant)[1]


def test_an_import_starts_effects_only_when_it_is_asked_to(db: None, tmp_path: Path) -> None:
    effect = {"name": "Forecast", "on": "enter", "stages": ["Live"], "kind": "forecast", "sources": ["Import"]}
    tenant = TenantFactory(configuration={**SAAS, "effects": [effect]})
    assert run(write(tmp_path / "a.csv", "id,name,stage", "1,One,Live"), tenant)[0] == 0
    assert (
        run(write(tmp_path / "b.csv", "id,name,stage", "2,Two,Live", "1,One,Live"), tenant, "--start-effects")[0] == 0
    )
    with tenant_context(tenant.id):
        started = EffectRun.objects.filter(tenant_id=tenant.id).values_list("customer_id", flat=True)
        assert list(started) == [Customer.objects.get(external_id="2").id]


@pytest.mark.parametrize("options", [[], ["--batch-size", "1"], ["--dry-run"], ["--dry-run", "--batch-size", "1"]])
@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_a_second_line_of_a_customer_is_rejected_with_the_number_of_the_first(
    tenant: Any, tmp_path: Path, name: str, options: list[str]
) -> None:
    lines = {
        "a.csv": ["id,name", "C-1,First", "C-2,Other", "C-1 ,Second"],
        "a.ndjson": ['{"id": "C-1", "name": "First"}', '{"id": "C-2"}', '{"id": "C-1 ", "name": "Second"}'],
    }[name]
    code, _, sentence = run(write(tmp_path / name, *lines), tenant, *options)
    assert (code, sentence) == (1, "1 of 3 lines were rejected.")
    first = 2 if name == "a.csv" else 1
    rejected = (tmp_path / name.replace("a.", "a.rejected.")).read_text()
    assert f"Line {first} names the same customer" in rejected
    assert customers(tenant) == ({} if "--dry-run" in options else {"C-1": "First", "C-2": ANY})


def test_an_id_that_is_repeated_in_every_line_takes_the_first_and_says_so_of_the_others(
    tenant: Any, tmp_path: Path
) -> None:
    lines = [f'{{"id": "C-1", "name": "Name {number}"}}' for number in range(300)]
    assert run(write(tmp_path / "a.ndjson", *lines), tenant)[2] == "299 of 300 lines were rejected."
    assert customers(tenant) == {"C-1": "Name 0"}
