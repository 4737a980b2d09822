"""Which state of which database a connection shows: what is kept outside of the database is kept for that one alone.

Copies of rows live in Redis and in the memory of processes. When the database is restored from a backup, versions and
numbers that were given already are given again to something else, and a copy of what no longer exists would pass for
the truth. So such copies carry the identity of the database that they were read from. It is another one after

* a restore into another cluster (system identifier) or into a new database (its oid),
* a restore over the tables of the same database (the file that holds the status table),
* point-in-time recovery, a promoted standby, a base backup or a snapshot of the disk that was started again (timeline,
  time of the server's start).

A restart of the server changes it as well, which costs a cold cache and nothing else.
"""

import hashlib
import time
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from audit.database.results import execute

# For how long a pooler may hide from a connection that the server behind it is another one.
POOLED_SECONDS: Final = 10.0

IDENTITY: Final = b"""
SELECT (SELECT system_identifier FROM pg_control_system()),
       (SELECT oid FROM pg_database WHERE datname = current_database()),
       CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
       extract(epoch FROM pg_postmaster_start_time()),
       pg_relation_filenode(to_regclass('customer_lifecycle_status'))
"""


def database_identity(*, using: str = DEFAULT_DB_ALIAS) -> str:
    """The identity of the database behind this thread's connection (16 characters), which is made if there is none.

    No statement: it was read when the connection was made. Raises Django's errors when it cannot be made.
    """
    connection: Any = connections[using]
    connection.ensure_connection()
    identity: str = connection.connection.identity
    return identity


def read_identity(raw: Any) -> None:
    """Ask for the identity and note it on the connection, which is outside of any transaction. One statement."""
    result = execute(raw.pgconn, IDENTITY)
    values = [result.get_value(0, column) or b"" for column in range(result.nfields)]
    raw.identity = hashlib.sha256(b"/".join(values)).hexdigest()[:16]
    raw.identified_at = time.monotonic()


def is_identity_due(raw: Any) -> bool:
    """Whether the identity must be asked for again, because a pooler may have connected to another server since."""
    return settings.DATABASE_POOLER and time.monotonic() - raw.identified_at > POOLED_SECONDS
