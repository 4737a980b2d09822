"""The people of a tenant to whom a note may speak and whom a task may be given."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from lifecycle.services.work.refusals import WorkRefused
from tenants.actors import TenantRef
from tenants.models import User
from tenants.roles import ROLE_PERMISSIONS, UPDATE_LIFECYCLE, VIEW_HISTORY, Role
from tenants.rules.texts import fold_text
from tenants.services.accounts.members import find_members

# So many people of one note are notified, and so many are offered by name.
MOST_MENTIONED: Final = 20
MOST_OFFERED: Final = 200
# ``@maria.lopez`` or the whole user name, ``@maria.lopez@acme.example``; not the address inside a sentence.
_MENTION: Final = re.compile(r"(?<![\w.@+-])@([\w.+-]*\w(?:@[\w.-]*\w)?)")


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Whom a text names: colleagues to be notified, and names that lead to no one who may read it."""

    user_ids: tuple[UUID, ...] = ()
    missed: tuple[str, ...] = ()


def read_names(text: str) -> list[str]:
    """The names behind an ``@``, each once, in their order."""
    return list(dict.fromkeys(fold_text(name) for name in _MENTION.findall(text)))[:MOST_MENTIONED]


def split_mentions(text: str) -> list[str]:
    """The text in parts: every second one, from the second on, is a mention with its ``@``."""
    return re.split(_MENTION.pattern.replace("@(", "(@", 1), text)


def find_mentioned(text: str, *, tenant: TenantRef) -> Mentioned:
    """The colleagues that a text mentions. Call inside the tenant's context. One statement, none without a name.

    A name is a whole user name, or what comes before its ``@`` where only one colleague is called so.
    """
    names = read_names(text)
    if not names:
        return Mentioned()
    wanted = Q(username__in=names)
    for name in names:
        if "@" not in name:
            wanted |= Q(username__startswith=f"{name}@")
    found = list(_people(tenant, VIEW_HISTORY).filter(wanted).values_list("id", "username"))
    whole = {username: id_ for id_, username in found}
    meant: dict[str, UUID] = {}
    for name in names:
        beginning = [id_ for id_, username in found if username.partition("@")[0] == name]
        if name in whole:
            meant[name] = whole[name]
        elif len(beginning) == 1:
            meant[name] = beginning[0]
    return Mentioned(
        tuple(dict.fromkeys(meant.values())),
        tuple(name for name in names if name not in meant),
    )


def list_colleagues(tenant: TenantRef) -> Sequence[tuple[UUID, str, str]]:
    """Id, user name and full name of those who may be given a task, by name. One statement."""
    people = _people(tenant, UPDATE_LIFECYCLE).order_by("full_name", "username")
    return list(people.values_list("id", "username", "full_name")[:MOST_OFFERED])


def find_assignee(name: str, *, tenant: TenantRef) -> UUID:
    """The colleague of an id, user name or external subject. Raises WorkRefused for whom a task cannot be given."""
    user_id = find_members([name], tenant=tenant).get(name)
    if user_id is None or not _people(tenant, UPDATE_LIFECYCLE).filter(id=user_id).exists():
        raise WorkRefused(
            "invalid_request",
            _(
                "A task is for an active colleague who may work with customers, and no one such has this name. Nothing"
                " was saved."
            ),
            "assignee",
        )
    return user_id


def _people(tenant: TenantRef, permission: str) -> QuerySet[User]:
    roles = [role.value for role in Role if permission in ROLE_PERMISSIONS[role]]
    return User.objects.filter(tenant_id=tenant.id, is_active=True, is_service_account=False, role__in=roles)
