"""How reading or importing a file ended is kept as a message, and said in the language of who looks at it later."""

from dataclasses import asdict
from typing import Any

import orjson
import pytest

from lifecycle.sentences.imports import IMPORTS
from lifecycle.services.imports.columns import MappingRefused
from lifecycle.services.imports.parts import Facts
from lifecycle.services.imports.refusals import ImportRefusal
from lifecycle.services.imports.texts import FileRefused
from tests.admin.test_translations import pseudo_locale

__all__ = ["pseudo_locale"]

LINE = {"line": "1,234"}


def keep(name: str, params: dict[str, Any]) -> Facts:
    """As it comes back from the table."""
    return Facts(**orjson.loads(orjson.dumps(asdict(Facts(said=(name, params))), default=str)))


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("check_stopped", LINE, "It was stopped after line 1,234."),
        ("import_stopped", LINE, "It was stopped after line 1,234. What was imported stays, and is skipped next time."),
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
