"""Reading messages: both modes of CloudEvents, and each way in which a message can be wrong."""

import base64
import datetime as dt
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.rules.envelopes import Event, Invalid, Message, log_identity, read_event
from lifecycle.rules.ordering import merge_logs
from lifecycle.rules.schemas import TYPES, parse_time
from lifecycle.sentences import say
from tenants.rules import messages
from tests.rules.envelopes import GOOD, code, read


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


def test_data_of_a_structured_event_may_be_in_base64() -> None:
    """As some libraries write what they were given as bytes."""
    without = {name: value for name, value in GOOD.items() if name != "data"}
    encoded = base64.b64encode(orjson.dumps(GOOD["data"])).decode()
    assert read({**without, "data_base64": encoded}) == read(GOOD)
    assert read({**without, "data_base64": encoded, "data": None}) == read(GOOD)
    # What lies beside data, and what is no object of JSON, is none.
    assert read({**GOOD, "data_base64": "e30="}) == read(GOOD)
    for wrong in (
        "",
        "e30",
        "%%%%",
        base64.b64encode(b"{not json").decode(),
        base64.b64encode(b"[1]").decode(),
        5,
        None,
    ):
        assert code({**without, "data_base64": wrong}) == "invalid_envelope", wrong


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
        (b"{", "The message is not JSON in UTF-8 (character "),
        (b'"\xff"', "The message is not JSON in UTF-8 (character "),
        (b"[1]", "The message is JSON, but not an object."),
        (b'{"a": NaN', "The message is not JSON in UTF-8 (character "),
        (b'{"a": "\\ud800"', "The message is not JSON in UTF-8 (character "),
        (b"[" * 5000, "The message is not JSON in UTF-8 (character "),
    ],
)
def test_what_is_not_a_json_object_is_unreadable(value: bytes, sentence: str) -> None:
    error = read(value)
    assert isinstance(error, Invalid)
    assert error.code == "unreadable"
    assert say(error.reason).startswith(sentence)


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
    assert (error.code, say(error.reason)) == (
        "unknown_tenant",
        "The event names no tenant. Have its sender give the tenant's slug in tenantid, and send the event again.",
    )


def nested(depth: int) -> bytes:
    return b"[" * depth + b'"\\u0000"' + b"]" * depth


@pytest.mark.parametrize("depth", [1, 450, 900])
def test_a_null_is_found_however_deep_it_lies(depth: int) -> None:
    data = orjson.dumps(GOOD["data"])[:-1] + b',"x":' + nested(depth) + b"}"
    found = read(orjson.dumps({**GOOD, "data": None})[:-5] + data + b"}")
    assert isinstance(found, Event)
    assert found.data == GOOD["data"]
    assert found.rejected == ("data.x contains what cannot be stored: NUL, or half of a character",)


@pytest.mark.parametrize(
    "spelled", [b'"a\\u0000b"', b'"a\\ud83d"', b"NaN", b"-Infinity", b"1e400", b"9" * 5000, b"[[1e999]]"]
)
@pytest.mark.parametrize("is_binary", [False, True])
def test_a_value_that_cannot_be_stored_costs_its_own_field(spelled: bytes, is_binary: bool) -> None:
    data = b"""{"external_id":"c1","name":"Acme","industry":%b,"other":%b,"contacts":[
        {"name":%b,"email":"ann@x.example","other":%b}]}""" % ((spelled,) * 4)
    if is_binary:
        headers = [(f"ce_{name}", str(value).encode()) for name, value in GOOD.items() if name != "data"]
        found = read(data, headers=headers)
    else:
        found = read(orjson.dumps({**GOOD, "data": None})[:-5] + data + b"}")
    assert isinstance(found, Event)
    assert found.data == {"external_id": "c1", "name": "Acme"}
    names = {"industry", "contacts", "contacts[0].name"} | ({"other"} if spelled != b"9" * 5000 else set())
    assert found.unread >= names


@pytest.mark.parametrize("spelled", [b"Ann Smi\\ud83d", b"Ann\\u0000"])
@pytest.mark.parametrize("name", ["name", "email", "phone"])
def test_a_person_who_cannot_be_stored_replaces_no_one(spelled: bytes, name: str) -> None:
    ann = {"name": "Ann Smith", "email": "ann@x.example", "phone": "+43 1 234", name: "SPELLED"}
    data = {"external_id": "c1", "name": "Acme", "contacts": [{"name": "Bob"}, ann]}
    found = read(orjson.dumps({**GOOD, "data": data}).replace(b"SPELLED", spelled))
    assert isinstance(found, Event)
    assert found.data == {"external_id": "c1", "name": "Acme"}
    assert found.unread == {"contacts", f"contacts[1].{name}"}
    assert len(found.rejected) == 1
    assert found.rejected[0].startswith(f"data.contacts[1].{name} ")


@pytest.mark.parametrize("spelled", [b"1e400", b"NaN", b"Infinity", b"9" * 5000])
def test_a_number_that_is_none_costs_no_other_figure(spelled: bytes) -> None:
    billing = b'{"external_id":"c1","billing":{"currency":"EUR","arr":%b,"renewal_on":"2027-01-31"}}' % spelled
    document = orjson.dumps({**GOOD, "type": "customer.updated", "source": "/billing", "data": None})
    found = read(document[:-5] + billing + b"}")
    assert isinstance(found, Event)
    assert found.data["billing"] == {"currency": "EUR", "renewal_on": "2027-01-31"}
    assert found.rejected == ("data.billing.arr is not a number; write for example 1234.50",)


@pytest.mark.parametrize("name", ["id", "source", "tenantid", "subject"])
@pytest.mark.parametrize("spelled", [b"\\u0000", b"\\ud800"])
def test_an_attribute_that_cannot_be_stored_is_not_read(name: str, spelled: bytes) -> None:
    document = orjson.dumps({**GOOD, name: "acme-Z"}).replace(b"acme-Z", b"acme" + spelled)
    found = read(document)
    assert isinstance(found, Invalid)
    assert found.code == "invalid_data"
    assert say(found.reason) == (
        f"{name} contains what cannot be stored: NUL, or half of a character. Have its sender correct it, and send the"
        " event again."
    )
    assert (found.tenant, found.id) == ("" if name == "tenantid" else "acme", "" if name == "id" else "e-1")
    assert found.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("name", ["subject", "dataschema", "datacontenttype", "traceparent", "causationdepth", "mine"])
def test_an_attribute_that_is_null_is_one_that_is_not_given(name: str) -> None:
    without = {key: value for key, value in GOOD.items() if key != name}
    assert read({**GOOD, name: None}) == read(without)
    assert code({**GOOD, "tenantid": None}) == "unknown_tenant"
    assert code({**GOOD, "id": None}) == "invalid_envelope"


@pytest.mark.parametrize("trace", [5, "x" * 256, ["00"], "00\x00"])
def test_a_trace_that_is_none_costs_no_event(trace: Any) -> None:
    without = {name: value for name, value in GOOD.items() if name != "traceparent"}
    assert read({**GOOD, "traceparent": trace}) == read(without)


def test_an_attribute_of_others_may_be_anything() -> None:
    assert read({**GOOD, "theirs": "a\x00b", "more": {"x\x00": [1]}}) == read(GOOD)


def test_a_message_may_begin_with_a_byte_order_mark() -> None:
    assert read(b"\xef\xbb\xbf" + orjson.dumps(GOOD)) == read(GOOD)


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
    assert (found.code, "header" in say(found.reason)) == ("unreadable", True)


def test_an_error_keeps_what_could_be_read() -> None:
    error = read({**GOOD, "data": {"external_id": 5}})
    assert error == Invalid(
        code="invalid_data",
        reason=messages.Message("event_type", {"field": "data.external_id", "types": ["string"]}),
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
