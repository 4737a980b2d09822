"""Who is in front of us, and whom they saw: the one answer for log, log-in guard, limits and records."""

import ipaddress
from functools import lru_cache
from typing import Final

from django.conf import settings
from django.http import HttpRequest

UNKNOWN: Final = "unknown"
# Only a declared proxy may say these; from anyone else they are dropped (config.request_log).
PROXY_HEADERS: Final = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_REAL_IP",
    "HTTP_FORWARDED",
    "HTTP_TRACEPARENT",
    "HTTP_TRACESTATE",
    "HTTP_X_REQUEST_ID",
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def comes_from_proxy(request: HttpRequest) -> bool:
    """Whether the request was handed over by a declared proxy (TRUSTED_PROXY_TLS, and TRUSTED_PROXIES if it is set)."""
    if not settings.TRUSTED_PROXY_TLS:
        return False
    return not settings.TRUSTED_PROXIES or _is_proxy(request.META.get("REMOTE_ADDR", ""))


def client_address(request: HttpRequest) -> str:
    """The client's address: of the connection, or what the declared proxy says it saw; ``unknown`` if that is none.

    The last entry of X-Forwarded-For is the proxy's own; entries that are TRUSTED_PROXIES themselves are passed over.
    What comes before that was sent by the client, who may write what they like. Of an IPv6 address the first 64 bits
    count: one customer has that many.
    """
    address = request.META.get("REMOTE_ADDR", "")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if forwarded and comes_from_proxy(request):
        entries = forwarded[-1024:].split(",")
        address = entries.pop()
        while entries and settings.TRUSTED_PROXIES and _is_proxy(address):
            address = entries.pop()
    return _shorten(address)


@lru_cache(maxsize=4096)
def _shorten(text: str) -> str:
    address = _parse(text)
    if address is None:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)


@lru_cache(maxsize=4096)
def _is_proxy(text: str) -> bool:
    address = _parse(text)
    return address is not None and any(address in network for network in settings.TRUSTED_PROXIES)


def _parse(text: str) -> Address | None:
    """An address, with or without a port, brackets, quotation marks; IPv4 written as IPv6 is IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
