"""No one keeps a consumer busy with a message: reading one takes time in proportion to its length."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lifecycle.rules.envelopes import read_event
from tests.messaging.speaking import as_message
from tests.rules.documents import any_json, relaxed
from tests.rules.envelopes import GOOD
from tests.rules.growing import measure

SECONDS = 0.5
SIZES = (2_000, 16_000, 64_000)
UNITS = ("a", "+", ".", "-", " ", "0", "9.", "a@", "a.", "\u0301\u0323", "\u0f73", "é", "ß", "İ", "\u200b", "/", ";")
ENVELOPE = ("id", "source", "type", "time", "tenantid", "subject", "datacontenttype", "dataschema", "traceparent", "x")
DATA = ("external_id", "name", "industry", "owner", "contacts", "billing", "support", "contract_id", "ends_on", "x")


def text(unit: str, size: int) -> str:
    return unit * (size // len(unit.encode()))


def assert_cheap(build: Callable[[int], Any], headers: Callable[[int], list[tuple[str, bytes]]] = lambda _: []) -> None:
    for size in SIZES:
        value, sent = orjson.dumps(build(size)), headers(size)
        seconds = measure(
            lambda value=value, sent=sent: read_event(as_message(value, topic="t", key=b"c1", headers=sent)),
            enough=SECONDS,
        )
        assert seconds < SECONDS, f"{size:,} bytes take {seconds:.2f} s"


def with_data(**data: Any) -> dict[str, Any]:
    return {**GOOD, "data": {**GOOD["data"], **data}}


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_anywhere_is_cheap(unit: str) -> None:
    for name in ENVELOPE:
        assert_cheap(lambda size, name=name: {**GOOD, name: text(unit, size)})
        media = ("application/", "application/json;") if name == "datacontenttype" else ()
        for beginning in media:
            assert_cheap(lambda size, beginning=beginning: {**GOOD, "datacontenttype": beginning + text(unit, size)})
    for name in DATA:
        assert_cheap(lambda size, name=name: with_data(**{name: text(unit, size)}))
    for name in ("name", "email", "phone", "role"):
        assert_cheap(lambda size, name=name: with_data(contacts=[{"name": "A", name: text(unit, size)}]))
        # As many as there may be, each as long as is looked at.
        assert_cheap(lambda size, name=name: with_data(contacts=[{name: text(unit, size // 100)}] * 100))
    for name in ("arr", "mrr", "balance_overdue", "currency", "renewal_on"):
        assert_cheap(lambda size, name=name: with_data(billing={name: text(unit, size)}))


@pytest.mark.parametrize("one", [{}, {"name": ""}, {"email": "x"}, {"x": 1}, None, 1, [], [[[[]]]]])
def test_many_of_anything_are_cheap(one: Any) -> None:
    length = len(orjson.dumps(one)) + 1
    for name in ("contacts", "x", "billing"):
        assert_cheap(lambda size, name=name: with_data(**{name: [one] * (size // length)}))
    assert_cheap(lambda size: with_data(**{f"k{number}": one for number in range(size // (length + 8))}))
    assert_cheap(lambda size: {**GOOD, **{f"k{number}": one for number in range(size // (length + 8))}})


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_cheap(opening: str) -> None:
    for size in SIZES:
        value = b'{"data":' + opening.encode() * (size // len(opening))
        seconds = measure(lambda value=value: read_event(as_message(value, topic="t", key=b"c1")), enough=SECONDS)
        assert seconds < SECONDS


def test_many_headers_are_cheap() -> None:
    def attributes(size: int) -> list[tuple[str, bytes]]:
        good = [(f"ce_{name}", str(value).encode()) for name, value in GOOD.items() if name != "data"]
        return good + [(f"ce_x{number}", b"1") for number in range(size // 10)]

    assert_cheap(lambda _: GOOD["data"], attributes)
    assert_cheap(lambda _: GOOD, lambda size: [("content-type", b"a" * size)] * 3)


@settings(relaxed, max_examples=60, phases=(Phase.reuse, Phase.generate))
@given(
    one=any_json,
    place=st.sampled_from([*ENVELOPE, *DATA]),
    kind=st.sampled_from(["customer.created", "customer.updated", "contract.renewed", "support.issue.closed"]),
)
def test_a_message_is_cheap_whatever_anybody_thinks_of(one: Any, place: str, kind: str) -> None:
    try:
        length = len(orjson.dumps(one)) + 1
    except TypeError:
        return  # half a character, or a number that no JSON of this library holds
    for part in (
        lambda size: [one] * (size // length),
        lambda size: {f"k{n}": one for n in range(size // (length + 8))},
    ):
        assert_cheap(lambda size, part=part: {**GOOD, "type": kind, place: part(size)})
        assert_cheap(lambda size, part=part: {**with_data(**{place: part(size)}), "type": kind})
