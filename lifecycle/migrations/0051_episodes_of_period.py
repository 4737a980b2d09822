"""The episodes at risk of a period are read from an index alone, and so is who has others from before it ends."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0050_week_acted")]

    operations = [
        AddIndexConcurrently(
            model_name="riskepisode",
            index=models.Index(
                fields=["tenant_id", "began"],
                include=(
                    *("customer_id", "sequence", "stage", "reason_code", "by_configuration", "severity"),
                    *("week_noted", "week_tasked", "week_messaged", "week_acted"),
                    *("left_at", "left_to", "left_by_configuration"),
                ),
                name="risk_episode_of_period",
            ),
        ),
        AddIndexConcurrently(
            model_name="riskepisode",
            index=models.Index(
                condition=models.Q(("week_acted", True)),
                fields=["tenant_id", "began"],
                name="risk_episode_week_acted",
            ),
        ),
        AddIndexConcurrently(
            model_name="insightstate",
            index=models.Index(
                condition=models.Q(("loose", True)),
                fields=["tenant_id", "risk", "loose_from"],
                name="insight_state_loose_from",
            ),
        ),
        RemoveIndexConcurrently(model_name="insightstate", name="insight_state_loose"),
    ]
