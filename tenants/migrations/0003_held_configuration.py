"""Hold the live configuration until the transaction ends, and say which it is."""

from django.db import migrations

# A statement that takes the lock and reads the number itself would see the number as it was when the statement began:
# before it waited for a publisher. A volatile function looks again once it has the lock.
HOLD = """
CREATE FUNCTION hold_configuration(tenant uuid) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('configuration:' || tenant::text, 0));
    RETURN (SELECT configuration_version FROM tenants_tenant WHERE id = tenant);
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_protection")]

    operations = [
        migrations.RunSQL(HOLD, "DROP FUNCTION hold_configuration(uuid)"),
    ]
