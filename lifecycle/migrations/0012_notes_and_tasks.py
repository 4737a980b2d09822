"""Notes and tasks about customers, and the notifications that they send."""

import uuid_utils.compat
from django.db import migrations, models
from django.db.models import Q

from storage.rls import CompositeForeignKey, KeyByTenant, ProtectTenantTable

CUSTOMER = ("lifecycle_customer", ("tenant_id", "id"))


def _id() -> models.UUIDField:
    return models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0011_texts_of_alerts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Note",
            fields=[
                ("id", _id()),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("text", models.BinaryField(null=True)),
                ("mentions", models.JSONField(default=list)),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(max_length=150)),
                (
                    "version",
                    models.PositiveIntegerField(db_default=1, default=1, help_text="Rises with each edit."),
                ),
                ("edited_at", models.DateTimeField(null=True)),
                ("deleted_at", models.DateTimeField(null=True)),
                ("deleted_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
            ],
            options={"indexes": [models.Index(fields=["tenant_id", "customer_id", "-id"], name="note_of_customer")]},
        ),
        migrations.CreateModel(
            name="NoteVersion",
            fields=[
                ("id", _id()),
                ("tenant_id", models.UUIDField()),
                ("note_id", models.UUIDField()),
                ("number", models.PositiveIntegerField()),
                ("text", models.BinaryField()),
                ("written_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "note_id", "number"), name="note_version_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                ("id", _id()),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("title", models.BinaryField()),
                ("due_on", models.DateField(null=True)),
                ("due_key", models.DateField()),
                ("assignee_id", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(max_length=150)),
                ("done_at", models.DateTimeField(null=True)),
                ("done_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                (
                    "version",
                    models.PositiveIntegerField(db_default=1, default=1, help_text="Rises with each change."),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "customer_id", "-id"], name="task_of_customer"),
                    models.Index(
                        condition=Q(("done_at__isnull", True)),
                        fields=["tenant_id", "customer_id", "due_key", "id"],
                        name="task_open_of_customer",
                    ),
                    models.Index(
                        condition=Q(("done_at__isnull", True)),
                        fields=["tenant_id", "assignee_id", "due_key", "id"],
                        name="task_open_of_assignee",
                    ),
                    models.Index(
                        condition=Q(("done_at__isnull", False)),
                        fields=["tenant_id", "assignee_id", "-done_at", "-id"],
                        name="task_done_of_assignee",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="notification",
            name="kind",
            field=models.CharField(db_default="alert", default="alert", max_length=10),
        ),
        migrations.AddField(model_name="notification", name="about_id", field=models.UUIDField(null=True)),
        migrations.AddField(
            model_name="notification",
            name="made_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=150),
        ),
        # No one reads what all tenants have written down.
        ProtectTenantTable("lifecycle_note", readers=()),
        ProtectTenantTable("lifecycle_noteversion", readers=()),
        ProtectTenantTable("lifecycle_task", readers=()),
        KeyByTenant("lifecycle_note"),
        KeyByTenant("lifecycle_noteversion"),
        KeyByTenant("lifecycle_task"),
        CompositeForeignKey("lifecycle_note", ("tenant_id", "customer_id"), *CUSTOMER, action="ON DELETE CASCADE"),
        CompositeForeignKey("lifecycle_task", ("tenant_id", "customer_id"), *CUSTOMER, action="ON DELETE CASCADE"),
        CompositeForeignKey(
            "lifecycle_noteversion",
            ("tenant_id", "note_id"),
            "lifecycle_note",
            ("tenant_id", "id"),
            action="ON DELETE CASCADE",
        ),
    ]
