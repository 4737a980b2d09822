"""Names for those who changed something, as the one who looks would call them."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from audit.services.former_names import find_names_then
from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.services.accounts.members import name_members


def name_people(ids: Iterable[str], *, tenant: TenantRef, viewer: Identity) -> Mapping[str, str]:
    """For each recorded id what to call it, and to those who look themselves that it was them. One statement."""
    names = name_members(ids, tenant=tenant)
    own = str(viewer.user_id)
    return names | {own: f"{viewer.username} (you)"} if own in names else names


def name_people_then(
    asked: Collection[tuple[str, dt.datetime]], *, tenant: TenantRef, viewer: Identity
) -> Mapping[tuple[str, dt.datetime], str]:
    """The same, by what they were called when it was recorded. Two statements."""
    today = name_people({id_ for id_, _ in asked}, tenant=tenant, viewer=viewer)
    # A part of the system is no UUID, and has the name it has.
    people = {(UUID(id_), at) for id_, at in asked if not id_.startswith("system:") and id_ != str(viewer.user_id)}
    former = {(str(id_), at): name for (id_, at), name in find_names_then(people, tenant_id=tenant.id).items()}
    return {(id_, at): former.get((id_, at), today[id_]) for id_, at in asked}
