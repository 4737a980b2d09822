"""Files that are imported in the browser: sealed, of one tenant, for a day."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import CompositeForeignKey, ProtectTenantTable

STATES = [
    ("reading", "Being read"),
    ("refused", "Cannot be read"),
    ("ready", "Ready"),
    ("checking", "Dry run"),
    ("importing", "Being imported"),
    ("done", "Imported"),
]
KINDS = [("file", "File"), ("facts", "Facts"), ("rejects", "Rejects")]


def _id():
    return models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0009_returns")]

    operations = [
        migrations.CreateModel(
            name="ImportUpload",
            fields=[
                ("id", _id()),
                ("tenant_id", models.UUIDField()),
                ("name", models.CharField(max_length=255, verbose_name="file")),
                ("size", models.PositiveIntegerField(help_text="Bytes.")),
                ("kind", models.CharField(help_text="csv or ndjson.", max_length=10)),
                ("state", models.CharField(choices=STATES, default="reading", max_length=10)),
                ("revision", models.PositiveIntegerField(default=1, help_text="Counts what people decide about it.")),
                ("as_of", models.DateTimeField(help_text="When it was exported, if that was said.", null=True)),
                (
                    "line",
                    models.PositiveIntegerField(
                        default=0, help_text="Where the last record began that was dealt with."
                    ),
                ),
                ("position", models.PositiveIntegerField(default=0, help_text="Bytes that were dealt with.")),
                ("created", models.PositiveIntegerField(default=0)),
                ("changed", models.PositiveIntegerField(default=0)),
                ("unchanged", models.PositiveIntegerField(default=0)),
                ("rejected", models.PositiveIntegerField(default=0)),
                (
                    "checked_revision",
                    models.PositiveIntegerField(help_text="The revision that a dry run has judged.", null=True),
                ),
                ("created_at", models.DateTimeField(verbose_name="uploaded")),
                ("created_by", models.CharField(max_length=150)),
                ("started_at", models.DateTimeField(null=True)),
                ("started_by", models.CharField(blank=True, default="", max_length=150)),
                ("started_by_kind", models.CharField(blank=True, default="", max_length=10)),
                ("finished_at", models.DateTimeField(null=True)),
                ("worker", models.UUIDField(help_text="The process that works on it.", null=True)),
                (
                    "leased_until",
                    models.DateTimeField(help_text="Until when no other process takes it over.", null=True),
                ),
            ],
            options={
                "verbose_name": "import",
                "constraints": [models.UniqueConstraint(fields=("tenant_id", "id"), name="upload_by_tenant")],
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("state", "reading"), ("state", "checking"), ("state", "importing"), _connector="OR"
                        ),
                        fields=["tenant_id"],
                        name="upload_unfinished",
                    ),
                    models.Index(fields=["created_at"], name="upload_by_age"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportPart",
            fields=[
                ("id", _id()),
                ("tenant_id", models.UUIDField()),
                ("upload_id", models.UUIDField()),
                ("kind", models.CharField(choices=KINDS, max_length=10)),
                (
                    "number",
                    models.PositiveIntegerField(
                        help_text="In the order of numbers; the file's begin with 0 and have no gap."
                    ),
                ),
                ("value", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "upload_id", "kind", "number"), name="import_part_once"
                    )
                ],
            },
        ),
        ProtectTenantTable("lifecycle_importupload"),
        # Nobody reads the files of all tenants.
        ProtectTenantTable("lifecycle_importpart", readers=()),
        CompositeForeignKey(
            "lifecycle_importpart",
            ("tenant_id", "upload_id"),
            "lifecycle_importupload",
            ("tenant_id", "id"),
            action="ON DELETE CASCADE",
        ),
    ]
