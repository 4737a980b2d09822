"""The stays of chosen customers are read from an index alone: those of an owner, who has no sums."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0041_latest_notes")]

    operations = [
        AddIndexConcurrently(
            model_name="stay",
            index=models.Index(
                condition=models.Q(("piece", 0)),
                fields=["tenant_id", "customer_id", "sequence"],
                include=(
                    *("stage", "from_stage", "to_stage", "began", "entered", "left_at"),
                    *("left_by_configuration", "cohort"),
                ),
                name="stay_of_customer",
            ),
        ),
    ]
