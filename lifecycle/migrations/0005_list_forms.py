"""Lists that cost the same at any depth: the search can stop early, and renewals have an order to the last customer."""

from django.db import migrations, models

from storage.rls import APP_ROLE, CURRENT_TENANT, SEARCH_ROLE

# As before (0002_protection says why it exists and how it is made safe), and it stops after ``most`` customers of each
# kind of match: whoever gets more than he can use looks at the customers themselves. Planned anew each time, because
# only a known text can use the indexes of beginnings.
SEARCH = [
    f"SET LOCAL ROLE {SEARCH_ROLE}",
    "DROP FUNCTION search_customers(text)",
    "SET LOCAL ROLE NONE",
    rf"""
    CREATE FUNCTION search_customers(wanted text, most integer DEFAULT NULL) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan ROWS 200 AS $$
    DECLARE
        tenant uuid := {CURRENT_TENANT};
        literal text := regexp_replace(lower(btrim(wanted)), '([\\%_])', '\\\1', 'g');
    BEGIN
        IF tenant IS NULL OR literal = '' THEN
            RETURN;
        ELSIF char_length(literal) < 3 THEN
            RETURN QUERY
                (SELECT id FROM lifecycle_customer
                  WHERE tenant_id = tenant AND lower(name) LIKE literal || '%' LIMIT most)
                UNION
                (SELECT id FROM lifecycle_customer
                  WHERE tenant_id = tenant AND lower(external_id) LIKE literal || '%' LIMIT most);
        ELSE
            RETURN QUERY
                (SELECT id FROM lifecycle_customer
                  WHERE tenant_id = tenant AND lower(name) LIKE '%' || literal || '%' LIMIT most)
                UNION
                (SELECT id FROM lifecycle_customer
                  WHERE tenant_id = tenant AND lower(external_id) LIKE literal || '%' LIMIT most);
        END IF;
    END $$
    """,
    "REVOKE ALL ON FUNCTION search_customers(text, integer) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION search_customers(text, integer) TO {APP_ROLE}",
    # Last: what belongs to another role can no longer be revoked, and PostgreSQL only warns.
    f"ALTER FUNCTION search_customers(text, integer) OWNER TO {SEARCH_ROLE}",
]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0004_dead_letters")]

    operations = [
        migrations.RemoveIndex(model_name="billingfigures", name="billing_by_renewal"),
        migrations.AddIndex(
            model_name="billingfigures",
            index=models.Index(fields=["tenant_id", "renewal_on", "customer"], name="billing_by_renewal"),
        ),
        migrations.RunSQL(SEARCH, migrations.RunSQL.noop),
    ]
