"""Customers behind row-level security; references that carry the tenant; the one reviewed search function."""

from django.db import migrations

from storage.rls import APP_ROLE, CURRENT_TENANT, SEARCH_ROLE, CompositeForeignKey, KeyByTenant, ProtectTenantTable

CUSTOMER = ("lifecycle_customer", ("tenant_id", "id"))
OF_CUSTOMER = ("tenant_id", "customer_id")

# Row-level security keeps LIKE and trigram operators, which are not leakproof, away from their indexes: 300 ms on
# a large tenant instead of 2. This function is the one place that searches past the policy, with the tenant's own
# comparison inside; its owner may read these columns and nothing else, and no one logs in as it. pg_temp is last in its
# search path: unnamed it would come first, and a caller's temporary table would take the customers' place. It stops
# after ``most`` customers of each kind of match. Planned again each time, because only a known text can use the indexes
# of beginnings. The key of the text comes beside it: the database folds no accents.
SEARCH = [
    "CREATE INDEX customer_name_trigrams ON lifecycle_customer USING gin (tenant_id, name_key gin_trgm_ops)",
    "CREATE INDEX customer_name_prefix ON lifecycle_customer (tenant_id, name_key text_pattern_ops)",
    "CREATE INDEX customer_external_id_prefix ON lifecycle_customer (tenant_id, lower(external_id) text_pattern_ops)",
    f"GRANT SELECT (id, tenant_id, name_key, external_id, erased_at) ON lifecycle_customer TO {SEARCH_ROLE}",
    f"CREATE POLICY search_reads ON lifecycle_customer FOR SELECT TO {SEARCH_ROLE} USING (true)",
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
# A bulk load ends with ANALYZE, which the application may run on the tables of customers only with MAINTAIN.
STATISTICS = (
    "GRANT MAINTAIN ON lifecycle_customer, customer_lifecycle_status, lifecycle_billingfigures,"
    f" lifecycle_supportfigures, lifecycle_contact TO {APP_ROLE}"
)
# A unique key that does not start with the tenant answers questions about other tenants' rows.
STATUS = "ALTER TABLE customer_lifecycle_status DROP CONSTRAINT customer_lifecycle_status_customer_id_key"


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
        ProtectTenantTable("lifecycle_deadletter"),
        ProtectTenantTable("lifecycle_idempotentrequest", readers=()),
        ProtectTenantTable("lifecycle_stagemigration", app_may="SELECT, INSERT, UPDATE"),
        ProtectTenantTable("lifecycle_importupload"),
        # No one reads the files of all tenants.
        ProtectTenantTable("lifecycle_importpart", readers=()),
        migrations.RunSQL([*SEARCH, STATISTICS, STATUS]),
        # Before the first ANALYZE all indexes that start with the tenant cost the planner the same, and it takes the
        # newest. The target of the foreign keys must be that one: with another, each check of a first import reads all
        # of the tenant's customers (5,000 new customers: 16 s instead of 3). So the key comes after the other indexes.
        KeyByTenant("lifecycle_customer"),
        KeyByTenant("lifecycle_contact"),
        KeyByTenant("lifecycle_billingfigures", "customer_id"),
        KeyByTenant("lifecycle_supportfigures", "customer_id"),
        KeyByTenant("customer_lifecycle_status"),
        KeyByTenant("lifecycle_inboxevent"),
        KeyByTenant("lifecycle_parkedevent"),
        KeyByTenant("lifecycle_deadletter"),
        KeyByTenant("lifecycle_idempotentrequest"),
        KeyByTenant("lifecycle_stagemigration"),
        KeyByTenant("lifecycle_importupload"),
        KeyByTenant("lifecycle_importpart"),
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
        CompositeForeignKey(
            "lifecycle_importpart",
            ("tenant_id", "upload_id"),
            "lifecycle_importupload",
            ("tenant_id", "id"),
            action="ON DELETE CASCADE",
        ),
    ]
