"""The churn forecast: the latest model of a tenant, and what it says of each customer."""

from django.db import migrations, models

from storage.rls import ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0024_risk_rules")]

    operations = [
        migrations.CreateModel(
            name="ForecastFit",
            fields=[
                ("tenant_id", models.UUIDField(primary_key=True, serialize=False)),
                ("made_at", models.DateTimeField()),
                ("state", models.CharField(max_length=10)),
                ("found", models.JSONField()),
                ("model", models.JSONField(null=True)),
                ("proof", models.JSONField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={"db_table": "lifecycle_forecast_fit"},
        ),
        migrations.CreateModel(
            name="CustomerForecast",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id", "customer_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("made_at", models.DateTimeField()),
                ("sequence", models.PositiveIntegerField()),
                ("chance", models.FloatField()),
                ("low", models.FloatField()),
                ("high", models.FloatField()),
                ("typical", models.FloatField()),
                ("points", models.JSONField()),
            ],
            options={
                "db_table": "lifecycle_forecast",
                "indexes": [models.Index(fields=["tenant_id", "-chance", "customer_id"], name="forecast_by_chance")],
            },
        ),
        ProtectTenantTable("lifecycle_forecast_fit"),
        ProtectTenantTable("lifecycle_forecast"),
    ]
