"""The German catalog says each thing by one word, those of locale/README.md, and writes signs as German does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from django.conf import settings

BASE = Path(settings.BASE_DIR)
SENTENCES = BASE / "locale/de/LC_MESSAGES/django.po"
# A sentence that says itself twice.
TWICE = re.compile(r"(.{20,})\s*\1", re.DOTALL)


def sentences() -> Iterator[tuple[str, str]]:
    """What is said in English and in German, each form by itself."""
    with SENTENCES.open("rb") as file:
        for message in read_po(file):
            if message.id:
                english = message.id if isinstance(message.id, str) else message.id[-1]
                for german in [message.string] if isinstance(message.string, str) else message.string:
                    yield english, german


def words_not_said() -> list[str]:
    """The last column of the table."""
    rows = re.findall(r"^\|[^|\n]+\|[^|\n]+\|([^|\n]*)\|$", (BASE / "locale/README.md").read_text(), re.MULTILINE)
    return [word for row in rows[1:] for word in re.split(r",\s*", row.strip()) if word and set(word) != {"-"}]


def test_each_thing_has_one_word_in_german():
    words = words_not_said()
    assert len(words) > 25 and "Lebenszyklus" in words
    not_said = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b")
    assert [(english, german) for english, german in sentences() if not_said.search(german)] == []


def test_a_percentage_has_a_no_break_space_before_its_sign():
    # %%s is a place that the browser fills, 95-%%-Intervall is one word.
    unspaced = re.compile(r"(?<![\u00a0-])%%(?!s)")
    assert [german for english, german in sentences() if "%%" in english and unspaced.search(german)] == []


@pytest.mark.parametrize("language", [0, 1], ids=["English", "German"])
def test_no_sentence_has_an_arrow_that_always_points_the_same_way(language):
    assert [one[language] for one in sentences() if re.search("[→←↦⇒]", one[language])] == []


def test_no_sentence_says_itself_twice():
    assert [german for _, german in sentences() if TWICE.search(german)] == []
