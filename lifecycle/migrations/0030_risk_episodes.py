"""What was done about customers at risk is kept once it can change no more."""

import django.contrib.postgres.fields
from django.db import migrations, models

from storage.rls import ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0029_inbox_by_period")]

    operations = [
        migrations.AddField(
            model_name="insightstate",
            name="risk",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="insightstate",
            name="loose",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(model_name="insightstate", name="due_at", field=models.DateTimeField(null=True)),
        migrations.CreateModel(
            name="RiskEpisode",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
                        "customer_id",
                        "sequence",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("sequence", models.PositiveIntegerField()),
                ("began", models.DateTimeField()),
                ("stage", models.CharField(max_length=120)),
                ("reason_code", models.CharField(blank=True, max_length=255)),
                ("by_configuration", models.BooleanField()),
                ("severity", models.PositiveSmallIntegerField()),
                ("week_noted", models.BooleanField()),
                ("week_tasked", models.BooleanField()),
                ("week_messaged", models.BooleanField()),
                (
                    "week_contacts",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
                ),
                ("noted", models.BooleanField()),
                ("tasked", models.BooleanField()),
                ("messaged", models.BooleanField()),
                ("contacts", django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ("left_at", models.DateTimeField()),
                ("left_to", models.CharField(max_length=120)),
                ("left_by_configuration", models.BooleanField()),
            ],
            options={
                "db_table": "lifecycle_risk_episode",
                "indexes": [models.Index(fields=["tenant_id", "began"], name="risk_episode_by_time")],
            },
        ),
        ProtectTenantTable("lifecycle_risk_episode"),
    ]
