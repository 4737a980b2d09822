"""The audit tables behind row-level security, append-only, and owned by a role that no one logs in as."""

from django.db import migrations

from storage.rls import (
    APP_ROLE,
    AUDIT_ROLE,
    CURRENT_TENANT,
    CURRENT_USER_ID,
    RELAY_ROLE,
    CompositeForeignKey,
    KeyByTenant,
    ProtectTenantTable,
)

FINAL = {
    "customer_lifecycle_history": "history_rows",
    "audit_administration": "administration_rows",
    "audit_seal": "seals",
    "audit_sealed_row": "sealed_rows",
}
APPEND_ONLY = [
    """
    CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    *(
        statement
        for table, name in FINAL.items()
        for statement in (
            f"CREATE TRIGGER {name}_are_final BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
            f"CREATE TRIGGER {name}_are_never_emptied BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
            # ALWAYS: with plain ENABLE a session in replica role would get past them.
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}_are_final",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}_are_never_emptied",
        )
    ),
    # Tiny and cheap to keep: finds the last 90 days (previews) of a growing table.
    "CREATE INDEX history_by_record_time ON customer_lifecycle_history USING brin (recorded_at)",
]
# What concerns super admins, who belong to no tenant, is in the administration log as well. Such an entry names no
# tenant, so it cannot be part of a key: all its columns identify it. Entries are never changed.
ENTRIES_OF_STAFF = [
    "CREATE POLICY entries_of_staff ON audit_administration FOR INSERT"
    f" WITH CHECK (tenant_id IS NULL AND subject = ({CURRENT_USER_ID})::text)",
    "ALTER TABLE audit_administration REPLICA IDENTITY FULL",
]
OWNED = [
    f"ALTER FUNCTION refuse_audit_change() OWNER TO {AUDIT_ROLE}",
    *(f"ALTER TABLE {table} OWNER TO {AUDIT_ROLE}" for table in FINAL),
]
OUTBOX = [
    f"CREATE POLICY relay_rows ON audit_outbox TO {RELAY_ROLE} USING (true) WITH CHECK (true)",
    f"GRANT SELECT, UPDATE (published_at), DELETE, INSERT ON audit_outbox TO {RELAY_ROLE}",
    # A copy of a dead letter may be withdrawn with its dead letter. The application can delete nothing else here.
    f"CREATE POLICY dead_letters_alone_are_withdrawn ON audit_outbox AS RESTRICTIVE FOR DELETE TO {APP_ROLE}"
    f" USING (tenant_id = {CURRENT_TENANT} AND dead_letter_id IS NOT NULL)",
    # Rows are written once, marked once and deleted: by number of dead rows, not by their share of a growing table.
    "ALTER TABLE audit_outbox"
    " SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, fillfactor = 85)",
]
# Attempts beyond what is kept are counted on the last row that is; erasure takes out what was typed.
REFUSED = f"GRANT UPDATE (more, to_stage, detail) ON audit_refused_attempt TO {APP_ROLE}"


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        ProtectTenantTable(
            "customer_lifecycle_history",
            app_may="SELECT, INSERT",
            readers=("c360_platform", RELAY_ROLE),
        ),
        # A dead letter whose tenant is not known belongs to none: it may be written, and only the relay reads it.
        ProtectTenantTable(
            "audit_outbox",
            app_may="SELECT, INSERT, DELETE",
            check=f"tenant_id = {CURRENT_TENANT} OR tenant_id IS NULL",
        ),
        ProtectTenantTable("audit_data_key", readers=()),
        ProtectTenantTable("audit_refused_attempt", app_may="SELECT, INSERT, DELETE"),
        ProtectTenantTable("audit_administration", app_may="SELECT, INSERT"),
        ProtectTenantTable("audit_seal", app_may="SELECT, INSERT"),
        ProtectTenantTable("audit_sealed_row", app_may="SELECT, INSERT"),
        KeyByTenant("customer_lifecycle_history"),
        KeyByTenant("audit_data_key"),
        KeyByTenant("audit_refused_attempt"),
        KeyByTenant("audit_seal"),
        KeyByTenant("audit_sealed_row", "history_id"),
        CompositeForeignKey("audit_sealed_row", ("tenant_id", "seal_number"), "audit_seal", ("tenant_id", "number")),
        migrations.RunSQL([*APPEND_ONLY, *ENTRIES_OF_STAFF, *OWNED]),
        migrations.RunSQL([*OUTBOX, REFUSED]),
        migrations.RunSQL(f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {APP_ROLE}"),
    ]
