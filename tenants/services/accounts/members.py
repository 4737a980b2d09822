"""Finding people of one tenant by the names that outsiders know them by."""

import datetime as dt
from collections.abc import Collection, Iterable
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.services.former_names import find_names_then
from tenants.actors import TenantRef
from tenants.models import User
from tenants.rules.texts import clean_line, fold_text

# Who did something, by the id that was recorded, and when.
Recorded = tuple[str, dt.datetime]


def find_members(names: Collection[str], *, tenant: TenantRef) -> dict[str, UUID]:
    """The ids of the tenant's active users, by whichever of ``names`` is their id, username or external subject.

    Names that no one has are absent. Call inside the tenant's context. One statement.
    """
    ids = [found for name in names if (found := _as_uuid(name)) is not None]
    usernames = {fold_text(clean_line(name)): name for name in names}
    rows = User.objects.filter(
        Q(username__in=usernames) | Q(external_subject__in=names) | Q(id__in=ids), tenant_id=tenant.id, is_active=True
    )
    return {
        name: user.id
        for user in rows
        for name in (*user.public_names, usernames.get(user.username, ""))
        if name in names
    }


def name_members(ids: Iterable[str], *, tenant: TenantRef) -> dict[str, str]:
    """What to call those who did something for the tenant, by the id that was recorded. One statement.

    Who is no user of the tenant is internal staff: no one else can do anything here. Call inside the tenant's context.
    """
    wanted = set(ids)
    people = [found for one in wanted if (found := _as_uuid(one)) is not None]
    rows = User.objects.filter(tenant_id=tenant.id, id__in=people).values_list("id", "full_name", "username")
    names = {str(id_): full_name or username for id_, full_name, username in rows}
    return {one: names.get(one) or _name_other(one) for one in wanted}


def name_members_then(asked: Collection[Recorded], *, tenant: TenantRef) -> dict[Recorded, str]:
    """The same by what they were called at the time, for each id and when it was recorded. Two statements."""
    today = name_members({id_ for id_, _at in asked}, tenant=tenant)
    people = {(found, at) for id_, at in asked if (found := _as_uuid(id_)) is not None}
    former = find_names_then(people, tenant_id=tenant.id)
    return {(id_, at): former.get((_as_uuid(id_), at), today[id_]) for id_, at in asked}  # type: ignore[arg-type]


# Processes as people know them.
_PROCESSES = {
    "consume_events": gettext_lazy("Automatic (event)"),
    "import_customers": gettext_lazy("Import"),
    "move_customers": gettext_lazy("Automatic (configuration change)"),
}


def name_process(id_: str) -> str:
    """What to call a part of the system by its recorded id, ``system:<name>``."""
    name = id_.removeprefix("system:")
    return str(_PROCESSES.get(name) or _("System (%(name)s)") % {"name": name.replace("_", " ")})


def _name_other(id_: str) -> str:
    return name_process(id_) if id_.startswith("system:") else _("Internal staff")


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
