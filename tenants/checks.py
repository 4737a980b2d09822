"""System checks of the database: the application must connect as a role to which row-level security applies, and a
migration must not break the processes of the former release.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections
from django.db.backends.signals import connection_created
from django.db.migrations import AddField, Migration
from django.db.migrations.loader import MigrationLoader

from storage.database.routing import REPLICA
from storage.servers import on_server, server_names
from tenants.services.database import version_error

APPS: Final = frozenset({"audit", "tenants", "lifecycle"})

UNREACHABLE: Final = "tenants.E011"

ROLE_FACTS = """
SELECT rolsuper, rolbypassrls,
       EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid AND relnamespace = 'public'::regnamespace)
  FROM pg_roles WHERE rolname = current_user
"""
# By connection. The owner's is not among them: it owns what it migrates.
VARIABLES = {
    "default": "DATABASE_URL",
    "platform": "DATABASE_PLATFORM_URL",
    "relay": "DATABASE_RELAY_URL",
    REPLICA: "DATABASE_REPLICA_URL",
}
ROLES = {"default": "c360_app", "platform": "c360_platform", "relay": "c360_relay", REPLICA: "c360_app"}


def role_errors(alias: str = DEFAULT_DB_ALIAS) -> list[str]:
    """What is wrong with the role of a connection, as sentences; empty when row-level security binds it."""
    return _find_role_errors(connections[alias])


def _find_role_errors(connection: Any) -> list[str]:
    connection.ensure_connection()
    with connection.wrap_database_errors:
        # By the driver: Django's cursor is for when the apps are there, and a server looks before that.
        is_superuser, bypasses, owns_tables = connection.connection.execute(ROLE_FACTS).fetchone()
    errors = []
    if is_superuser:
        errors.append("it is a superuser")
    if bypasses:
        errors.append("it has BYPASSRLS")
    if owns_tables:
        errors.append("it owns tables")
    return errors


@register(Tags.database)
def check_databases(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse a server that cannot be reached or is too old, in one line each, and an address of a process at work
    whose role row-level security does not bind. What concerns another server than the process's own says so (``obj``).
    """
    errors: list[CheckMessage] = []
    for name in server_names():
        given = settings.DATABASE_SERVERS.get(name, databases or ())
        with on_server(name):
            found = [error for alias in databases or () if alias in given for error in _find_errors(alias)]
        if name != settings.DATABASE_SERVER:
            for error in found:
                error.obj = f"server {name}"
        errors += found
    return errors


def _find_errors(alias: str) -> list[CheckMessage]:
    try:
        connections[alias].ensure_connection()
        if reason := version_error(connections[alias].connection.info.server_version):
            return [Error(f"{alias}: {reason}", id="tenants.E010")]
        return [
            Error(
                f"{describe_unbound(alias)}: {reason}.",
                hint=f"Use the role {ROLES[alias]} that `manage.py provision_database` makes.",
                id="tenants.E001",
            )
            for reason in (role_errors(alias) if alias in VARIABLES else ())
        ]
    except (OperationalError, InterfaceError) as error:
        connections[alias].close()
        return [Error(f"{alias}: PostgreSQL cannot be reached: {' '.join(str(error).split())}", id=UNREACHABLE)]


def describe_errors(errors: Collection[CheckMessage]) -> str:
    """What ``check_databases`` has found, in one line."""
    return " ".join(dict.fromkeys([*(error.msg for error in errors), *(error.hint or "" for error in errors)])).strip()


def describe_unbound(alias: str) -> str:
    """The beginning of the sentence that refuses a role."""
    return f"{VARIABLES[alias]} connects as a role that row-level security does not bind"


def refuse_unbound_roles() -> None:
    """From now on let this process use no connection whose role row-level security does not bind.

    For a server that answers before it has reached its database: every new connection is looked at, one statement each.
    One that is refused is, to anyone who wanted it, a database that cannot be reached.
    """
    connection_created.connect(_refuse_unbound, dispatch_uid="tenants.checks.refuse_unbound_roles")


def _refuse_unbound(connection: Any, **_: Any) -> None:
    # The very one: it may be that of a server on which this thread does not work, and the name leads elsewhere then.
    if connection.alias in VARIABLES and (errors := _find_role_errors(connection)):
        connection.close()
        raise OperationalError(f"{describe_unbound(connection.alias)}: {', '.join(errors)}")


def find_columns_without_default(found: Iterable[Migration]) -> Iterator[str]:
    """Columns that a migration adds and that a process of the former release could not leave out of its INSERT.

    Django's ``default`` is no help: it is dropped from the table as soon as the column is filled.
    """
    for migration in found:
        if migration.app_label not in APPS or migration.initial:
            continue
        for operation in migration.operations:
            if isinstance(operation, AddField):
                field = operation.field
                if not (field.null or field.many_to_many or field.has_db_default()):  # type: ignore[attr-defined]
                    yield f"{migration.app_label}.{migration.name} adds {operation.model_name}.{operation.name}"


@register(Tags.models)
def check_additive_migrations(**_: Any) -> list[CheckMessage]:
    """Refuse a migration under which the processes that still run could not write."""
    loaded = MigrationLoader(None).disk_migrations
    return [
        Error(
            f"{column}, which is neither nullable nor has a default in the database.",
            hint="Give it db_default (or null=True): processes of the former release insert rows without it.",
            id="tenants.E002",
        )
        for column in find_columns_without_default(loaded[name] for name in sorted(loaded))
    ]
