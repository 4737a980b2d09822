"""The search of customers forgives typos: behind those found as typed come those that are spelled alike."""

from django.db import migrations

from storage.rls import CURRENT_TENANT, SEARCH_ROLE

# What separates the words of a name; no sign of it means anything in LIKE.
BETWEEN_WORDS = r"[][\s.,;:&/|()''\"+*%_\\-]+"
# An id of another spelling: what is typed with one sign left out, put in, exchanged, or swapped with the next.
NEAR_IDS = """
    SELECT left(typed, at - 1) || substr(typed, at + 1) FROM generate_series(1, char_length(typed)) at
    UNION ALL
    SELECT left(typed, at - 1) || substr(typed, at + 1, 1) || substr(typed, at, 1) || substr(typed, at + 2)
      FROM generate_series(1, char_length(typed) - 1) at
    UNION ALL
    SELECT left(typed, at - 1) || sign || substr(typed, at + exchanged)
      FROM generate_series(1, char_length(typed) + 1) at, generate_series(0, 1) exchanged,
           regexp_split_to_table('0123456789abcdefghijklmnopqrstuvwxyz-_./ ', '') sign
"""
# Whether a name has the word, or one that is spelled like it: one letter left out, put in, exchanged or swapped with the
# next; in a long word two.
ALIKE = r"""(strpos(c.name_key, word) > 0 OR EXISTS (
        SELECT FROM string_to_table(translate(c.name_key, '-.,;:&/|()"''+*', repeat(' ', 20)), ' ') n
         WHERE char_length(n) BETWEEN char_length(word) - 2 AND char_length(word) + 2 AND char_length(n) <= 60
           AND CASE levenshtein_less_equal(n, word, 2)
                 WHEN 0 THEN true WHEN 1 THEN true
                 WHEN 2 THEN char_length(word) >= 8 OR (char_length(n) = char_length(word) AND
                    ARRAY(SELECT l FROM string_to_table(n, NULL) l ORDER BY l)
                      = ARRAY(SELECT l FROM string_to_table(word, NULL) l ORDER BY l))
                 ELSE false
               END))"""
# Of a word with one typo what stands before its middle or what stands behind it is as it was: such a part, at the
# beginning or at the end of a word, has trigrams in the index, and few customers have it and the other words. Only these
# are compared letter by letter. What was said of the function before holds (0002_protection).
SEARCH = rf"""
    CREATE OR REPLACE FUNCTION search_customers(
        wanted text, wanted_key text DEFAULT NULL, most integer DEFAULT NULL
    ) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan ROWS 200 AS $$
    DECLARE
        tenant uuid := {CURRENT_TENANT};
        typed text := lower(btrim(wanted));
        key text := COALESCE(wanted_key, lower(btrim(wanted)));
        literal text := regexp_replace(lower(btrim(wanted)), '([\\%_])', '\\\1', 'g');
        literal_key text := regexp_replace(COALESCE(wanted_key, lower(btrim(wanted))), '([\\%_])', '\\\1', 'g');
        part text := CASE WHEN char_length(literal_key) < 3 THEN '' ELSE '%' END || literal_key || '%';
        words text[];
        word text;
        others text[];
        rarest text;
        beginning text;
        ending text;
        number integer;
        matched integer;
        alike integer := 0;
    BEGIN
        IF tenant IS NULL OR literal = '' THEN
            RETURN;
        END IF;
        RETURN QUERY
            (SELECT id FROM lifecycle_customer
              WHERE tenant_id = tenant AND erased_at IS NULL AND name_key LIKE part LIMIT most)
            UNION
            (SELECT id FROM lifecycle_customer
              WHERE tenant_id = tenant AND erased_at IS NULL AND lower(external_id) LIKE literal || '%' LIMIT most);
        GET DIAGNOSTICS matched = ROW_COUNT;
        IF matched >= 10 OR char_length(key) > 100 THEN
            RETURN;
        END IF;
        -- A whole id means that one.
        IF matched > 0 AND EXISTS (
            SELECT FROM lifecycle_customer
             WHERE tenant_id = tenant AND erased_at IS NULL AND lower(external_id) = typed)
        THEN
            RETURN;
        END IF;
        words := array_remove(regexp_split_to_array(key, '{BETWEEN_WORDS}'), '');
        IF cardinality(words) > 6 THEN
            RETURN;
        END IF;
        FOREACH word IN ARRAY words LOOP
            CONTINUE WHEN char_length(word) NOT BETWEEN 4 AND 40 OR word ~ '[0-9]';
            others := ARRAY(SELECT '%' || w || '%' FROM unnest(array_remove(words, word)) w);
            -- The longest of them: with it the index is asked, too.
            rarest := COALESCE((SELECT o FROM unnest(others) o ORDER BY char_length(o) DESC, o LIMIT 1), '%');
            beginning := left(word, (char_length(word) - 1) / 2);
            ending := substr(word, (char_length(word) - 1) / 2 + 2);
            RETURN QUERY
                SELECT c.id FROM (
                    SELECT id, name_key FROM lifecycle_customer
                     WHERE tenant_id = tenant AND erased_at IS NULL AND name_key LIKE rarest
                       AND (name_key LIKE beginning || '%' OR name_key LIKE '% ' || beginning || '%'
                            OR name_key LIKE '%-' || beginning || '%' OR name_key LIKE '%' || ending
                            OR name_key LIKE '%' || ending || ' %' OR name_key LIKE '%' || ending || '-%'
                            OR name_key LIKE '%' || ending || ',%')
                       AND name_key LIKE ALL (others)
                     LIMIT 1500
                ) c
                 WHERE c.name_key NOT LIKE part AND {ALIKE}
                 LIMIT most;
            GET DIAGNOSTICS number = ROW_COUNT;
            alike := alike + number;
        END LOOP;
        -- Ids count up: nearly every one has a neighbor that differs by one sign.
        IF matched + alike = 0 AND char_length(typed) BETWEEN 4 AND 40 THEN
            RETURN QUERY
                SELECT id FROM lifecycle_customer
                 WHERE tenant_id = tenant AND erased_at IS NULL
                   AND lower(external_id) = ANY(ARRAY({NEAR_IDS}))
                 LIMIT most;
        END IF;
    END $$
"""
# Without it the function would be made, and every search that finds little would fail.
CHECK = """
    DO $$
    BEGIN
        IF to_regprocedure('levenshtein_less_equal(text, text, integer)') IS NULL THEN
            RAISE EXCEPTION 'the extension fuzzystrmatch is missing in this database'
                USING HINT = 'Run "manage.py provision_database" as for a new release, or have an administrator of the'
                    ' database run: CREATE EXTENSION fuzzystrmatch';
        END IF;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0021_insight")]

    operations = [
        # The function belongs to the role that reads five columns and logs in nowhere.
        migrations.RunSQL([CHECK, f"SET LOCAL ROLE {SEARCH_ROLE}", SEARCH, "SET LOCAL ROLE NONE"])
    ]
