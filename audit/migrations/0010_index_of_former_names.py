"""The index along which former names are searched."""

from django.db import migrations

from storage.indexes import AddPlainIndexConcurrently


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("audit", "0009_search_former_names")]

    operations = [
        AddPlainIndexConcurrently(
            "audit_former_name", "former_name_trigrams", "gin (tenant_id, sort_key(name) gin_trgm_ops)"
        ),
    ]
