"""The order by revenue compares what amounts are worth: each currency is walked by itself."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("lifecycle", "0011_filed_by_customer")]

    operations = [
        AddIndexConcurrently(
            "billingfigures",
            models.Index(fields=["tenant_id", "currency", "arr", "customer"], name="billing_by_currency"),
        ),
        RemoveIndexConcurrently("billingfigures", "billing_by_arr"),
    ]
