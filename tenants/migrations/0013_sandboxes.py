"""Tenants for trying things out: so from their first day or never, and the only ones whose record can be emptied."""

from django.db import migrations, models

from storage.rls import APP_ROLE, AUDIT_ROLE

# Or a tenant that is none could be made one, and its record emptied.
FOR_GOOD = [
    """
    CREATE FUNCTION refuse_sandbox_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'tenant % is a sandbox from its first day or never', OLD.slug
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER sandbox_for_good BEFORE UPDATE ON tenants_tenant FOR EACH ROW
      WHEN (OLD.is_sandbox IS DISTINCT FROM NEW.is_sandbox) EXECUTE FUNCTION refuse_sandbox_change()
    """,
]
# As the owner of the record, for the tenant at hand alone: row-level security binds it as it binds everyone. Those who
# seal or number rows of the tenant take turns with it. What leaves is said by a row that stays.
EMPTY_RECORD = [
    f"GRANT SELECT (id, slug, is_sandbox) ON tenants_tenant TO {AUDIT_ROLE}",
    """
    CREATE FUNCTION empty_sandbox_record() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        here uuid := NULLIF(current_setting('app.tenant_id', true), '')::uuid;
        entry uuid := uuidv7();
        named text;
        sealed integer;
        gone bigint;
    BEGIN
        SELECT slug INTO named FROM tenants_tenant WHERE id = here AND is_sandbox;
        IF named IS NULL THEN
            RAISE EXCEPTION 'only the record of a sandbox can be emptied' USING ERRCODE = 'insufficient_privilege';
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('seal:' || here::text, 0));
        SELECT COALESCE(max(number), 0) INTO sealed FROM audit_seal WHERE tenant_id = here;
        INSERT INTO audit_departure (id, tenant_id, slug, to_server, compared, decided_at, seals_to)
        VALUES (entry, here, named, '', '{}', clock_timestamp(), sealed);
        DELETE FROM audit_sealed_row WHERE tenant_id = here;
        DELETE FROM audit_administration
         WHERE tenant_id = here AND actor = 'system:reset_sandboxes' AND action <> 'reset_sandbox';
        DELETE FROM customer_lifecycle_history WHERE tenant_id = here;
        GET DIAGNOSTICS gone = ROW_COUNT;
        UPDATE audit_departure
           SET deleted_at = clock_timestamp(), compared = jsonb_build_object('customer_lifecycle_history', gone)
         WHERE tenant_id = here AND id = entry;
        RETURN gone;
    END $$
    """,
    "REVOKE ALL ON FUNCTION empty_sandbox_record() FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION empty_sandbox_record() TO {APP_ROLE}",
    f"ALTER FUNCTION empty_sandbox_record() OWNER TO {AUDIT_ROLE}",
]


class Migration(migrations.Migration):
    dependencies = [("tenants", "0012_homes"), ("audit", "0008_emptied_sandboxes")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="is_sandbox",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="For trying things out: emptied and filled with made-up customers every night. Cannot be"
                " changed later.",
                verbose_name="sandbox",
            ),
        ),
        migrations.AddField(
            model_name="tenant",
            name="emptied_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="last reset"),
        ),
        migrations.RunSQL([*FOR_GOOD, *EMPTY_RECORD]),
    ]
