"""Finding people of one tenant by the names that outsiders know them by."""

import datetime as dt
from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.services.former_names import NAME_THEN
from tenants.actors import TenantRef
from tenants.models import User
from tenants.rules.texts import clean_line, fold_text

# Who did something, by the id that was recorded, and when.
Recorded = tuple[str, dt.datetime]

# One whom no one has renamed is called what they are called today.
_NAMED_THEN: Final = f"""
SELECT wanted.subject_id, wanted.at, COALESCE(former.name, NULLIF(u.full_name, ''), u.username)
  FROM unnest(%s::uuid[], %s::timestamptz[]) AS wanted (subject_id, at)
  LEFT JOIN LATERAL ({NAME_THEN}) AS former ON true
  LEFT JOIN tenants_user u ON u.tenant_id = %s AND u.id = wanted.subject_id
"""  # noqa: S608  constants

# The same, and beside it what ``name_accounts`` looks up.
_NAMED_BOTH: Final = f"""
SELECT known.subject_id, known.at, known.name, NULL::text FROM ({_NAMED_THEN}) AS known (subject_id, at, name)
 UNION ALL
SELECT u.id, NULL, CASE WHEN EXISTS (SELECT 1 FROM tenants_user o
                                      WHERE o.tenant_id = u.tenant_id AND o.full_name = u.full_name AND o.id <> u.id)
                        THEN u.full_name || ' (' || u.username || ')' ELSE u.full_name END, u.username
  FROM tenants_user u
 WHERE u.tenant_id = %s AND u.username = ANY(%s) AND NOT u.is_service_account AND u.full_name <> ''
"""  # noqa: S608  constants


def find_members(names: Collection[str], *, tenant: TenantRef) -> dict[str, UUID]:
    """The ids of the tenant's active users, by whichever of ``names`` is their id, username or external subject.

    Names that no one has are absent. Call inside the tenant's context. One statement.
    """
    ids = [found for name in names if (found := _as_uuid(name)) is not None]
    # The same name or id may be spelled in several ways: of a batch each item as its own program has it.
    spelled: dict[str, list[str]] = {}
    for name in names:
        spelled.setdefault(fold_text(clean_line(name)), []).append(name)
    rows = User.objects.filter(
        Q(username__in=spelled) | Q(external_subject__in=names) | Q(id__in=ids), tenant_id=tenant.id, is_active=True
    )
    return {
        name: user.id
        for user in rows
        for name in (*user.public_names, *spelled.get(user.username, ()), *spelled.get(str(user.id), ()))
        if name in names
    }


def name_members_then(asked: Collection[Recorded], *, tenant: TenantRef) -> dict[Recorded, str]:
    """What those who did something for the tenant were called at the time, for each id and when it was recorded.

    Who is no user of the tenant is internal staff: no one else can do anything here. Call inside the tenant's context.
    One statement at most.
    """
    people = {(str(found), at) for id_, at in asked if (found := _as_uuid(id_)) is not None}
    names: dict[Recorded, str] = {}
    if people:
        ids, timestamps = zip(*people, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(_NAMED_THEN, [list(ids), list(timestamps), tenant.id, tenant.id])
            names = {(str(subject), at): name for subject, at, name in cursor.fetchall() if name}
    return {(id_, at): names.get((id_.lower(), at)) or _name_other(id_) for id_, at in asked}


def name_accounts(usernames: Collection[str], *, tenant: TenantRef) -> dict[str, str]:
    """What the people behind these user names, however spelled, are called; followed by the user name where another
    user of the tenant is called the same.

    Service accounts and names without an account, or whose account has no full name, are absent. Call inside the
    tenant's context. One statement at most.
    """
    keys = {username: fold_text(username) for username in usernames if username}
    if not keys:
        return {}
    namesakes = User.objects.filter(tenant_id=tenant.id, full_name=OuterRef("full_name")).exclude(pk=OuterRef("pk"))
    people = User.objects.filter(
        tenant_id=tenant.id, username__in=set(keys.values()), is_service_account=False, full_name__gt=""
    ).values_list("username", "full_name", Exists(namesakes))
    called = {username: f"{name} ({username})" if has_namesake else name for username, name, has_namesake in people}
    return {username: called[key] for username, key in keys.items() if key in called}


def name_members_and_accounts(
    asked: Collection[Recorded], usernames: Collection[str | None], *, tenant: TenantRef
) -> tuple[dict[Recorded, str], dict[str, str]]:
    """What ``name_members_then`` and ``name_accounts`` say. Call inside the tenant's context. One statement at most."""
    people = {(str(found), at) for id_, at in asked if (found := _as_uuid(id_)) is not None}
    keys = {username: fold_text(username) for username in usernames if username}
    names: dict[Recorded, str] = {}
    called: dict[str, str] = {}
    if people or keys:
        ids, timestamps = [id_ for id_, _at in people], [at for _id, at in people]
        with connection.cursor() as cursor:
            cursor.execute(_NAMED_BOTH, [ids, timestamps, tenant.id, tenant.id, tenant.id, sorted(set(keys.values()))])
            for subject, at, name, username in cursor.fetchall():
                if username is not None:
                    called[username] = name
                elif name:
                    names[str(subject), at] = name
    return (
        {(id_, at): names.get((id_.lower(), at)) or _name_other(id_) for id_, at in asked},
        {username: called[key] for username, key in keys.items() if key in called},
    )


# Processes as people know them.
_PROCESSES = {
    "consume_events": gettext_lazy("Automatic (event)"),
    "import_customers": gettext_lazy("Import"),
    "risk_rules": gettext_lazy("At-risk rule"),
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
