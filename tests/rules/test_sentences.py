"""What rules and services name is said in words at the edge: each message has a sentence, in any language."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

from lifecycle.sentences.writing import SENTENCES as OF_CUSTOMERS
from lifecycle.sentences.writing import WRITTEN
from tenants.rules.configuration.document import InvalidConfiguration, parse_configuration
from tenants.rules.configuration.errors import Finding
from tenants.sentences import describe_finding, describe_invalid, enumerate_names
from tenants.sentences.writing import SENTENCES as OF_TENANTS
from tests.rules.documents import check

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "tenants/rules/configuration",
    "tenants/services/configuration",
    "lifecycle/services/configuration",
    "lifecycle/rules",
    "lifecycle/services/transitions",
)
SENTENCES = {**OF_TENANTS, **OF_CUSTOMERS, **WRITTEN}
# What names a message, and the argument at which that begins.
NAMING = {"add_error": 1, "add_warning": 1, "Finding": 1, "_change": 0, "NoSuchVersion": 0, "ConfigurationConflict": 0}
NAMING |= {"Message": 0}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def calls() -> Iterator[tuple[str, set[str] | None]]:
    """Each message that is written out in the rules and services, with its parameters where those are."""
    for path in (path for room in ROOMS for path in sorted((ROOT / room).glob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if not isinstance(node, ast.Call) or name not in NAMING:
                continue
            texts = [ast.literal_eval(arg) for arg in node.args[NAMING[name] :] if isinstance(arg, ast.Constant)]
            if not texts or not isinstance(node.args[-1], ast.Constant | ast.Dict):
                continue
            dicts = [arg for arg in [*node.args, *(k.value for k in node.keywords)] if isinstance(arg, ast.Dict)]
            given = {key.value for one in dicts for key in one.keys if isinstance(key, ast.Constant)}
            given |= {keyword.arg for keyword in node.keywords if keyword.arg}
            is_open = any(keyword.arg is None for keyword in node.keywords) or any(None in one.keys for one in dicts)
            yield texts[-1], None if is_open else {str(one) for one in given}


def written() -> dict[str, list[str]]:
    """Each message of the table, with its English sentences."""
    found: dict[str, list[str]] = {}
    for path in sorted(ROOT.glob("*/sentences/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(value, ast.Call):
                        found[key.value] = [
                            one.value
                            for one in value.args
                            if isinstance(one, ast.Constant) and isinstance(one.value, str)
                        ]
    return found


def test_each_message_of_the_rules_and_services_has_a_sentence_about_what_it_gives() -> None:
    sentences, named = written(), list(calls())

    assert len(named) > 50
    for message, given in named:
        assert message in SENTENCES, message
        if message in WRITTEN:
            continue
        asked = set(PLACEHOLDER.findall(sentences[message][0]))
        assert given is None or asked <= given, message


def test_no_message_has_two_sentences() -> None:
    assert len(SENTENCES) == len(OF_TENANTS) + len(OF_CUSTOMERS) + len(WRITTEN)


def test_singular_and_plural_speak_of_the_same() -> None:
    for message, sentences in written().items():
        forms = [set(PLACEHOLDER.findall(sentence)) for sentence in sentences if "%(" in sentence]
        assert all(form == forms[0] for form in forms), message


def test_a_number_chooses_singular_or_plural_and_shows_its_thousands() -> None:
    def needed(count: int) -> str:
        return describe_finding(Finding("", "mapping_needed", params={"stage": "At-Risk", "count": count}))

    assert needed(1) == "1 customer is in “At-Risk”: choose their target stage."
    assert needed(1234) == "1,234 customers are in “At-Risk”: choose their target stage."


def test_a_percent_sign_in_a_name_is_a_percent_sign() -> None:
    (error,) = check({"stages": ["100 %(name)s"], "initial": "50 %s"})

    assert describe_finding(error) == "There is no stage “50 %s”; it must be one of “100 %(name)s”."


def test_the_first_error_is_said_with_the_number_of_the_others() -> None:
    with pytest.raises(InvalidConfiguration) as one:
        parse_configuration({"stages": [" "]})
    with pytest.raises(InvalidConfiguration) as three:
        parse_configuration({"stages": [" ", 7, None]})

    assert describe_invalid(one.value) == "/stages/0: The stage is blank."
    assert describe_invalid(three.value) == "/stages/0: The stage is blank. And 2 more."
    assert str(three.value) == "/stages/0: blank, /stages/1: not_text, /stages/2: not_text"


def test_another_language_says_it_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences are looked up when they are said, with the words that they are made of."""
    german = {
        "There is no %(kind)s “%(name)s”; it must be one of %(choices)s.": (
            "%(kind)s „%(name)s“ gibt es nicht, möglich ist %(choices)s."
        ),
        "stage": "Die Stufe",
        "“%(name)s”": "„%(name)s“",
        "%(first)s or %(last)s": "%(first)s oder %(last)s",
    }
    (error,) = check({"stages": ["Lead", "Active"], "initial": "Zzz"})
    with translation.override("de"):
        catalog = translation.trans_real.translation("de")  # type: ignore[attr-defined]
        monkeypatch.setattr(catalog, "gettext", lambda text: german.get(text, text))

        assert describe_finding(error) == "Die Stufe „Zzz“ gibt es nicht, möglich ist „Lead“ oder „Active“."
    assert describe_finding(error) == "There is no stage “Zzz”; it must be one of “Lead” or “Active”."


def test_names_are_enumerated() -> None:
    assert enumerate_names([]) == ""
    assert enumerate_names(["A"]) == "“A”"
    assert enumerate_names(["A", "B", "C"]) == "“A”, “B” and “C”"
    assert enumerate_names(["A", "B"], alternatives=True) == "“A” or “B”"
