"""Finding people of one tenant by the names that outsiders know them by."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from tenants.actors import TenantRef
from tenants.models import User


def find_members(names: Collection[str], *, tenant: TenantRef) -> dict[str, UUID]:
    """The ids of the tenant's active users, by whichever of ``names`` is their id, username or external subject.

    Names that nobody has are absent. Call inside the tenant's context. One statement.
    """
    ids = [found for name in names if (found := _as_uuid(name)) is not None]
    rows = User.objects.filter(
        Q(username__in=names) | Q(external_subject__in=names) | Q(id__in=ids), tenant_id=tenant.id, is_active=True
    )
    return {name: user.id for user in rows for name in user.public_names if name in names}


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
