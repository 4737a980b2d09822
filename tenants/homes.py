"""On which server each tenant lives, as this process knows it: a copy of the directory, a second old at most.

The directory is the table ``tenants_home`` of the server main. A tenant without a row lives there as well. Only
``move_tenant`` writes it. A writer that believes an old copy for that second is refused by the server that the tenant
has left, which keeps what it had until every copy is newer (``lifecycle.services.moving``).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError

from storage.servers import (
    MAIN,
    connection_to,
    current_server,
    has_servers,
    home_connection,
    on_server,
    server_names,
)

LIFETIME_SECONDS: Final = 1.0
_NAMED: Final = "SELECT tenant_id FROM tenants_user WHERE username = %s AND id <> %s"
_ALL: Final = "SELECT tenant_id, slug, server FROM tenants_home WHERE server <> %s"


class AwayFromHome(OperationalError):
    """Work for a tenant was begun on a server that it does not live on. It is refused before any statement."""


class NameTakenElsewhere(IntegrityError):
    """Someone on another server has this user name: what its unique key would say if it reached there."""


@dataclass(frozen=True, slots=True)
class Home:
    """A tenant that does not live on the server main."""

    tenant_id: UUID
    slug: str
    server: str


@dataclass(slots=True)
class _Known:
    read_at: float = float("-inf")
    by_id: dict[UUID, Home] = field(default_factory=dict)
    by_slug: dict[str, Home] = field(default_factory=dict)


_known = _Known()
_lock = threading.Lock()
_anywhere = threading.local()


def find_server(tenant_id: UUID) -> str:
    """The name of the server that the tenant lives on. One statement a second, over the platform role of main.

    Raises what the database raises: without the directory no one knows, and nothing is guessed.
    """
    home = _read().by_id.get(tenant_id)
    return home.server if home else MAIN


def find_home(slug: str) -> Home | None:
    """The home of a tenant that does not live on main, by its slug."""
    return _read().by_slug.get(slug)


def list_homes() -> list[Home]:
    """Every tenant that does not live on main, by slug."""
    known = _read()
    return [known.by_slug[slug] for slug in sorted(known.by_slug)]


def server_to_work_on(slug: str) -> str:
    """The server on which to work for the tenant of a slug: where it lives, or this process's own where that is all
    that it may go to. A tenant that there is not yet would live on main.

    Raises AwayFromHome when the tenant lives on a server of which this process has no address.
    """
    if settings.DATABASE_SERVER != MAIN:
        return settings.DATABASE_SERVER
    home = find_home(slug)
    if home is None:
        return MAIN
    if home.server not in server_names():
        raise AwayFromHome(
            f"{slug} lives on server {home.server}: work there with DATABASE_SERVER={home.server}, or give"
            " DATABASE_SERVERS its addresses"
        )
    return home.server


@contextmanager
def at_home(tenant_id: UUID, *, apart: bool = False) -> Iterator[None]:
    """Let this thread work on the server that the tenant lives on until the end of the block, as ``on_server`` does."""
    with on_server(home_of(tenant_id), apart=apart):
        yield


def home_of(tenant_id: UUID) -> str:
    """As ``find_server``; where there is only one server it is that, and nothing is asked."""
    return find_server(tenant_id) if has_servers() else current_server()


def forget_homes() -> None:
    """Read the directory again when it is next asked."""
    _known.read_at = float("-inf")


def refuse_elsewhere(tenant_id: UUID) -> None:
    """Raise AwayFromHome when this thread is not on the tenant's server. Nothing where there is only one server."""
    if not has_servers() or settings.DATABASE_SERVER != MAIN or _is_anywhere():
        return
    home, here = find_server(tenant_id), current_server()
    if home != here:
        raise AwayFromHome(f"tenant {tenant_id} lives on server {home}, and this work was begun on {here}")


def refuse_slug_elsewhere(slug: str) -> None:
    """Raise NameTakenElsewhere when a tenant with this slug lives on another server. At most one statement."""
    if settings.DATABASE_SERVER == MAIN and find_home(slug) is not None:
        raise NameTakenElsewhere(f"A tenant with the slug {slug} lives on another server.")


def refuse_name_elsewhere(username: str, user_id: UUID) -> None:
    """Raise NameTakenElsewhere when another user has this name on another server. A statement for each other server.

    Call before a user name is written, by which people log in whatever their server. Old rows of a tenant that has left
    name no one. Nothing is locked there: of two at the very same moment both may pass.
    """
    for name in server_names():
        if name == current_server():
            continue
        with connection_to(name, "platform").cursor() as cursor:
            cursor.execute(_NAMED, [username, user_id])
            row = cursor.fetchone()
        if row is not None and (row[0] is None or find_server(row[0]) == name):
            raise NameTakenElsewhere(f"The user name is taken on server {name}.")


@contextmanager
def at_any_server() -> Iterator[None]:
    """Let this thread look at a tenant's rows on any server: only for comparing what is on both sides of a move."""
    _anywhere.depth = getattr(_anywhere, "depth", 0) + 1
    try:
        yield
    finally:
        _anywhere.depth -= 1


def _is_anywhere() -> bool:
    depth: int = getattr(_anywhere, "depth", 0)
    return depth > 0


def _read() -> _Known:
    if time.monotonic() - _known.read_at <= LIFETIME_SECONDS:
        return _known
    with _lock:
        began = time.monotonic()
        if began - _known.read_at <= LIFETIME_SECONDS:
            return _known
        with home_connection("platform").cursor() as cursor:
            cursor.execute(_ALL, [MAIN])
            homes = [Home(*row) for row in cursor.fetchall()]
        _known.by_id = {home.tenant_id: home for home in homes}
        _known.by_slug = {home.slug: home for home in homes}
        # As of when it was asked: what changes while it is answered is newer than that.
        _known.read_at = began
    return _known
