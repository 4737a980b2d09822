"""The index that only the search of external ids by their beginning needed goes."""

from django.db import migrations


class Migration(migrations.Migration):
    # CONCURRENTLY takes no transaction.
    atomic = False

    dependencies = [("lifecycle", "0048_search_of_external_ids")]

    operations = [migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS customer_external_id_prefix")]
