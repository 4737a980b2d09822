"""Dead letters in a table of their own, and what keeps the inbox and the outbox cheap."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import ProtectTenantTable

# Tiny: finds what is old enough to be forgotten.
INBOX_BY_AGE = "CREATE INDEX inbox_by_age ON lifecycle_inboxevent USING brin (received_at)"
# Rows are written once, marked once and deleted: by number of dead rows, not by their share of a growing table.
OUTBOX_VACUUM = "ALTER TABLE audit_outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, fillfactor = 85)"


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_protection"),
        ("lifecycle", "0003_configuration_changes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="parkedevent",
            name="headers",
            field=models.JSONField(default=list, help_text="List of [name, base64 value or null] pairs."),
        ),
        migrations.AlterField(
            model_name="parkedevent",
            name="topic",
            field=models.CharField(max_length=255),
        ),
        migrations.AlterField(
            model_name="parkedevent",
            name="value",
            field=models.BinaryField(),
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                (
                    "tenant_slug",
                    models.CharField(blank=True, default="", help_text="As the message wrote it.", max_length=255),
                ),
                ("type", models.CharField(max_length=100)),
                ("source", models.CharField(blank=True, default="", max_length=255)),
                ("event_id", models.CharField(blank=True, default="", max_length=255)),
                ("topic", models.CharField(max_length=255)),
                ("partition", models.IntegerField()),
                ("offset", models.BigIntegerField()),
                ("key", models.BinaryField(null=True)),
                ("value", models.BinaryField(null=True)),
                ("headers", models.JSONField(default=list, help_text="List of [name, base64 value or null] pairs.")),
                ("code", models.CharField(max_length=50)),
                ("sentence", models.CharField(max_length=1000)),
                ("attempts", models.PositiveIntegerField(default=1)),
                ("died_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("replayed", "Replayed"), ("discarded", "Discarded")],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("resolved_at", models.DateTimeField(null=True)),
                ("resolved_by", models.CharField(blank=True, default="", max_length=150)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "state", "-id"], name="dead_letter_by_tenant")],
            },
        ),
        ProtectTenantTable("lifecycle_deadletter"),
        migrations.RunSQL(INBOX_BY_AGE, "DROP INDEX inbox_by_age"),
        migrations.RunSQL(OUTBOX_VACUUM, migrations.RunSQL.noop),
    ]
