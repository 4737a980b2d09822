"""The pattern of a text in the API's description and the reader of the same text agree."""

import re
from itertools import product

import jsonschema_rs
import pytest

from lifecycle.api.openapi.configuration import PARAGRAPHS
from tenants.rules.texts import is_visible
from tenants.rules.values import InvalidValue, read_paragraphs

SIGNS = (
    "a\u0301é日 \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2003\u2028\u3000\x00\x07\x7f\x9f\u200b\u202e\u2060\ufeff\xad"
    "\u061c\ufffb"
)
LONGEST = 3


def is_kept(text: str) -> bool:
    try:
        return bool(read_paragraphs(text, 100))
    except InvalidValue:
        return False


@pytest.mark.parametrize(
    "matches",
    [re.compile(PARAGRAPHS).search, jsonschema_rs.validator_for({"type": "string", "pattern": PARAGRAPHS}).is_valid],
    ids=["Python", "Rust"],
)
def test_exactly_what_the_pattern_allows_is_kept(matches: object) -> None:
    """But for texts in which there is nothing to see, such as an accent without a letter: a pattern that programs of
    every language read cannot name them.
    """
    texts = ["".join(signs) for length in range(LONGEST + 1) for signs in product(SIGNS, repeat=length)]
    wrong = [text for text in texts if bool(matches(text)) != is_kept(text)]  # type: ignore[operator]
    assert [text for text in wrong if is_visible(text) or is_kept(text)] == []
    assert "\u0301" in wrong
