"""The addresses of an endpoint: its name is resolved once, and every address of the answer judged.

What is connected to afterwards is an address that was judged here, so a name that answers differently the next time
changes nothing.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from lifecycle.delivery.lookups import LookupFailed, look_up
from lifecycle.services.effects.addresses import Endpoint, judge_address

LOOKUP_SECONDS: Final = 5.0
# Of a name with more, the first ones are tried. All are judged.
MOST_TRIED: Final = 4


class AddressUnavailable(Exception):
    """The name cannot be resolved now; the sentence says why. A later try may succeed."""


@dataclass(frozen=True, slots=True)
class ResolvedEndpoint:
    """An endpoint with addresses that were judged, in the order in which they are tried."""

    endpoint: Endpoint
    addresses: tuple[str, ...]


def resolve(endpoint: Endpoint, *, seconds: float = LOOKUP_SECONDS) -> ResolvedEndpoint:
    """The addresses to connect to, after one look-up within the time, every one of them judged.

    Raises AddressRefused if any is not allowed, AddressUnavailable if there is none or the answer takes too long.
    """
    try:
        texts = (endpoint.host,) if _is_address(endpoint.host) else look_up(endpoint.host, seconds=seconds)
    except LookupFailed as failure:
        raise AddressUnavailable(str(failure)) from failure
    for text in texts:
        judge_address(endpoint, ip_address(text))
    return ResolvedEndpoint(endpoint, texts[:MOST_TRIED])


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
