"""A right of its own for those who manage people; the admins of every tenant have it."""

from django.db import migrations

TABLES = ("auth_group", "tenants_tenantgroupobjectpermission")
# On a new database neither the permission's type nor a tenant is there yet: it is then made with the others.
GRANT = """
WITH made AS (
    INSERT INTO auth_permission (name, content_type_id, codename)
    SELECT 'Can make, change and deactivate people', id, 'manage_people'
      FROM django_content_type WHERE app_label = 'tenants' AND model = 'tenant'
    ON CONFLICT (content_type_id, codename) DO UPDATE SET name = EXCLUDED.name
    RETURNING id
)
INSERT INTO tenants_tenantgroupobjectpermission (permission_id, group_id, content_object_id)
SELECT made.id, g.id, g.tenant_id FROM made, auth_group g WHERE split_part(g.name, ':', 3) = 'tenant_admin'
ON CONFLICT DO NOTHING
"""
STATEMENTS = [
    # The owner sees every tenant's rows while the policies do not bind it; no one else can look in between.
    *(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY" for table in TABLES),
    GRANT,
    *(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY" for table in TABLES),
]


class Migration(migrations.Migration):
    dependencies = [("tenants", "0009_reveal_contacts")]

    operations = [
        migrations.AlterModelOptions(
            name="tenant",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("view_lifecycle", "Can see customers, their stages and summaries"),
                    ("update_lifecycle", "Can move customers to another stage"),
                    ("view_history", "Can see who moved a customer, when and why"),
                    ("configure_stages", "Can change the lifecycle configuration"),
                    ("mute_effects", "Can change stages without starting effects"),
                    ("reveal_contacts", "Can see how to reach the people at a customer"),
                    ("manage_people", "Can make, change and deactivate people"),
                ],
            },
        ),
        migrations.RunSQL(STATEMENTS),
    ]
