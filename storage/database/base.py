"""Django's PostgreSQL backend with two round trips less a request.

* A transaction that begins with a local variable (``tenants.context``) begins with its first statement: both are sent
  together where the statement allows it, and a transaction without statements costs nothing.
* The health of a connection is told from its socket: a server that has gone has closed it.
"""

import select
import time
from typing import Any, Final

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


class Connection(psycopg.Connection[Any]):
    """A psycopg connection that can be told how its next transaction begins.

    ``opening`` is a variable and its value, to be set for the transaction, as long as nothing was sent.
    """

    opening: tuple[bytes, bytes] | None = None
    # Which database this is (``storage.database.identity``), and when it was asked.
    identity = ""
    identified_at = 0.0
    # Since when the driver has been waiting for the server; None while it does not.
    waiting_since: float | None = None

    def wait(self, *args: Any, **options: Any) -> Any:
        """Everything that psycopg sends comes by here: what opens the transaction goes before it."""
        if self.opening is not None:
            self.send_opening()
        self.waiting_since = time.monotonic()
        try:
            return super().wait(*args, **options)
        except psycopg.OperationalError:
            if time.monotonic() - self.waiting_since >= settings.DATABASE_SILENT_SECONDS:
                note_silence()
            raise
        finally:
            self.waiting_since = None

    def set_autocommit(self, value: bool) -> None:
        """As the driver does; between two transactions without its generators."""
        if self.pgconn.transaction_status == TransactionStatus.IDLE:
            self._autocommit = value
        else:
            super().set_autocommit(value)

    def commit(self) -> None:
        """Commit; a transaction that was never begun is simply forgotten."""
        self.opening = None
        if self.pgconn.transaction_status == TransactionStatus.INTRANS:
            # What the driver does, without its generators. Django knows neither two-phase commits nor its transactions.
            with self.lock:
                execute(self.pgconn, b"COMMIT")
        else:
            super().commit()

    def rollback(self) -> None:
        """Roll back; a transaction that was never begun is simply forgotten."""
        self.opening = None
        super().rollback()

    def send_opening(self) -> None:
        """Begin now: one message and one answer."""
        opening, self.opening = self.opening, None
        assert opening is not None  # noqa: S101
        # Both were made by us: a variable's name and a UUID.
        statement = b"BEGIN; SELECT set_config('%b', '%b', true)" % opening
        execute(self.pgconn, statement)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's wrapper around such a connection."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """As Django does. It connects by the driver's own class, of which ours is a subclass without other fields."""
        if is_silent():
            raise psycopg.OperationalError("the server did not answer a moment ago")
        try:
            connection = super().get_new_connection(conn_params)
        except psycopg.errors.ConnectionTimeout:
            note_silence()
            raise
        connection.__class__ = Connection
        if self.alias in IDENTIFIED:
            read_identity(connection)
        return connection

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
