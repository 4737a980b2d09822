"""Customers of whom not every episode at risk is kept that can be are found without a look at all the others."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0030_risk_episodes")]

    operations = [
        AddIndexConcurrently(
            model_name="insightstate",
            index=models.Index(fields=["tenant_id", "risk"], name="insight_state_by_risk"),
        ),
        AddIndexConcurrently(
            model_name="insightstate",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["tenant_id", "due_at"],
                name="insight_state_due",
            ),
        ),
    ]
