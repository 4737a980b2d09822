"""Ids in files: those that programs mangled are refused, those that only look odd are taken."""

from pathlib import Path
from typing import Any

import pytest

from lifecycle.services.imports.cells import read_cell
from lifecycle.services.imports.values import InvalidCell
from tests.services.import_files import read, write


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.23457E+11", "was turned into a rounded number"),
        ("1,23E+11", "was turned into a rounded number"),
        ("1E+11", "was turned into a rounded number"),
        ("1.0E11", "was turned into a rounded number"),
        ("1e-05", "was turned into a rounded number"),
        ("1001.0", "was turned into a number"),
        ("1,234,567", "was turned into a number"),
        ("123456789012345000", "ends in zeros"),
        ("2026-03-01 00:00:00", "was turned into a date"),
        ("1-Mar", "was turned into a date"),
        ("Mar-26", "was turned into a date"),
        ("03/01/2026", "was turned into a date"),
        ("#N/A", "is an error of a spreadsheet"),
        ("#REF!", "is an error of a spreadsheet"),
        ("#NV", "is an error of a spreadsheet"),
        ("#########", "is an error of a spreadsheet"),
        ("01.03.2026", "was turned into a date"),
        ("2026/3/1", "was turned into a date"),
        ("3/1/26", "was turned into a date"),
        ("1-févr", "was turned into a date"),
        ("01. Mrz", "was turned into a date"),
        ("01-gen", "was turned into a date"),
        ("мар.26", "was turned into a date"),
        ("Mar 1, 2026", "was turned into a date"),
        ("01.03.2026 12:00", "was turned into a date"),
        ("2026-03-01T00:00:00Z", "was turned into a date"),
        ("12:00:00", "was turned into a time"),
        ("1:30 PM", "was turned into a time"),
        ("1.234.567", "was turned into a number"),
        ("1 234 567", "was turned into a number"),
        ("1\u00a0234\u00a0567", "was turned into a number"),
        ("1'234'567", "was turned into a number"),
        ("12,34,567", "was turned into a number"),
        ("1.234,50", "was turned into a number"),
        ("50%", "was turned into an amount or a percentage"),
        ("12,5 %", "was turned into an amount or a percentage"),
        ("$1,234", "was turned into an amount or a percentage"),
        ("1.234,50 €", "was turned into an amount or a percentage"),
        ("EUR 12.00", "was turned into an amount or a percentage"),
        ("TRUE", "was turned into a truth value"),
        ("WAHR", "was turned into a truth value"),
        ("#ССЫЛКА!", "is an error of a spreadsheet"),
        ("#N/D", "is an error of a spreadsheet"),
        ("[object Object]", "is how programs write an empty value"),
        ("NaN", "is how programs write an empty value"),
        ("NULL", "is how programs write an empty value"),
        ("=A1+1", "is a formula"),
        (1001.0, "is a number with a decimal point"),
        (2**53 + 1, "is a number too large"),
        (1.2345678901234568e23, "is a number too large"),
        (True, "must be a text or a number"),
        ([1], "must be a text or a number"),
    ],
)
def test_ids_that_programs_mangled_are_refused_by_name(value: Any, reason: str) -> None:
    with pytest.raises(InvalidCell) as refusal:
        read_cell(value, "external_id")
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize(
    ("value", "external_id"),
    [
        ("00124", "00124"),
        ('="00124"', "00124"),
        ('="1E+11"', "1E+11"),
        ("12E5", "12E5"),
        ("E-100", "E-100"),
        ("2026-03-01", "2026-03-01"),
        ("MAR-2026-001", "MAR-2026-001"),
        ("10.234", "10.234"),
        ("#42", "#42"),
        ("12-PRO", "12-PRO"),
        ("1-ABC", "1-ABC"),
        ("1.2.26", "1.2.26"),
        ("12:30", "12:30"),
        ("12.345.678-5", "12.345.678-5"),
        ("EUR 100", "EUR 100"),
        ("SAND", "SAND"),
        ("99.99.2026", "99.99.2026"),
        ("1234567890123450", "1234567890123450"),
        (1002, 1002),
        (2**53, 2**53),
    ],
)
def test_ids_that_only_look_odd_are_taken(value: Any, external_id: Any) -> None:
    assert read_cell(value, "external_id") == external_id


ROUNDED = (
    "“id” ends in zeros like every long number of the column, as a spreadsheet program rounds them: “{}”; write the id"
)


@pytest.mark.parametrize(
    ("ids", "taken"),
    [
        (("4111111111111110", "12345678901234500", "17"), ["17"]),
        (("4111111111111110", "17", "EV-1"), ["4111111111111110", "17", "EV-1"]),
        (("4111111111111110", "4111111111111120", "4111111111111113"), None),
        (('"=""4111111111111110"""', '"=""4111111111111120"""'), ["4111111111111110", "4111111111111120"]),
        (("411111111111110", "411111111111120"), None),
        (("4111111111111110", "4222222222222220", '"=""4111111111111113"""'), ["4111111111111113"]),
    ],
)
def test_ids_of_sixteen_digits_are_refused_where_all_of_them_were_rounded(
    ids: tuple[str, ...], taken: list[str] | None, tmp_path: Path
) -> None:
    content = "id,name\n" + "".join(f"{one},Company\n" for one in ids)
    rows, sentences, _ = read(write(tmp_path / "crm.csv", content))
    assert [external_id for external_id, _ in rows] == (list(ids) if taken is None else taken)
    assert len(sentences) == len(ids) - len(rows)
    for one, sentence in zip(ids, sentences, strict=False):
        assert sentence.startswith(ROUNDED.format(one)), sentence
        assert sentence.endswith('as it is in the CRM, in a spreadsheet as text (="00124").')


@pytest.mark.parametrize(
    ("ids", "taken"),
    [
        # As a register of some countries has them, and a number among other ids.
        (("12.345.678", "23.456.789"), ["12.345.678", "23.456.789"]),
        (("12.345.678", "C-1"), ["C-1"]),
        # One group alone may be an id, and is a number where others are.
        (("10.234", "00124"), ["10.234", "00124"]),
        (("998", "1.001", "1.002"), ["998"]),
        (("1.234.567", "10.234", "C-1"), ["C-1"]),
        # A few days among other ids were none of them; where all are, someone files customers so.
        (("2026-03-01", "C-1", "C-2"), ["C-1", "C-2"]),
        (("1-3-2026", "C-1", "C-2"), ["C-1", "C-2"]),
        (("2026-03-01", "2026-03-02"), ["2026-03-01", "2026-03-02"]),
        # Of exact numbers one in ten ends in a zero.
        (("4111111111111110", "4222222222222220", "4333333333333330", "4444444444444440", "4555555555555551"), [
            "4555555555555551",
        ]),
    ],
)  # fmt: skip
def test_what_one_id_alone_cannot_say_the_others_of_its_column_do(
    ids: tuple[str, ...], taken: list[str], tmp_path: Path
) -> None:
    content = "id;name\n" + "".join(f"{one};Company\n" for one in ids)
    rows, sentences, _ = read(write(tmp_path / "crm.csv", content))
    assert [external_id for external_id, _ in rows] == taken
    assert len(sentences) == len(ids) - len(taken)


def test_an_id_that_repeats_is_an_id_where_there_is_no_other(tmp_path: Path) -> None:
    lines = "".join('{"id": "C-1", "name": "One"}\n' for _ in range(300))
    assert read(write(tmp_path / "a.ndjson", lines))[2].fields == {"id": "external_id", "name": "name"}


def test_a_column_that_was_mapped_is_looked_at_for_rounded_ids_too(tmp_path: Path) -> None:
    content = "Code,name\n4111111111111110,One\n4222222222222220,Two\n"
    rows, sentences, _ = read(write(tmp_path / "crm.csv", content), mapping={"Code": "external_id"})
    assert (rows, len(sentences)) == ([], 2)
    lines = '{"id": 4111111111111110}\n{"id": 4222222222222220}\n'
    rows, sentences, _ = read(write(tmp_path / "crm.ndjson", lines))
    assert [external_id for external_id, _ in rows] == ["4111111111111110", "4222222222222220"], "JSON keeps 16 digits"
    assert sentences == []


def test_only_ids_are_held_to_be_text() -> None:
    assert read_cell(1001.5, "billing.arr") == 1001.5
    assert read_cell("1/2/2026", "billing.renewal_on") == "1/2/2026"
    assert read_cell("N/A", "industry") == "N/A"
    with pytest.raises(InvalidCell, match="rounded number"):
        read_cell("4.91512E+12", "contact.phone")
    with pytest.raises(InvalidCell, match="error of a spreadsheet"):
        read_cell("#REF!", "owner")
