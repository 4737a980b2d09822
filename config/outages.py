"""A database that is away, full, busy or only to be read: what that is to the outside. The one place that says so."""

from collections.abc import Mapping
from types import MappingProxyType

import psycopg
from django import db
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from storage.database.base import CommitUnknown
from storage.failures import sql_state

UNCHANGED = _("Nothing was changed. Try again in a moment.")
# When not even the end of the transaction is known.
UNKNOWN = _("Your change may not have been saved. Check before you try again.")
AWAY = _("The database cannot be reached at the moment.")
FULL = _("The database is full at the moment.")
READ_ONLY = _("The database is read-only at the moment.")
SLOW = _("The database took too long, or what is needed was locked for too long.")
MOVING = _("Your company's data is moving to another server and is read-only for a few seconds.")
BUSY = _("The database is busy with the same rows at the moment.")
# By SQLSTATE, the longest beginning that fits. An error without one is the connection's own.
SENTENCES: Mapping[str, str | Promise] = MappingProxyType(
    {
        "08": AWAY,  # connection exceptions
        "57P": AWAY,  # shut down, crashed, starting up, dropped
        "58": AWAY,  # the server's disk
        "53": FULL,  # connections, memory, disk
        "25006": READ_ONLY,  # a standby, or a primary that was put back
        "57014": SLOW,  # statement_timeout
        "55P03": SLOW,  # lock_timeout
        "55M01": MOVING,  # tenants/migrations/0012_homes: the fence of a tenant that is being moved
        "25P03": SLOW,  # idle_in_transaction_session_timeout
        "25P04": SLOW,  # transaction_timeout
        "40": BUSY,  # serialization failures and deadlocks
    }
)
LONGEST = max(map(len, SENTENCES))


def find_outage(error: BaseException) -> str:
    """The sentence when an exception means that the database is not available; empty when it means anything else."""
    if not isinstance(error, db.Error | psycopg.Error):
        return ""
    state = sql_state(error)
    if not state:
        return str(AWAY) if isinstance(error, _OF_CONNECTIONS) else ""
    for length in range(LONGEST, 1, -1):
        if sentence := SENTENCES.get(state[:length]):
            return str(sentence)
    return ""


def is_commit_unknown(error: BaseException) -> bool:
    """Whether the database was lost between COMMIT and its answer, so that no one knows what became of the change.

    Django connects again on the way out of a transaction, and where that fails its error is the one that comes out.
    """
    before = (error.__cause__, error.__context__)
    return isinstance(error, CommitUnknown) or any(one is not None and is_commit_unknown(one) for one in before)


_OF_CONNECTIONS = (db.OperationalError, db.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
