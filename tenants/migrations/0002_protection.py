"""Tenants' tables behind row-level security, and configuration versions that cannot change once published."""

from django.db import migrations

from audit.rls import CURRENT_TENANT, CURRENT_USER_ID, ProtectTenantTable

PUBLISHED_IS_FINAL = [
    """
    CREATE FUNCTION refuse_published_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.published_at IS NOT NULL THEN
            RAISE EXCEPTION 'configuration version % is published and immutable: publish a new version', OLD.number
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$
    """,
    "CREATE TRIGGER published_configuration_is_final BEFORE UPDATE OR DELETE ON tenants_configurationversion"
    " FOR EACH ROW EXECUTE FUNCTION refuse_published_change()",
    "ALTER TABLE tenants_configurationversion ENABLE ALWAYS TRIGGER published_configuration_is_final",
]


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        ProtectTenantTable("tenants_tenant", tenant_column="id", app_may="SELECT, INSERT, UPDATE"),
        # A user may read his own row before his tenant is known; a row without tenant is written by its user alone.
        ProtectTenantTable(
            "tenants_user",
            using=f"tenant_id = {CURRENT_TENANT} OR id = {CURRENT_USER_ID}",
            check=f"tenant_id = {CURRENT_TENANT} OR (tenant_id IS NULL AND id = {CURRENT_USER_ID})",
        ),
        ProtectTenantTable("tenants_configurationversion"),
        ProtectTenantTable("tenants_stage"),
        ProtectTenantTable("tenants_tenantuserobjectpermission", tenant_column="content_object_id"),
        ProtectTenantTable("tenants_tenantgroupobjectpermission", tenant_column="content_object_id"),
        migrations.RunSQL(PUBLISHED_IS_FINAL, migrations.RunSQL.noop),
    ]
