"""What a body may be: strict JSON within bounds, and a 400 with a sentence for everything else."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from config.parsers import DEEPEST, LARGEST_BODY, parse_object
from config.renderers import OrjsonRenderer

pytestmark = pytest.mark.urls("tests.api.probes")


def nest(levels, opening, closing):
    """An object whose value is nested so that the whole has that many levels."""
    return ('{"a":' + opening * (levels - 1) + closing * (levels - 1) + "}").encode()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not valid JSON at line 1, column 1"),
        (b"{", "not valid JSON at line 1, column 2"),
        (b'{"stage": "Active",}', "not valid JSON"),
        (b"{'stage': 'Active'}", "not valid JSON"),
        (b'[{"stage": "Active"}]', "must be a JSON object"),
        (b'"Active"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"stage": "Active", "stage": "Churned"}', "the key 'stage' twice"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "the key 'b' twice"),
        (b'{"stage": "A\\u0000"}', "NUL"),
        (b'{"A\\u0000": 1}', "NUL"),
        (b'{"a": [{"b": ["\\u0000"]}]}', "NUL"),
        (b'{"stage": "A\x00"}', "not valid JSON"),
        (b'{"stage": "\\ud800"}', "surrogate"),
        (b'{"stage": "\\udc00\\ud800"}', "surrogate"),
        (b'{"\\uDFFF": 1}', "surrogate"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e400}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too long"),
        (b'{"stage": "\xff"}', "not UTF-8: byte 11"),
        (b'{"stage": "\xc0\x80"}', "not UTF-8"),
        (b'{"stage": "\xed\xa0\x80"}', "not UTF-8"),
        ('{"stage": "Active"}'.encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "not valid JSON"),
        (nest(DEEPEST + 2, "[", "]"), "nested too deeply"),
        (nest(100_000, "[", "]"), "nested too deeply"),
        (nest(DEEPEST + 2, '{"b":[', "]}"), "nested too deeply"),
        (b'{"a":' + b"[" * 500_000, "nested too deeply"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_a_strange_body_is_a_400_that_says_what_is_wrong(api_client, body, sentence):
    answer = api_client("account_manager").generic("POST", "/api/v1/probe/look", body, content_type="application/json")
    if body == b"":
        assert answer.json()["errors"][0]["code"] == "required"
        return
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid_request"
    assert sentence in answer.json()["detail"]


@pytest.mark.parametrize(
    "text",
    ["Ünïcode ✓", "\\u0000 spelled out", "emoji 👍 as a pair", 'quotes " and \\', "\u2028\u202e"],
)
def test_ordinary_texts_pass_as_they_are(api_client, text):
    for body in (
        json.dumps({"stage": "x", "text": text}),
        json.dumps({"stage": "x", "text": text}, ensure_ascii=False),
    ):
        answer = api_client("account_manager").generic(
            "POST", "/api/v1/probe/look", body.encode(), content_type="application/json; charset=utf-8"
        )
        assert answer.json()["text"] == text


def test_a_body_may_begin_with_a_byte_order_mark():
    assert parse_object(b"\xef\xbb\xbf" + '{"stage": "\ufeffé"}'.encode()) == {"stage": "\ufeffé"}


def test_a_body_just_within_the_bounds_is_read():
    assert parse_object(nest(DEEPEST, "[", "]")) is not None
    wide = {"items": [{"a": [{"b": 1}]}] * 1000}
    assert parse_object(json.dumps(wide).encode()) == wide


def test_a_body_that_is_too_long_is_a_400_whatever_its_length_claims(api_client):
    client = api_client("account_manager")
    body = json.dumps({"stage": "x", "note": "y" * LARGEST_BODY}).encode()
    answer = client.generic("POST", "/api/v1/probe/look", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "at most 1,048,576 bytes" in answer.json()["detail"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_what_a_decent_client_sends_is_read_exactly_or_refused_for_nul(value):
    raw = json.dumps(value).encode()
    if "\\u0000" in raw.decode() and "\x00" in str(flatten(value)):
        with pytest.raises(ParseError):
            parse_object(raw)
    else:
        assert parse_object(raw) == value


def flatten(value):
    """All texts in a value, keys too, as one."""
    if isinstance(value, dict):
        return "".join(key + flatten(inner) for key, inner in value.items())
    if isinstance(value, list):
        return "".join(map(flatten, value))
    return value if isinstance(value, str) else ""


@given(st.binary(max_size=200))
def test_no_bytes_whatever_break_the_parser(raw):
    try:
        assert isinstance(parse_object(raw), dict)
    except ParseError as error:
        assert str(error.detail)


def test_mangled_bodies_never_break_the_parser():
    dice = random.Random(7)
    good = (
        b'{"items": [{"customer_id": "x", "stage": "At-Risk", "n": 1.5e3, "t": "\\u00e9\\ud83d\\ude00"}], "dry": true}'
    )
    for _ in range(3000):
        raw = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            raw[dice.randrange(len(raw))] = dice.choice(b'{}[]",:\\u0dDfF\x00\xff 9eE-')
        try:
            parse_object(bytes(raw))
        except ParseError:
            continue


def test_answers_are_plain_json():
    import datetime as dt
    from decimal import Decimal
    from uuid import UUID

    from django.utils.translation import gettext_lazy

    body = OrjsonRenderer().render(
        {
            "at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
            "on": dt.date(2026, 1, 2),
            "arr": Decimal("1200.50"),
            "id": UUID(int=7),
            "set": {"b", "a"},
            "lazy": gettext_lazy("Log in"),
            "text": "é",
        }
    )
    assert body.decode() == (
        '{"at":"2026-01-02T03:04:05Z","on":"2026-01-02","arr":"1200.50","id":"00000000-0000-0000-0000-000000000007",'
        '"set":["a","b"],"lazy":"Log in","text":"é"}'
    )
    assert OrjsonRenderer().render(None) == b""
