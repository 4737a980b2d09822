"""Whom the log, the guard and the limits take for the client, and what a client cannot make them believe."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import RequestFactory, override_settings
from environs import EnvError

from config.environment import read_networks
from config.redaction import redact
from config.request_log import mask_query, read_request_id, read_traceparent
from tenants.services.proxies import client_address

PROXY = ip_network("10.0.0.0/8")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def address_of(peer: str, forwarded: str | None = None) -> str:
    headers: dict[str, Any] = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=peer, **headers))


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.9.9.9, 198.51.100.1, 10.0.0.3", "198.51.100.1"),
        ("198.51.100.1:51234, 10.0.0.3:80", "198.51.100.1"),
        ("[2001:db8:1:2:3::4]:443", "2001:db8:1:2::"),
        ('"[2001:db8:1:2:3::4]"', "2001:db8:1:2::"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("6.6.6.6, nonsense", "unknown"),
        ("6.6.6.6,", "unknown"),
        ("1" * 100_000, "unknown"),
    ],
)
def test_the_client_is_whom_the_last_trusted_proxy_saw(forwarded: str, expected: str) -> None:
    with override_settings(TRUSTED_PROXY_TLS=True, TRUSTED_PROXIES=(PROXY,)):
        assert address_of("10.0.0.2", forwarded) == expected


def test_without_a_list_the_last_entry_counts_and_none_before_it() -> None:
    with override_settings(TRUSTED_PROXY_TLS=True, TRUSTED_PROXIES=()):
        assert address_of("127.0.0.1", "6.6.6.6, 10.0.0.3") == "10.0.0.3"


@pytest.mark.parametrize(("declared", "proxies"), [(False, ()), (True, (PROXY,))])
def test_who_is_no_proxy_cannot_name_an_address(declared: bool, proxies: tuple[Any, ...]) -> None:
    with override_settings(TRUSTED_PROXY_TLS=declared, TRUSTED_PROXIES=proxies):
        assert address_of("203.0.113.7", "6.6.6.6") == "203.0.113.7"


def test_a_list_that_is_none_stops_the_start() -> None:
    assert read_networks("TRUSTED_PROXIES", ["10.0.0.0/8", " ::1 "]) == (PROXY, ip_network("::1"))
    with pytest.raises(EnvError, match=r"TRUSTED_PROXIES wants .* like 10\.0\.0\.0/8; 'proxy' is neither"):
        read_networks("TRUSTED_PROXIES", ["proxy"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{TRACE}-00f067aa0ba902b7-01\n",
        f"01-{TRACE}-00f067aa0ba902b7-01-" + "x" * 10_000,
    ],
)
def test_a_traceparent_that_is_none_begins_a_new_trace(text: str) -> None:
    trace, flags = read_traceparent(text)
    assert (len(trace), trace != TRACE or text.endswith("\n"), flags) == (32, True, "01")


def test_a_traceparent_is_followed() -> None:
    assert read_traceparent(f"00-{TRACE}-00f067aa0ba902b7-00") == (TRACE, "00")
    assert read_traceparent(f"cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later") == (TRACE, "01")


@pytest.mark.parametrize(
    "text", ["", "short", "a b c d e f g", "x" * 129, "quillon@zephyr.example", "12345678\r\nX: 1"]
)
def test_a_request_id_that_is_none_is_replaced(text: str) -> None:
    assert read_request_id(text) != text
    assert read_request_id("edge-request-0815") == "edge-request-0815"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ""),
        ("search=jane%40x.example&limit=5", "search=[masked]&limit=[masked]"),
        ("jane@x.example", "[masked]"),
        ("Jane+Doe=1", "[masked]"),
        ("=&&a", "[masked]&[masked]&[masked]"),
        ("&".join(["a=1"] * 100), "&".join(["a=[masked]"] * 20) + "&…"),
    ],
)
def test_a_query_shows_what_was_asked_by_and_not_for(query: str, shown: str) -> None:
    assert mask_query(query) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sent to jane.doe@x.example, twice", "sent to [masked], twice"),
        ("redis://:s3cret@host:6379/0 refused", "redis://[masked]@host:6379/0 refused"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [masked]"),
        ("eyJhbGciOi.eyJzdWIi.c2ln", "[masked]"),
        ("c360_sk_0af3_secret_9c", "[masked]"),
        ("password=hunter2 next", "password=[masked] next"),
        ("Not Found: /invitation/MQ/c7-abc", "Not Found: /invitation/[masked]"),
        ("Not Found: /password-reset/MQ/c7-abc", "Not Found: /password-reset/[masked]"),
        ("call +49 (30) 901820-1 now", "call [masked] now"),
        ("Error 111 connecting to localhost:6379.", "Error 111 connecting to localhost:6379."),
        ("2026-03-31T12:00:00+02:00 offset 10", "2026-03-31T12:00:00+02:00 offset 10"),
    ],
)
def test_texts_are_masked_and_stay_readable(text: str, shown: str) -> None:
    assert redact(text) == shown
