"""Sums over stays of owners of very many customers: the job finds them and makes theirs."""

from django.db import migrations, models

from storage.rls import APP_ROLE, ProtectTenantTable

COLUMNS = ("kind", "day", "from_stage", "to_stage", "number", "label")


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0043_messages_that_reached")]

    operations = [
        migrations.AddField(model_name="insightstate", name="owner", field=models.TextField(null=True)),
        migrations.CreateModel(
            name="CountedOwner",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id", "owner", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("owner", models.TextField()),
            ],
            options={"db_table": "lifecycle_counted_owner"},
        ),
        migrations.CreateModel(
            name="OwnerFact",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id", "owner", *COLUMNS, blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("owner", models.TextField()),
                ("kind", models.CharField(max_length=10)),
                ("day", models.DateField()),
                ("from_stage", models.CharField(blank=True, max_length=120)),
                ("to_stage", models.CharField(blank=True, max_length=120)),
                ("number", models.IntegerField()),
                ("label", models.CharField(blank=True, max_length=255)),
                ("customers", models.BigIntegerField()),
                ("arr", models.DecimalField(decimal_places=4, max_digits=24)),
            ],
            options={"db_table": "lifecycle_owner_fact"},
        ),
        ProtectTenantTable("lifecycle_counted_owner"),
        ProtectTenantTable("lifecycle_owner_fact"),
        # Who makes the sums of an owner ends with ANALYZE, which takes MAINTAIN.
        migrations.RunSQL(
            f"GRANT MAINTAIN ON lifecycle_owner_fact TO {APP_ROLE}",
            f"REVOKE MAINTAIN ON lifecycle_owner_fact FROM {APP_ROLE}",
        ),
    ]
