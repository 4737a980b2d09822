"""Tenants' tables behind row-level security, and configuration versions that cannot change once published."""

from django.db import migrations

from storage.rls import (
    APP_ROLE,
    CURRENT_USER_ID,
    PLATFORM_ROLE,
    CompositeForeignKey,
    KeyByTenant,
    ProtectTenantTable,
)

USER = ("tenants_user", ("tenant_id", "id"))
GROUP = ("auth_group", ("tenant_id", "id"))

# Users may read their own row before their tenant is known, but not change it: a row without tenant is a super admin's,
# and would otherwise be within reach of everyone who can name themselves.
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
        RAISE EXCEPTION 'user % cannot change tenants: make a new user instead', OLD.id
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    "CREATE TRIGGER user_keeps_tenant BEFORE UPDATE ON tenants_user FOR EACH ROW"
    " WHEN (OLD.tenant_id IS DISTINCT FROM NEW.tenant_id) EXECUTE FUNCTION refuse_change_of_tenant()",
    "ALTER TABLE tenants_user ENABLE ALWAYS TRIGGER user_keeps_tenant",
    # Super admins have no tenant, so no key can begin with it.
    "ALTER TABLE tenants_user REPLICA IDENTITY FULL",
]
# Django's tables of groups know no tenant. Each row gets that of the transaction which writes it, and a member and their
# group can be of one tenant only.
OF_TRANSACTION = "uuid NOT NULL DEFAULT NULLIF(current_setting('app.tenant_id', true), '')::uuid"
GROUPS = [
    f"ALTER TABLE auth_group ADD COLUMN tenant_id {OF_TRANSACTION}",
    # A role's group carries its tenant in its name as well (tenants.services.accounts.people.group_name).
    "ALTER TABLE auth_group ADD CONSTRAINT group_named_by_tenant CHECK (split_part(name, ':', 2) = tenant_id::text)",
    "ALTER TABLE auth_group ADD CONSTRAINT group_of_tenant UNIQUE (tenant_id, id)",
    "ALTER TABLE auth_group REPLICA IDENTITY USING INDEX group_of_tenant",
    f"ALTER TABLE tenants_user_groups ADD COLUMN tenant_id {OF_TRANSACTION}",
    "ALTER TABLE tenants_user_groups DROP CONSTRAINT tenants_user_groups_group_id_217b8f87_fk_auth_group_id,"
    " DROP CONSTRAINT tenants_user_groups_user_id_5c8b04b7_fk_tenants_user_id",
]
# Plain foreign keys of the grants, which composite ones replace.
GRANTS = [
    "ALTER TABLE tenants_tenantuserobjectpermission DROP CONSTRAINT tenants_tenantuserob_user_id_1bd95b31_fk_tenants_u",
    "ALTER TABLE tenants_tenantgroupobjectpermission"
    " DROP CONSTRAINT tenants_tenantgroupo_group_id_367d8e61_fk_auth_grou",
]
# An API key is looked up by its id before its tenant is known.
API_KEYS = [
    "ALTER TABLE tenants_apikey ADD CONSTRAINT api_key_of_tenant UNIQUE (tenant_id, id)",
    "ALTER TABLE tenants_apikey REPLICA IDENTITY USING INDEX api_key_of_tenant",
]
# What Django's own tables would let the application do, and it has no business doing: rights are granted by
# tenants.services.accounts.people alone, permissions and content types are made by migrations, lock-outs live in the
# cache, and what admins do is in the administration log.
LEAST_PRIVILEGE = [
    f"REVOKE INSERT, UPDATE, DELETE ON auth_permission, auth_group_permissions, django_content_type FROM {APP_ROLE}",
    f"REVOKE INSERT, UPDATE ON guardian_userobjectpermission, guardian_groupobjectpermission FROM {APP_ROLE}",
    f"REVOKE INSERT, UPDATE ON tenants_user_user_permissions, django_admin_log FROM {APP_ROLE}",
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
        migrations.RunSQL(OWN_ROW),
        migrations.RunSQL(GROUPS),
        ProtectTenantTable("auth_group", app_may="SELECT, INSERT"),
        ProtectTenantTable("tenants_user_groups"),
        KeyByTenant("tenants_user_groups"),
        CompositeForeignKey("tenants_user_groups", ("tenant_id", "user_id"), *USER),
        CompositeForeignKey("tenants_user_groups", ("tenant_id", "group_id"), *GROUP),
        ProtectTenantTable("tenants_configurationversion"),
        ProtectTenantTable("tenants_stage"),
        ProtectTenantTable("tenants_tenantuserobjectpermission", tenant_column="content_object_id"),
        ProtectTenantTable("tenants_tenantgroupobjectpermission", tenant_column="content_object_id"),
        ProtectTenantTable("tenants_apikey", app_may="SELECT, INSERT, UPDATE"),
        ProtectTenantTable("tenants_tokenissuer", app_may="SELECT, INSERT, UPDATE"),
        KeyByTenant("tenants_configurationversion"),
        KeyByTenant("tenants_stage"),
        KeyByTenant("tenants_tenantuserobjectpermission", tenant_column="content_object_id"),
        KeyByTenant("tenants_tenantgroupobjectpermission", tenant_column="content_object_id"),
        KeyByTenant("tenants_tokenissuer"),
        migrations.RunSQL([*GRANTS, *API_KEYS]),
        CompositeForeignKey("tenants_tenantuserobjectpermission", ("content_object_id", "user_id"), *USER),
        CompositeForeignKey("tenants_tenantgroupobjectpermission", ("content_object_id", "group_id"), *GROUP),
        CompositeForeignKey("tenants_apikey", ("tenant_id", "user_id"), *USER, action="ON DELETE CASCADE"),
        migrations.RunSQL(LEAST_PRIVILEGE),
        migrations.RunSQL(PUBLISHED_IS_FINAL),
    ]
