"""Former names are searched by the keys by which names are sorted and searched. The index of them comes next."""

from django.db import migrations

from storage.rls import APP_ROLE, CURRENT_TENANT, SEARCH_ROLE

# As ``tenants.rules.values.sort_key`` makes it (a test compares them).
LETTERS = {
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "æ": "ae",
    "œ": "oe",
    "ħ": "h",
    "ı": "i",
    "ŧ": "t",
    "ŋ": "n",
} | {"’": "''", "‘": "''", "–": "-", "—": "-", "‐": "-"}
ONE_FOR_ONE = {letter: other for letter, other in LETTERS.items() if len(other.replace("''", "'")) == 1}


def sort_key_of(value: str) -> str:
    """The key of a value, in SQL."""
    plain = f'casefold({value} COLLATE "pg_unicode_fast")'
    plain = f"translate({plain}, '{''.join(ONE_FOR_ONE)}', '{''.join(ONE_FOR_ONE.values())}')"
    for letter, others in LETTERS.items():
        if letter not in ONE_FOR_ONE:
            plain = f"replace({plain}, '{letter}', '{others}')"
    return f"normalize(casefold(regexp_replace(normalize({plain}, NFKD), '[\u0300-\u036f]', '', 'g')), NFC)"


# Row-level security keeps LIKE, which is not leakproof, away from the index: so a function searches past the policy, with
# the tenant's own comparison inside, as search_customers does (lifecycle, 0002_protection).
SEARCH = [
    f"CREATE FUNCTION sort_key(value text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE RETURN {sort_key_of('value')}",
    f"GRANT SELECT (tenant_id, subject_id, name) ON audit_former_name TO {SEARCH_ROLE}",
    f"CREATE POLICY search_reads ON audit_former_name FOR SELECT TO {SEARCH_ROLE} USING (true)",
    rf"""
    CREATE FUNCTION search_former_names(wanted_key text, most integer) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan ROWS 200 AS $$
    DECLARE
        tenant uuid := {CURRENT_TENANT};
        part text := '%' || regexp_replace(wanted_key, '([\\%_])', '\\\1', 'g') || '%';
    BEGIN
        IF tenant IS NULL OR btrim(wanted_key) = '' THEN
            RETURN;
        END IF;
        RETURN QUERY
            SELECT subject_id FROM audit_former_name
             WHERE tenant_id = tenant AND sort_key(name) LIKE part LIMIT most;
    END $$
    """,
    "REVOKE ALL ON FUNCTION search_former_names(text, integer) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION search_former_names(text, integer) TO {APP_ROLE}",
    # Last: what belongs to another role can no longer be revoked, and PostgreSQL only warns.
    f"ALTER FUNCTION search_former_names(text, integer) OWNER TO {SEARCH_ROLE}",
]
UNDO = [
    "DROP FUNCTION search_former_names(text, integer)",
    "DROP POLICY search_reads ON audit_former_name",
    f"REVOKE SELECT (tenant_id, subject_id, name) ON audit_former_name FROM {SEARCH_ROLE}",
    "DROP FUNCTION sort_key(text)",
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0008_emptied_sandboxes")]

    operations = [migrations.RunSQL(SEARCH, UNDO)]
