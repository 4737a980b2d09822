"""When the open tasks about each customer are due, of the tasks that there were before it was kept."""

from typing import Any, Final
from uuid import UUID

from django.db import migrations, transaction

# The policies bind the owner too, so each tenant's rows are read and written as that tenant.
TENANT = "SELECT set_config('app.tenant_id', %(tenant_id)s::text, true)"
# A batch of changes may hold some of these customers.
PATIENCE = "SET LOCAL lock_timeout = '60s'"
BATCH: Final = 1000
RENEW = """
WITH asked AS (
    SELECT DISTINCT customer_id FROM lifecycle_task
     WHERE tenant_id = %(tenant_id)s::uuid AND done_at IS NULL AND customer_id > %(after)s::uuid
     ORDER BY customer_id LIMIT %(batch)s
)
SELECT (array_agg(customer_id ORDER BY customer_id DESC))[1],
       renew_open_tasks(%(tenant_id)s::uuid, array_agg(customer_id))
  FROM asked HAVING count(*) > 0
"""


def renew(_apps: Any, editor: Any) -> None:
    """Those of every tenant, a thousand customers a transaction. A run that was ended can begin again."""
    connection = editor.connection
    for tenant_id in _list_tenants(connection):
        after: UUID | None = UUID(int=0)
        while after is not None:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute(TENANT, {"tenant_id": tenant_id})
                cursor.execute(PATIENCE)
                cursor.execute(RENEW, {"tenant_id": tenant_id, "after": after, "batch": BATCH})
                found = cursor.fetchone()
            after = found[0] if found else None


def _list_tenants(connection: Any) -> list[UUID]:
    """The owner sees them while the policy does not bind it: for one look at one small table."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tenants_tenant NO FORCE ROW LEVEL SECURITY")
        cursor.execute("SELECT id FROM tenants_tenant ORDER BY id")
        found = [tenant_id for (tenant_id,) in cursor.fetchall()]
        cursor.execute("ALTER TABLE tenants_tenant FORCE ROW LEVEL SECURITY")
    return found


class Migration(migrations.Migration):
    # A transaction for each batch.
    atomic = False

    dependencies = [("lifecycle", "0052_open_tasks")]

    operations = [migrations.RunPython(renew, atomic=False)]
