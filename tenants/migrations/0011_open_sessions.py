"""What people see of their own sessions, and which log-ins of programs have just been ended."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0010_manage_people")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="ended_sessions",
            field=models.JSONField(
                blank=True, help_text="Log-ins over the API that were ended, until their tokens have.", null=True
            ),
        ),
        migrations.CreateModel(
            name="OpenSession",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("session_key", models.CharField(max_length=40, null=True, unique=True)),
                ("address", models.CharField(max_length=50)),
                ("program", models.CharField(max_length=60)),
                ("began_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
