"""Emptying a sandbox of the rows that the application may not delete by itself."""

from django.db import migrations

from storage.rls import APP_ROLE

# Of the tenant at hand alone, by row-level security and by the question. The last place in the feed stays, so that
# numbers go on where they were and no cursor that an integrator keeps is ever given again.
EMPTY = [
    """
    CREATE FUNCTION empty_sandbox() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        here uuid := NULLIF(current_setting('app.tenant_id', true), '')::uuid;
    BEGIN
        IF NOT EXISTS (SELECT FROM tenants_tenant WHERE id = here AND is_sandbox) THEN
            RAISE EXCEPTION 'only a sandbox can be emptied' USING ERRCODE = 'insufficient_privilege';
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('feed:' || here::text, 0));
        DELETE FROM customer_lifecycle_status WHERE tenant_id = here;
        DELETE FROM lifecycle_billingfigures WHERE tenant_id = here;
        DELETE FROM lifecycle_supportfigures WHERE tenant_id = here;
        DELETE FROM lifecycle_customer WHERE tenant_id = here;
        DELETE FROM lifecycle_stagemigration WHERE tenant_id = here;
        DELETE FROM lifecycle_inboxevent WHERE tenant_id = here;
        DELETE FROM audit_refused_attempt WHERE tenant_id = here;
        DELETE FROM audit_outbox WHERE tenant_id = here AND published_at IS NULL AND history_id IS NOT NULL;
        DELETE FROM audit_feed WHERE tenant_id = here
           AND position < (SELECT max(position) FROM audit_feed WHERE tenant_id = here);
    END $$
    """,
    "REVOKE ALL ON FUNCTION empty_sandbox() FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION empty_sandbox() TO {APP_ROLE}",
]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0035_known_moves"), ("tenants", "0013_sandboxes")]

    operations = [migrations.RunSQL(EMPTY, "DROP FUNCTION empty_sandbox()")]
