"""External ids are found by any part, whatever its case and accents, and by a whole or a beginning with one typo."""

from django.db import migrations

from storage.rls import CURRENT_TENANT, SEARCH_ROLE

# What separates the words of a name; no sign of it means anything in LIKE.
BETWEEN_WORDS = r"[][\s.,;:&/|()''\"+*%_\\-]+"
# The keys of other spellings: what is typed with one sign left out, put in, exchanged, or swapped with the next.
NEAR_KEYS = """
    SELECT left(key, at - 1) || substr(key, at + 1) FROM generate_series(1, char_length(key)) at
    UNION ALL
    SELECT left(key, at - 1) || substr(key, at + 1, 1) || substr(key, at, 1) || substr(key, at + 2)
      FROM generate_series(1, char_length(key) - 1) at
    UNION ALL
    SELECT left(key, at - 1) || sign || substr(key, at + exchanged)
      FROM generate_series(1, char_length(key) + 1) at, generate_series(0, 1) exchanged,
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
# ``~<~`` and ``~>=~`` compare as the index of ids' beginnings does.
SEARCH = rf"""
    CREATE OR REPLACE FUNCTION search_customers(
        wanted text, wanted_key text DEFAULT NULL, most integer DEFAULT NULL
    ) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan ROWS 200 AS $$
    DECLARE
        tenant uuid := {CURRENT_TENANT};
        key text := COALESCE(wanted_key, lower(btrim(wanted)));
        part text := CASE WHEN char_length(key) < 3 THEN '' ELSE '%' END
            || regexp_replace(key, '([\\%_])', '\\\1', 'g') || '%';
        words text[];
        word text;
        others text[];
        rarest text;
        beginning text;
        ending text;
        near text[];
        number integer;
        matched integer;
        alike integer := 0;
    BEGIN
        IF tenant IS NULL OR btrim(key) = '' THEN
            RETURN;
        END IF;
        -- Of ids that all begin alike enough are found at once; by a part, all of them would be gathered first.
        SELECT count(*) INTO matched FROM (
            SELECT FROM lifecycle_customer
             WHERE tenant_id = tenant AND erased_at IS NULL AND external_id_key(external_id) LIKE ltrim(part, '%')
             LIMIT most) b WHERE most IS NOT NULL;
        IF matched >= most THEN
            RETURN QUERY
                SELECT id FROM lifecycle_customer
                 WHERE tenant_id = tenant AND erased_at IS NULL AND external_id_key(external_id) LIKE ltrim(part, '%')
                 LIMIT most;
            RETURN;
        END IF;
        RETURN QUERY
            (SELECT id FROM lifecycle_customer
              WHERE tenant_id = tenant AND erased_at IS NULL AND name_key LIKE part LIMIT most)
            UNION
            (SELECT id FROM lifecycle_customer
              WHERE tenant_id = tenant AND erased_at IS NULL AND external_id_key(external_id) LIKE part LIMIT most);
        GET DIAGNOSTICS matched = ROW_COUNT;
        IF matched >= 10 OR char_length(key) > 100 THEN
            RETURN;
        END IF;
        -- A whole id means that one.
        IF matched > 0 AND EXISTS (
            SELECT FROM lifecycle_customer
             WHERE tenant_id = tenant AND erased_at IS NULL AND external_id_key(external_id) = key)
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
        -- A beginning says less than a whole id: it has five signs, one of them a digit, and brings the first hundred.
        IF matched + alike = 0 AND char_length(key) BETWEEN 4 AND 40 THEN
            near := ARRAY({NEAR_KEYS});
            RETURN QUERY
                SELECT n.id FROM (
                    SELECT id FROM lifecycle_customer
                     WHERE tenant_id = tenant AND erased_at IS NULL AND external_id_key(external_id) = ANY(near)
                    UNION
                    (SELECT b.id
                       FROM (SELECT DISTINCT n FROM unnest(near) n
                              WHERE char_length(key) BETWEEN 5 AND 24 AND key ~ '[0-9]') k
                      CROSS JOIN LATERAL (
                         SELECT id, external_id_key(external_id) AS id_key FROM lifecycle_customer
                          WHERE tenant_id = tenant AND erased_at IS NULL
                            AND external_id_key(external_id) ~>=~ k.n
                            AND external_id_key(external_id) ~<~ (k.n || chr(1114111))
                          ORDER BY external_id_key(external_id) USING ~<~ LIMIT 100) b
                      ORDER BY b.id_key USING ~<~ LIMIT 100)
                ) n
                 LIMIT most;
        END IF;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0047_indexes_of_external_ids")]

    operations = [
        migrations.RunSQL([f"SET LOCAL ROLE {SEARCH_ROLE}", SEARCH, "SET LOCAL ROLE NONE"]),
    ]
