"""System checks of the database: the application must connect as a role to which row-level security applies, and a
migration must not break the processes of the former release.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader

from tenants.services.database import version_fault

APPS: Final = frozenset({"audit", "tenants", "lifecycle"})
# Older than any release.
ALWAYS_THERE: Final = frozenset({("tenants", "0003_configuration_changes")})

ROLE_FACTS = """
SELECT rolsuper, rolbypassrls,
       EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid AND relnamespace = 'public'::regnamespace)
  FROM pg_roles WHERE rolname = current_user
"""
# By connection. The owner's is not among them: it owns what it migrates.
VARIABLES = {"default": "DATABASE_URL", "platform": "DATABASE_PLATFORM_URL", "relay": "DATABASE_RELAY_URL"}
ROLES = {"default": "c360_app", "platform": "c360_platform", "relay": "c360_relay"}


def role_faults(alias: str = DEFAULT_DB_ALIAS) -> list[str]:
    """What is wrong with the role of a connection, as sentences; empty when row-level security binds it."""
    with connections[alias].cursor() as cursor:
        cursor.execute(ROLE_FACTS)
        is_superuser, bypasses, owns_tables = cursor.fetchone()
    faults = []
    if is_superuser:
        faults.append("it is a superuser")
    if bypasses:
        faults.append("it has BYPASSRLS")
    if owns_tables:
        faults.append("it owns tables")
    return faults


@register(Tags.database)
def check_servers(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse a server that cannot be reached or is too old, in one line each."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        try:
            connections[alias].ensure_connection()
        except OperationalError as error:
            found.append(Error(f"{alias}: PostgreSQL cannot be reached: {_one_line(error)}", id="tenants.E011"))
            continue
        if fault := version_fault(connections[alias].connection.info.server_version):
            found.append(Error(f"{alias}: {fault}", id="tenants.E010"))
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@register(Tags.database)
def check_application_role(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse an address of a process at work whose role row-level security does not bind."""
    return [
        Error(
            f"{VARIABLES[alias]} connects as a role that row-level security does not bind: {fault}.",
            hint=f"Use the role {ROLES[alias]} that `manage.py provision_database` makes.",
            id="tenants.E001",
        )
        for alias in databases or ()
        if alias in VARIABLES
        for fault in _role_faults_if_reached(alias)
    ]


def _role_faults_if_reached(alias: str) -> list[str]:
    try:
        return role_faults(alias)
    except OperationalError:
        return []  # check_servers has said so


def find_columns_without_default() -> Iterator[str]:
    """Columns that a migration adds and that a process of the former release could not leave out of its INSERT.

    Django's ``default`` is no help: it is dropped from the table as soon as the column is filled.
    """
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app not in APPS or migration.initial or (app, name) in ALWAYS_THERE:
            continue
        for operation in migration.operations:
            if isinstance(operation, AddField):
                field = operation.field
                if not (field.null or field.many_to_many or field.has_db_default()):  # type: ignore[attr-defined]
                    yield f"{app}.{name} adds {operation.model_name}.{operation.name}"


@register(Tags.models)
def check_additive_migrations(**_: Any) -> list[CheckMessage]:
    """Refuse a migration under which the processes that still run could not write."""
    return [
        Error(
            f"{column}, which is neither nullable nor has a default in the database.",
            hint="Give it db_default (or null=True): processes of the former release insert rows without it.",
            id="tenants.E002",
        )
        for column in find_columns_without_default()
    ]
