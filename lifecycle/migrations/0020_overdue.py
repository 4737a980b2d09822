"""Find customers with an overdue balance: of others the figures are never poor as long as they are not at risk."""

from django.db import migrations, models
from django.db.models import Q

from storage.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0019_home")]

    operations = [
        AddIndexConcurrently(
            "billingfigures",
            models.Index(
                fields=["tenant_id", "customer"],
                name="billing_overdue",
                condition=Q(balance_overdue__gt=0),
                include=["arr", "currency", "balance_overdue", "renewal_on"],
            ),
        ),
    ]
