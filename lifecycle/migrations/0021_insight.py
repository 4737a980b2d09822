"""What is kept of the history for figures: stays, sums over them, and up to where they were made."""

from django.db import migrations, models

from storage.rls import ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0020_overdue"),
    ]

    operations = [
        migrations.CreateModel(
            name="InsightFact",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
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
                ("kind", models.CharField(max_length=10)),
                ("day", models.DateField()),
                ("from_stage", models.CharField(blank=True, max_length=120)),
                ("to_stage", models.CharField(blank=True, max_length=120)),
                ("number", models.IntegerField()),
                ("label", models.CharField(blank=True, max_length=255)),
                ("customers", models.BigIntegerField()),
                ("arr", models.DecimalField(decimal_places=4, max_digits=24)),
            ],
            options={
                "db_table": "lifecycle_insight_fact",
            },
        ),
        migrations.CreateModel(
            name="InsightState",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id", "customer_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("sequence", models.PositiveIntegerField()),
                ("figures", models.PositiveIntegerField()),
            ],
            options={
                "db_table": "lifecycle_insight_state",
            },
        ),
        migrations.CreateModel(
            name="Stay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
                        "customer_id",
                        "sequence",
                        "piece",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("sequence", models.PositiveIntegerField()),
                ("piece", models.PositiveSmallIntegerField()),
                ("from_stage", models.CharField(blank=True, max_length=120)),
                ("stage", models.CharField(max_length=120)),
                ("to_stage", models.CharField(blank=True, max_length=120)),
                ("began", models.DateTimeField()),
                ("ended", models.DateTimeField()),
                ("entered", models.DateTimeField()),
                ("left_at", models.DateTimeField()),
                ("known", models.DateTimeField()),
                ("known_until", models.DateTimeField()),
                ("reason_code", models.CharField(blank=True, max_length=255)),
                ("left_reason", models.CharField(blank=True, max_length=255)),
                ("by_configuration", models.BooleanField()),
                ("left_by_configuration", models.BooleanField()),
                ("cohort", models.DateField(help_text="The month in which the customer came to its first stage.")),
                ("arr", models.DecimalField(decimal_places=4, max_digits=20)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("was_arr", models.DecimalField(decimal_places=4, max_digits=20)),
                ("was_currency", models.CharField(blank=True, max_length=3)),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["tenant_id", "stage", "began", "customer_id"], include=("ended",), name="stay_by_stage"
                    ),
                    models.Index(
                        condition=models.Q(("piece", 0), ("to_stage", "")),
                        fields=["tenant_id", "stage", "began"],
                        name="stay_going_on",
                    ),
                    models.Index(
                        condition=models.Q(("piece", 0), ("sequence", 1)),
                        fields=["tenant_id", "cohort", "customer_id"],
                        name="stay_by_cohort",
                    ),
                ],
            },
        ),
        ProtectTenantTable("lifecycle_insight_fact"),
        ProtectTenantTable("lifecycle_insight_state"),
        ProtectTenantTable("lifecycle_stay"),
    ]
