"""The lists behind figures are read from indexes."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0038_sums_of_segments")]

    operations = [
        AddIndexConcurrently(
            model_name="stay",
            index=models.Index(
                fields=["tenant_id", "stage", "began", "customer_id"],
                include=("ended", "sequence", "piece"),
                name="stay_of_stage",
            ),
        ),
        RemoveIndexConcurrently(model_name="stay", name="stay_by_stage"),
        AddIndexConcurrently(
            model_name="stay",
            index=models.Index(
                condition=models.Q(("piece", 0)),
                fields=["tenant_id", "stage", "-began", "customer_id"],
                include=("left_at", "known", "known_until", "sequence"),
                name="stay_last_of_stage",
            ),
        ),
        RemoveIndexConcurrently(model_name="stay", name="stay_latest_of_stage"),
        AddIndexConcurrently(
            model_name="stay",
            index=models.Index(
                condition=models.Q(("piece", 0)),
                fields=["tenant_id", "stage", "customer_id", "sequence"],
                include=("began",),
                name="stay_of_customer_in_stage",
            ),
        ),
        AddIndexConcurrently(
            model_name="stay",
            index=models.Index(
                condition=models.Q(
                    models.Q(("arr", models.F("was_arr")), _negated=True),
                    models.Q(("currency", models.F("was_currency")), _negated=True),
                    _connector="OR",
                ),
                fields=["tenant_id", "stage", "began", "customer_id", "sequence", "piece"],
                include=("arr", "currency", "was_arr", "was_currency"),
                name="stay_changed_revenue",
            ),
        ),
    ]
