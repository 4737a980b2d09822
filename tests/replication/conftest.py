"""A primary and its replica of their own, and the product on them."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from local.backups import dump_database, restore_database
from local.folders import open_throwaway
from local.guard import Guard
from local.pgbouncer import PgBouncer
from local.postgresql import PostgreSQL
from local.processes import stop
from local.standby import Standby
from local.trouble import CannotStart
from storage import copies, replica
from storage.database import base
from storage.database.routing import REPLICA, primary_connection
from tenants.services import database
from tests.local.scene import await_end, find_descendants
from tests.local.test_restore import product_on, url_of

PASSWORD = "of-both-servers"
# As durable as a test needs it, and small.
SETTINGS = ("fsync=off", "max_connections=60", "shared_buffers=32MB", "jit=off", "autovacuum=off", "scram_iterations=1")
# What is replayed does not wait for what is read.
OF_STANDBY = ("max_standby_streaming_delay=0",)
PATIENCE = 120.0


@dataclass(slots=True)
class Pair:
    """The two servers. ``name`` is the product's database on both."""

    guard: Guard
    primary: PostgreSQL
    standby: Standby
    name: str
    # Where the product finds them.
    ports: tuple[int, int]

    def admin(self, server: PostgreSQL) -> psycopg.Connection[Any]:
        """A superuser's connection to one of them."""
        url = url_of(settings.DATABASE_ADMIN_URL, name=self.name, port=server.port, password=PASSWORD)
        return psycopg.connect(url, autocommit=True)

    def ask(self, server: PostgreSQL, query: str) -> Any:
        """One value; asked again where the replica, which does not wait for looks (``OF_STANDBY``), ended the look, and
        while a server that lost a process comes back.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with self.admin(server) as connection:
                    (value,) = connection.execute(query).fetchone() or (None,)
                    return value
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def await_replayed(self) -> None:
        """Until the replica shows all that is committed, and this process knows of nothing later."""
        primary = primary_connection()
        primary.ensure_connection()
        replica._marks._marks.clear()
        replica._marks.oldest(primary.connection, replica.time.monotonic())
        position = self.ask(self.primary, "SELECT pg_current_wal_insert_lsn()::text")
        deadline = time.monotonic() + PATIENCE
        while not self.ask(self.standby, f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"):
            assert time.monotonic() < deadline, "the replica does not follow"
            time.sleep(0.02)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The replica goes on receiving the log, and does not replay it."""
        self.await_replayed()
        self.ask(self.standby, "SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            self.ask(self.standby, "SELECT pg_wal_replay_resume()")

    def kill_standby(self) -> None:
        """As its machine would: nothing is said to anyone. Its sessions end a moment after what began them: until then
        they would answer who has one.
        """
        assert self.standby.child is not None
        sessions = find_descendants(self.standby.child.pid)
        self.standby.child.signal(9)
        self.standby.child.wait()
        await_end(sessions, within=PATIENCE)

    def start_standby(self) -> None:
        """Again, on the port it had; until the product reaches it, which a pooler sees later."""
        deadline = time.monotonic() + PATIENCE
        while not self._is_launched() or not self._is_reached():
            assert time.monotonic() < deadline, "the replica is not reached again"

    def _is_launched(self) -> bool:
        """What was killed may hold its memory for a moment."""
        if self.standby.child is not None and self.standby.child.is_running():
            return True
        try:
            self.standby.launch()
        except CannotStart:
            time.sleep(0.2)
            return False
        return True

    def _is_reached(self) -> bool:
        try:
            with psycopg.connect(url_of(settings.DATABASE_URL, name=self.name, port=self.ports[1])) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            time.sleep(0.1)
            return False


@pytest.fixture(scope="module")
def servers(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, with the schema of the test database."""
    guard = Guard()
    made: list[PostgreSQL | PgBouncer] = []
    try:
        primary = PostgreSQL(open_throwaway(guard, durable=False), guard, PASSWORD, fast=False, settings=SETTINGS)
        made.append(primary)
        primary.prepare()
        primary.launch()
        name = connections["default"].settings_dict["NAME"]
        _fill(primary.port, name, tmp_path_factory.mktemp("replication") / "c360.dump")
        standby = Standby(
            open_throwaway(guard, durable=False),
            guard,
            PASSWORD,
            fast=False,
            name="standby",
            settings=(*SETTINGS, *OF_STANDBY),
            primary=primary,
        )
        made.append(standby)
        standby.prepare()
        standby.launch()
        ports = primary.port, standby.port
        if settings.DATABASE_POOLER:
            poolers = [_put_before(server, guard) for server in (primary, standby)]
            made += poolers
            ports = poolers[0].port, poolers[1].port
        yield Pair(guard, primary, standby, name, ports)
    finally:
        stop([server.child for server in made if server.child is not None])
        guard.dismiss()


def _put_before(server: PostgreSQL, guard: Guard) -> PgBouncer:
    """A pooler in transaction mode before one of them."""
    urls = (settings.DATABASE_URL, settings.DATABASE_PLATFORM_URL, settings.DATABASE_RELAY_URL)
    addresses = [url_of(url, name="c360", port=server.port) for url in urls]
    pooler = PgBouncer(guard, server.folders.runtime / "pgbouncer", addresses)
    pooler.launch()
    return pooler


def _fill(port: int, name: str, dump: Path) -> None:
    dump_database(url_of(settings.DATABASE_BACKUP_URL, name=name), dump)
    there = url_of(settings.DATABASE_ADMIN_URL, name="postgres", port=port, password=PASSWORD)
    urls = {variable: getattr(settings, variable) for variable in database.LOGIN_VARIABLES}
    database.provision(there, database.read_logins(urls), database=name)
    restore_database(url_of(there, name=name, port=port, password=PASSWORD), dump)


@contextlib.contextmanager
def replica_at(port: int) -> Iterator[None]:
    """The product knows a replica."""
    entry = connections["default"].settings_dict
    options = {**entry["OPTIONS"], "connect_timeout": 20, "tcp_user_timeout": 2000}
    connections.settings[REPLICA] = {**entry, "PORT": port, "OPTIONS": options, "ATOMIC_REQUESTS": False}
    try:
        yield
    finally:
        connections[REPLICA].close()
        del connections[REPLICA], connections.settings[REPLICA]


class Clock:
    """The time by which a replica lags and is left alone: it stands still, however busy the machine, until it is moved.

    Everything else takes real time.
    """

    def __init__(self) -> None:
        # A whole number: what it is moved by is then exactly what lies between two looks.
        self._now = float(int(time.monotonic()))

    def monotonic(self) -> float:
        """As ``time.monotonic``."""
        return self._now

    def time(self) -> float:
        """As ``time.time``, which is compared with what Redis holds."""
        return time.time()

    def move(self, seconds: float) -> None:
        """Let so much pass."""
        self._now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of ``storage.replica``."""
    made = Clock()
    monkeypatch.setattr(replica, "time", made)
    return made


@pytest.fixture
def db(servers: Pair, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[None]:
    """The product on both servers, with real commits; a process that has just begun."""
    # A second is what production waits for a replica. A busy test machine has not lost its one.
    monkeypatch.setattr(base, "REPLICA_SECONDS", 30.0)
    monkeypatch.setattr(replica, "_marks", replica._Marks())
    switch = replica._Switch()
    monkeypatch.setattr(replica, "_switch", switch)
    # As if Redis had been there for a while: nothing that was written in it is in doubt.
    monkeypatch.setattr(replica, "DOUBT_SECONDS", 0.0)
    with django_db_blocker.unblock(), product_on(servers.ports[0]), replica_at(servers.ports[1]):
        yield
        for alias in connections:
            assert not connections[alias].in_atomic_block, "the test left a transaction open"
        switch.end()
        for thread in threading.enumerate():
            if thread.name == "replica":
                thread.join()


@pytest.fixture
def pair(servers: Pair, db: None) -> Pair:
    """The servers, with the product on them."""
    # The key that says when Redis was last in doubt is made by the first who keeps something.
    copies.flush()
    return servers
