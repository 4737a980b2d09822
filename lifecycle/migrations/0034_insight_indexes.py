"""Who came to a stage last, as of any day, and whose episodes at risk cannot be kept yet, is read from indexes."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0033_least_memory")]

    operations = [
        AddIndexConcurrently(
            model_name="stay",
            index=models.Index(
                condition=models.Q(("piece", 0)),
                fields=["tenant_id", "stage", "-began", "customer_id"],
                include=("left_at", "known", "known_until"),
                name="stay_latest_of_stage",
            ),
        ),
        AddIndexConcurrently(
            model_name="insightstate",
            index=models.Index(
                condition=models.Q(("loose", True)), fields=["tenant_id", "risk"], name="insight_state_loose"
            ),
        ),
    ]
