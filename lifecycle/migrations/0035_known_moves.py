"""The moves that became known here on each day are summed up, as those of each day are."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import migrations, transaction

# The policies bind the owner too, so each tenant's rows are read and written as that tenant, in a transaction of its own.
TENANT = "SELECT set_config('app.tenant_id', %(tenant_id)s::text, true)"
# As the batches of ``lifecycle.services.insight.keeping``. No request waits behind this, so it may wait for a batch.
TURN = (
    "SET LOCAL lock_timeout = '60s'",
    "SELECT pg_advisory_xact_lock(hashtextextended('insight ' || %(tenant_id)s::text, 0))",
)
FORGET = "DELETE FROM lifecycle_insight_fact WHERE tenant_id = %(tenant_id)s::uuid AND kind = 'known'"
# As ``lifecycle.queries.insight.facts`` has it today.
SUM = """
INSERT INTO lifecycle_insight_fact (tenant_id, kind, day, from_stage, to_stage, number, label, customers, arr)
SELECT p.tenant_id, 'known', (p.known AT TIME ZONE 'UTC')::date, p.from_stage, p.stage, 0, '', count(*), 0
  FROM lifecycle_stay p WHERE p.tenant_id = %(tenant_id)s::uuid AND p.piece = 0 GROUP BY 1, 3, 4, 5
"""


def sum_up(_apps: Any, editor: Any) -> None:
    """The sums of every tenant. What a run that was ended has left is made again."""
    _do_for_each_tenant(editor.connection, (FORGET, SUM))


def forget(_apps: Any, editor: Any) -> None:
    """The former release knows no such sums, and finds none."""
    _do_for_each_tenant(editor.connection, (FORGET,))


def _do_for_each_tenant(connection: Any, statements: Sequence[str]) -> None:
    for tenant_id in _list_tenants(connection):
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            for statement in (TENANT, *TURN, *statements):
                cursor.execute(statement, {"tenant_id": tenant_id})


def _list_tenants(connection: Any) -> list[UUID]:
    """The owner sees them while the policy does not bind it: for one look at one small table."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tenants_tenant NO FORCE ROW LEVEL SECURITY")
        cursor.execute("SELECT id FROM tenants_tenant ORDER BY id")
        found = [tenant_id for (tenant_id,) in cursor.fetchall()]
        cursor.execute("ALTER TABLE tenants_tenant FORCE ROW LEVEL SECURITY")
    return found


class Migration(migrations.Migration):
    # A transaction for each tenant.
    atomic = False

    dependencies = [("lifecycle", "0034_insight_indexes")]

    operations = [migrations.RunPython(sum_up, forget, atomic=False)]
