"""``--tenant SLUG`` of the commands that work on one tenant or on all."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError

from tenants.actors import TenantRef
from tenants.services.directory import list_every_tenant


def add_tenant_argument(parser: Any, *, required: bool = False) -> None:
    """Add ``--tenant``."""
    everybody = "" if required else " Default: every tenant."
    parser.add_argument("--tenant", metavar="SLUG", required=required, help=f"The slug of one tenant.{everybody}")


def choose_tenants(slug: str | None, *, among: Sequence[TenantRef] | None = None) -> list[TenantRef]:
    """The tenants to work on, suspended ones too; one clear line when there is no such tenant."""
    tenants = list_every_tenant() if among is None else list(among)
    chosen = [tenant for tenant in tenants if slug is None or tenant.slug == slug]
    if slug is not None and not chosen:
        raise CommandError(f"There is no tenant {slug!r}.")
    return chosen
