"""The directory of tenants' servers; what refuses writes of a tenant that is being moved; groups numbered by tenant."""

from django.db import migrations, models

from storage.rls import ProtectTenantTable

# Two servers give the same numbers to groups of two tenants. What identifies a group is (tenant_id, id), which the
# references of this product's own tables carry; those of tables that are not used do not.
GROUPS_BY_TENANT = [
    """
    DO $$
    DECLARE found record;
    BEGIN
        FOR found IN SELECT conrelid::regclass AS child, conname FROM pg_constraint
                      WHERE contype = 'f' AND confrelid = 'auth_group'::regclass AND cardinality(confkey) = 1 LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.child, found.conname);
        END LOOP;
    END $$
    """,
    "ALTER TABLE auth_group DROP CONSTRAINT auth_group_pkey",
]
# As the trigger of one tenant's rows, on every table, while a move ends (lifecycle.services.moving.fences). 55: the
# rows are not in a state to be changed, and will be again: anyone who writes tries again.
REFUSES_WRITES = [
    """
    CREATE FUNCTION refuse_while_moving() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        -- Until then: what has made the fence may have died. It does not let the tenant go any more when that is near.
        IF TG_NARGS > 0 AND clock_timestamp() > TG_ARGV[0]::timestamptz THEN
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        END IF;
        RAISE EXCEPTION 'the tenant is being moved to another server: % is read-only for a moment', TG_TABLE_NAME
            USING ERRCODE = '55M01';
    END $$
    """
]
# A configuration that was published is final as long as it is here. It leaves with its tenant.
FINAL_WHILE_HERE = [
    """
    CREATE OR REPLACE FUNCTION refuse_published_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.published_at IS NOT NULL AND NOT (TG_OP = 'DELETE' AND may_depart(OLD.tenant_id)) THEN
            RAISE EXCEPTION 'configuration version % is published and immutable: publish a new version', OLD.number
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$
    """
]


class Migration(migrations.Migration):
    dependencies = [("tenants", "0011_open_sessions"), ("audit", "0006_departures")]

    operations = [
        migrations.CreateModel(
            "TenantHome",
            [
                ("tenant_id", models.UUIDField(primary_key=True, serialize=False)),
                ("slug", models.SlugField(max_length=63, unique=True)),
                ("server", models.CharField(max_length=31)),
                ("moving_to", models.CharField(blank=True, db_default="", default="", max_length=31)),
                ("step", models.CharField(blank=True, db_default="", default="", max_length=20)),
                ("started_at", models.DateTimeField(null=True)),
                ("fenced_at", models.DateTimeField(null=True)),
                ("switched_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("facts", models.JSONField(default=dict)),
            ],
            {"db_table": "tenants_home"},
        ),
        ProtectTenantTable("tenants_home", app_may="SELECT"),
        migrations.RunSQL(GROUPS_BY_TENANT),
        migrations.RunSQL([*REFUSES_WRITES, *FINAL_WHILE_HERE]),
    ]
