"""Texts of effects: fields are filled in, and nothing else happens."""

import time
from pathlib import Path

import pytest

from tenants.rules.configuration.effect_kinds import EFFECT_KINDS, TOPICS
from tenants.rules.configuration.effect_reader import EFFECT_KEYS
from tenants.rules.configuration.effects import EFFECT_SOURCES, Effect
from tenants.rules.effect_texts import FIELDS, fill_in, fill_in_line, find_fields, find_malformed, render

VALUES = {**FIELDS, "customer.name": "A & B <i>{{ link }}</i>"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Dear {{ recipient.name }}:", "Dear Grace Hopper:"),
        ("{{customer.name}}", "A & B <i>{{ link }}</i>"),
        ("{{{{ stage }}", "{{ stage }}"),
        ("{ stage } $stage ${stage} %(stage)s {% now %}", "{ stage } $stage ${stage} %(stage)s {% now %}"),
        ("{{ nothing }}!", "!"),
        ("{{ customer.name.upper }} {{ customer.__class__ }}", " "),
        ("{{ stage|upper }}", ""),
        ("{{ stage | upper }}", "{{ stage | upper }}"),
        ("{{ stage", "{{ stage"),
        ("{{\nstage }}", "{{\nstage }}"),
    ],
)
def test_fields_are_filled_in_once_and_everything_else_stays(text: str, filled: str) -> None:
    assert fill_in(text, VALUES) == filled


def test_the_names_in_a_text_and_what_is_malformed_are_found() -> None:
    text = "{{ stage }} {{{{ no }} {{stage}} {{ x.y }} {{ a b }}"
    assert list(find_fields(text)) == ["stage", "x.y"]
    assert find_malformed(text) == "{{ a b }}"
    assert find_malformed("{{ stage }} {{{{") is None


@pytest.mark.parametrize("value", ["Hooli\r\nBcc: all@acme.example", "Hooli\nBcc: all@acme.example",
                                   "Hooli\u2028Bcc: all@acme.example", "Hooli\x85Bcc: all@acme.example"])  # fmt: skip
def test_a_value_cannot_add_a_header_to_a_subject(value: str) -> None:
    assert fill_in_line("{{ customer.name }}", {"customer.name": value}) == "Hooli Bcc: all@acme.example"


def test_an_effect_has_its_own_texts_or_the_usual_ones() -> None:
    plain = Effect("Tell", "enter", "email", ("owner",))
    assert render(plain, FIELDS) == (
        "Hooli is now in Red flag",
        "Hooli (C-1001) moved from Healthy to Red flag on 2026-03-02.\n\nhttps://c360.example.com/customers/1\n",
    )
    own = Effect("Tell", "enter", "email", ("owner",), subject="{{ stage }}", body="Hello\n{{ customer.owner }}")
    assert render(own, FIELDS) == ("Red flag", "Hello\nAda Lovelace")
    assert len(render(own, {"stage": "x" * 300}).subject) == 255


def test_no_text_takes_long() -> None:
    began = time.process_time()
    for text in ("{{" * 2500, "{{ " * 1600, "{{" + " " * 5000, "{{" + "a" * 5000, ("{{" + " " * 21) * 200):
        fill_in(text, FIELDS)
        find_malformed(text)
    # A second for what takes milliseconds; what looks back would take minutes.
    assert time.process_time() - began < 1


def test_the_documentation_names_every_field_key_and_topic() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text()
    assert [name for name in FIELDS if f"`{{{{ {name} }}}}`" not in text] == []
    assert [name for name in (*EFFECT_KEYS, *EFFECT_KINDS, *EFFECT_SOURCES, *TOPICS) if f"`{name}`" not in text] == []
