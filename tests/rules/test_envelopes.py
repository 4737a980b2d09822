"""Reading messages: both modes of CloudEvents, and each way in which a message can be wrong."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.rules import schemas
from lifecycle.rules.envelopes import Event, Invalid, Message, log_identity, read_event
from lifecycle.rules.ordering import merge_logs
from lifecycle.rules.ownership import find_foreign_part
from lifecycle.rules.schemas import TYPES, parse_time
from tests.messaging.speaking import as_message

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/crm",
    "type": "customer.created",
    "time": "2026-03-02T13:30:00.25+01:00",
    "tenantid": "acme",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "data": {"external_id": "c1", "name": "Acme"},
}


def read(document: Any, *, key: bytes | None = b"c1", **options: Any) -> Event | Invalid:
    return read_event(as_message(document, topic="t", key=key, **options))


def code(document: Any, **options: Any) -> str:
    found = read(document, **options)
    return found.code if isinstance(found, Invalid) else "valid"


def test_a_structured_event_is_read_whole() -> None:
    assert read(GOOD) == Event(
        id="e-1",
        source="/crm",
        type="customer.created",
        time=dt.datetime(2026, 3, 2, 12, 30, 0, 250_000, tzinfo=dt.UTC),
        tenant="acme",
        external_id="c1",
        data={"external_id": "c1", "name": "Acme"},
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )


def test_a_binary_event_reads_the_same() -> None:
    headers = [(f"ce_{name}", str(value).encode()) for name, value in GOOD.items() if name != "data"]
    headers.append(("content-type", b"application/json"))
    assert read(orjson.dumps(GOOD["data"]), headers=headers) == read(GOOD)


def test_a_trace_may_come_in_a_header_of_kafka_beside_the_event() -> None:
    other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    without = {name: value for name, value in GOOD.items() if name != "traceparent"}
    beside = [("traceparent", other.encode())]
    assert read(without, headers=beside).trace_id == other.split("-")[1]
    assert read({**without, "type": ""}, headers=beside).trace_id == other.split("-")[1]
    assert read(GOOD, headers=beside).trace_id == GOOD["traceparent"].split("-")[1]
    for strange in (b"", b"\xff\x00", b"00-1", b"-" * 70_000):
        assert isinstance(read(without, headers=[("traceparent", strange)]), Event)


def test_header_names_of_a_binary_event_may_be_in_capitals() -> None:
    headers = [(f"CE_{name.upper()}", str(value).encode()) for name, value in GOOD.items() if name != "data"]
    assert read(orjson.dumps(GOOD["data"]), headers=headers) == read(GOOD)


def test_media_types_may_be_in_capitals() -> None:
    headers = [(f"ce_{name}", str(value).encode()) for name, value in GOOD.items() if name != "data"]
    for content_type in (b"Application/JSON; charset=utf-8", b"APPLICATION/JSON"):
        assert read(orjson.dumps(GOOD["data"]), headers=[*headers, ("content-type", content_type)]) == read(GOOD)
    structured = [("content-type", b"Application/CloudEvents+JSON"), ("ce_specversion", b"1.0")]
    assert read(GOOD, headers=structured) == read(GOOD)


def test_a_structured_event_may_carry_stray_attributes_in_headers() -> None:
    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8"), ("ce_specversion", b"1.0")]
    assert read(GOOD, headers=headers) == read(GOOD)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (b"", "The message has no value; an event is a JSON object."),
        (b"{", "The message is not JSON in UTF-8: "),
        (b'"\xff"', "The message is not JSON in UTF-8: "),
        (b"[1]", "The message is JSON, but not an object."),
        (b'{"a": NaN}', "The message is not JSON in UTF-8: "),
        (b"[" * 5000, "The message is not JSON in UTF-8: "),
    ],
)
def test_what_is_not_a_json_object_is_unreadable(value: bytes, sentence: str) -> None:
    error = read(value)
    assert isinstance(error, Invalid)
    assert error.code == "unreadable"
    assert error.sentence.startswith(sentence)


def test_a_message_without_value_is_unreadable() -> None:
    error = read_event(Message("t", 0, 0, b"c1", None))
    assert isinstance(error, Invalid)
    assert error.code == "unreadable"


def test_a_binary_header_that_is_not_utf_8_is_unreadable() -> None:
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"\xff")]
    assert code(orjson.dumps(GOOD["data"]), headers=headers) == "unreadable"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"specversion": "0.3"}, "invalid_envelope"),
        ({"id": ""}, "invalid_envelope"),
        ({"id": "x" * 256}, "invalid_envelope"),
        ({"source": "/crm" + "x" * 100}, "invalid_envelope"),
        ({"time": "2026-03-02T13:30:00"}, "invalid_envelope"),
        ({"time": "2026-02-30T13:30:00Z"}, "invalid_envelope"),
        ({"time": "0001-01-01T00:00:00+23:59"}, "invalid_envelope"),
        ({"time": 5}, "invalid_envelope"),
        ({"data": None}, "invalid_envelope"),
        ({"data": [1]}, "invalid_envelope"),
        ({"datacontenttype": "text/xml"}, "invalid_envelope"),
        ({"datacontenttype": "application/json; charset=utf-8"}, "valid"),
        ({"datacontenttype": "Application/Vnd.CRM+JSON; charset=utf-8"}, "valid"),
        ({"tenantid": ""}, "unknown_tenant"),
        ({"tenantid": "x" * 64}, "invalid_envelope"),
        ({"type": "customer.deleted"}, "unknown_type"),
        ({"dataschema": "urn:customer360:schema:customer.created:1"}, "valid"),
        ({"dataschema": "urn:customer360:schema:customer.created:2"}, "unknown_type"),
        ({"dataschema": "urn:customer360:schema:customer.updated:1"}, "unknown_type"),
        ({"dataschema": "https://example.com/x"}, "unknown_type"),
        ({"subject": "c1"}, "valid"),
        ({"subject": "c2"}, "key_mismatch"),
        ({"source": "/crm/eu-1"}, "valid"),
        ({"source": "/crmx"}, "source_not_allowed"),
        ({"source": "crm"}, "source_not_allowed"),
        ({"unheard_of": 1}, "valid"),
    ],
)
def test_each_attribute_is_judged(change: dict[str, Any], expected: str) -> None:
    assert code({**GOOD, **change}) == expected


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time", "data"])
def test_an_attribute_that_is_missing_makes_the_envelope_invalid(name: str) -> None:
    assert code({key: value for key, value in GOOD.items() if key != name}) == "invalid_envelope"


def test_an_event_without_tenant_says_so() -> None:
    error = read({key: value for key, value in GOOD.items() if key != "tenantid"})
    assert isinstance(error, Invalid)
    assert (error.code, error.sentence) == (
        "unknown_tenant",
        "The event names no tenant; tenantid must be a tenant's slug.",
    )


@pytest.mark.parametrize(
    ("event_type", "data", "expected"),
    [
        ("customer.updated", {}, "valid"),
        ("customer.updated", {"name": ""}, "valid"),
        ("customer.updated", {"name": None}, "valid"),
        ("customer.updated", {"name": "x" * 201}, "valid"),
        ("customer.updated", {"industry": None}, "valid"),
        ("customer.updated", {"owner": 5}, "valid"),
        ("customer.updated", {"name": "a\x00b"}, "invalid_data"),
        ("customer.updated", {"name": "a\\u0000b"}, "valid"),
        ("customer.updated", {"contacts": [{"name": "Ann", "email": None}]}, "valid"),
        ("customer.updated", {"contacts": [{"email": "a@b.example"}]}, "valid"),
        ("customer.updated", {"contacts": [{"name": "Ann", "email": "no one"}]}, "valid"),
        ("customer.updated", {"contacts": [{"name": "Ann"}] * 101}, "valid"),
        ("customer.updated", {"more": {"than": "known"}}, "valid"),
        ("contract.renewed", {}, "invalid_data"),
        ("contract.renewed", {"contract_id": "K"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": "12.50"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": "lots"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": -1}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": True}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": 1e12}, "valid"),
        ("contract.renewed", {"contract_id": " "}, "invalid_data"),
        ("contract.renewed", {"contract_id": 5}, "invalid_data"),
        ("contract.cancelled", {"contract_id": "K", "cancelled_at": "2026-02-30T00:00:00Z"}, "invalid_data"),
        ("support.issue.closed", {"issue_id": None}, "invalid_data"),
        ("contract.renewed", {"contract_id": "K", "ends_on": "2026-02-29"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "ends_on": "2028-02-29"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "starts_on": "2026-03-02", "ends_on": "2026-03-01"}, "invalid_data"),
        ("contract.renewed", {"contract_id": "K", "starts_on": "2026-03-02", "ends_on": "2026-03-02"}, "valid"),
        ("support.issue.closed", {"issue_id": "S", "csat": 5.1}, "valid"),
        ("support.issue.closed", {"issue_id": "S", "csat": 5, "open_issues": 3.0}, "valid"),
        ("support.issue.closed", {"issue_id": "S", "open_issues": 0.5}, "valid"),
        ("support.issue.closed", {"issue_id": "S", "closed_at": "yesterday"}, "valid"),
    ],
)
def test_data_are_held_to_the_schema_of_their_type(event_type: str, data: dict[str, Any], expected: str) -> None:
    sources = {"contract": "/billing", "support": "/support"}
    source = sources.get(event_type.partition(".")[0], "/crm")
    document = {**GOOD, "type": event_type, "source": source, "data": {"external_id": "c1", **data}}
    assert code(document) == expected


@pytest.mark.parametrize(
    ("event_type", "source", "data", "kept", "rejected"),
    [
        ("customer.updated", "/crm", {"name": None, "industry": "Glass"}, {"industry": "Glass"}, "data.name is blank"),
        ("customer.updated", "/crm", {"owner": 5, "name": "A"}, {"name": "A"}, "data.owner must be text"),
        (
            "customer.updated",
            "/crm",
            {"contacts": [None, {"name": "Ann"}], "name": "A"},
            {"name": "A"},
            "data.contacts[0] must be an object",
        ),
        (
            "customer.updated",
            "/crm",
            {"contacts": [{}, {"name": "Ann"}]},
            {"contacts": [{"name": "Ann", "email": None, "phone": None}]},
            "data.contacts[0] has no name",
        ),
        (
            "customer.updated",
            "/billing",
            {"billing": {"currency": None, "arr": 5}},
            {"billing": {"currency": None, "arr": Decimal("5.00")}},
            None,
        ),
        ("customer.updated", "/crm", {"contacts": None, "name": "A"}, {"name": "A"}, "data.contacts must be a list"),
        (
            "customer.updated",
            "/crm",
            {"contacts": [{"name": "Ann"}] * 101, "name": "A"},
            {"name": "A"},
            "data.contacts has more than 100 people",
        ),
        (
            "customer.updated",
            "/billing",
            {"billing": {"arr": 10**12, "mrr": "5"}},
            {"billing": {"mrr": Decimal("5.00")}},
            "data.billing.arr must be less than 1,000,000,000,000",
        ),
        (
            "customer.updated",
            "/billing",
            {"billing": {"arr": "1e12", "currency": "EUR"}},
            {"billing": {"currency": "EUR"}},
            "data.billing.arr is not a number; write for example 1234.50",
        ),
        (
            "customer.updated",
            "/billing",
            {"billing": {"renewal_on": "2026-02-30", "currency": "EUR"}},
            {"billing": {"currency": "EUR"}},
            "data.billing.renewal_on is not a date such as 2026-03-31",
        ),
        ("customer.updated", "/billing", {"billing": "none"}, {}, "data.billing must be an object"),
        (
            "customer.updated",
            "/support",
            {"support": {"csat": "5", "open_issues": 2}},
            {"support": {"open_issues": 2}},
            "data.support.csat is not a number; write for example 1234.50",
        ),
        (
            "contract.renewed",
            "/billing",
            {"contract_id": "K", "arr": "1e3", "ends_on": "2028-02-29"},
            {"contract_id": "K", "ends_on": "2028-02-29"},
            "data.arr is not a number; write for example 1234.50",
        ),
        (
            "support.issue.closed",
            "/support",
            {"issue_id": "S", "csat": 9, "open_issues": 1},
            {"issue_id": "S", "open_issues": 1},
            "data.csat must be from 0 to 5",
        ),
    ],
)
def test_what_no_schema_allows_costs_its_own_field(
    event_type: str, source: str, data: dict[str, Any], kept: dict[str, Any], rejected: str | None
) -> None:
    found = read({**GOOD, "type": event_type, "source": source, "data": {"external_id": "c1", **data}})
    assert isinstance(found, Event), found
    assert (found.data, found.rejected) == ({"external_id": "c1", **kept}, (rejected,) if rejected else ())


@pytest.mark.parametrize(
    ("people", "rejected"),
    [
        (["ann@x.example"], "data.contacts[0] must be an object"),
        ([None], "data.contacts[0] must be an object"),
        ([[{"name": "Ann"}]], "data.contacts[0] must be an object"),
        ([{"name": "Ann"}, "ben@x.example"], "data.contacts[1] must be an object"),
        ([{}], "data.contacts[0] has no name"),
        (
            [{"name": "Ann"}, {"email": "no one"}],
            "data.contacts[1].email is not an e-mail address such as name@company.example",
        ),
        ([{"name": "Ann", "email": {"home": "ann@x.example"}}], "data.contacts[0].email must be text"),
        ([{"name": {"first": "Ann"}, "email": "ann@x.example"}], "data.contacts[0].name must be text"),
        ([{"name": "Ann", "phone": 493012345}], "data.contacts[0].phone must be text"),
    ],
)
def test_a_list_of_people_that_cannot_be_read_whole_replaces_no_one(people: list[Any], rejected: str) -> None:
    """What is left of it would take everyone else away."""
    found = read(
        {**GOOD, "type": "customer.updated", "data": {"external_id": "c1", "owner": "eva", "contacts": people}}
    )
    assert isinstance(found, Event), found
    assert (found.data, found.rejected) == ({"external_id": "c1", "owner": "eva"}, (rejected,))
    assert "contacts" in found.unread


def test_an_empty_list_of_people_says_that_there_is_no_one() -> None:
    found = read({**GOOD, "type": "customer.updated", "data": {"external_id": "c1", "contacts": []}})
    assert isinstance(found, Event)
    assert (found.data, found.rejected, found.unread) == ({"external_id": "c1", "contacts": []}, (), frozenset())


@pytest.mark.parametrize("currency", [5, "Euros", ["EUR"]])
def test_an_amount_in_a_currency_that_cannot_be_read_is_none(currency: Any) -> None:
    """In the currency that is known it would be another sum."""
    data = {"external_id": "c1", "billing": {"currency": currency, "arr": 1_000_000, "renewal_on": "2026-05-01"}}
    found = read({**GOOD, "type": "customer.updated", "source": "/billing", "data": data})
    assert isinstance(found, Event), found
    assert found.data["billing"] == {"renewal_on": "2026-05-01"}
    assert found.rejected[1] == "data.billing.arr is in a currency that cannot be read"
    assert found.unread == {"billing.currency", "billing.arr"}


def test_what_is_left_out_has_an_owner_all_the_same() -> None:
    assert code({**GOOD, "type": "customer.updated", "data": {"external_id": "c1", "billing": 5}}) == (
        "source_not_allowed"
    )


@pytest.mark.parametrize("key", [b"c2", b"", b"C1", b"c1\xff", b"c1\x07"])
def test_a_key_that_differs_from_the_external_id_is_refused(key: bytes) -> None:
    assert code(GOOD, key=key) == "key_mismatch"


@pytest.mark.parametrize(
    ("source", "event_type", "data", "field"),
    [
        ("/crm", "customer.updated", {"name": "A", "contacts": []}, None),
        ("/crm", "customer.updated", {"billing": {}}, "data.billing belongs to /billing"),
        ("/crm", "customer.created", {"support": {}}, "data.support belongs to /support"),
        ("/billing", "customer.updated", {"billing": {"arr": 1}}, None),
        ("/billing", "customer.updated", {"owner": "x"}, "data.owner belongs to /crm"),
        ("/support", "customer.updated", {"support": {}}, None),
        ("/support", "customer.updated", {"contacts": []}, "data.contacts belongs to /crm"),
        ("/crm", "contract.renewed", {"contract_id": "K"}, "data.contract_id belongs to /billing"),
        ("/billing", "support.issue.closed", {"issue_id": "S"}, "data.issue_id belongs to /support"),
    ],
)
def test_a_source_may_write_only_its_own_part(
    source: str, event_type: str, data: dict[str, Any], field: str | None
) -> None:
    sentence = find_foreign_part(source, event_type, data)
    assert sentence is None if field is None else (sentence or "").startswith(field)


def nested(depth: int) -> bytes:
    return b"[" * depth + b'"\\u0000"' + b"]" * depth


@pytest.mark.parametrize("depth", [1, 450, 900])
def test_a_null_is_found_however_deep_it_lies(depth: int) -> None:
    document = orjson.dumps(GOOD)[:-1] + b',"x":' + nested(depth) + b"}"
    found = read(document)
    assert isinstance(found, Invalid)
    assert (found.code, found.tenant, found.id, found.type) == ("invalid_data", "acme", "e-1", "customer.created")
    assert found.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_an_attribute_with_a_null_is_not_read() -> None:
    found = read({**GOOD, "tenantid": "ac\x00me"})
    assert isinstance(found, Invalid)
    assert (found.code, found.tenant, found.id) == ("invalid_data", "", "e-1")


def test_a_binary_event_may_be_nested_deeply() -> None:
    headers = [(f"ce_{name}", str(value).encode()) for name, value in GOOD.items() if name != "data"]
    data = orjson.dumps(GOOD["data"])[:-1] + b',"ignored":' + b"[" * 500 + b"]" * 500 + b"}"
    assert isinstance(read(data, headers=headers), Event)


@pytest.mark.parametrize("version", ["1" * 5000, "0", "01", "", "\u0661"])
def test_a_version_that_is_no_version_is_unknown(version: str) -> None:
    document = {**GOOD, "dataschema": f"urn:customer360:schema:customer.created:{version}"}
    assert code(document) == "unknown_type"


def test_headers_that_the_library_cannot_read_make_a_message_unreadable() -> None:
    message = Message("t", 0, 1, b"c1", orjson.dumps(GOOD), has_unreadable_headers=True)
    found = read_event(message)
    assert isinstance(found, Invalid)
    assert (found.code, "header" in found.sentence) == ("unreadable", True)


def test_an_error_keeps_what_could_be_read() -> None:
    error = read({**GOOD, "data": {"external_id": 5}})
    assert error == Invalid(
        code="invalid_data",
        sentence="data.external_id must be string.",
        tenant="acme",
        type="customer.created",
        source="/crm",
        id="e-1",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )


def test_no_sentence_quotes_a_value() -> None:
    """Sentences travel in headers and logs; what a customer's people are called must not."""
    secret = "Ann Example"
    for data in ({"external_id": "c1", "contacts": [{"name": "A", "email": secret}]}, {"external_id": "c1", secret: 1}):
        found = read({**GOOD, "data": data})
        assert secret not in str(found) or isinstance(found, Event)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "external_id"]), inner, max_size=5)
        ),
    ).map(lambda value: orjson.dumps(value))
)
def test_reading_never_raises(value: bytes) -> None:
    assert isinstance(read_event(Message("t", 0, 0, b"c1", value)), Event | Invalid)


@given(
    st.sampled_from(list(TYPES)),
    st.dictionaries(
        st.sampled_from(
            ["name", "contacts", "billing", "support", "contract_id", "arr", "csat", "ends_on", "issue_id"]
        ),
        st.none() | st.integers(-(2**53), 2**53) | st.text(max_size=3) | st.lists(st.none(), max_size=1) | st.just({}),
    ),
)
def test_judging_data_never_raises(event_type: str, data: dict[str, Any]) -> None:
    document = {**GOOD, "type": event_type, "data": {"external_id": "c1", **data}}
    assert isinstance(read(document), Event | Invalid)


def test_a_message_without_identity_is_known_by_its_place_and_its_bytes() -> None:
    one = Message("t", 2, 7, b"k", b"junk")
    assert log_identity(one) == log_identity(Message("t", 2, 7, b"k", b"junk", (("h", b"1"),)))
    others = [
        Message("t", 2, 8, b"k", b"junk"),
        Message("t", 1, 7, b"k", b"junk"),
        Message("u", 2, 7, b"k", b"junk"),
        Message("t", 2, 7, b"kj", b"unk"),
        Message("t", 2, 7, b"k", b"other"),
    ]
    assert len({log_identity(message) for message in [one, *others]}) == 6


@pytest.mark.parametrize(
    ("text", "is_time"),
    [
        ("2026-03-02T12:00:00Z", True),
        ("2026-03-02t12:00:00.123456789z", True),
        ("2026-03-02T12:00:00-05:30", True),
        ("2026-03-02 12:00:00Z", False),
        ("2026-03-02T12:00Z", False),
        ("2026-W10-1T12:00:00Z", False),
        ("2026-03-02T24:00:01Z", False),
        ("2026-03-02T12:00:00", False),
    ],
)
def test_times_are_rfc_3339(text: str, is_time: bool) -> None:
    assert (parse_time(text) is not None) == is_time


def test_logs_keep_their_order_and_interleave_by_time() -> None:
    def lying(topic: str, offset: int, minute: int) -> Any:
        from lifecycle.rules.envelopes import Received

        event = Event("e", "/crm", "customer.updated", dt.datetime(2026, 1, 1, 0, minute, tzinfo=dt.UTC), "t", "c", {})
        return Received(Message(topic, 0, offset, b"c", b""), event)

    # The clock of log "a" jumps back between its first two messages.
    a1, a2, a3 = lying("a", 1, 30), lying("a", 2, 10), lying("a", 3, 40)
    b1, b2 = lying("b", 1, 20), lying("b", 2, 35)
    assert merge_logs([b2, a3, a1, b1, a2]) == [b1, a1, a2, b2, a3]


# --- versions of a schema -----------------------------------------------------------------------------------------


@pytest.fixture
def second_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The day on which ``customer.created`` gets another version, in which the name is an object."""
    for path in schemas.FOLDER.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    document = schemas.load_schema("customer.created")
    document["$id"] = "urn:customer360:schema:customer.created:2"
    document["properties"]["name"] = {"type": "object", "required": ["legal"]}
    (tmp_path / "customer.created.v2.json").write_bytes(orjson.dumps(document))
    monkeypatch.setattr(schemas, "registry", schemas.Registry(tmp_path))


FIRST, SECOND, THIRD = (f"urn:customer360:schema:customer.created:{version}" for version in (1, 2, 3))


@pytest.mark.parametrize(
    ("dataschema", "name", "expected"),
    [
        (FIRST, "Acme", 1),
        (SECOND, {"legal": "Acme Ltd"}, 2),
        (None, {"legal": "Acme Ltd"}, 2),
        # Its sender names no version, because there was one only when it was written.
        (None, "Acme", 1),
        # What fits no version is read as the one that it names, else as the newest, without what cannot be read.
        (FIRST, {"legal": "Acme Ltd"}, 1),
        (SECOND, "Acme", 2),
        (None, 5, 2),
        (THIRD, "Acme", "unknown_type"),
    ],
)
def test_an_event_of_a_former_version_stays_valid_when_a_new_one_arrives(
    second_version: None, dataschema: str | None, name: Any, expected: int | str
) -> None:
    document = {**GOOD, "data": {"external_id": "c1", "name": name}}
    if dataschema is not None:
        document["dataschema"] = dataschema
    found = read(document)
    assert (found.version if isinstance(found, Event) else found.code) == expected


def test_other_types_know_nothing_of_the_new_version(second_version: None) -> None:
    updated = {**GOOD, "type": "customer.updated", "dataschema": "urn:customer360:schema:customer.updated:1"}
    assert code(updated) == "valid"
    assert code({**updated, "dataschema": "urn:customer360:schema:customer.updated:2"}) == "unknown_type"


def test_a_version_that_comes_later_learns_which_ones_are_known(second_version: None) -> None:
    found = read({**GOOD, "dataschema": THIRD})
    assert isinstance(found, Invalid)
    assert found.sentence == (
        f"Its dataschema names no schema of customer.created that is known here; known are {SECOND}, {FIRST}."
    )
    assert (found.tenant, found.type, found.id) == ("acme", "customer.created", "e-1")


def test_a_folder_that_lacks_a_schema_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "envelope.v1.json").write_text("{}")
    with pytest.raises(ValueError, match=r"has no first version of the schema of customer\.created, customer\.updated"):
        schemas.Registry(tmp_path)
