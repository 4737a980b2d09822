"""Which state of which database a connection shows: what is kept outside of the database is kept for that one alone.

Copies of rows live in Redis and in the memory of processes. When the database is restored from a backup, versions and
numbers that were given already are given again to something else, and a copy of what no longer exists would pass for
the truth. So such copies carry the identity of the database that they were read from. It is another one after

* a restore into another cluster (system identifier) or into a new database (its oid),
* a restore over the tables of the same database (the file that holds the status table),
* point-in-time recovery, a promoted standby, a base backup or a snapshot of the disk that was started again (timeline,
  time of the server's start).

A restart of the server changes it as well, which costs a cold cache and nothing else. Where a managed
server forbids one of these questions the others make the identity: restores begin with a start of the server.
"""

import hashlib
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from psycopg import errors

from storage.database.results import execute
from storage.database.routing import primary_connection

log = structlog.get_logger(__name__)

# For how long a pooler may hide from a connection that the server behind it is another one.
POOLED_SECONDS: Final = 10.0

PARTS: Final = {
    "cluster": b"(SELECT system_identifier FROM pg_control_system())",
    "database": b"(SELECT oid FROM pg_database WHERE datname = current_database())",
    "timeline": b"CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END",
    "start": b"extract(epoch FROM pg_postmaster_start_time())",
    "table": b"pg_relation_filenode(to_regclass('customer_lifecycle_status'))",
}
# What positions in the log are about: the same number is another place in another one's.
LINEAGE: Final = ("cluster", "database", "timeline")
# A standby does not say which timeline it replays, but which one its last restartpoint was on.
REPLICA_LINEAGE: Final = {
    **{name: PARTS[name] for name in ("cluster", "database")},
    "timeline": b"(SELECT lpad(upper(to_hex(timeline_id)), 8, '0') FROM pg_control_checkpoint())",
}
# Functions that a server does not have, does not let everyone call, or not now. 42501, 42883, 0A000, 55000.
FORBIDDEN: Final = (
    errors.InsufficientPrivilege,
    errors.UndefinedFunction,
    errors.FeatureNotSupported,
    errors.ObjectNotInPrerequisiteState,
)


def database_identity(*, using: str = DEFAULT_DB_ALIAS) -> str:
    """The identity of the database behind this thread's connection (16 characters), which is made if there is none.

    No statement: it was read when the connection was made. Raises Django's errors when it cannot be made. While this
    thread reads from a replica it is the primary's: what is kept outside is kept for that one.
    """
    connection: Any = primary_connection(using)
    connection.ensure_connection()
    identity: str = connection.connection.identity
    return identity


def read_identity(raw: Any) -> None:
    """Ask for the identity and note it on the connection, which is outside of any transaction. One statement; where the
    server forbids something, one for each part.
    """
    values = _ask_for(raw, PARTS)
    raw.identity = hashlib.sha256(b"/".join(values)).hexdigest()[:16]
    raw.identified_at = time.monotonic()
    raw.lineage = tuple(value for name, value in zip(PARTS, values, strict=True) if name in LINEAGE)


def read_replica_lineage(raw: Any) -> None:
    """Ask a replica whose log it replays, and note it on the connection. One statement."""
    raw.lineage = tuple(_ask_for(raw, REPLICA_LINEAGE))
    raw.identified_at = time.monotonic()


def is_same_lineage(one: tuple[bytes, ...], other: tuple[bytes, ...]) -> bool:
    """Whether two connections show the same history, as far as both may know it."""
    return all(not mine or not theirs or mine == theirs for mine, theirs in zip(one, other, strict=True))


def _ask_for(raw: Any, parts: Mapping[str, bytes]) -> list[bytes]:
    try:
        return _ask(raw, *parts.values())
    except FORBIDDEN:
        return [value for name, part in parts.items() for value in _ask_if_allowed(raw, name, part)]


def _ask(raw: Any, *parts: bytes) -> list[bytes]:
    result = execute(raw.pgconn, b"SELECT " + b", ".join(parts), within=raw.opening_seconds)
    return [result.get_value(0, column) or b"" for column in range(result.nfields)]


def _ask_if_allowed(raw: Any, name: str, part: bytes) -> list[bytes]:
    try:
        return _ask(raw, part)
    except FORBIDDEN as error:
        _note_forbidden(name, error.sqlstate)
        return [b""]


@cache
def _note_forbidden(name: str, code: str | None) -> None:
    """Said once a process."""
    log.warning("the server does not tell this part of its identity, the others have to do", part=name, code=code)


def is_identity_due(raw: Any) -> bool:
    """Whether the identity must be asked for again, because a pooler may have connected to another server since."""
    return settings.DATABASE_POOLER and time.monotonic() - raw.identified_at > POOLED_SECONDS
