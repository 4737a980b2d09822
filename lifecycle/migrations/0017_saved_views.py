"""Views of the customer list that people keep."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import KeyByTenant, ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0016_orders_of_the_list"),
    ]

    operations = [
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("owner_id", models.UUIDField()),
                ("name", models.CharField(max_length=80)),
                ("name_key", models.TextField(editable=False)),
                ("query", models.TextField()),
                ("is_shared", models.BooleanField(db_default=False, default=False)),
                ("is_locked", models.BooleanField(db_default=False, default=False)),
                ("version", models.PositiveIntegerField(db_default=1, default=1, help_text="Rises with each change.")),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "lifecycle_saved_view",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "owner_id", "name_key"), name="saved_view_once_a_name"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("is_locked", False), ("is_shared", True), _connector="OR"),
                        name="saved_view_locked_is_shared",
                        violation_error_message="Only shared views can be locked.",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_shared", True)), fields=["tenant_id"], name="saved_view_shared"
                    )
                ],
            },
        ),
        ProtectTenantTable("lifecycle_saved_view"),
        KeyByTenant("lifecycle_saved_view"),
    ]
