"""Names for those who changed something: history keeps ids, people want to read who it was."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from tenants.actors import SYSTEM, TenantRef
from tenants.identity import Identity
from tenants.models import User

STAFF = "Internal staff"
SYSTEM_PREFIX = "system:"


def name_people(ids: Iterable[str], *, tenant: TenantRef, viewer: Identity) -> Mapping[str, str]:
    """For each ``changed_by`` what to call it. One statement, none when only the system and the viewer are named.

    Who is no user of the tenant is internal staff: nobody else can change anything here.
    """
    wanted = set(ids)
    names = {id_: _name_system(id_) for id_ in wanted if id_.startswith(SYSTEM_PREFIX)}
    names[str(viewer.user_id)] = f"{viewer.username} (you)"
    others = [user_id for id_ in wanted - names.keys() if (user_id := _as_uuid(id_)) is not None]
    if others:
        rows = User.objects.filter(tenant_id=tenant.id, id__in=others).values_list("id", "full_name", "username")
        names |= {str(id_): full_name or username for id_, full_name, username in rows}
    return {id_: names.get(id_, STAFF) for id_ in wanted}


def _name_system(id_: str) -> str:
    task = id_.removeprefix(SYSTEM_PREFIX).replace("_", " ")
    return f"{SYSTEM.capitalize()} ({task})"


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
