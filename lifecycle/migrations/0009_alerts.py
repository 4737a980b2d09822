"""How people want to hear of alerts: at once, in a daily digest, or not at all; alerts that escalate."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import KeyByTenant, ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0008_effects"),
    ]

    operations = [
        migrations.CreateModel(
            name="NotificationPreference",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("user_id", models.UUIDField()),
                ("alerts", models.CharField(max_length=10)),
                (
                    "time_zone",
                    models.CharField(help_text="Whose morning the digest comes in, as IANA names it.", max_length=64),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "user_id"), name="notification_preference_once")
                ],
            },
        ),
        migrations.AddField(
            model_name="notification",
            name="is_escalated",
            field=models.BooleanField(db_default=False, default=False, help_text="No one had acknowledged it in time."),
        ),
        migrations.AddField(
            model_name="notification",
            name="digest_id",
            field=models.UUIDField(help_text="The daily digest that it goes into.", null=True),
        ),
        migrations.AddField(
            model_name="notification",
            name="waits_until",
            field=models.DateTimeField(help_text="It is not shown before: it waits for the digest.", null=True),
        ),
        ProtectTenantTable("lifecycle_notificationpreference"),
        KeyByTenant("lifecycle_notificationpreference"),
    ]
