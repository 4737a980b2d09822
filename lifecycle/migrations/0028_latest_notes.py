"""When the latest note of each customer was written is read from an index alone."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("lifecycle", "0027_health_plays")]

    operations = [
        AddIndexConcurrently(
            model_name="note",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["tenant_id", "customer_id", "-created_at"],
                name="note_latest_of_customer",
            ),
        )
    ]
