"""How reading or importing a file ended is kept as a message, and said in the language of who looks at it later."""

import re
from dataclasses import asdict
from io import BytesIO
from typing import Any

import orjson
import pytest

from lifecycle.sentences.imports import IMPORTS
from lifecycle.services.imports.cells import read_cell
from lifecycle.services.imports.columns import MappingRefused
from lifecycle.services.imports.files import RecordReader
from lifecycle.services.imports.kinds import CSV, NDJSON
from lifecycle.services.imports.parts import Facts
from lifecycle.services.imports.refusals import ImportRefusal
from lifecycle.services.imports.texts import FileRefused
from lifecycle.services.imports.values import READERS, InvalidCell
from tests.admin.test_translations import TRANSLATED, pseudo_locale

__all__ = ["pseudo_locale"]

LINE = {"line": "1,234"}


def keep(name: str, params: dict[str, Any]) -> Facts:
    """As it comes back from the table."""
    return Facts(**orjson.loads(orjson.dumps(asdict(Facts(said=(name, params))), default=str)))


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("check_stopped", LINE, "It was stopped after line 1,234."),
        ("import_stopped", LINE, "It was stopped after line 1,234. What was imported stays. It can go on behind that"
         " line."),
        ("file_not_kept", {}, "The file is no longer kept. Upload it again."),
        ("import_failed", {}, "It failed because of an internal error; the log of the worker says why. Try it again, or"
         " upload the file again."),
        ("import_undecryptable_after", LINE, "It cannot be decrypted after line 1,234. What was imported before stays;"
         " the log of the worker says why. Try it again, or upload the file again."),
        ("no_lines", {}, "The file has no lines to import."),
    ],
)  # fmt: skip
def test_an_outcome_is_said_when_it_is_looked_at(
    name: str, params: dict[str, Any], sentence: str, request: pytest.FixtureRequest
) -> None:
    facts = keep(name, params)
    assert facts.sentence == sentence
    request.getfixturevalue("pseudo_locale")
    assert facts.sentence == f"⟦{sentence}⟧"


@pytest.mark.parametrize(
    "refusal",
    [
        FileRefused("too_many_alike", most=20, field="name", column="Name 21"),
        FileRefused("encoding_says_utf8", wanted="latin-1"),
        MappingRefused("no_external_id", columns="“A” and “B”"),
    ],
)
def test_a_refusal_is_kept_as_a_page_says_it(refusal: ImportRefusal) -> None:
    name, params = refusal.page_message
    assert name in IMPORTS
    assert keep(name, dict(params)).sentence == refusal.on_page
    assert Facts().sentence == ""


@pytest.mark.usefixtures("pseudo_locale")
@pytest.mark.parametrize(
    ("value", "field"),
    [
        (True, "name"),
        ("#N/A", "name"),
        (2**60, "external_id"),
        (1.5, "external_id"),
        ("1,5E+11", "external_id"),
        ("12.0", "external_id"),
        ("123456789012345000", "external_id"),
        ("3-Mar", "external_id"),
        ("null", "external_id"),
        ("=A1", "external_id"),
        ("many", "billing.arr"),
        ("1,234", "billing.arr"),
        ("some day", "billing.renewal_on"),
        ("03/04/2026", "billing.renewal_on"),
    ],
)
def test_every_reason_of_a_rejected_cell_can_be_translated(value: Any, field: str) -> None:
    with pytest.raises(InvalidCell) as refusal:
        READERS[field](read_cell(value, field))
    # What is left beside the sentences is what stood in the cell.
    assert re.findall("[A-Za-z]{3,}", TRANSLATED.sub("", TRANSLATED.sub("", str(refusal.value)))) == []
    assert "⟦" in str(refusal.value)


@pytest.mark.usefixtures("pseudo_locale")
@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("id;name\n1;a;b\n", CSV, "⟦has ⟦%(count)s fields⟧, the header has %(number)s⟧"),
        ('{"id": "1"}\n7\n', NDJSON, "is not a JSON object"),
        ('{"id": "1"}\n{"id\n', NDJSON, "is not JSON"),
    ],
)
def test_what_is_wrong_with_a_line_can_be_translated(text: str, kind: str, sentence: str) -> None:
    *_before, record = RecordReader(BytesIO(text.encode()), kind)
    assert record.error == sentence.replace("%(count)s", "3").replace("%(number)s", "2")


def test_a_day_that_could_be_two_is_named_as_such() -> None:
    with pytest.raises(InvalidCell) as refusal:
        READERS["billing.renewal_on"]("03/04/2026")
    assert str(refusal.value) == "could be two days: “03/04/2026”; write for example 2026-03-31"
