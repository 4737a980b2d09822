"""Logging out everywhere, and mail that waits to be sent."""

import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_hold_configuration")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="logouts",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="How often they logged out everywhere: ends what was opened before.",
            ),
        ),
        migrations.CreateModel(
            name="QueuedMail",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("user_id", models.UUIDField()),
                ("created_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(db_index=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
            ],
        ),
    ]
