"""How a client calls: httpx with the retries of the Python SDK, on two hosts, and everything written down."""

import importlib.util
import ssl
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from local.folders import PROJECT
from tests.load.journal import CALM, Entry, Journal

# The name by which the hosts are known, whatever their addresses.
SITE: Final = "localhost"
CONNECT_SECONDS, READ_SECONDS = 2.0, 15.0
# A host that did not answer is left out for so long, as a balancer or a client with two addresses does.
AWAY_SECONDS: Final = 10.0

KEYED: Final = tuple((method, ".*") for method in ("POST", "PATCH", "PUT", "DELETE"))


def _load_retrying() -> Any:
    """The SDK's way to try again, from its source: the rest of the package is made by ``make sdk``."""
    file = PROJECT / "sdk" / "customer360_client" / "retrying.py"
    spec = importlib.util.spec_from_file_location("sdk_retrying", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


retrying: Final = _load_retrying()


@dataclass(frozen=True, slots=True)
class Site:
    """Both hosts' proxies, and the authorities that vouch for them."""

    addresses: tuple[tuple[str, int], ...]
    trust: ssl.SSLContext


@dataclass(slots=True)
class Road(httpx.BaseTransport):
    """Leads each try to a host: its own, or the other one while that is away. Notes when, and how it ended."""

    site: Site
    home: int
    began: float = 0.0
    outcomes: list[str] = field(default_factory=list)
    _transports: list[httpx.HTTPTransport] = field(default_factory=list)
    _away_until: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = len(self.site.addresses)
        self._transports = [httpx.HTTPTransport(verify=self.site.trust) for _ in range(count)]
        self._away_until = [0.0] * count

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One try."""
        number = self._choose()
        host, port = self.site.addresses[number]
        led = httpx.Request(
            request.method,
            request.url.copy_with(host=host, port=port),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": SITE},
        )
        self.began = time.monotonic()
        try:
            response = self._transports[number].handle_request(led)
        except httpx.TransportError as error:
            self.outcomes.append(type(error).__name__)
            self._away_until[number] = time.monotonic() + AWAY_SECONDS
            raise
        self.outcomes.append(str(response.status_code))
        if response.status_code >= 502:
            self._away_until[number] = time.monotonic() + AWAY_SECONDS
        return response

    def _choose(self) -> int:
        order = [self.home, *(number for number in range(len(self._transports)) if number != self.home)]
        now = time.monotonic()
        return next((number for number in order if self._away_until[number] <= now), self.home)

    def close(self) -> None:
        """Close the connections."""
        for transport in self._transports:
            transport.close()


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended; status 0: it did not. ``began``: when the last try was sent."""

    status: int
    body: Any
    headers: Any
    text: str
    url: str
    began: float

    @property
    def is_good(self) -> bool:
        """Answered as wanted."""
        return 200 <= self.status < 300


class Caller:
    """One client: its connections, its key or its session, its journal."""

    def __init__(self, site: Site, home: int, journal: Journal, *, key: str = "") -> None:
        self.journal = journal
        self._road = Road(site, home)
        self.http = httpx.Client(
            transport=retrying.RetryTransport(self._road, retrying.Policy(), KEYED),
            base_url=f"https://{SITE}",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=not key,
        )

    def ask(self, kind: str, method: str, path: str, *, expected: Sequence[int] = (), **options: Any) -> Reply:
        """One request, with the SDK's retries, written down. ``expected``: refusals that are part of the game."""
        phase, began = self.journal.phase, time.monotonic()
        self._road.outcomes.clear()
        reply, why = Reply(0, None, {}, "", "", began), ""
        try:
            response = self.http.request(method, path, **options)
            text = response.text
            body = response.json() if "json" in response.headers.get("content-type", "") else None
            reply = Reply(response.status_code, body, response.headers, text, str(response.url), self._road.began)
        except httpx.HTTPError as error:
            why = f"{type(error).__name__} {error}"
        outcomes = list(self._road.outcomes)
        if not why and not reply.is_good:
            why = str((reply.body or {}).get("detail", "") if isinstance(reply.body, dict) else reply.text)
        outcome = self._judge(reply, outcomes, expected)
        if outcome == "cured":
            why = ", ".join(outcomes[:-1])
        # What was on its way when a failure began is the failure's.
        phase = self.journal.phase if phase == CALM else phase
        self.journal.entries.append(Entry(phase, kind, time.monotonic() - began, outcome, reply.status, why[:200]))
        return reply

    def _judge(self, reply: Reply, outcomes: Sequence[str], expected: Sequence[int]) -> str:
        if reply.status == 0 or reply.status >= 500 or (reply.status == 429 and 429 not in expected):
            return "failed"
        if not reply.is_good and reply.status not in expected:
            return "refused"
        broken = [one for one in outcomes[:-1] if not one.startswith(("2", "3", "4"))]
        return "cured" if broken else "ok"

    def close(self) -> None:
        """Close the connections."""
        self.http.close()


def new_key() -> dict[str, str]:
    """The header that makes a change repeatable."""
    return {"Idempotency-Key": str(uuid.uuid4())}
