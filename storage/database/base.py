"""Django's PostgreSQL backend, except for four things.

* What opens a transaction (``tenants.context``: BEGIN and the tenant's variable) goes out with its first statement. It
  is a message less, two where the statement can go with it (``storage.database.prepared``).
* The health of a connection is read from its socket, without a round trip: a server that has gone has closed it.
* A connection knows which database it shows (``storage.database.identity``).
* A server that says nothing is waited for once, and not once a statement (``storage.database.silence``).
"""

import select
import time
from typing import Any, Final
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg.pq import ConnStatus, TransactionStatus

from storage.database.identity import is_identity_due, read_identity
from storage.database.results import execute
from storage.database.silence import is_silent, note_silence

# What is read or followed over these has copies in Redis.
IDENTIFIED: Final = (DEFAULT_DB_ALIAS, "relay")


def set_variable(variable: str, value: UUID) -> bytes:
    """The statement that sets a variable for the rest of the transaction; ``variable`` is no one's input."""
    return f"SELECT set_config('{variable}', '{value}', true)".encode()


class Connection(psycopg.Connection[Any]):
    """A psycopg connection that knows which database it shows, and since when it has been waiting."""

    # Which database this is, and when it was asked.
    identity = ""
    identified_at = 0.0
    # Since when the driver has been waiting for the server; None while it does not.
    waiting_since: float | None = None
    # What has to go before the first statement of the transaction at hand, as long as none was sent.
    opening: tuple[bytes, ...] = ()
    # Names of the statements that ``storage.database.prepared`` has prepared here.
    prepared: set[bytes]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.prepared = set()

    def open_with(self, variable: str, value: UUID) -> None:
        """Have the next transaction begin with a variable of its own. Sends nothing; ``variable`` is no one's input."""
        self.opening = b"BEGIN", set_variable(variable, value)

    def take_opening(self) -> tuple[bytes, ...]:
        """What has to be sent before the next statement, by what sends that."""
        opening, self.opening = self.opening, ()
        return opening

    def commit(self) -> None:
        """As the driver does; a transaction that was never begun is forgotten."""
        self.opening = ()
        super().commit()

    def rollback(self) -> None:
        """As the driver does; a transaction that was never begun is forgotten."""
        self.opening = ()
        super().rollback()
        self.forget_prepared()

    def forget_prepared(self) -> None:
        """After a rollback the driver deallocates all statements of the connection, also those that are not its own."""
        self.prepared.clear()

    def wait(self, *args: Any, **options: Any) -> Any:
        """Everything that psycopg sends comes by here, and what opens the transaction goes before it."""
        if self.opening:
            execute(self.pgconn, b";".join(self.take_opening()))
        self.waiting_since = time.monotonic()
        try:
            return super().wait(*args, **options)
        except psycopg.OperationalError:
            if time.monotonic() - self.waiting_since >= settings.DATABASE_SILENT_SECONDS:
                note_silence()
            raise
        finally:
            self.waiting_since = None


class Driver:
    """The driver as Django's backend takes it, a module, except that it connects by our class."""

    connect = Connection.connect

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's wrapper around such a connection."""

    Database: Any = Driver()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """As Django does, unless the server has just said nothing."""
        if is_silent():
            raise psycopg.OperationalError("the server did not answer a moment ago")
        try:
            connection = super().get_new_connection(conn_params)
        except psycopg.errors.ConnectionTimeout:
            note_silence()
            raise
        if self.alias in IDENTIFIED:
            read_identity(connection)
        return connection

    def savepoint_rollback(self, sid: str) -> None:
        """As Django does."""
        super().savepoint_rollback(sid)
        if self.connection is not None:
            self.connection.forget_prepared()

    def is_usable(self) -> bool:
        """Whether the server is still there: it has sent nothing, neither a last word nor the end of the stream."""
        raw = self.connection
        if raw is None or raw.closed or raw.pgconn.status != ConnStatus.OK:
            return False
        if raw.pgconn.transaction_status != TransactionStatus.IDLE:
            return bool(super().is_usable())
        if self.alias in IDENTIFIED and is_identity_due(raw):
            return self._is_identified(raw)
        poller = select.poll()
        poller.register(raw.pgconn.socket, select.POLLIN)
        return not poller.poll(0) or bool(super().is_usable())

    @staticmethod
    def _is_identified(raw: Any) -> bool:
        """A pooler keeps our connection when the server behind it is replaced: it is asked who it is."""
        try:
            read_identity(raw)
        except psycopg.Error:
            return False
        return True
