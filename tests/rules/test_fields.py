"""A field of the customer is said once: everything that takes, keeps or shows it has it from there."""

from typing import Any

import pytest

from lifecycle.models import BillingFigures, Customer, SupportFigures
from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.fields import BILLING, COMPANY, CONTACTS, FIELDS, SUPPORT, names_of
from lifecycle.rules.ownership import OWNED_PARTS, find_owner
from lifecycle.services.imports.columns import NAMES
from lifecycle.services.imports.values import READERS
from tenants.rules.configuration.events import event_fields, event_types
from tenants.rules.values import InvalidValue, read_url


@pytest.mark.parametrize(("part", "model"), [(COMPANY, Customer), (BILLING, BillingFigures), (SUPPORT, SupportFigures)])
def test_every_field_has_a_column_that_holds_the_longest_value(part: str, model: Any) -> None:
    columns = {column.name: column for column in model._meta.concrete_fields}
    for field in FIELDS:
        if field.part == part:
            assert columns[field.name].null is not field.kind.is_text, field.path
            assert (columns[field.name].max_length or 0) == field.kind.longest, field.path


def test_no_two_fields_answer_to_one_name_of_a_column_in_a_file() -> None:
    names = [name for field in FIELDS for name in field.columns]
    assert len(names) == len(set(names))
    assert {field.path for field in FIELDS if field.columns} <= NAMES.keys()
    assert READERS.keys() == NAMES.keys()


def test_every_part_belongs_to_one_source() -> None:
    assert {part: find_owner(part) for part in (COMPANY, CONTACTS, BILLING, SUPPORT)} == {
        "company": "/crm",
        "contacts": "/crm",
        "billing": "/billing",
        "support": "/support",
    }
    assert sum(len(parts) for parts in OWNED_PARTS.values()) == 4


def test_rules_of_a_configuration_know_the_fields_of_each_event() -> None:
    assert event_types() == tuple(EVENT_TYPES)
    assert event_fields("customer.updated") >= {"external_id", *names_of(COMPANY), "contacts", "billing.arr"}
    assert "billing.contract_id" not in event_fields("customer.updated")
    assert event_fields("contract.renewed") == {
        *("external_id", "contract_id", "signed_at", "starts_on", "ends_on", "arr")
    }
    assert event_fields("no.such.event") == frozenset()


@pytest.mark.parametrize("name", list(EVENT_TYPES))
def test_what_an_event_writes_are_fields_of_the_customer(name: str) -> None:
    entry = EVENT_TYPES[name]
    fields = {COMPANY: set(names_of(COMPANY)), BILLING: set(names_of(BILLING)), SUPPORT: set(names_of(SUPPORT))}
    data: dict[str, Any] = {path: "2026-03-02" for path in entry.paths() if "." not in path}
    data |= {BILLING: {}, SUPPORT: {}, CONTACTS: []} if entry.part is None else {}
    written = entry.writes(data)
    assert any(written.values())
    for part, values in written.items():
        if part != CONTACTS:
            assert values.keys() <= fields[part], part


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://www.acme.example", "https://www.acme.example"),
        ("www.acme.example", "https://www.acme.example"),
        ("HTTP://Acme.Example:8080/Über?a=1#x", "http://acme.example:8080/Über?a=1#x"),
        ("  acme.example/de ", "https://acme.example/de"),
        ("https://münchen.example", "https://münchen.example"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_website_is_kept_as_an_address_that_can_be_followed(text: str | None, url: str) -> None:
    assert read_url(text) == url
    assert read_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        *(
            "javascript:alert(1)",
            "javascript://acme.example/%0aalert(1)",
            "ftp://acme.example",
            "mailto:a@acme.example",
        ),
        *("https://user:secret@acme.example", "https://acme", "https://", "none", "n/a", "http://10.0.0.1"),
        *("https://acme.example/a b", 'https://acme.example/">', "https://acme.example:x", "https://[::1", "//"),
        *("https://acme.example:0", "https://" + "a" * 300 + ".example", "https://acme.example/" + "x" * 500),
        *("acme.example\nx", "https:acme.example"),
        5,
    ],
)
def test_what_is_no_website_is_refused(text: Any) -> None:
    with pytest.raises(InvalidValue):
        read_url(text)
