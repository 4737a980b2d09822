"""The columns of files: which one is taken for what, and that none is guessed."""

import json
from pathlib import Path

import pytest

from lifecycle.services.imports.columns import MappingRefused, plan_columns
from lifecycle.services.imports.evidence import Evidence
from lifecycle.services.imports.files import RecordReader, open_file
from lifecycle.services.imports.survey import survey_columns
from lifecycle.services.imports.texts import FileRefused
from tests.services.import_files import read, write


def test_a_field_that_first_appears_in_the_last_line_is_there(tmp_path: Path) -> None:
    lines = [f'{{"id": "{number}"}}' for number in range(500)]
    path = write(tmp_path / "a.ndjson", "\n".join([*lines, '{"id": "last", "name": "Late", "billing": {"arr": 5}}']))
    rows, _, plan = read(path)
    assert (len(rows), rows[-1]) == (501, ("last", "Late"))
    assert plan.fields == {"id": "external_id", "name": "name", "billing.arr": "billing.arr"}


def test_names_made_up_in_every_line_do_not_fill_the_memory(tmp_path: Path) -> None:
    lines = [f'{{"id": "{number}", "made_up_{number}": 1}}' for number in range(3_000)]
    path = write(tmp_path / "a.ndjson", "\n".join([*lines, '{"id": "last", "name": "Late", "Titel": "Mapped"}']))
    with open_file(path) as file:
        evidence = survey_columns(RecordReader(file, "ndjson"), {"Titel"})
    assert len(evidence.columns) == 2_002
    assert read(path)[0][-1] == ("last", "Late")
    assert read(path, mapping={"Titel": "name"})[0][-1] == ("last", "Mapped")


def test_more_columns_than_can_be_distinguished_are_refused(tmp_path: Path) -> None:
    """Each pair of columns that could be one field is compared in each line, so their number is bounded."""
    header = ",".join(["id", *(f"name{'-' * number}" for number in range(21))])
    with pytest.raises(FileRefused, match="More than 20 columns are called as if they were “name”"):
        read(write(tmp_path / "a.csv", f"{header}\n1,One\n"))
    lines = "\n".join(f'{{"id": "{number}", "n{"-" * number}ame": "One"}}' for number in range(30))
    with pytest.raises(FileRefused, match="More than 20 columns are called as if they were “name”"):
        read(write(tmp_path / "a.ndjson", lines))
    wide = ",".join(["id", *(f"c{number}" for number in range(2_000))])
    with pytest.raises(FileRefused, match="The header has 2,001 columns; at most 2,000 are read"):
        read(write(tmp_path / "b.csv", f"{wide}\n1\n"))
    long = f'{{"id": "1", "{"-" * 100_000}name": "One", "name": "Two"}}'
    rows, _, plan = read(write(tmp_path / "c.ndjson", long))
    assert (rows, dict(plan.fields)) == ([("1", "Two")], {"id": "external_id", "name": "name"})


def test_evidence_is_the_same_after_it_was_written_down(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Id,AccountNumber,Name,Customer\n001,A-1,One,yes\n002,,Two,no\n003,,Three,no\n")
    with open_file(path) as file:
        evidence = survey_columns(RecordReader(file, "csv"))
    again = Evidence.from_document(json.loads(json.dumps(evidence.to_document())))
    assert plan_columns(tuple(again.columns), None, again) == plan_columns(tuple(evidence.columns), None, evidence)
    assert again.to_document() == evidence.to_document()


def test_two_spellings_of_a_field_in_different_records_are_both_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", '{"id": "1", "name": "One"}\n{"id": "2", "Company name": "Two"}\n')
    assert read(path)[0] == [("1", "One"), ("2", "Two")]


def test_an_empty_or_half_empty_column_does_not_win(tmp_path: Path) -> None:
    for numbers in (",,,,", ",7,,,"):
        rows = "".join(f"00{index},{number},One\n" for index, number in enumerate(numbers.split(",")))
        _, _, plan = read(write(tmp_path / "a.csv", f"Id,AccountNumber,Name\n{rows}"))
        assert plan.fields == {"Id": "external_id", "Name": "name"}
        assert plan.notes == ("“Id” is taken as external_id, not “AccountNumber”",)
    _, _, plan = read(write(tmp_path / "a.csv", "id,Name,Company name\n1,,One\n2,,Two\n"))
    assert plan.fields == {"id": "external_id", "Company name": "name"}


def test_two_columns_that_could_both_be_the_id_are_refused_with_the_mapping_to_write(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Id,AccountNumber,Name\n001,A-1,One\n002,A-2,Two\n")
    with pytest.raises(MappingRefused) as refusal:
        read(path)
    assert str(refusal.value) == (
        "Each of “AccountNumber”, “Id” could be the customer's id in your systems, and they differ. Say which with "
        '--mapping, a file with {"AccountNumber": "external_id"}, or {"Id": "external_id"}. Nothing was imported.'
    )
    assert read(path, mapping={"Id": "external_id"})[0] == [("001", "One"), ("002", "Two")]
    same = write(tmp_path / "b.csv", "Id,Account ID,Name\n001,001,One\n002,002,Two\n")
    assert read(same)[0] == [("001", "One"), ("002", "Two")]
    ours = write(tmp_path / "c.csv", "id,external_id,name\n7,C-1,One\n8,C-2,Two\n")
    assert read(ours)[0] == [("C-1", "One"), ("C-2", "Two")]


def test_a_column_of_few_values_is_no_id(tmp_path: Path) -> None:
    terms = ["Month-to-month", "One year", "Two year"]
    rows = "".join(f"C-{number},{terms[number % 3]},{number % 3 + 1}\n" for number in range(60))
    for name in ("Contract", "Contract ID"):
        _, _, plan = read(write(tmp_path / "a.csv", f"customerID,{name},Account number\n{rows}"))
        assert plan.fields == {"customerID": "external_id"}
        assert name in plan.ignored
    _, _, plan = read(write(tmp_path / "a.csv", "customerID,Contract ID\n1,V-1\n2,V-2\n"))
    assert plan.fields == {"customerID": "external_id", "Contract ID": "billing.contract_id"}


def test_yes_and_no_are_nobodys_name(tmp_path: Path) -> None:
    _, _, plan = read(write(tmp_path / "a.csv", "id,Customer,Title\n1,Yes,a\n2,No,b\n3,Yes,c\n"))
    assert plan.fields == {"id": "external_id"}
    assert plan.notes == ("“Customer” does not look like name",)
