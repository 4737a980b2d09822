"""A server that is lost between COMMIT and its answer: what clients hear is true, whatever became of the change."""

import psycopg
import pytest
from django.db import connections

from audit.models import LifecycleHistory
from storage.database.base import Connection, DatabaseWrapper
from tenants.context import tenant_context

AWAY = "The database cannot be reached at the moment."
UNKNOWN = f"{AWAY} Your change may not have been saved. Check before you try again."
UNCHANGED = f"{AWAY} Nothing was changed. Try again in a moment."


@pytest.fixture(autouse=True)
def new_connections(db):
    """No later test gets one that was lost."""
    yield
    connections.close_all()


def versions(tenant, customer):
    with tenant_context(tenant.id):
        return list(LifecycleHistory.objects.filter(customer_id=customer.id).values_list("sequence", flat=True))


def lose(raw):
    """The connection ends as with a server that was killed."""
    raw.pgconn.finish()
    raise psycopg.OperationalError("server closed the connection unexpectedly")


def refuse(wrapper, parameters):
    """No other server is there yet."""
    raise psycopg.OperationalError("connection refused")


@pytest.mark.parametrize("is_gone", [True, False], ids=["and is gone", "and is back"])
@pytest.mark.parametrize("is_made", [True, False], ids=["made", "not made"])
def test_a_change_whose_commit_was_not_answered_is_said_to_be_unknown(
    tenant, customer, api_client, monkeypatch, is_made, is_gone
):
    client = api_client("account_manager")
    address = f"/api/v1/customers/{customer.id}/lifecycle"
    assert client.get(address).status_code == 200
    commit = Connection._commit

    def commit_and_be_lost(raw):
        if raw.info.transaction_status.name == "INTRANS":
            if is_made:
                commit(raw)
            monkeypatch.undo()
            if is_gone:
                monkeypatch.setattr(DatabaseWrapper, "get_new_connection", refuse)
            lose(raw)

    monkeypatch.setattr(Connection, "_commit", commit_and_be_lost)
    response = client.patch(address, {"stage": "Onboarded"})
    monkeypatch.undo()
    assert (response.status_code, response.json()["detail"]) == (503, UNKNOWN)
    assert versions(tenant, customer) == ([1, 2] if is_made else [1])


def test_a_change_that_came_to_no_commit_is_said_not_to_be_made(tenant, customer, api_client, monkeypatch):
    client = api_client("account_manager")
    address = f"/api/v1/customers/{customer.id}/lifecycle"
    wait = Connection.wait

    def be_lost(raw, *args, **options):
        if raw.info.transaction_status.name != "INTRANS":
            return wait(raw, *args, **options)
        monkeypatch.undo()
        return lose(raw)

    monkeypatch.setattr(Connection, "wait", be_lost)
    response = client.patch(address, {"stage": "Onboarded"})
    assert (response.status_code, response.json()["detail"]) == (503, UNCHANGED)
    assert versions(tenant, customer) == [1]
    assert Connection.wait is wait
