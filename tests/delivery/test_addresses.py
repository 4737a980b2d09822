"""Webhooks go to public addresses over https, whatever a URL looks like and however often a name changes its mind."""

import ipaddress
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.delivery import lookups
from lifecycle.delivery.addresses import AddressUnavailable, resolve
from lifecycle.services.effects.addresses import AddressRefused, check_url, is_public
from tests.delivery.conftest import NAME
from tests.messaging.waiting import await_that

BAD = [
    "",
    "https://",
    "https:///hooks",
    "https:example.com",
    "//example.com/hooks",
    "example.com",
    "http://example.com/",
    "HTTP://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1\\.example.com/",
    "https://example.com\t/",
    "https://exam\tple.com/",
    "https://example.com/\r\nHost: evil",
    "https://example.com/a b",
    " https://example.com/",
    "https://example.com/\n",
    "https://example.com/\x00",
    "https://example.com/\x7f",
    "https://example.com/#fragment",
    "https://example.com#@127.0.0.1/",
    "https://example.com/%",
    "https://example.com/%zz",
    "https://example.com/{id}",
    'https://example.com/"',
    "https://example.com:/",
    "https://example.com:0/",
    "https://example.com:80/",
    "https://example.com:22/",
    "https://example.com:6379/",
    "https://example.com:65536/",
    "https://example.com:443:443/",
    "https://example.com:-1/",
    "https://example.com:+443/",
    "https://example.com:４４３/",
    "https://example.com./",
    "https://.example.com/",
    "https://example..com/",
    "https://-example.com/",
    "https://example-.com/",
    "https://exam_ple.com/",
    "https://exämple.com/",
    "https://ｅxample.com/",
    "https://127.0.0.1。/",
    "https://%31%32%37.0.0.1/",
    f"https://{'a' * 64}.com/",
    f"https://{'a.' * 127}com/",
    f"https://example.com/{'a' * 2000}",
    "https://localhost/",
    "https://LOCALHOST:443/",
    "https://a.localhost/",
    "https://postgres/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://1.0.0.127.in-addr.arpa/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1.0x/",
    "https://127.0.0.01/",
    "https://8.8.8.8.8/",
    "https://256.1.1.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://169.254.169.254/latest/meta-data/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://192.0.0.192/",
    "https://198.18.0.1/",
    "https://203.0.113.9/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://168.63.129.16/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::8.8.8.8]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[5f00::1]/",
    "https://[8.8.8.8]/",
    "https://[v1.x]/",
    "https://[::1/",
    "https://::1/",
    "https://[]/",
]


@pytest.fixture
def nothing_allowed(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ()


@pytest.mark.parametrize("url", BAD)
def test_a_url_that_leads_elsewhere_is_refused_with_a_sentence(nothing_allowed, names, url):
    with pytest.raises(AddressRefused) as refusal:
        check_url(url)
    assert str(refusal.value).endswith(".")
    assert "password" not in str(refusal.value) or "user name or password" in str(refusal.value)
    assert names.asked == []


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "header"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        ("HTTPS://Hooks.Example.COM/In?a=b%20c", "hooks.example.com", 443, "/In?a=b%20c", "hooks.example.com"),
        ("https://example.com?x", "example.com", 443, "/?x", "example.com"),
        ("https://example.com:8443/a/../b", "example.com", 8443, "/a/../b", "example.com:8443"),
        ("https://example.com:443/", "example.com", 443, "/", "example.com"),
        ("https://xn--exmple-cua.com//double", "xn--exmple-cua.com", 443, "//double", "xn--exmple-cua.com"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "/", "8.8.8.8"),
        ("https://[2606:4700:0:0::1111]/", "2606:4700::1111", 443, "/", "[2606:4700::1111]"),
        ("https://10.0.0.1.example.com/", "10.0.0.1.example.com", 443, "/", "10.0.0.1.example.com"),
        ("https://a@b.example.com/".replace("a@", ""), "b.example.com", 443, "/", "b.example.com"),
        ("https://example.com/user@host", "example.com", 443, "/user@host", "example.com"),
    ],
)
def test_a_public_url_is_taken_apart_once(nothing_allowed, url, host, port, target, header):
    endpoint = check_url(url)
    assert (endpoint.scheme, endpoint.host, endpoint.port, endpoint.target) == ("https", host, port, target)
    assert endpoint.host_header == header


def test_an_operator_may_allow_networks_any_port_and_plain_http_there(settings, names):
    names.answers |= {"localhost": ["127.0.0.1"], "far.example.com": ["8.8.8.8"]}
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/30"),)
    assert resolve(check_url("http://127.0.0.1:9000/hooks")).addresses == ("127.0.0.1",)
    assert resolve(check_url("http://localhost:9000")).addresses == ("127.0.0.1",)
    for url in ("http://127.0.0.4/", "https://10.0.0.1/", "http://8.8.8.8/", "https://8.8.8.8:9000/", "http://[::1]/"):
        with pytest.raises(AddressRefused):
            check_url(url)
    # What a name has behind it is known only when it is resolved.
    for url in ("http://far.example.com/", "https://far.example.com:9000/"):
        with pytest.raises(AddressRefused):
            resolve(check_url(url))
    assert resolve(check_url("https://far.example.com/")).addresses == ("8.8.8.8",)


@pytest.mark.parametrize(
    "answer",
    [
        ["10.0.0.1"],
        ["8.8.8.8", "127.0.0.2"],
        ["2606:4700::1111", "::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["fe80::1%eth0"],
        ["8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9", "192.168.0.1"],
        ["0.0.0.0"],
    ],
)
def test_a_name_is_refused_if_any_of_its_addresses_is_private(names, answer):
    names.answers[NAME] = answer
    with pytest.raises(AddressRefused, match=r"hooks\.example\.com is not on the public Internet"):
        resolve(check_url(f"https://{NAME}/"))


def test_a_name_is_asked_for_once_and_its_addresses_keep_their_order(names):
    names.answers[NAME] = ["2606:4700::1111", "8.8.8.8", "8.8.8.8", "8.8.4.4"]
    assert resolve(check_url(f"https://{NAME}/")).addresses == ("2606:4700::1111", "8.8.8.8", "8.8.4.4")
    assert names.asked == [NAME]


def test_a_name_that_does_not_exist_may_exist_later(names):
    with pytest.raises(AddressUnavailable, match=r"gone\.example\.com has no address: Name or service not known"):
        resolve(check_url("https://gone.example.com/"))


def test_a_silent_name_server_is_left_in_time_and_holds_one_thread_a_name(names):
    wait = threading.Event()
    names.answers[NAME] = lambda: wait.wait(60) and ["8.8.8.8"]
    try:
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            failures = list(pool.map(lambda _: _unavailable(NAME, 0.3), range(8)))
        assert time.monotonic() - began >= 0.3
        assert failures == [f"The name {NAME} was not resolved within 0.3 s."] * 8
        # By a thread of its own, which on a busy machine comes to it after all have left.
        await_that(lambda: names.asked)
        assert names.asked == [NAME]
    finally:
        wait.set()


def test_look_ups_that_hang_are_few_and_others_hear_so(names, monkeypatch):
    monkeypatch.setattr(lookups, "MOST_LOOKUPS", 2)
    wait = threading.Event()
    for number in range(3):
        names.answers[f"n{number}.example.com"] = lambda: wait.wait(60) and ["8.8.8.8"]
    try:
        _unavailable("n0.example.com", 0.01)
        _unavailable("n1.example.com", 0.01)
        assert _unavailable("n2.example.com", 0.01) == "Too many names are being looked up at the moment."
    finally:
        wait.set()
    await_that(lambda: not lookups._running)
    assert resolve(check_url("https://n2.example.com/")).addresses == ("8.8.8.8",)


def _unavailable(name, seconds):
    with pytest.raises(AddressUnavailable) as failure:
        resolve(check_url(f"https://{name}/"), seconds=seconds)
    return str(failure.value)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_is_public_that_python_knows_to_be_special(address):
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    assert not (is_public(address) and special)


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "223.255.255.255"]
)
def test_the_neighbors_of_refused_ranges_are_public(text):
    assert is_public(ipaddress.ip_address(text))
