"""The list in the order of owners and of industries: their indexes end with the customer, so that pages follow them."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("lifecycle", "0015_bulk_changes"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(fields=["tenant", "owner_key", "id"], name="customer_in_order_of_owner"),
        ),
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(fields=["tenant", "industry_key", "id"], name="customer_in_order_of_industry"),
        ),
        RemoveIndexConcurrently(model_name="customer", name="customer_by_owner"),
        RemoveIndexConcurrently(model_name="customer", name="customer_by_industry"),
    ]
