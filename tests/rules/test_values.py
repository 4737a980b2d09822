"""What an id, a name, an address, a date and a sum of money are: one answer for every entry point."""

import datetime as dt
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.rules import values
from tenants.rules.values import InvalidValue

line = partial(values.read_line, longest=20)
name = partial(values.read_line, longest=20, required=True)
zero = Decimal(0)
# One or two of each kind of what no one sees, and of what makes a text look like another one.
UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f\u2800\u3164\ufe00\ufe0f\uffa0\ufffc\U000e0100\U000e01ef"
DECEIVING = "\u061c\u180e\u2061\u2064\u206a\u206f\ufff9\ufffb\U000e0001\U000e0020\U000e007f"


def test_a_user_name_fits_as_it_is_kept() -> None:
    """Folded, some letters are two: it had been longer than its column, an error of the server."""
    assert values.read_username("ß" * 75) == "ss" * 75
    with pytest.raises(InvalidValue, match="152 characters long; at most 150"):
        values.read_username("ß" * 76)


def test_a_break_counts_as_the_one_character_that_is_kept() -> None:
    assert values.read_paragraphs("a\r\nb\rc\nd\r\n", 7) == "a\nb\nc\nd"
    with pytest.raises(InvalidValue, match="7 characters long; at most 6"):
        values.read_paragraphs("a\r\nb\rc\nd\r\n", 6)


@pytest.mark.parametrize(
    ("read", "given_", "kept"),
    [
        (values.read_external_id, " EV-1\u00a0", "EV-1"),
        (values.read_external_id, "Cafe\u0301-2", "Caf\u00e9-2"),
        (values.read_external_id, "A \t B", "A B"),
        (values.read_external_id, "ab", "ab"),
        (line, None, ""),
        (line, "   ", ""),
        (line, "two \n words", "two words"),
        (line, "\u00c5ngstro\u0308m", "\u00c5ngstr\u00f6m"),
        (name, "می\u200cخواهم", "می\u200cخواهم"),
        (name, "Heart \u2764\ufe0f Ltd", "Heart \u2764\ufe0f Ltd"),
        (name, "\u3164 Ltd", "\u3164 Ltd"),
        (name, "co\u00adop", "co\u00adop"),
        (values.read_username, "می\u200cخواهم", "می\u200cخواهم"),
        (values.read_username, " Maria.L\u00d3PEZ@Acme.example", "maria.l\u00f3pez@acme.example"),
        (values.read_email, " Ann@B\u00fccher.example ", "Ann@B\u00fccher.example"),
        (values.read_email, "", ""),
        (values.read_email, None, ""),
        (values.read_email, "o'neil+crm@mail.co", "o'neil+crm@mail.co"),
        (values.read_currency, " eur", "EUR"),
        (values.read_currency, "", ""),
        (partial(values.read_amount, currency="KWD"), 1234.565, Decimal("1234.565")),
        (partial(values.read_amount, currency="KWD"), "1234.565", Decimal("1234.565")),
        (partial(values.read_amount, currency="EUR"), 1234.5, Decimal("1234.50")),
        (partial(values.read_amount, currency="JPY"), 1234.0, Decimal("1234")),
        (values.read_amount, 999_999_999_999.99, Decimal("999999999999.99")),
        (values.read_amount, -0.0, Decimal("0.00")),
        (values.read_count, 3.0, 3),
        (values.read_score, 4.333333, Decimal("4.33")),
        (values.read_day, "2026-03-31", dt.date(2026, 3, 31)),
        (values.read_timestamp, "2026-03-31T01:00:00+02:00", dt.datetime(2026, 3, 30, 23, tzinfo=dt.UTC)),
    ],
)
def test_a_value_is_kept_in_one_form(read: Any, given_: Any, kept: Any) -> None:
    assert read(given_) == kept
    assert str(read(given_)) == str(kept)


@pytest.mark.parametrize(
    ("read", "given_", "code"),
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "value",
    argvalues=[
        (values.read_external_id, " ", "blank"),
        (values.read_external_id, None, "blank"),
        (values.read_external_id, 17, "wrong_type"),
        (values.read_external_id, "x" * 151, "too_long"),
        (values.read_external_id, "EV\u00ad-1", "control_character"),
        (values.read_external_id, "EV\u200d1", "control_character"),
        (values.read_external_id, "\ufeffEV-1", "control_character"),
        *((values.read_external_id, f"EV-1{one}", "control_character") for one in UNSEEN),
        *((values.read_username, f"a{one}b", "control_character") for one in (*UNSEEN, "\u00ad")),
        (line, "Turned\u202eround", "control_character"),
        *((line, f"A{one}B", "control_character") for one in DECEIVING),
        (line, "bell\x07", "control_character"),
        (line, "nul\x00", "control_character"),
        (line, "\ud800", "control_character"),
        (line, "x" * 21, "too_long"),
        (line, " " * 10_000_000, "too_long"),
        (name, "   ", "blank"),
        (name, "\u200d", "blank"),
        (name, "\u0301", "blank"),
        *((name, f"{one} {one}", "blank") for one in UNSEEN),
        (values.read_email, "Sam <sam@sample.example>", "invalid_email"),
        (values.read_email, "sam@sample.example, ann@sample.example", "invalid_email"),
        (values.read_email, "mailto:sam@sample.example", "invalid_email"),
        (values.read_email, "sam", "invalid_email"),
        (values.read_email, "sam@", "invalid_email"),
        (values.read_email, "a..b@c.example", "invalid_email"),
        (values.read_email, "a@-b.example", "invalid_email"),
        (values.read_email, f"{'a' * 65}@b.example", "invalid_email"),
        (values.read_currency, "€", "invalid_currency"),
        (values.read_currency, "EURO", "invalid_currency"),
        (values.read_amount, 10**12, "out_of_range"),
        (values.read_amount, 10**5000, "out_of_range"),
        (values.read_amount, "1e30", "out_of_range"),
        (values.read_amount, "12.34567", "too_many_decimals"),
        (partial(values.read_amount, currency="EUR"), 1234.565, "too_many_decimals"),
        (partial(values.read_amount, currency="EUR"), "1234.565", "too_many_decimals"),
        (partial(values.read_amount, currency="JPY"), 0.5, "too_many_decimals"),
        (partial(values.read_amount, least=zero), -1, "out_of_range"),
        (values.read_amount, True, "invalid_number"),
        (values.read_amount, "1_000", "invalid_number"),
        (values.read_amount, "\u0661", "invalid_number"),
        (values.read_amount, float("nan"), "invalid_number"),
        (values.read_count, 2.5, "invalid_number"),
        (values.read_count, -1, "out_of_range"),
        (values.read_score, 5.01, "out_of_range"),
        (values.read_day, "0001-01-01", "out_of_range"),
        (values.read_day, "9999-12-31", "out_of_range"),
        (values.read_day, "2026-02-30", "invalid_date"),
        (values.read_day, 20260331, "invalid_date"),
        (values.read_timestamp, "0001-01-01T00:00:00Z", "out_of_range"),
        (values.read_timestamp, "0001-01-01T00:00:00+23:59", "invalid_timestamp"),
        (values.read_timestamp, "2026-03-31 09:00", "invalid_timestamp"),
    ],
)
def test_what_cannot_be_kept_is_refused(read: Any, given_: Any, code: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        read(given_)
    assert refusal.value.code == code


@given(st.text(max_size=40))
def test_reading_twice_changes_nothing_more(text: str) -> None:
    for read in (values.read_external_id, values.read_username, values.read_email, line):
        try:
            kept = read(text)
        except InvalidValue:
            continue
        assert read(kept) == kept


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("M\u00fcller", "muller"),
        ("S\u00e3o Paulo", "sao paulo"),
        ("Stra\u00dfe", "strasse"),
        ("\u0141\u00f3d\u017a", "lodz"),
        ("\u00c6r\u00f8", "aero"),
        ("\u0130stanbul", "istanbul"),
        ("\ufb01nance", "finance"),
        ("\u30ac\u30b9", "\u30ac\u30b9"),
        ("O\u2019Neil", "o'neil"),
    ],
)
def test_names_are_searched_without_case_and_accents(text: str, key: str) -> None:
    assert values.sort_key(text) == key


def test_names_sort_as_a_reader_expects() -> None:
    names = ["Zebra", "\u00c4rzte AG", "apfel", "\u00c9clair", "Arzneimittel", "Ebene"]
    assert sorted(names, key=values.sort_key) == [
        "apfel",
        "Arzneimittel",
        "\u00c4rzte AG",
        "Ebene",
        "\u00c9clair",
        "Zebra",
    ]
