"""``--tenant SLUG`` of commands: the tenant wherever it lives, or one clear line."""

from django.core.management.base import CommandError

from tenants.actors import TenantRef
from tenants.homes import AwayFromHome
from tenants.services.directory import find_tenant_everywhere


def choose_tenant(slug: str, *, suspended_too: bool = False) -> TenantRef:
    """The tenant of a slug, on whatever server (``tenants.homes.at_home`` goes there). Raises CommandError."""
    try:
        tenant = find_tenant_everywhere(slug, suspended_too=suspended_too)
    except AwayFromHome as error:
        raise CommandError(f"{error}. Nothing was done.") from error
    if tenant is None:
        raise CommandError(f"There is no tenant {slug!r}.")
    return tenant
