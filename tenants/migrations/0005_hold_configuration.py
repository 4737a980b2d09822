"""Whether a configuration is the live one, and stays so until the transaction ends; for a single change."""

from django.db import migrations

# One statement that reads the version and moves a customer would look at the version as it was when it began, before it
# had the lock. A volatile function looks again: what a publisher has committed meanwhile is seen. It does not wait for
# a publisher but says no.
HOLD_CONFIGURATION = """
CREATE FUNCTION hold_configuration(tenant uuid, version integer) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared(hashtextextended('configuration:' || tenant::text, 0)) THEN
        RETURN false;
    END IF;
    RETURN EXISTS (SELECT FROM tenants_tenant WHERE id = tenant AND configuration_version = version);
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_credentials")]

    operations = [
        migrations.RunSQL(HOLD_CONFIGURATION, "DROP FUNCTION hold_configuration(uuid, integer)"),
    ]
