"""Health played over the past: a job, as playing rules is."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import KeyByTenant, ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0026_effects_of_stage_migrations")]

    operations = [
        migrations.CreateModel(
            name="HealthPlay",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("draft_id", models.UUIDField()),
                ("revision", models.PositiveIntegerField()),
                ("document", models.JSONField()),
                ("names", models.JSONField()),
                ("live_version", models.PositiveIntegerField()),
                ("total", models.PositiveIntegerField()),
                ("done", models.PositiveIntegerField(default=0)),
                ("after", models.UUIDField(null=True)),
                ("sums", models.JSONField()),
                ("requested_by", models.CharField(max_length=150)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "lifecycle_health_play",
                "indexes": [
                    models.Index(
                        condition=models.Q(("finished_at", None)), fields=["tenant_id"], name="health_play_unfinished"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "draft_id"), name="health_play_once_a_draft")
                ],
            },
        ),
        KeyByTenant("lifecycle_health_play"),
        ProtectTenantTable("lifecycle_health_play"),
    ]
