"""What was renewed in a month is found by its time."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("lifecycle", "0022_search_forgives_typos")]

    operations = [
        AddIndexConcurrently(
            model_name="figurechange",
            index=models.Index(
                condition=models.Q(("figures__has_key", "billing.contract_ends_on")),
                fields=["tenant_id", "effective_at"],
                name="figures_of_contracts",
            ),
        )
    ]
