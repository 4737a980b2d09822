"""Who is still in a stage, of those whom a segment's or an owner's sums count, is read from an index alone."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0044_owner_sums")]

    operations = [
        AddIndexConcurrently(
            model_name="stay",
            index=models.Index(
                condition=models.Q(("piece", 0), ("to_stage", "")),
                fields=["tenant_id", "stage", "began"],
                include=("customer_id",),
                name="stay_still_there",
            ),
        ),
        RemoveIndexConcurrently(model_name="stay", name="stay_going_on"),
    ]
