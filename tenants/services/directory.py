"""Looking up tenants and users before a tenant is known: log-in, the X-Tenant header, an event's tenantid.

These are the only reads across tenants outside the relay. They go over the ``platform`` connection, whose role may
read every tenant's rows and write none.
"""

import datetime as dt
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Q, QuerySet

from storage.away import AwayServers
from storage.servers import (
    MAIN,
    MAIN_PLATFORM,
    connection_to,
    current_server,
    has_servers,
    is_away,
    on_server,
    server_names,
)
from tenants.actors import TenantRef
from tenants.context import NO_TENANT
from tenants.homes import find_server, list_homes, server_to_work_on
from tenants.models import Tenant, User
from tenants.rules.texts import find_text_error
from tenants.rules.values import InvalidValue, read_username

PLATFORM = "platform"
_OF_USER: Final = tuple(field.attname for field in User._meta.concrete_fields)
_OF_TENANT: Final = tuple(field.attname for field in Tenant._meta.concrete_fields)
LONGEST_SLUG = 63
_COLUMNS: Final = (*_OF_USER, *(f"tenant__{name}" for name in _OF_TENANT))
_TENANT_ID: Final = _OF_USER.index("tenant_id")


def find_tenant(slug: str) -> TenantRef | None:
    """The tenant of a slug that is not suspended. One statement."""
    if find_text_error(slug, LONGEST_SLUG) is not None:
        return None
    rows = Tenant.objects.using(PLATFORM).filter(slug=slug, is_suspended=False)
    row = rows.values_list("id", "slug", "is_sandbox").first()
    return TenantRef(*row) if row else None


def find_tenants(slugs: set[str]) -> dict[str, TenantRef]:
    """Those of the slugs that name a tenant that is not suspended. One statement whatever their number."""
    rows = Tenant.objects.using(PLATFORM).filter(slug__in=slugs, is_suspended=False)
    return {row[1]: TenantRef(*row) for row in rows.values_list("id", "slug", "is_sandbox")}


def list_tenants() -> list[TenantRef]:
    """Every tenant that is not suspended, by slug; for super admins and operators."""
    rows = Tenant.objects.using(PLATFORM).filter(is_suspended=False).order_by("slug").values_list("id", "slug")
    return [TenantRef(*row) for row in rows]


def find_tenant_everywhere(slug: str, *, suspended_too: bool = False) -> TenantRef | None:
    """As ``find_tenant``, on whatever server the tenant lives. Call outside of any transaction; at most two statements.

    Raises AwayFromHome when that is none that this process may go to.
    """
    if find_text_error(slug, LONGEST_SLUG) is not None:
        return None
    with on_server(server_to_work_on(slug)):
        if not suspended_too:
            return find_tenant(slug)
        row = Tenant.objects.using(PLATFORM).filter(slug=slug).values_list("id", "slug", "is_sandbox").first()
        return TenantRef(*row) if row else None


def list_tenants_everywhere(*, suspended_too: bool = False, away: AwayServers | None = None) -> list[TenantRef]:
    """As ``list_tenants``, or ``list_every_tenant``, over all servers that this process may go to. A statement a
    server. With ``away`` one that cannot be asked is noted there, and the others' tenants are listed.
    """
    if not has_servers():
        return list_every_tenant() if suspended_too else list_tenants()
    found = []
    for name in server_names():
        rows: list[Any] = []
        with away.noting(name) if away is not None else nullcontext(), connection_to(name, PLATFORM).cursor() as cursor:
            cursor.execute(
                "SELECT id, slug FROM tenants_tenant WHERE %s OR NOT is_suspended",
                [suspended_too],
            )
            rows = cursor.fetchall()
        found += [TenantRef(*row) for row in rows if find_server(row[0]) == name]
    return sorted(found, key=lambda tenant: tenant.slug)


def at_home_on(server: str, rows: QuerySet[Any], column: str) -> QuerySet[Any]:
    """Those of a server's rows whose tenant lives there, or that have none: not what one that moved has left behind
    for a minute. ``column`` names the tenant.
    """
    if not has_servers():
        return rows
    homes = list_homes()
    if server == MAIN:
        return rows.exclude(**{f"{column}__in": [home.tenant_id for home in homes]})
    of_none = Q(**{f"{column}__isnull": True})
    return rows.filter(
        of_none | Q(**{f"{column}__in": [NO_TENANT, *(home.tenant_id for home in homes if home.server == server)]})
    )


def fetch_tenants(statement: str, parameters: Mapping[str, Any] | None = None) -> list[TenantRef]:
    """The tenants of which a statement gives id and slug: those that have something to work off. One statement.

    Whether they are sandboxes was not asked: ``is_sandbox`` is False of all.
    """
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute(statement, parameters)
        return [TenantRef(*row) for row in cursor.fetchall()]


def list_every_tenant() -> list[TenantRef]:
    """Every tenant, suspended ones too, by slug: for what must leave no one out, like verification and key rotation."""
    return [TenantRef(*row) for row in Tenant.objects.using(PLATFORM).order_by("slug").values_list("id", "slug")]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A tenant that is emptied every night; ``filled_at``: when it last was, or when it was made."""

    tenant: TenantRef
    filled_at: dt.datetime


def list_sandboxes() -> list[Sandbox]:
    """Every sandbox that is not suspended and lives on the server at hand, by slug. One statement."""
    rows = Tenant.objects.using(PLATFORM).filter(is_sandbox=True, is_suspended=False).order_by("slug")
    return [
        Sandbox(TenantRef(id_, slug, is_sandbox=True), emptied_at or created_at)
        for id_, slug, emptied_at, created_at in rows.values_list("id", "slug", "emptied_at", "created_at")
        if not has_servers() or find_server(id_) == current_server()
    ]


def list_slugs() -> dict[UUID, str]:
    """The slug of every tenant, suspended ones too, by id: what is known of them is still published."""
    return dict(Tenant.objects.using(PLATFORM).values_list("id", "slug"))


def find_login(username: str) -> User | None:
    """The user of a username, in any case, whatever their tenant, with their tenant. At most one statement."""
    try:
        name = read_username(username)
    except InvalidValue:
        return None
    return User.objects.using(PLATFORM).select_related("tenant").filter(username=name).first()


def find_user(user_id: UUID) -> User | None:
    """The user of an id, whatever their tenant, with that tenant. One statement.

    A super admin is as main has them: on another server, where there is a copy of their row, it is two statements.
    """
    user = _find_user(user_id, PLATFORM)
    return _find_user(user_id, MAIN_PLATFORM) if user is not None and user.tenant_id is None and is_away() else user


def _find_user(user_id: UUID, alias: str) -> User | None:
    return User.objects.using(alias).select_related("tenant").filter(id=user_id).first()


def find_session_user(user_id: UUID) -> User | None:
    """As ``find_user``, but the user and the tenant are as if read over the default connection, so they can be saved.

    One statement.
    """
    row = _read_columns(user_id, PLATFORM)
    if row is not None and row[_TENANT_ID] is None and is_away():
        row = _read_columns(user_id, MAIN_PLATFORM)
    if row is None:
        return None
    user = User.from_db(DEFAULT_DB_ALIAS, _OF_USER, row[: len(_OF_USER)])
    if user.tenant_id is not None:
        user.tenant = Tenant.from_db(DEFAULT_DB_ALIAS, _OF_TENANT, row[len(_OF_USER) :])
    return user


def _read_columns(user_id: UUID, alias: str) -> tuple[Any, ...] | None:
    return User.objects.using(alias).filter(id=user_id).values_list(*_COLUMNS).first()
