"""Whom a message is about: found in its key, its headers and its value, however they are written."""

import base64
import json
from typing import Any

import pytest

from lifecycle.rules.envelopes import Message
from lifecycle.rules.subjects import MOST_VALUES, find_candidates, fold_slug, names_person


def message(value: Any = None, key: bytes | None = None, headers: Any = ()) -> Message:
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Message("customer.updated", 0, 1, key, raw, tuple(headers))


def event(**data: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "e1", "type": "customer.updated", "tenantid": "acme", "data": data}


@pytest.mark.parametrize(
    "key",
    [
        b"c1",
        b'"c1"',
        b"'c1'",
        b' "c1" ',
        b'\\"c1\\"',
        b"%63%31",
        b'{"external_id": "c1"}',
        b'{"id": "c1"}',
        b'{"payload": {"customer": {"id": "c1"}}}',
        b"acme:c1",
        b"acme/c1",
        b"\x00\x00\x00\x00\x01\x04c1",
        b"c\xe2\x80\x8b1",
        "c1".encode("utf-16"),
        b" c1\r\n",
    ],
)
def test_a_key_names_its_customer_in_whatever_form(key: bytes) -> None:
    assert "c1" in find_candidates(message(key=key)).ids


@pytest.mark.parametrize(
    "value",
    [
        event(external_id="c1"),
        event(external_id=" c1 "),
        event(external_id='"c1"'),
        event(external_id=["x"], customer_id="c1"),
        event(externalId="c1"),
        event(customer={"id": "c1"}),
        event(id="c1"),
        {**event(), "subject": "c1"},
        [event(external_id="c1"), event(external_id="c2")],
        {"data": json.dumps({"external_id": "c1"})},
        json.dumps(json.dumps(event(external_id="c1"))).encode(),
        {"data_base64": base64.b64encode(b'{"external_id": "c1"}').decode()},
        json.dumps(event(external_id="c1")).encode("utf-16"),
        b'\xef\xbb\xbf{"data": {"external_id": "c1"}}',
        b'{"data": {"external_id": "c1", "arr": NaN}}',
        b'{"data": {"external_id": "c1", "external_id": "c2"}}',
    ],
)
def test_a_value_names_its_customer_under_whatever_name(value: Any) -> None:
    found = find_candidates(message(value, key=b"another"))
    assert {"c1", "another"} <= found.ids
    assert found.is_certain


@pytest.mark.parametrize(
    "value",
    [
        b'{"data": {"external_id": "c1", ',
        b"external_id=c1&name=Zora",
        b"<customer><external_id>c1</external_id></customer>",
        b'{\\"data\\": {\\"customerId\\": \\"c1\\"}',
        '{"name": "Zoë", "external_id": "c1"'.encode("cp1252"),
    ],
)
def test_what_is_no_json_is_searched_and_is_not_certain(value: bytes) -> None:
    found = find_candidates(message(value))
    assert "c1" in found.ids
    assert not found.is_certain


def test_numbers_are_ids_as_they_are_written() -> None:
    assert find_candidates(message(event(external_id=1001))).ids == {"1001"}
    assert {"1001"} < find_candidates(message(event(external_id=1001.0))).ids
    assert find_candidates(message(event(external_id=[1001]))).ids == set()


def test_other_numbers_of_a_message_are_nobodys_id() -> None:
    document = event(external_id="c1", issue_id="1001", contacts=[{"id": "7", "name": "Zora"}], billing={"arr": 1001})
    assert find_candidates(message(document)).ids == {"c1"}


def test_an_id_in_another_unicode_form_is_the_same_id() -> None:
    assert find_candidates(message(key="Cafe\u0301-2".encode())).ids == {"Café-2"}


def test_an_id_with_what_no_one_sees_in_it_is_the_id_that_is_seen() -> None:
    assert find_candidates(message(key="EV\u2800-1\ufe0f".encode())).ids == {"EV-1"}


def test_attributes_in_headers_name_the_customer() -> None:
    headers = [("ce_subject", b"c1"), ("External-Id", b"c2"), ("ce_id", b"c3"), ("x", None)]
    assert find_candidates(message({"name": "x"}, headers=headers)).ids == {"c1", "c2"}


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff\xfe\xff", b"[" * 100_000, b'{"a":' * 50_000, b'"\\ud800"', b"\x00" * 50, b"{" + b"9" * 6000],
)
def test_whatever_the_bytes_are_nothing_is_raised(value: bytes) -> None:
    assert find_candidates(message(value, key=value)) is not None


def test_a_document_too_large_to_be_looked_at_is_not_certain() -> None:
    document = {"external_id": "c1", "rows": list(range(2 * MOST_VALUES))}
    found = find_candidates(message(document))
    assert "c1" in found.ids
    assert not found.is_certain


@pytest.mark.parametrize(
    "value",
    [
        b"Zora Canary-Quetzal called",
        b"ZORA  canary-quetzal",
        b'"zora.canary@quetzal.example',
        b"\\u007aora.Canary@Quetzal.example",
        "Zora Canary-Quetzal".encode("utf-16-le"),
    ],
)
def test_a_person_is_found_wherever_they_are_named(value: bytes) -> None:
    people = ("Zora Canary-Quetzal", "Zora.Canary@quetzal.example")
    assert names_person(message(value), people)
    assert names_person(message(headers=[("note", value)]), people)
    assert not names_person(message(b"somebody else"), people)
    assert not names_person(message(value), ())


def test_a_slug_is_meant_whatever_is_around_it() -> None:
    assert {fold_slug(slug) for slug in ("acme", "ACME", '"acme"', " acme ", "'acme'")} == {"acme"}
