"""Names for those who changed something, as the one who looks would call them."""

from collections.abc import Iterable, Mapping

from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.services.accounts.members import name_members


def name_people(ids: Iterable[str], *, tenant: TenantRef, viewer: Identity) -> Mapping[str, str]:
    """For each recorded id what to call it; who looks is told that it was himself. One statement."""
    names = name_members(ids, tenant=tenant)
    own = str(viewer.user_id)
    return names | {own: f"{viewer.username} (you)"} if own in names else names
