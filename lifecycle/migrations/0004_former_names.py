"""A customer's name is kept when it is replaced, for the audit trail."""

from django.db import migrations

# By the clock and not the beginning of the transaction: a row that was written before in the same one shows this name.
KEEP = [
    """
    CREATE FUNCTION keep_former_name_of_customer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit_former_name (id, tenant_id, subject_id, name, until)
        VALUES (uuidv7(), OLD.tenant_id, OLD.id, OLD.name, clock_timestamp());
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER customer_was_called AFTER UPDATE OF name ON lifecycle_customer FOR EACH ROW"
    " WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION keep_former_name_of_customer()",
]
UNDO = ["DROP TRIGGER customer_was_called ON lifecycle_customer", "DROP FUNCTION keep_former_name_of_customer"]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0003_update_budget"), ("audit", "0003_former_names")]

    operations = [migrations.RunSQL(KEEP, UNDO)]
