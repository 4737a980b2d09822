"""``--tenant SLUG`` of the commands that work on one tenant or on all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from storage.away import AwayServers
from tenants.actors import TenantRef
from tenants.homes import AwayFromHome, home_of
from tenants.management.choosing import choose_tenant
from tenants.services.directory import list_tenants_everywhere


def add_tenant_argument(parser: Any, *, required: bool = False) -> None:
    """Add ``--tenant``."""
    everybody = "" if required else " Default: every tenant."
    parser.add_argument("--tenant", metavar="SLUG", required=required, help=f"The slug of one tenant.{everybody}")


def choose_tenants(slug: str | None, away: AwayServers | None = None) -> list[TenantRef]:
    """The tenants to work on, suspended ones too, of all servers that this process may go to: work on each within
    ``tenants.homes.at_home``. One clear line when there is no such tenant.

    With ``away`` a server that is away is noted there, and its tenants are left out: see ``is_away``.
    """
    if slug is not None:
        return [choose_tenant(slug, suspended_too=True)]
    return list_tenants_everywhere(suspended_too=True, away=away)


def is_away(tenant_id: UUID, away: AwayServers) -> bool:
    """Whether the tenant lives on one of those servers: it is to be left out."""
    return bool(away) and home_of(tenant_id) in away


@contextmanager
def at_home_unless_away(tenant_id: UUID, away: AwayServers) -> Iterator[None]:
    """As ``tenants.homes.at_home``. That another server is away is noted, and the rest of the block left out."""
    moved: AwayFromHome | None = None
    with away.work_on(home_of(tenant_id)):
        try:
            yield
        except AwayFromHome as error:
            # It has moved at this moment, and its former server is there.
            moved = error
    if moved is not None:
        raise moved


def describe_away(away: AwayServers) -> str:
    """What a command over all servers says at its end of those that it has left out, or ''."""
    return f"Away, and left out from then on: server {away}. Run it again when all are there." if away else ""
