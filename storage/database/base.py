"""Django's PostgreSQL backend, except for five things.

* What opens a transaction (``tenants.context``: BEGIN and the tenant's variable) goes out with its first statement. It
  is a message less, two where the statement can go with it (``storage.database.prepared``).
* The health of a connection is read from its socket, without a round trip: a server that has gone has closed it.
* A connection knows which database it shows (``storage.database.identity``).
* A server that says nothing is waited for once, and not once a statement (``storage.database.silence``).
* A replica says with what opens the transaction whether it has what the reader must see, and where a commit left the
  primary's log comes with the answer to COMMIT (``storage.replica``).
"""

import select
import socket
import time
from typing import Any, Final
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg.pq import ConnStatus, TransactionStatus

from storage.database.identity import is_identity_due, read_identity, read_replica_lineage
from storage.database.results import execute
from storage.database.routing import REPLICA, is_replica_configured
from storage.database.silence import find_place, is_silent, name_places, note_silence

# For how long a replica is waited for: at the start of a connection, and for the first answer in a transaction.
REPLICA_SECONDS: Final = 1.0
# A server that was put back to a standby commits what was only read, too.
_COMMIT: Final = b"COMMIT;SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn() - '0/0'::pg_lsn END"

# What is read or followed over these has copies in Redis.
IDENTIFIED: Final = (DEFAULT_DB_ALIAS, "relay")


def set_variable(variable: str, value: UUID) -> bytes:
    """The statement that sets a variable for the rest of the transaction; ``variable`` is no one's input."""
    return f"SELECT set_config('{variable}', '{value}', true)".encode()


class CommitUnknown(psycopg.OperationalError):
    """The server was lost between COMMIT and its answer: the transaction may be there, or not."""


class ReplicaBehind(psycopg.OperationalError):
    """The replica has not replayed what the reader must see, or it is none any more. Nothing was read."""


class Connection(psycopg.Connection[Any]):
    """A psycopg connection that knows which database it shows, and since when it has been waiting."""

    # Which database this is, and when it was asked.
    identity = ""
    identified_at = 0.0
    # Cluster, database and timeline: the history that its positions in the log are about.
    lineage: tuple[bytes, ...] = ()
    # Of a replica: up to where it must have replayed the log before anything is read. 0: this is a primary.
    required = 0
    # Of a replica: how long the answer to what opens a transaction is waited for.
    opening_seconds: float | None = None
    # Of a primary that has a replica: where its log was after the last commit.
    notes_commits = False
    committed_at = 0
    # Since when the driver has been waiting for the server; None while it does not.
    waiting_since: float | None = None
    # For how long the server may be at a statement of the transaction at hand, where that was allowed more than others
    # (storage.timeouts). It ends such a statement by itself: until then it is not silent.
    allowed_seconds = 0.0
    # Of a replica: up to where it had replayed the log when it was last asked.
    replayed = 0
    # What has to go before the first statement of the transaction at hand, as long as none was sent.
    opening: tuple[bytes, ...] = ()
    # Where its server is.
    place: tuple[str, ...] = ()
    # Names of the statements that ``storage.database.prepared`` has prepared here.
    prepared: set[bytes]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.prepared = set()
        self.place = find_place(self.pgconn)

    def open_with(self, variable: str, value: UUID) -> None:
        """Have the next transaction begin with a variable of its own. Sends nothing; ``variable`` is no one's input."""
        if not self.required:
            self.opening = b"BEGIN", set_variable(variable, value)
            return
        is_there = f"pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= '0/0'::pg_lsn + {self.required}"
        replayed = "coalesce(pg_last_wal_replay_lsn() - '0/0'::pg_lsn, 0)"
        self.opening = b"BEGIN READ ONLY", set_variable(variable, value) + f", {is_there}, {replayed}".encode()

    def check_opening(self, result: Any) -> None:
        """Look at the answer to what opened the transaction. Raises ReplicaBehind."""
        if self.required:
            self.replayed = int(result.get_value(0, 2) or 0)
            if result.get_value(0, 1) != b"t":
                raise ReplicaBehind("the replica has not replayed what is asked for")

    def take_opening(self) -> tuple[bytes, ...]:
        """What has to be sent before the next statement, by what sends that."""
        opening, self.opening = self.opening, ()
        return opening

    def commit(self) -> None:
        """As the driver does; a transaction that was never begun is forgotten. Raises CommitUnknown."""
        self.opening, self.allowed_seconds = (), 0.0
        try:
            self._commit()
        except psycopg.OperationalError as error:
            if error.sqlstate is None or error.sqlstate.startswith(("08", "57P")):
                raise CommitUnknown(str(error)) from error
            raise

    def _commit(self) -> None:
        if self.notes_commits and self.pgconn.transaction_status == TransactionStatus.INTRANS:
            with self.lock:
                position = execute(self.pgconn, _COMMIT).get_value(0, 0)
            self.committed_at = int(position) if position else self.committed_at
            return
        super().commit()

    def rollback(self) -> None:
        """As the driver does; a transaction that was never begun is forgotten."""
        self.opening, self.allowed_seconds = (), 0.0
        super().rollback()
        self.forget_prepared()

    def forget_prepared(self) -> None:
        """After a rollback the driver deallocates all statements of the connection, also those that are not its own."""
        self.prepared.clear()

    def wait(self, *args: Any, **options: Any) -> Any:
        """Everything that psycopg sends comes by here, and what opens the transaction goes before it."""
        if self.opening:
            self.check_opening(execute(self.pgconn, b";".join(self.take_opening()), within=self.opening_seconds))
        self.waiting_since = time.monotonic()
        try:
            return super().wait(*args, **options)
        except psycopg.InternalError as error:
            # A server that is gone behind a pooler: BEGIN is answered by the last words of both, and the driver, which
            # expects one answer, calls that an internal error.
            if error.sqlstate is None and self.pgconn.status != ConnStatus.OK:
                raise psycopg.OperationalError(self.pgconn.get_error_message()) from error
            raise
        except psycopg.OperationalError as error:
            waited = time.monotonic() - self.waiting_since
            # Who says how long they wait, as for a notification, awaits no answer. An error of the server is one.
            is_answer_due = self.opening_seconds is None and options.get("timeout") is None and error.sqlstate is None
            if is_answer_due and waited >= settings.DATABASE_SILENT_SECONDS:
                note_silence(self.place)
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
        if self.alias == REPLICA:
            return self._connect_to_replica(conn_params)
        places = name_places(conn_params.get("host"), conn_params.get("port"))
        if is_silent(places):
            raise psycopg.OperationalError("the server did not answer a moment ago")
        try:
            connection = super().get_new_connection(conn_params)
        except psycopg.errors.ConnectionTimeout:
            note_silence(places)
            raise
        if self.alias in IDENTIFIED:
            read_identity(connection)
        connection.notes_commits = self.alias == DEFAULT_DB_ALIAS and is_replica_configured()
        return connection

    def _connect_to_replica(self, conn_params: dict[str, Any]) -> Any:
        """As Django does, without waiting for a machine that is not there: libpq waits for two seconds at least."""
        host, port = conn_params.get("host", ""), conn_params.get("port", 5432)
        if host and not host.startswith(("/", "@")) and "," not in host:
            try:
                socket.create_connection((host, int(port)), REPLICA_SECONDS).close()
            except OSError as error:
                raise psycopg.OperationalError(f"the replica cannot be reached: {error}") from error
        connection = super().get_new_connection(conn_params)
        connection.opening_seconds = REPLICA_SECONDS
        read_replica_lineage(connection)
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
