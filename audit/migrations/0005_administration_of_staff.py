"""What concerns super admins, who belong to no tenant, stands in the administration log as well."""

from django.db import migrations, models

from storage.rls import AUDIT_ROLE, CURRENT_USER_ID

ENTRIES_OF_STAFF = [
    # The table belongs to the role that nobody logs in as.
    f"SET LOCAL ROLE {AUDIT_ROLE}",
    "ALTER TABLE audit_administration ALTER COLUMN tenant_id DROP NOT NULL",
    "CREATE POLICY entries_of_staff ON audit_administration FOR INSERT"
    f" WITH CHECK (tenant_id IS NULL AND subject = ({CURRENT_USER_ID})::text)",
    "RESET ROLE",
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_outbox_by_topic")]

    operations = [
        migrations.RunSQL(
            ENTRIES_OF_STAFF,
            migrations.RunSQL.noop,
            state_operations=[
                migrations.AlterField("administrationentry", "tenant_id", models.UUIDField(null=True)),
            ],
        ),
    ]
