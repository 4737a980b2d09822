"""The places of history rows in the feed of their tenant."""

from django.db import migrations, models

from storage.rls import KeyByTenant, ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_former_names")]

    operations = [
        migrations.CreateModel(
            "FeedEntry",
            [
                ("history_id", models.UUIDField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                (
                    "position",
                    models.BigIntegerField(help_text="1 for the tenant's first row, then one more each: no gaps."),
                ),
            ],
            {
                "db_table": "audit_feed",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "position"), name="feed_unbroken_positions")
                ],
            },
        ),
        migrations.CreateModel(
            "FeedState",
            [
                ("tenant_id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "complete_to",
                    models.UUIDField(help_text="Every row with a lower id that was ever committed has its place."),
                ),
                (
                    "searched_at",
                    models.DateTimeField(help_text="The last look at all rows above; NULL: it is not over.", null=True),
                ),
            ],
            {"db_table": "audit_feed_state"},
        ),
        ProtectTenantTable("audit_feed", app_may="SELECT, INSERT", readers=()),
        KeyByTenant("audit_feed", "history_id"),
        ProtectTenantTable("audit_feed_state", app_may="SELECT, INSERT, UPDATE", readers=()),
    ]
