"""The index along which former names are searched."""

from django.db import migrations

NAME = "former_name_trigrams"
DROP = f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}"


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("audit", "0009_search_former_names")]

    operations = [
        # Half of it is left where this was ended in the middle, and no new one of the name can be made beside it.
        migrations.RunSQL(DROP, DROP),
        migrations.RunSQL(
            f"CREATE INDEX CONCURRENTLY {NAME} ON audit_former_name USING gin (tenant_id, sort_key(name) gin_trgm_ops)",
            DROP,
        ),
    ]
