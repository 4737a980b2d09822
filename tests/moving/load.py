"""People and modules of two tenants at work, who write down what they were answered."""

import http.cookiejar
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer

PASSWORD = "demo"


@dataclass(slots=True)
class Outcomes:
    """What the clients of one tenant were answered, and what they sent."""

    # (customer, version) -> stage, of every change that was confirmed.
    confirmed: dict[tuple[str, int], str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    # Event id -> customer and number, of every event that the broker has.
    events: dict[str, tuple[str, int]] = field(default_factory=dict)
    # Rows of the history by the same hand from before.
    rows_before: int = 0
    stale: list[str] = field(default_factory=list)
    # When a change was confirmed, one after the other.
    confirmed_at: list[float] = field(default_factory=list)

    def longest_pause(self) -> float:
        """The longest time between two confirmed changes, in seconds."""
        pairs = zip(self.confirmed_at, self.confirmed_at[1:], strict=False)
        return max((later - earlier for earlier, later in pairs), default=0.0)


class Client:
    """A program that calls the API for one tenant, with one access token and its refresh token."""

    def __init__(self, root: str, username: str) -> None:
        self.root, self.username = root, username
        self.access = self.refresh = ""

    def log_in(self) -> None:
        """A new pair of tokens."""
        status, answer, _ = self.ask("POST", "/auth/token", {"username": self.username, "password": PASSWORD})
        if status != 200:
            raise RuntimeError(f"{self.username} cannot log in: {status} {answer}")
        self.access, self.refresh = answer["access"], answer["refresh"]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        """Status, answer and headers; status 0 when no one knows what became of it."""
        headers = {"Content-Type": "application/json"}
        if self.access:
            headers["Authorization"] = f"Bearer {self.access}"
        request = urllib.request.Request(
            self.root + path, json.dumps(body).encode() if body is not None else None, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response), response.headers
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                return error.code, json.loads(text), error.headers
            except ValueError:
                return error.code, text, error.headers
        except OSError as error:
            return 0, str(error), {}


class Visitor:
    """A person's browser, with one session of the pages."""

    def __init__(self, site: str, username: str) -> None:
        self.site, self.username = site, username
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))

    def log_in(self) -> None:
        """By the form of the log-in page."""
        self._opener.open(f"{self.site}/login", timeout=30).close()
        token = next(cookie.value for cookie in self._jar if "csrf" in cookie.name.lower())
        form = {"username": self.username, "password": PASSWORD, "csrfmiddlewaretoken": token}
        request = urllib.request.Request(
            f"{self.site}/login", urllib.parse.urlencode(form).encode(), {"Referer": f"{self.site}/login"}
        )
        self._opener.open(request, timeout=30).close()

    def find_error(self) -> str:
        """'' when the same session still shows the tenant's customers, and streams the file of them."""
        with self._opener.open(f"{self.site}/customers", timeout=30) as page:
            if page.url != f"{self.site}/customers":
                return f"the session of {self.username} has ended: {page.url}"
        with self._opener.open(f"{self.site}/customers/export.csv", timeout=30) as file:
            lines = file.read().count(b"\n")
        return "" if lines > 100 else f"the file of customers has {lines} lines"


class Load:
    """Threads that change customers over the API and send events about them, until stopped."""

    def __init__(
        self,
        root: str,
        brokers: str,
        *,
        slug: str,
        username: str,
        customers: list[tuple[str, str]],
        stages: tuple[str, str],
        reason: str,
    ) -> None:
        self.slug, self.outcomes = slug, Outcomes()
        self._calm, self._risk = stages
        self._reason = reason
        self._clients = [Client(root, username) for _ in range(2)]
        self._customers = customers
        self._producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": False, "linger.ms": 5})
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.trouble: list[BaseException] = []
        half = len(customers) // 2
        shares = (customers[:half], customers[half:])
        self._threads = [
            *(
                threading.Thread(target=self._run, args=(self._change, client, share), daemon=True)
                for client, share in zip(self._clients, shares, strict=True)
            ),
            threading.Thread(target=self._run, args=(self._send,), daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for client in self._clients:
            client.log_in()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait until the broker has every event."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        self._producer.flush(30)

    def _run(self, work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            self.trouble.append(error)

    def _change(self, client: Client, customers: list[tuple[str, str]]) -> None:
        """Each customer in turn back and forth; what is refused for a moment is asked again, as clients do."""
        random, turn = Random(self.slug), 0
        while not self._stop.wait(0.08):
            customer, _ = customers[turn % len(customers)]
            turn += 1
            status, now, _ = client.ask("GET", f"/customers/{customer}/lifecycle")
            if status != 200:
                self._count(f"GET {status}")
                self._recover(client, status)
                continue
            self._look_for_stale(customer, now)
            target = self._calm if now["stage"] == self._risk else self._risk
            body = {"stage": target, **({"reason_code": self._reason} if target == self._risk else {})}
            status, answer, headers = client.ask("PATCH", f"/customers/{customer}/lifecycle", body)
            code = answer.get("code", "") if isinstance(answer, dict) else ""
            self._count(f"PATCH {status} {code}".strip())
            if status == 200:
                version = int(headers["ETag"].strip('"'))
                with self._lock:
                    self.outcomes.confirmed[customer, version] = target
                    self.outcomes.confirmed_at.append(time.monotonic())
            else:
                self._recover(client, status)
            if random.random() < 0.02 and client.refresh:
                self._refresh(client)

    def _recover(self, client: Client, status: int) -> None:
        if status == 401:
            try:
                client.log_in()
            except RuntimeError:
                # A server is away: it is tried again with the next change.
                self._count("log-in refused")
        time.sleep(0.1)

    def _refresh(self, client: Client) -> None:
        status, answer, _ = client.ask("POST", "/auth/token/refresh", {"refresh": client.refresh})
        self._count(f"refresh {status}")
        if status == 200:
            client.access, client.refresh = answer["access"], answer["refresh"]

    def _look_for_stale(self, customer: str, now: dict[str, Any]) -> None:
        with self._lock:
            known = max((version for id_, version in self.outcomes.confirmed if id_ == customer), default=0)
        if now["version"] < known:
            self.outcomes.stale.append(f"{self.slug} {customer}: version {now['version']} after {known} was confirmed")

    def _count(self, what: str) -> None:
        with self._lock:
            self.outcomes.answers[what] += 1

    def _send(self) -> None:
        """Numbered news of each customer in turn."""
        number = 0
        while not self._stop.wait(0.05):
            number += 1
            _, external_id = self._customers[number % len(self._customers)]
            event_id = uuid4().hex
            event = {
                "specversion": "1.0",
                "id": event_id,
                "source": "/crm",
                "type": "customer.updated",
                "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{number % 1_000_000:06}Z",
                "tenantid": self.slug,
                "data": {"external_id": external_id, "segment": f"n{number}"},
            }
            self._producer.produce(
                "customer.updated",
                json.dumps(event).encode(),
                external_id.encode(),
                on_delivery=lambda error, _, id_=event_id, one=(external_id, number): self._delivered(error, id_, one),
            )
            self._producer.poll(0)

    def _delivered(self, error: Any, event_id: str, one: tuple[str, int]) -> None:
        if error is None:
            self.outcomes.events[event_id] = one
