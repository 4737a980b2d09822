"""Which server this thread's statements go to: the primary, or by name and for a block the replica.

Within ``reading_from`` the default connection *is* the replica's: everything in the block, Django's own statements and
ours, is read from one server in one transaction, and nothing of it can go to the other by mistake. What has to be on
the primary all the same (a visit that is noted, a copy for everyone) says so with ``on_primary``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

REPLICA: Final = "replica"

_thread = local()


def is_replica_configured() -> bool:
    """Whether this process was given the address of a replica, of the server that this thread works on."""
    return REPLICA in connections.settings and bool(connections[REPLICA].settings_dict["NAME"])


def is_reading_replica() -> bool:
    """Whether the default connection of this thread is the replica's at the moment."""
    return getattr(_thread, "primary", None) is not None


def primary_connection(using: str = DEFAULT_DB_ALIAS) -> Any:
    """The wrapper of this alias; of the default one always that of the primary."""
    primary = getattr(_thread, "primary", None)
    return primary if primary is not None and using == DEFAULT_DB_ALIAS else connections[using]


@contextmanager
def reading_from(alias: str) -> Iterator[None]:
    """For the block, let this thread's default connection be the one of that alias. Nesting changes nothing."""
    if is_reading_replica():
        yield
        return
    primary = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connections[alias]
    _thread.primary = primary
    try:
        yield
    finally:
        _thread.primary = None
        connections[DEFAULT_DB_ALIAS] = primary


@contextmanager
def on_primary() -> Iterator[None]:
    """For the block, the primary again. The tenant's context is another one there: enter it in the block."""
    primary = getattr(_thread, "primary", None)
    if primary is None:
        yield
        return
    replica = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = primary
    _thread.primary = None
    try:
        yield
    finally:
        _thread.primary = primary
        connections[DEFAULT_DB_ALIAS] = replica
