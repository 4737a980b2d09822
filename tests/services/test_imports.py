"""Importing files from any CRM: what is read, what is set aside, what is left alone."""

import csv
import json
import os
from decimal import Decimal
from pathlib import Path
from unittest.mock import ANY

import pytest
from django.core.management import CommandError, call_command

from audit.models import LifecycleHistory
from lifecycle.models import BillingFigures, Contact, Customer, CustomerLifecycleStatus, SupportFigures
from lifecycle.services.imports.columns import MappingRefused, plan_columns
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import TenantFactory
from tests.services.importing import contacts, customers, run, stages, write


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
