"""Rows that are final may leave a server with their tenant, once a copy elsewhere was found to be the same."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import AUDIT_ROLE, ProtectTenantTable

# What decides belongs to the role that no one logs in as, like what it decides about.
MAY_DEPART = [
    """
    CREATE FUNCTION may_depart(tenant uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
    BEGIN
        RETURN EXISTS (SELECT FROM public.audit_departure WHERE tenant_id = tenant AND deleted_at IS NULL);
    EXCEPTION WHEN insufficient_privilege THEN
        RETURN false;
    END $$
    """,
    f"SET ROLE {AUDIT_ROLE}",
    """
    CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF may_depart(OLD.tenant_id) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    "RESET ROLE",
    f"ALTER FUNCTION may_depart(uuid) OWNER TO {AUDIT_ROLE}",
    f"ALTER TABLE audit_departure OWNER TO {AUDIT_ROLE}",
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_periods")]

    operations = [
        migrations.CreateModel(
            "Departure",
            [
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("slug", models.CharField(max_length=63)),
                (
                    "to_server",
                    models.CharField(help_text="Where the rows are. Empty: a copy that was given up.", max_length=31),
                ),
                (
                    "compared",
                    models.JSONField(default=dict, help_text="Table by table: how many rows, and their digest."),
                ),
                ("decided_at", models.DateTimeField()),
                ("deleted_at", models.DateTimeField(null=True)),
            ],
            {"db_table": "audit_departure"},
        ),
        ProtectTenantTable("audit_departure", app_may="SELECT"),
        migrations.RunSQL(MAY_DEPART),
    ]
