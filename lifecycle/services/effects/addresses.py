"""Where webhooks may go: a URL is parsed once, and every address judged.

Private, local, multicast and special ranges are refused, except WEBHOOK_ALLOWED_NETWORKS.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from django.conf import settings

from lifecycle.sentences import Refusal

LONGEST_URL: Final = 2_000
DEFAULT_PORTS: Final = {"https": 443, "http": 80}
USUAL_PORTS: Final = frozenset({443, 8443})

# A URL as it is written in ASCII. What other readers of URLs would read differently is not one: no backslash, no space,
# no tab (urlsplit drops it), no user (urlsplit and urllib3 differ on where it ends), no fragment.
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"(?P<query>\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?",
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# What begins like a number in its last part is an IPv4 address to some readers: 0x7f.1, 127.1, 017700000001.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that are someone's own network's (RFC 6761, 6762, 8375, 9476 and use).
_LOCAL_ENDINGS: Final = frozenset(
    {"localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan", "arpa", "onion"}
    | {"alt", "invalid", "test"}
)

# https://www.iana.org/assignments/iana-ipv4-special-registry, multicast, and what is reserved. Python's own is_global
# changes with its version and lets some through.
_REFUSED_IPV4: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
        "168.63.129.16/32",  # a public address, and yet of the host beneath a virtual machine (Azure)
    )
)
# Global unicast is all that is ever let through: IPv4-mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96), unique local,
# link-local and multicast are outside. Inside it are Teredo (2001::/32), 6to4 (2002::/16) and documentation.
_GLOBAL_IPV6: Final = ip_network("2000::/3")
_REFUSED_IPV6: Final = tuple(
    ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


class AddressRefused(Refusal):
    """Nothing is sent there, now or later; the message says why."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL in its parts; nothing reads the whole again. ``host`` is a name in lower case, or an address."""

    scheme: str
    host: str
    port: int
    target: str
    is_local: bool
    """Plain HTTP, an unusual port or a local name: only for WEBHOOK_ALLOWED_NETWORKS."""

    @property
    def host_header(self) -> str:
        """As the Host header has it: the port only where it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def origin(self) -> str:
        """The URL without path and query, which may hold a token: for logs."""
        return f"{self.scheme}://{self.host_header}"


def check_url(url: str) -> Endpoint:
    """The parts of a URL that webhooks may be sent to, as far as it can be judged without resolving its name.

    Raises AddressRefused with what to say to the person who wrote it.
    """
    if len(url) > LONGEST_URL:
        raise AddressRefused("url_too_long", length=len(url), most=LONGEST_URL)
    found = _URL.fullmatch(url)
    if found is None:
        raise AddressRefused(_find_malformed(url))
    scheme, host = found["scheme"].lower(), found["host"].lower().strip("[]")
    if scheme not in DEFAULT_PORTS or (scheme == "http" and not settings.WEBHOOK_ALLOWED_NETWORKS):
        raise AddressRefused("url_not_https")
    port = int(found["port"]) if found["port"] else DEFAULT_PORTS[scheme]
    is_bracketed = found["host"].startswith("[")
    is_number = is_bracketed or _NUMBER.fullmatch(host.rpartition(".")[2])
    address = _read_address(host, is_bracketed=is_bracketed) if is_number else None
    is_named_locally = address is None and _is_local_name(host)
    endpoint = Endpoint(
        scheme=scheme,
        host=str(address) if address else host,
        port=port,
        target=(found["path"] or "/") + (found["query"] or ""),
        is_local=scheme == "http" or port not in USUAL_PORTS or is_named_locally,
    )
    if not 1 <= port <= 65_535:
        raise AddressRefused("url_port_impossible", port=port)
    if address:
        judge_address(endpoint, address)
    elif endpoint.is_local and not settings.WEBHOOK_ALLOWED_NETWORKS:
        raise AddressRefused(_find_local(endpoint), host=endpoint.host, port=endpoint.port)
    return endpoint


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public Internet's, by the lists above."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_IPV4)
    return address in _GLOBAL_IPV6 and not any(address in network for network in _REFUSED_IPV6)


def judge_address(endpoint: Endpoint, address: IPv4Address | IPv6Address) -> None:
    """Raise AddressRefused unless the endpoint may be connected to at this address."""
    if any(address in network for network in settings.WEBHOOK_ALLOWED_NETWORKS):
        return
    if not is_public(address):
        raise AddressRefused("url_not_public", host=endpoint.host)
    if endpoint.is_local:
        raise AddressRefused(_find_local(endpoint), host=endpoint.host, port=endpoint.port)


def _read_address(host: str, *, is_bracketed: bool) -> IPv4Address | IPv6Address:
    try:
        return IPv6Address(host) if is_bracketed else IPv4Address(host)
    except ValueError:
        raise AddressRefused("url_host_unusual", host=host) from None


def _is_local_name(host: str) -> bool:
    """Whether a name is of a local network. Raises AddressRefused for what is no name at all."""
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("url_host_malformed")
    return len(labels) == 1 or labels[-1] in _LOCAL_ENDINGS


def _find_local(endpoint: Endpoint) -> str:
    if endpoint.scheme == "http":
        return "url_not_https"
    return "url_port_unusual" if endpoint.port not in USUAL_PORTS else "url_host_local"


def _find_malformed(url: str) -> str:
    """What is wrong with a URL that is none; it is never repeated, for it may hold a password."""
    authority = re.split(r"[/?#\\]", url.partition("://")[2], maxsplit=1)[0]
    if not url.isascii():
        return "url_not_ascii"
    if re.search(r"[\x00-\x20\x7f]", url):
        return "url_with_space"
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        return "url_not_https"
    if "\\" in url:
        return "url_with_backslash"
    if "@" in authority:
        return "url_with_user"
    if "#" in url:
        return "url_with_fragment"
    return "url_malformed"
