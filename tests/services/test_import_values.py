"""Numbers, days and texts in the cells of files are read as people write them, or refused."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lifecycle.services.imports.files import RecordReader, open_file, sniff_delimiter
from lifecycle.services.imports.kinds import CSV, NDJSON
from lifecycle.services.imports.texts import detect_encoding
from lifecycle.services.imports.values import READERS, read_day, read_timestamp
from tenants.rules.values import InvalidValue
from tests.services.importing import write


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
        ("-$1,234.50", "-1234.50"),
        ("-€ 12,50", "-12.50"),
        ("1.200,00 €", "1200.00"),
        # Dinars have three decimals, and no separator of thousands comes after four digits.
        ("1234.565", "1234.565"),
        ("1234,500", "1234.50"),
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


@pytest.mark.parametrize("text", ["4.333", "4,333"])
def test_a_score_has_no_thousands(text: str) -> None:
    """An average with three decimals could be nothing else: written without a separator it would be no score."""
    assert str(READERS["support.csat"](text)) == "4.33"


@pytest.mark.parametrize("filling", [" ", "1", "1,", "1 234 ", "1.234", "$", "1/", "Jan", "a", "é", "@a.", "a@", "-"])
@pytest.mark.parametrize("field", READERS)
def test_a_cell_of_any_length_is_read_or_refused_at_once(field: str, filling: str) -> None:
    """A number with 20,000 blanks inside took five seconds, and a cell may have a million characters."""
    text = f"1{filling * (100_000 // len(filling))}1"
    # Of this thread alone: others of the process have nothing to do with it.
    began = time.thread_time()
    with suppress(ValueError):
        READERS[field](text)
    assert time.thread_time() - began < 0.5


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
        ("2027/3/31", "2027-03-31"),
        ("2027/04/03", "2027-04-03"),
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
    "text", ["03/04/2027", "2027-02-30", "2027/31/03", "31.13.2027", "tomorrow", "0001-01-01", "9999-12-31", "45000"]
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
