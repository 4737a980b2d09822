"""Pins that expire are found by when they do."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("lifecycle", "0013_provenance")]

    operations = [
        AddIndexConcurrently(
            "customer",
            models.Index(
                fields=["tenant", "pins_until"],
                condition=models.Q(pins_until__isnull=False),
                name="customer_pins_expire",
            ),
        ),
    ]
