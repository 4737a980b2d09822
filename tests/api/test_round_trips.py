"""Round trips of the hot paths: each is a wait for another process, and they are what a request costs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from django.db import connection

from lifecycle.models import Customer
from storage.redis import get_client
from tenants.actors import TenantRef


@dataclass
class Trips:
    """What was waited for, in order: R for Redis, P for PostgreSQL.

    Of PostgreSQL libpq's own trace is counted, whatever sends: a trip ends when an answer follows what was sent.
    """

    written: IO[str]
    read: IO[str]
    sent: str = ""
    direction: str = "B"
    link: Any = None

    @contextmanager
    def counting(self) -> Iterator["Trips"]:
        """Count what is done within."""
        self.sent, self.link = "", connection.connection.pgconn
        self.link.trace(self.written.fileno())
        try:
            yield self
        finally:
            self.note("")
            self.link.untrace()

    def note(self, kind: str) -> None:
        """Add the trips to PostgreSQL since the last one to Redis, and what is made now."""
        if self.link is None:
            return
        # libpq writes out what it has traced when the trace ends.
        self.link.untrace()
        for line in self.read.read().splitlines():
            direction = line.split("\t")[1]
            self.sent += "P" * (self.direction == "F" and direction == "B")
            self.direction = direction
        self.sent += kind
        self.link.trace(self.written.fileno())


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Trips]:
    """Counts within ``counting``. The relay is not woken: that is a message of its own, after the answer is known."""
    with (tmp_path / "trace").open("w") as written, (tmp_path / "trace").open() as read:
        trips = Trips(written, read)
        link = get_client().connection_pool.connection_class
        original = link.send_packed_command

        def counted(*args: Any, **options: Any) -> Any:
            trips.note("R")
            return original(*args, **options)

        monkeypatch.setattr(link, "send_packed_command", counted)
        monkeypatch.setattr("audit.services.relay_notification._notify", lambda _using: None)
        yield trips


def test_a_cached_summary_is_one_trip_to_redis_and_none_to_postgresql(
    tenant: TenantRef, customer: Customer, api_client: Callable[..., Any], trips: Trips
) -> None:
    client = api_client("viewer")
    address = f"/api/v1/customers/{customer.id}/lifecycle/summary"
    expected = [client.get(address).json() for _ in range(3)][-1]
    with trips.counting() as counted:
        response = client.get(address)
    assert (response.status_code, response.json()) == (200, expected)
    assert counted.sent == "R"


def test_where_a_customer_stands_is_one_trip_to_redis_and_one_statement(
    tenant: TenantRef, customer: Customer, api_client: Callable[..., Any], trips: Trips
) -> None:
    client = api_client("viewer")
    address = f"/api/v1/customers/{customer.id}/lifecycle"
    for _ in range(3):
        assert client.get(address).status_code == 200
    with trips.counting() as counted:
        assert client.get(address).status_code == 200
    # The tenant and the look, a transaction of their own.
    assert counted.sent == "RP"


def test_a_summary_that_is_not_cached_is_looked_up_in_one_trip(
    tenant: TenantRef, customer: Customer, api_client: Callable[..., Any], trips: Trips
) -> None:
    client = api_client("viewer")
    address = f"/api/v1/customers/{customer.id}/lifecycle/summary"
    expected = client.get(address).json()
    # Rights are held, what is known of the customer is not.
    get_client().delete(*get_client().keys("c360:*status*"))
    with trips.counting() as counted:
        response = client.get(address)
    assert (response.status_code, response.json()) == (200, expected)
    assert counted.sent == "RPR"


def test_a_move_asks_redis_once_before_and_once_after_its_commit(
    tenant: TenantRef, customer: Customer, api_client: Callable[..., Any], trips: Trips
) -> None:
    client = api_client("account_manager")
    address = f"/api/v1/customers/{customer.id}/lifecycle"
    stages = ["Onboarded", "Active", "Prospect", "Onboarded"]
    for stage in stages[:-1]:
        assert client.patch(address, {"stage": stage}, format="json").status_code == 200
    with trips.counting() as counted:
        assert client.patch(address, {"stage": stages[-1]}, format="json").status_code == 200
    # BEGIN, the tenant, lock and look in one; budget and write in one; COMMIT.
    assert counted.sent == "RPPPR"
