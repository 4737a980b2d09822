"""Sealing histories, and what verifying finds of them."""

import io
import json
from collections.abc import Callable
from typing import Any

import psycopg
from django.core.management import call_command

from audit.models import AuditSeal
from audit.services.published_seals import PublishedSeals, read_seal
from audit.services.seals import public_key_of
from lifecycle.models import Customer
from lifecycle.services.compliance.verification import verify_tenant_seals
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.services.audit_chain import tampering as attacks

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
PUBLIC = public_key_of(KEY)


def seal(*arguments: str) -> list[str]:
    """What ``manage.py seal_audit`` writes."""
    out = io.StringIO()
    call_command("seal_audit", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().splitlines()


def seals_of(tenant: TenantRef) -> list[AuditSeal]:
    """The tenant's seals, oldest first."""
    with tenant_context(tenant.id):
        return list(AuditSeal.objects.order_by("number"))


def errors_of(tenant: TenantRef, *, published: Any = (), keys: Any = (PUBLIC,)) -> list[tuple[int, str]]:
    """Number and code of what is wrong with the tenant's seals."""
    kept = PublishedSeals()
    for one in published:
        kept.add(read_seal(json.dumps(one).encode()))
    found = verify_tenant_seals(tenant, public_keys=keys, published=kept, now=utc_now())
    return [(number, error.code) for number, error in found if error]


def drop_the_seals(session: psycopg.Connection[Any], customer: Customer) -> None:
    for table in ("audit_sealed_row", "audit_seal"):
        session.execute(f"DELETE FROM {table} WHERE tenant_id = %s", [customer.tenant_id])


TABLES = {
    "customer_lifecycle_history": ("history_rows_are_final", "history_rows_are_never_emptied"),
    "audit_seal": ("seals_are_final", "seals_are_never_emptied"),
    "audit_sealed_row": ("sealed_rows_are_final", "sealed_rows_are_never_emptied"),
}


def carry_out(attack: Callable[[psycopg.Connection[Any], Customer], Any], customer: Customer) -> None:
    """Attack as a superuser who has switched every trigger off, and cover the tracks."""
    with attacks.superuser() as session:
        for table in TABLES:
            session.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        attack(session, customer)
        session.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table, triggers in TABLES.items():
            for trigger in triggers:
                session.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


def delete_the_tenant(tenant: TenantRef, *, keep: tuple[str, ...] = ()) -> None:
    """As a superuser with every trigger switched off: no row of the tenant is left, but those of tables to keep."""
    with attacks.superuser() as session:
        session.execute("SET LOCAL session_replication_role = replica")
        columns = session.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND (column_name IN ('tenant_id', 'content_object_id')"
            " OR table_name = 'tenants_tenant' AND column_name = 'id')"
        ).fetchall()
        for table in TABLES:
            session.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        session.execute("ALTER TABLE audit_administration DISABLE TRIGGER USER")
        session.execute("ALTER TABLE tenants_configurationversion DISABLE TRIGGER USER")
        for table, column in columns:
            if table not in keep:
                session.execute(f"DELETE FROM {table} WHERE {column}::text = %s", [str(tenant.id)])
        for table in (*TABLES, "audit_administration", "tenants_configurationversion"):
            for (trigger,) in session.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", [table]
            ).fetchall():
                session.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


def write_published(path: Any, *seals_: dict[str, Any]) -> str:
    """Published seals in a file."""
    path.write_text("".join(json.dumps(one) + "\n" for one in seals_))
    return str(path)
