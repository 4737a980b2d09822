"""A user's name is kept when it is replaced, as the audit trail shows it: the full name, or else the user name."""

from django.db import migrations

KEEP = [
    """
    CREATE FUNCTION keep_former_name_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit_former_name (id, tenant_id, subject_id, name, until)
        VALUES (uuidv7(), OLD.tenant_id, OLD.id, COALESCE(NULLIF(OLD.full_name, ''), OLD.username), clock_timestamp());
        RETURN NULL;
    END $$
    """,
    # Internal staff belongs to no tenant, and none is shown their names.
    "CREATE TRIGGER user_was_called AFTER UPDATE OF full_name, username ON tenants_user FOR EACH ROW"
    " WHEN (OLD.tenant_id IS NOT NULL AND COALESCE(NULLIF(OLD.full_name, ''), OLD.username)"
    "       IS DISTINCT FROM COALESCE(NULLIF(NEW.full_name, ''), NEW.username))"
    " EXECUTE FUNCTION keep_former_name_of_user()",
]
UNDO = ["DROP TRIGGER user_was_called ON tenants_user", "DROP FUNCTION keep_former_name_of_user"]


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_held_configuration"), ("audit", "0003_former_names")]

    operations = [migrations.RunSQL(KEEP, UNDO)]
