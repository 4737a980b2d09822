"""People's calendars of renewals."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import KeyByTenant, ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0017_saved_views"),
    ]

    operations = [
        migrations.CreateModel(
            name="CalendarFeed",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("user_id", models.UUIDField()),
                ("secret_hash", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant_id", "user_id"), name="calendar_feed_once")],
            },
        ),
        ProtectTenantTable("lifecycle_calendarfeed"),
        KeyByTenant("lifecycle_calendarfeed"),
    ]
