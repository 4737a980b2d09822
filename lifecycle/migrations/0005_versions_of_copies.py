"""Versions of what is known of customers, and the list of what has copies in Redis that are out of date."""

from django.db import migrations, models

from storage.rls import RELAY_ROLE, KeyByTenant, ProtectTenantTable

VERSION = {"default": 1, "db_default": 1, "help_text": "Rises with each write."}
RELAY = [
    f"CREATE POLICY relay_rows ON lifecycle_stalecopies TO {RELAY_ROLE} USING (true) WITH CHECK (true)",
    f"GRANT SELECT, DELETE ON lifecycle_stalecopies TO {RELAY_ROLE}",
    # Rows live for a moment: what they leave behind is cleared away by their number and not by their share.
    "ALTER TABLE lifecycle_stalecopies SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)",
]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0004_former_names")]

    operations = [
        *(
            migrations.AddField(model, "version", models.PositiveIntegerField(**VERSION))
            for model in ("customer", "billingfigures", "supportfigures")
        ),
        migrations.CreateModel(
            "StaleCopies",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("profiles", models.JSONField(null=True)),
                ("configuration", models.PositiveIntegerField(null=True)),
            ],
            options={"verbose_name": "stale copies", "verbose_name_plural": "stale copies"},
        ),
        ProtectTenantTable("lifecycle_stalecopies", app_may="INSERT", readers=()),
        KeyByTenant("lifecycle_stalecopies"),
        # They go with the table.
        migrations.RunSQL(RELAY, migrations.RunSQL.noop),
    ]
