"""What was renewed in a month, and the date and the revenue before it, are read by indexes of their own.

A bulk load ends with ANALYZE of the tables of figures, notes and tasks, too, which takes MAINTAIN.
"""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently, RemoveIndexConcurrently
from storage.rls import APP_ROLE

TABLES = "lifecycle_figurechange, lifecycle_note, lifecycle_task"


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0031_episodes_behind")]

    operations = [
        AddIndexConcurrently(
            model_name="figurechange",
            index=models.Index(
                condition=models.Q(("figures__has_key", "billing.contract_ends_on")),
                fields=["tenant_id", "effective_at", "id"],
                name="figures_of_signed_contracts",
            ),
        ),
        AddIndexConcurrently(
            model_name="figurechange",
            index=models.Index(
                condition=models.Q(("figures__has_key", "billing.renewal_on")),
                fields=["tenant_id", "customer_id", "effective_at", "id"],
                name="figures_of_renewals",
            ),
        ),
        AddIndexConcurrently(
            model_name="figurechange",
            index=models.Index(
                condition=models.Q(("figures__has_key", "billing.arr")),
                fields=["tenant_id", "customer_id", "effective_at", "id"],
                name="figures_of_revenue",
            ),
        ),
        RemoveIndexConcurrently(model_name="figurechange", name="figures_of_contracts"),
        migrations.RunSQL(f"GRANT MAINTAIN ON {TABLES} TO {APP_ROLE}", f"REVOKE MAINTAIN ON {TABLES} FROM {APP_ROLE}"),
    ]
