"""On which PostgreSQL server this thread works: its connections are those of one server at a time.

A router of Django's is asked for queries of the ORM alone. Statements of our own, ``transaction.atomic`` and what runs
on commit name a connection, and a unit of work that is routed by halves would write half of itself elsewhere. So what
changes is where the names lead: ``on_server`` puts another server's connections under the names ``default``,
``platform`` and so on, for this thread and for a whole unit of work, and only where no transaction is open. Without
``DATABASE_SERVERS`` nothing here is called.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.db import connections
from django.db.utils import ConnectionHandler

MAIN: Final = "main"
# Under this name the ORM finds the server main's application role from wherever the thread is (StaysOnMain).
MAIN_ALIAS: Final = "main"
# And the server main's platform role, from elsewhere.
MAIN_PLATFORM: Final = "main-platform"
_thread = threading.local()


class ServerSwitchRefused(RuntimeError):
    """A thread was to go to another server with a transaction open, or to one that there is not."""


def has_servers() -> bool:
    """Whether this process may go to several servers."""
    return bool(settings.DATABASE_SERVERS)


def server_names() -> tuple[str, ...]:
    """The servers that this process may go to, the one that it works on first."""
    return (settings.DATABASE_SERVER, *settings.DATABASE_SERVERS)


def current_server() -> str:
    """The name of the server that this thread works on."""
    name: str = getattr(_thread, "server", "") or settings.DATABASE_SERVER
    return name


def is_away() -> bool:
    """Whether this thread works on another server than its process: MAIN_ALIAS and MAIN_PLATFORM lead back then."""
    return current_server() != settings.DATABASE_SERVER


@contextmanager
def on_server(name: str, *, apart: bool = False) -> Iterator[None]:
    """Let this thread work on that server until the end of the block.

    Raises ServerSwitchRefused when a transaction is open, at the beginning as at the end, or the server is not known.
    ``apart``: one may be open at the beginning; what is done there is no part of it, and stays whatever becomes of it.
    """
    before = current_server()
    if name == before:
        yield
        return
    _go_to(name, apart=apart)
    try:
        yield
    finally:
        _go_to(before)


def home_connection(alias: str) -> Any:
    """The connection of this thread to the server that the process works on, wherever the thread is."""
    kept: Mapping[str, Any] | None = getattr(_thread, "home", None)
    return kept[alias] if kept is not None and alias in kept else connections[alias]


def connection_to(name: str, alias: str) -> Any:
    """This thread's connection to a server, without going there: for a look that is no part of a unit of work."""
    if name == current_server():
        return connections[alias]
    there = home_connection(alias) if name == settings.DATABASE_SERVER else _handler(name)[alias]
    if there.errors_occurred and not there.in_atomic_block:
        # A command closes its own server's lost connections, and going there is what closes another's: one that is only
        # looked at from here would stay lost for as long as the process lives.
        there.close_if_unusable_or_obsolete()
    return there


def alias_on(name: str, alias: str) -> str:
    """A name under which the ORM reads over this thread's connection to a server, without going there. Not for writing:
    a unit of work is ``on_server``'s.
    """
    if name == current_server():
        return alias
    there = f"{alias}@{name}"
    connections[there] = connection_to(name, alias)
    return there


def close_others() -> None:
    """Close this thread's connections to all servers but the one that it is on."""
    for name in settings.DATABASE_SERVERS:
        _handler(name).close_all()


def own_connections() -> list[Any]:
    """This thread's connections to the other servers, opened or not: for those who look after them by a list."""
    return [_handler(name)[alias] for name in settings.DATABASE_SERVERS for alias in settings.DATABASES]


def _go_to(name: str, *, apart: bool = False) -> None:
    here = {alias: connections[alias] for alias in settings.DATABASES}
    if not apart and any(connection.in_atomic_block for connection in here.values()):
        raise ServerSwitchRefused(f"A transaction is open on {current_server()}: end it before going to {name}.")
    if getattr(_thread, "home", None) is None:
        _thread.home = here
        connections[MAIN_ALIAS] = here["default"]
        connections[MAIN_PLATFORM] = here["platform"]
    if name == settings.DATABASE_SERVER:
        there = _thread.home
    elif name in settings.DATABASE_SERVERS:
        handler = _handler(name)
        there = {alias: handler[alias] for alias in here}
    else:
        raise ServerSwitchRefused(f"There is no server {name}: DATABASE_SERVERS does not name it.")
    for alias, connection in there.items():
        # One that is in a transaction is come back to.
        if connection.connection is not None and not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        connections[alias] = connection
    _thread.server = name


@cache
def _handler(name: str) -> ConnectionHandler:
    """The connections to one server, one a thread and alias, under the names that they have everywhere.

    An address that was not given has Django's placeholder, which refuses every use.
    """
    given = settings.DATABASE_SERVERS[name]
    return ConnectionHandler({alias: dict(given.get(alias, {})) for alias in settings.DATABASES})


class StaysOnMain:
    """Django's router for what belongs to no tenant: sessions are the server main's, wherever their people live."""

    TABLES: Final = frozenset({"django_session"})

    def db_for_read(self, model: Any, **_: Any) -> str | None:
        """The server main, when the thread is elsewhere."""
        return MAIN_ALIAS if is_away() and model._meta.db_table in self.TABLES else None

    db_for_write = db_for_read
