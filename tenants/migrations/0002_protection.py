"""Tenants' tables behind row-level security, and configuration versions that cannot change once published."""

from django.db import migrations

from storage.rls import APP_ROLE, CURRENT_USER_ID, PLATFORM_ROLE, CompositeForeignKey, ProtectTenantTable

# A user may read his own row before his tenant is known, but not change it: a row without tenant is a super admin's,
# and would otherwise be within reach of everybody who can name himself.
OF_CURRENT_STAFF = f"tenant_id IS NULL AND id = {CURRENT_USER_ID}"
OWN_ROW = [
    f"CREATE POLICY own_row ON tenants_user FOR SELECT USING (id = {CURRENT_USER_ID})",
    f"CREATE POLICY new_staff ON tenants_user FOR INSERT WITH CHECK ({OF_CURRENT_STAFF})",
    "CREATE POLICY own_staff_row ON tenants_user FOR UPDATE"
    f" USING ({OF_CURRENT_STAFF}) WITH CHECK ({OF_CURRENT_STAFF})",
    # Policies are joined by OR, so none of them can compare the row before with the row after.
    """
    CREATE FUNCTION refuse_change_of_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'user % keeps his tenant: make a new user instead', OLD.id
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    "CREATE TRIGGER user_keeps_his_tenant BEFORE UPDATE ON tenants_user FOR EACH ROW"
    " WHEN (OLD.tenant_id IS DISTINCT FROM NEW.tenant_id) EXECUTE FUNCTION refuse_change_of_tenant()",
    "ALTER TABLE tenants_user ENABLE ALWAYS TRIGGER user_keeps_his_tenant",
]
# Rows that belong to a tenant through somebody: seen by those who see the user.
OF_VISIBLE_USER = "EXISTS (SELECT FROM tenants_user u WHERE u.id = {table}.user_id)"
# A role's group carries its tenant in its name (tenants.services.accounts.people.group_name).
OF_TENANT_GROUP = "split_part(name, ':', 2) = (SELECT NULLIF(current_setting('app.tenant_id', true), ''))"
# Nobody joins another tenant's group: it must be visible as well.
MEMBERSHIP = (
    f"{OF_VISIBLE_USER.format(table='tenants_user_groups')}"
    " AND EXISTS (SELECT FROM auth_group g WHERE g.id = tenants_user_groups.group_id)"
)
# What Django's own tables would let the application do, and it has no business doing: rights are granted by
# tenants.services.accounts.people alone, permissions and content types are made by migrations, lock-outs live in the cache.
LEAST_PRIVILEGE = [
    f"REVOKE INSERT, UPDATE, DELETE ON auth_permission, auth_group_permissions, django_content_type FROM {APP_ROLE}",
    f"REVOKE INSERT, UPDATE ON guardian_userobjectpermission, guardian_groupobjectpermission FROM {APP_ROLE}",
    "REVOKE ALL ON axes_accessattempt, axes_accessattemptexpiration, axes_accessfailurelog, axes_accesslog"
    f" FROM {APP_ROLE}",
    f"GRANT SELECT ON auth_permission, django_content_type TO {PLATFORM_ROLE}",
]

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
    dependencies = [
        ("tenants", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("axes", "0010_accessattemptexpiration"),
        ("guardian", "0003_remove_groupobjectpermission_guardian_gr_content_ae6aec_idx_and_more"),
    ]

    operations = [
        ProtectTenantTable("tenants_tenant", tenant_column="id", app_may="SELECT, INSERT, UPDATE"),
        ProtectTenantTable("tenants_user"),
        migrations.RunSQL(OWN_ROW, migrations.RunSQL.noop),
        ProtectTenantTable("auth_group", using=OF_TENANT_GROUP, app_may="SELECT, INSERT"),
        ProtectTenantTable("tenants_user_groups", using=MEMBERSHIP),
        ProtectTenantTable(
            "tenants_user_user_permissions",
            using=OF_VISIBLE_USER.format(table="tenants_user_user_permissions"),
            app_may="SELECT, DELETE",
        ),
        ProtectTenantTable(
            "django_admin_log",
            using=OF_VISIBLE_USER.format(table="django_admin_log"),
            app_may="SELECT, INSERT, DELETE",
        ),
        ProtectTenantTable("tenants_configurationversion"),
        ProtectTenantTable("tenants_stage"),
        ProtectTenantTable("tenants_tenantuserobjectpermission", tenant_column="content_object_id"),
        ProtectTenantTable("tenants_tenantgroupobjectpermission", tenant_column="content_object_id"),
        migrations.RunSQL(
            "ALTER TABLE tenants_tenantuserobjectpermission"
            " DROP CONSTRAINT tenants_tenantuserob_user_id_1bd95b31_fk_tenants_u",
            migrations.RunSQL.noop,
        ),
        CompositeForeignKey(
            "tenants_tenantuserobjectpermission", ("content_object_id", "user_id"), "tenants_user", ("tenant_id", "id")
        ),
        migrations.RunSQL(LEAST_PRIVILEGE, migrations.RunSQL.noop),
        migrations.RunSQL(PUBLISHED_IS_FINAL, migrations.RunSQL.noop),
    ]
