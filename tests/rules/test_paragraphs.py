"""The pattern of a text in the API's description and the reader of the same text agree."""

import re
from itertools import product

import jsonschema_rs
import pytest

from lifecycle.api.openapi.configuration import PARAGRAPHS
from tenants.rules.texts import UNSEEN, is_refused
from tenants.rules.values import InvalidValue, read_paragraphs

SIGNS = (
    "a\u0301é日 \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2003\u2028\u3000\x00\x07\x7f\x9f\u200b\u202e\u2060\ufeff\xad"
    "\u061c\ufffb\u200d\u3164\ufe0f"
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
    """But for texts of nothing but marks of other scripts, or of characters that are assigned to nothing: a pattern
    cannot name them all.
    """
    texts = ["".join(signs) for length in range(LONGEST + 1) for signs in product(SIGNS, repeat=length)]
    wrong = [text for text in texts if bool(matches(text)) != is_kept(text)]  # type: ignore[operator]
    assert wrong == []


@pytest.mark.parametrize("unseen", sorted(one for one in UNSEEN if one <= "\uffff" and not is_refused(one)), ids=ascii)
def test_what_no_one_sees_is_no_text_by_itself_and_may_be_in_one(unseen: str) -> None:
    for text in (unseen, unseen * 2, f" {unseen} {unseen}\n"):
        assert (re.search(PARAGRAPHS, text), is_kept(text)) == (None, False)
    for text in (f"{unseen}a", f"a{unseen}", f"{unseen} {unseen}a {unseen}"):
        assert re.search(PARAGRAPHS, text)
        assert is_kept(text)
