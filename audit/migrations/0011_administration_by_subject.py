"""The index along which the administration log is asked who has read a customer's contacts."""

from django.db import migrations, models

from storage.indexes import AddIndexConcurrently
from storage.rls import AUDIT_ROLE


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("audit", "0010_index_of_former_names")]

    operations = [
        AddIndexConcurrently(
            model_name="administrationentry",
            index=models.Index(fields=["tenant_id", "subject", "id"], name="administration_by_subject"),
            role=AUDIT_ROLE,
        )
    ]
