"""What an error of the database means: another try may not meet it, nothing can be written now, or it comes again."""

from typing import Final

from django import db

# SQLSTATE classes (and codes) of errors that another try may not meet: connection, rollback, resources, locks,
# operator, system; a server that is read-only for a moment. 42: the schema is being migrated under us.
TRANSIENT: Final = ("08", "40", "42", "53", "55", "57", "58", "25006", "25P03", "25P04")
QUERY_CANCELED: Final = "57014"
# Of these the rows are the cause, not the server: another transaction holds them, or they are too many for the time
# that is given.
_OF_ROWS: Final = ("40", "55", QUERY_CANCELED)
# A standby, or a primary that was put back; a disk that is full; the fence of a tenant that is being moved
# (tenants/migrations/0012_homes).
_READ_ONLY: Final = frozenset({"25006", "53100", "55M01"})


def sql_state(error: BaseException) -> str:
    """The SQLSTATE behind an error of Django's or the driver's, or ''."""
    for candidate in (error, error.__cause__):
        state = getattr(candidate, "sqlstate", None)
        if state:
            return str(state)
    return ""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: then it is tried again, for however long, and nothing is skipped."""
    if not isinstance(error, db.Error):
        return False
    state = sql_state(error)
    return state.startswith(TRANSIENT) if state else isinstance(error, db.OperationalError | db.InterfaceError)


def concerns_every_tenant(error: BaseException) -> bool:
    """Whether work for every other tenant would fail as well: the server is away, and not only some rows are held."""
    return isinstance(error, db.Error) and is_transient(error) and not sql_state(error).startswith(_OF_ROWS)


def refuses_writes(error: BaseException) -> bool:
    """Whether nothing can be written now, and no more than that: the server is there, and what only reads goes on,
    without what it would note.
    """
    return sql_state(error) in _READ_ONLY


def describe(error: BaseException) -> str:
    """The kind of an error and its SQLSTATE: the text might quote personal data."""
    return f"{type(error).__name__} {sql_state(error)}".strip()
