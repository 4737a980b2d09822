"""``--tenant SLUG`` of the commands that work on one tenant or on all."""

from typing import Any

from tenants.actors import TenantRef
from tenants.management.choosing import choose_tenant
from tenants.services.directory import list_tenants_everywhere


def add_tenant_argument(parser: Any, *, required: bool = False) -> None:
    """Add ``--tenant``."""
    everybody = "" if required else " Default: every tenant."
    parser.add_argument("--tenant", metavar="SLUG", required=required, help=f"The slug of one tenant.{everybody}")


def choose_tenants(slug: str | None) -> list[TenantRef]:
    """The tenants to work on, suspended ones too, of all servers that this process may go to: work on each within
    ``tenants.homes.at_home``. One clear line when there is no such tenant.
    """
    return list_tenants_everywhere(suspended_too=True) if slug is None else [choose_tenant(slug, suspended_too=True)]
