"""Dead letters and kept answers are filed by the customers they are about; the search finds nobody who was erased."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

from storage.rls import APP_ROLE, CURRENT_TENANT, SEARCH_ROLE

# As before (0008_readable_values), without the erased.
SEARCH = [
    f"SET LOCAL ROLE {SEARCH_ROLE}",
    "DROP FUNCTION search_customers(text, text, integer)",
    "SET LOCAL ROLE NONE",
    f"GRANT SELECT (erased_at) ON lifecycle_customer TO {SEARCH_ROLE}",
    rf"""
    CREATE FUNCTION search_customers(wanted text, wanted_key text DEFAULT NULL, most integer DEFAULT NULL)
    RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan ROWS 200 AS $$
    DECLARE
        tenant uuid := {CURRENT_TENANT};
        literal text := regexp_replace(lower(btrim(wanted)), '([\\%_])', '\\\1', 'g');
        literal_key text := regexp_replace(COALESCE(wanted_key, lower(btrim(wanted))), '([\\%_])', '\\\1', 'g');
        part text := CASE WHEN char_length(literal_key) < 3 THEN '' ELSE '%' END || literal_key || '%';
    BEGIN
        IF tenant IS NULL OR literal = '' THEN
            RETURN;
        END IF;
        RETURN QUERY
            (SELECT id FROM lifecycle_customer
              WHERE tenant_id = tenant AND erased_at IS NULL AND name_key LIKE part LIMIT most)
            UNION
            (SELECT id FROM lifecycle_customer
              WHERE tenant_id = tenant AND erased_at IS NULL AND lower(external_id) LIKE literal || '%' LIMIT most);
    END $$
    """,
    "REVOKE ALL ON FUNCTION search_customers(text, text, integer) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION search_customers(text, text, integer) TO {APP_ROLE}",
    # Last: what belongs to another role can no longer be revoked, and PostgreSQL only warns.
    f"ALTER FUNCTION search_customers(text, text, integer) OWNER TO {SEARCH_ROLE}",
]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0010_import_uploads"), ("audit", "0007_withdrawn_letters")]

    operations = [
        migrations.AddField(
            "deadletter",
            "subjects",
            ArrayField(
                models.BinaryField(), null=True, size=None, help_text="Keyed hashes of the customers it may be about."
            ),
        ),
        migrations.AddField("idempotentrequest", "customer_ids", ArrayField(models.UUIDField(), null=True, size=None)),
        migrations.RunSQL(SEARCH, migrations.RunSQL.noop),
    ]
