"""Sums over stays by segment, and in which of them each customer is counted: filled by the next migration."""

from django.db import migrations, models

from storage.rls import APP_ROLE, ProtectTenantTable

TABLES = ("lifecycle_stay", "lifecycle_insight_state", "lifecycle_insight_fact", "lifecycle_segment_fact")


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0036_sandboxes")]

    operations = [
        migrations.AddField(
            model_name="insightstate", name="segment", field=models.CharField(max_length=200, null=True)
        ),
        migrations.CreateModel(
            name="SegmentFact",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
                        "segment",
                        "kind",
                        "day",
                        "from_stage",
                        "to_stage",
                        "number",
                        "label",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("segment", models.CharField(blank=True, max_length=200)),
                ("kind", models.CharField(max_length=10)),
                ("day", models.DateField()),
                ("from_stage", models.CharField(blank=True, max_length=120)),
                ("to_stage", models.CharField(blank=True, max_length=120)),
                ("number", models.IntegerField()),
                ("label", models.CharField(blank=True, max_length=255)),
                ("customers", models.BigIntegerField()),
                ("arr", models.DecimalField(decimal_places=4, max_digits=24)),
            ],
            options={"db_table": "lifecycle_segment_fact"},
        ),
        ProtectTenantTable("lifecycle_segment_fact"),
        # Who makes the facts of many customers ends with ANALYZE, which takes MAINTAIN.
        migrations.RunSQL(
            [f"GRANT MAINTAIN ON {table} TO {APP_ROLE}" for table in TABLES],
            [f"REVOKE MAINTAIN ON {table} FROM {APP_ROLE}" for table in TABLES],
        ),
    ]
