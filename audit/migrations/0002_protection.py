"""The audit tables behind row-level security, append-only, and owned by a role that nobody logs in as."""

from django.db import migrations

from storage.rls import APP_ROLE, AUDIT_ROLE, CURRENT_TENANT, RELAY_ROLE, ProtectTenantTable

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
        for table, name in (("customer_lifecycle_history", "history"), ("audit_administration", "administration"))
        for statement in (
            f"CREATE TRIGGER {name}_rows_are_final BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
            f"CREATE TRIGGER {name}_is_never_emptied BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
            # ALWAYS: with plain ENABLE a session in replica role would get past them.
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}_rows_are_final",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}_is_never_emptied",
        )
    ),
    # Tiny and cheap to keep: finds the last 90 days (previews) of a growing table.
    "CREATE INDEX history_by_record_time ON customer_lifecycle_history USING brin (recorded_at)",
    f"ALTER FUNCTION refuse_audit_change() OWNER TO {AUDIT_ROLE}",
    f"ALTER TABLE customer_lifecycle_history OWNER TO {AUDIT_ROLE}",
    f"ALTER TABLE audit_administration OWNER TO {AUDIT_ROLE}",
]

OUTBOX = [
    f"CREATE POLICY relay_rows ON audit_outbox TO {RELAY_ROLE} USING (true) WITH CHECK (true)",
    f"GRANT SELECT, UPDATE (published_at), DELETE, INSERT ON audit_outbox TO {RELAY_ROLE}",
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        ProtectTenantTable(
            "customer_lifecycle_history",
            app_may="SELECT, INSERT",
            readers=("c360_platform", RELAY_ROLE),
        ),
        # A dead letter whose tenant cannot be told belongs to nobody: it may be written, and only the relay reads it.
        ProtectTenantTable(
            "audit_outbox",
            app_may="SELECT, INSERT",
            check=f"tenant_id = {CURRENT_TENANT} OR tenant_id IS NULL",
        ),
        ProtectTenantTable("audit_data_key", readers=()),
        ProtectTenantTable("audit_refused_attempt", app_may="SELECT, INSERT, DELETE"),
        ProtectTenantTable("audit_administration", app_may="SELECT, INSERT"),
        migrations.RunSQL(APPEND_ONLY, migrations.RunSQL.noop),
        migrations.RunSQL(OUTBOX, migrations.RunSQL.noop),
        migrations.RunSQL(
            f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {APP_ROLE}", migrations.RunSQL.noop
        ),
    ]
