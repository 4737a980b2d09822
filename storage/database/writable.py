"""A database that answers and takes no writes for the moment: what only reads goes on, without what it would note."""

from typing import Final

from django import db

# A standby, or a primary that was put back; a disk that is full; the fence of a tenant that is being moved
# (tenants/migrations/0012_homes).
_STATES: Final = frozenset({"25006", "53100", "55M01"})


def refuses_writes(error: db.Error) -> bool:
    """Whether the error means that nothing can be written now, and no more than that: the server is there and reads."""
    return getattr(error.__cause__, "sqlstate", None) in _STATES
