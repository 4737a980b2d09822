"""Customers that people have put aside on their first page, and when they were last there."""

import uuid_utils.compat
from django.db import migrations, models

import storage.fields
from storage.rls import KeyByTenant, ProtectTenantTable


def key():
    return models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0018_calendar_feeds")]

    operations = [
        migrations.CreateModel(
            name="Snooze",
            fields=[
                ("id", key()),
                ("tenant_id", models.UUIDField()),
                ("user_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("reason", storage.fields.EncryptedText()),
                ("until", models.DateField(null=True)),
                ("stage_version", models.PositiveIntegerField()),
                ("seen", models.JSONField(help_text="The figures of then, as queries.home compares them.")),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "customer_id"], name="snooze_of_customer")],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "user_id", "customer_id"), name="snooze_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="HomeVisit",
            fields=[
                ("id", key()),
                ("tenant_id", models.UUIDField()),
                ("user_id", models.UUIDField()),
                ("last_at", models.DateTimeField()),
                ("previous_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant_id", "user_id"), name="home_visit_once")],
            },
        ),
        ProtectTenantTable("lifecycle_snooze"),
        KeyByTenant("lifecycle_snooze"),
        ProtectTenantTable("lifecycle_homevisit"),
        KeyByTenant("lifecycle_homevisit"),
    ]
