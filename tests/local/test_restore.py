"""A backup is worth what can be restored from it: into an empty cluster, with Valkey as it was [docs/operations.md]."""

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from rest_framework.test import APIClient

from lifecycle.models import Customer
from local.backups import dump_database, restore_database
from local.fingerprints import count_rows, find_differences, take_fingerprint
from local.folders import open_throwaway
from local.guard import Guard
from local.postgresql import PostgreSQL
from local.processes import stop
from storage.database.identity import database_identity
from tenants.actors import TenantRef
from tenants.services import database
from tests.local.scene import PATIENCE
from tests.services.audit_chain import tampering as history

PASSWORD = "of-the-second-cluster"


@pytest.fixture
def second_cluster() -> Iterator[PostgreSQL]:
    """An empty cluster that keeps what point-in-time recovery needs."""
    guard = Guard()
    postgresql = PostgreSQL(open_throwaway(guard, durable=False), guard, PASSWORD, fast=False)
    try:
        postgresql.prepare()
        postgresql.launch()
        yield postgresql
    finally:
        if postgresql.child is not None:
            stop([postgresql.child])
        guard.dismiss()


def url_of(base: str, *, name: str, port: int | None = None, password: str | None = None) -> str:
    """A database's address, on the second cluster if its port is given."""
    parts = urlsplit(base)
    place = f"{parts.username}:{password or parts.password}@127.0.0.1:{port or parts.port}"
    return urlunsplit(parts._replace(netloc=place, path=f"/{name}"))


@contextlib.contextmanager
def product_on(port: int) -> Iterator[None]:
    """The running product finds its database on another cluster, as after a change of what its address leads to."""
    places = {alias: dict(connections[alias].settings_dict) for alias in connections}
    try:
        for alias in connections:
            connections[alias].close()
            connections[alias].settings_dict |= {"HOST": "127.0.0.1", "PORT": port}
        yield
    finally:
        for alias, place in places.items():
            connections[alias].close()
            connections[alias].settings_dict |= {"HOST": place["HOST"], "PORT": place["PORT"]}


def ask(client: APIClient, customer: Customer) -> dict[str, Any]:
    """What the API answers about a customer; each asked twice, so that the cache is filled and then used."""
    root = f"/api/v1/customers/{customer.id}"
    paths = [root, f"{root}/lifecycle", f"{root}/lifecycle/summary", f"{root}/lifecycle/history"]
    for _ in range(2):
        answers = {path.removeprefix(root): client.get(path).json() for path in paths}
    return answers


def test_an_installation_is_restored_into_an_empty_cluster_and_serves_what_it_holds(
    tenant: TenantRef,
    customer: Customer,
    api_client: Callable[..., APIClient],
    second_cluster: PostgreSQL,
    tmp_path: Path,
) -> None:
    name, port, dump = connections["default"].settings_dict["NAME"], second_cluster.port, tmp_path / "c360.dump"
    here = url_of(settings.DATABASE_ADMIN_URL, name=name)
    client = api_client("account_manager")
    history.move(customer, tenant, *history.MOVES, ("At-Risk", "x"), ("Active", "x"))
    before = ask(client, customer)
    assert before["/lifecycle"]["version"] == 7

    fingerprint = take_fingerprint(here)
    dump_database(url_of(settings.DATABASE_BACKUP_URL, name=name), dump)
    # What comes after the backup is lost with the database. Valkey still has it.
    history.move(customer, tenant, ("At-Risk", "x"), ("Active", "x"))
    assert ask(client, customer)["/lifecycle"]["version"] == 9
    identity = database_identity()

    there = url_of(settings.DATABASE_ADMIN_URL, name=name, port=port, password=PASSWORD)
    urls = {variable: getattr(settings, variable) for variable in database.LOGIN_VARIABLES}
    database.provision(
        url_of(there, name="postgres", port=port, password=PASSWORD), database.read_logins(urls), database=name
    )
    restore_database(there, dump)
    assert find_differences(fingerprint, take_fingerprint(there)) == []
    assert count_rows(fingerprint) > 100

    with product_on(port):
        assert ask(client, customer) == before
        out = io.StringIO()
        call_command("verify_audit", "--tenant", tenant.slug, stdout=out, stderr=io.StringIO())
        assert out.getvalue() == f"{tenant.slug}: 1 customers, 7 rows, unbroken; no seals\n"
        # Version 8 is given again, to something else than before.
        history.move(customer, tenant, ("Churned", "x"))
        after = ask(client, customer)["/lifecycle"]
        assert (after["version"], after["stage"]) == (8, "Churned")
        restored = database_identity()
        assert restored != identity

        # The same cluster, recovered to a point in time: only the timeline and the start say so.
        assert second_cluster.child is not None
        system = system_identifier(there)
        for alias in connections:
            connections[alias].close()
        stop([second_cluster.child])
        recover(second_cluster)
        second_cluster.launch()
        # It takes connections before the recovery has ended.
        deadline = time.monotonic() + PATIENCE
        while fetch(there, "SELECT pg_is_in_recovery()"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert system_identifier(there) == system
        assert timeline(there) == "00000002"
        assert database_identity() not in (identity, restored)
        assert ask(client, customer)["/lifecycle"]["version"] == 8
    assert ask(client, customer)["/lifecycle"]["version"] == 9


def recover(postgresql: PostgreSQL) -> None:
    """Have the next start recover from an archive, which holds nothing: it ends at the end of what is there."""
    with (postgresql.data / "postgresql.auto.conf").open("a") as file:
        file.write("restore_command = 'false'\n")
    signal = postgresql.data / "recovery.signal"
    signal.touch()
    postgresql._hand_over(signal)


def system_identifier(url: str) -> Any:
    """What a base backup has from its origin."""
    return fetch(url, "SELECT system_identifier FROM pg_control_system()")


def timeline(url: str) -> Any:
    """The timeline that is written on."""
    return fetch(url, "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")


def fetch(url: str, query: str) -> Any:
    """One value."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_whatever_differs_after_a_restore_is_named() -> None:
    before = {"table a": "r c360_owner", "rows of a": "2 with digest 5", "policy a.tenant_rows": "*"}
    after = {"table a": "r postgres", "rows of a": "2 with digest 6", "trigger a.t": "O"}
    assert find_differences(before, after) == [
        "policy a.tenant_rows: * before, missing after",
        "rows of a: 2 with digest 5 before, 2 with digest 6 after",
        "table a: r c360_owner before, r postgres after",
        "trigger a.t: missing before, O after",
    ]
    assert find_differences(before, before) == []
