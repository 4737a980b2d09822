"""The indexes along which external ids are searched: by their beginning, and by any part."""

from django.db import migrations

from storage.indexes import AddPlainIndexConcurrently


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0046_keys_of_external_ids")]

    operations = [
        AddPlainIndexConcurrently(
            "lifecycle_customer",
            "customer_external_id_beginning",
            "btree (tenant_id, external_id_key(external_id) text_pattern_ops)",
        ),
        AddPlainIndexConcurrently(
            "lifecycle_customer",
            "customer_external_id_trigrams",
            "gin (tenant_id, external_id_key(external_id) gin_trgm_ops)",
        ),
    ]
