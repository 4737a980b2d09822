"""External ids are searched by a key without case and accents, as names are. The indexes of it come next."""

from django.db import migrations

# ``sort_key`` of it; what has none but ASCII signs, as nearly every id, takes the short way to the same.
KEY = """
    CREATE FUNCTION external_id_key(value text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN octet_length(value) = char_length(value) THEN lower(value) ELSE sort_key(value) END
"""


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0045_stays_still_there"), ("audit", "0009_search_former_names")]

    operations = [migrations.RunSQL(KEY, "DROP FUNCTION external_id_key(text)")]
