"""System checks of the database: the application must connect as a role to which row-level security applies."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DEFAULT_DB_ALIAS, connections

ROLE_FACTS = """
SELECT rolsuper, rolbypassrls,
       EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid AND relnamespace = 'public'::regnamespace)
  FROM pg_roles WHERE rolname = current_user
"""


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
def check_application_role(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse a DATABASE_URL whose role row-level security does not bind."""
    if not databases or DEFAULT_DB_ALIAS not in databases:
        return []
    return [
        Error(
            f"DATABASE_URL connects as a role that row-level security does not bind: {fault}.",
            hint="Use the role c360_app that `manage.py provision_database` makes.",
            id="tenants.E001",
        )
        for fault in role_faults()
    ]
