"""Customers behind row-level security; references that carry the tenant; the one reviewed search function."""

from django.db import migrations

from storage.rls import APP_ROLE, CURRENT_TENANT, SEARCH_ROLE, CompositeForeignKey, ProtectTenantTable

CUSTOMER = ("lifecycle_customer", ("tenant_id", "id"))
OF_CUSTOMER = ("tenant_id", "customer_id")

# Before the first ANALYZE all indexes that start with the tenant cost the planner the same, and it takes the newest.
# The foreign keys' own target must be that one: with another, each check of a first import reads all of the tenant's
# customers (5,000 new customers: 16 s instead of 3).
NEWEST_INDEX = [
    "ALTER TABLE lifecycle_customer DROP CONSTRAINT customer_of_tenant",
    "ALTER TABLE lifecycle_customer ADD CONSTRAINT customer_of_tenant UNIQUE (tenant_id, id)",
]

# Row-level security keeps ILIKE and trigram operators, which are not leakproof, away from their indexes: 300 ms on
# a large tenant instead of 2. This function is the one place that searches past the policy, with the tenant's own
# comparison inside; its owner may read these columns and nothing else, and nobody logs in as it. pg_temp stands last
# in its search path: unnamed it would come first, and a caller's temporary table would take the customers' place.
SEARCH = [
    "CREATE INDEX customer_name_trigrams ON lifecycle_customer USING gin (tenant_id, lower(name) gin_trgm_ops)",
    "CREATE INDEX customer_name_prefix ON lifecycle_customer (tenant_id, lower(name) text_pattern_ops)",
    "CREATE INDEX customer_external_id_prefix ON lifecycle_customer (tenant_id, lower(external_id) text_pattern_ops)",
    f"GRANT SELECT (id, tenant_id, name, external_id) ON lifecycle_customer TO {SEARCH_ROLE}",
    f"CREATE POLICY search_reads ON lifecycle_customer FOR SELECT TO {SEARCH_ROLE} USING (true)",
    rf"""
    CREATE FUNCTION search_customers(wanted text) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 200 AS $$
    DECLARE
        tenant uuid := {CURRENT_TENANT};
        literal text := regexp_replace(lower(btrim(wanted)), '([\\%_])', '\\\1', 'g');
    BEGIN
        IF tenant IS NULL OR literal = '' THEN
            RETURN;
        ELSIF char_length(literal) < 3 THEN
            RETURN QUERY SELECT id FROM lifecycle_customer
                WHERE tenant_id = tenant AND lower(name) LIKE literal || '%'
                UNION
                SELECT id FROM lifecycle_customer
                WHERE tenant_id = tenant AND lower(external_id) LIKE literal || '%';
        ELSE
            RETURN QUERY SELECT id FROM lifecycle_customer
                WHERE tenant_id = tenant AND lower(name) LIKE '%' || literal || '%'
                UNION
                SELECT id FROM lifecycle_customer
                WHERE tenant_id = tenant AND lower(external_id) LIKE literal || '%';
        END IF;
    END $$
    """,
    "REVOKE ALL ON FUNCTION search_customers(text) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION search_customers(text) TO {APP_ROLE}",
    # Last: what belongs to another role can no longer be revoked, and PostgreSQL only warns.
    f"ALTER FUNCTION search_customers(text) OWNER TO {SEARCH_ROLE}",
]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0001_initial"), ("tenants", "0002_protection"), ("audit", "0002_protection")]

    operations = [
        ProtectTenantTable("lifecycle_customer", app_may="SELECT, INSERT, UPDATE"),
        ProtectTenantTable("lifecycle_contact"),
        ProtectTenantTable("lifecycle_billingfigures", app_may="SELECT, INSERT, UPDATE"),
        ProtectTenantTable("lifecycle_supportfigures", app_may="SELECT, INSERT, UPDATE"),
        ProtectTenantTable("customer_lifecycle_status", app_may="SELECT, INSERT, UPDATE"),
        ProtectTenantTable("lifecycle_inboxevent"),
        ProtectTenantTable("lifecycle_parkedevent"),
        ProtectTenantTable("lifecycle_idempotentrequest", readers=()),
        migrations.RunSQL(SEARCH, migrations.RunSQL.noop),
        migrations.RunSQL(NEWEST_INDEX, migrations.RunSQL.noop),
        CompositeForeignKey("lifecycle_contact", OF_CUSTOMER, *CUSTOMER, action="ON DELETE CASCADE"),
        CompositeForeignKey("lifecycle_billingfigures", OF_CUSTOMER, *CUSTOMER),
        CompositeForeignKey("lifecycle_supportfigures", OF_CUSTOMER, *CUSTOMER),
        CompositeForeignKey("customer_lifecycle_status", OF_CUSTOMER, *CUSTOMER),
        # No free text, not even through SQL, and no other tenant's stage; renaming a stage renames it everywhere.
        CompositeForeignKey(
            "customer_lifecycle_status",
            ("tenant_id", "stage"),
            "tenants_stage",
            ("tenant_id", "name"),
            action="ON UPDATE CASCADE",
        ),
        # A unique key that does not start with the tenant answers questions about other tenants' rows.
        migrations.RunSQL(
            "ALTER TABLE customer_lifecycle_status DROP CONSTRAINT customer_lifecycle_status_customer_id_key",
            migrations.RunSQL.noop,
        ),
    ]
