"""Where each field comes from and what it was chosen over, what people have pinned, and the past of the figures."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import KeyByTenant, ProtectTenantTable

PARTS = ("customer", "billingfigures", "supportfigures")


def kept(help_text):
    return models.JSONField(
        blank=True, db_default=models.Value({}, models.JSONField()), default=dict, help_text=help_text
    )


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0012_notes_and_tasks")]

    operations = [
        *(
            migrations.AddField(model, "field_sources", kept("Field -> the source whose value it has."))
            for model in PARTS
        ),
        *(
            migrations.AddField(
                model, "overruled", kept("Field -> source -> the latest value of it that does not hold, and its time.")
            )
            for model in PARTS
        ),
        migrations.AddField("customer", "pins", kept("Path of a field -> who pinned it, why, since and until when.")),
        migrations.AddField(
            "customer",
            "pins_until",
            models.DateTimeField(help_text="When the first of the pins expires.", null=True),
        ),
        migrations.CreateModel(
            name="FigureChange",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("effective_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                ("source", models.CharField(max_length=100)),
                ("figures", models.JSONField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "customer_id", "effective_at"], name="figures_of_customer")
                ],
            },
        ),
        ProtectTenantTable("lifecycle_figurechange", app_may="SELECT, INSERT, DELETE"),
        KeyByTenant("lifecycle_figurechange"),
    ]
