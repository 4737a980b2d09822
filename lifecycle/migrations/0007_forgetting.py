"""Indexes by which what is old is found and forgotten, made while writers go on writing."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("lifecycle", "0006_listed_figures")]

    operations = [
        AddIndexConcurrently(
            model_name="inboxevent",
            index=models.Index(fields=["tenant_id", "received_at"], name="inbox_by_tenant_and_age"),
        ),
        AddIndexConcurrently(
            model_name="deadletter",
            index=models.Index(
                fields=["resolved_at"], name="dead_letter_by_age", condition=models.Q(resolved_at__isnull=False)
            ),
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS inbox_by_age",
            "CREATE INDEX inbox_by_age ON lifecycle_inboxevent USING brin (received_at)",
        ),
    ]
