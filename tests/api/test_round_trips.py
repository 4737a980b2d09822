"""Round trips of the hot paths: each is a wait for another process, and they are what a request costs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from lifecycle.models import Customer
from storage.database import results
from storage.database.base import Connection
from storage.redis import get_client
from tenants.actors import TenantRef


@dataclass
class Trips:
    """What was waited for, in order: R for Redis, P for PostgreSQL."""

    sent: str = ""

    @contextmanager
    def counting(self) -> Iterator["Trips"]:
        self.sent = ""
        yield self


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> Trips:
    """Counts from now on. The relay is not woken: that is a message of its own, after the answer is known."""
    trips = Trips()

    def count(owner: Any, name: str, kind: str) -> None:
        original = getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            trips.sent += kind
            return original(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    count(get_client().connection_pool.connection_class, "send_packed_command", "R")
    count(Connection, "wait", "P")
    count(results, "collect", "P")
    # Between two transactions that is a note of the driver's, and sends nothing.
    monkeypatch.setattr(Connection, "set_autocommit", lambda raw, value: setattr(raw, "_autocommit", value))
    monkeypatch.setattr("audit.services.relay_notification._notify", lambda _using: None)
    return trips


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
    # The tenant is set (the driver sends BEGIN before it), the look, COMMIT.
    assert counted.sent == "RPPP"


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
    # The tenant is set (the driver sends BEGIN before it), lock and look, the budget, the write, COMMIT.
    assert counted.sent == "RPPPPPR"
