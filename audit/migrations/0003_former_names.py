"""What customers and users were called before: beside the record, which holds ids only, and erasable."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import KeyByTenant, ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_protection")]

    operations = [
        migrations.CreateModel(
            "FormerName",
            [
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("subject_id", models.UUIDField()),
                ("name", models.CharField(max_length=200)),
                ("until", models.DateTimeField(help_text="The database's clock when the name was replaced.")),
            ],
            {
                "db_table": "audit_former_name",
                "indexes": [
                    models.Index(fields=["tenant_id", "subject_id", "until"], name="former_name_of_subject"),
                ],
            },
        ),
        ProtectTenantTable("audit_former_name", app_may="SELECT, INSERT, DELETE", readers=()),
        KeyByTenant("audit_former_name"),
    ]
