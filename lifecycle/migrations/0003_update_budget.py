"""The budget of changed customers: a row an actor, taken in the transaction that changes the customers."""

from django.db import migrations

from storage.rls import APP_ROLE

# It has no model and belongs to no tenant: a super admin has one budget in all tenants, so no policy can say whose row
# is in sight. The application may not touch the table, not even read it, and calls these two functions instead, which
# are the owner's.
TABLE = [
    """
    CREATE TABLE lifecycle_update_budget (
        actor varchar(150) PRIMARY KEY,
        minutes integer[] NOT NULL,
        changes integer[] NOT NULL
    ) WITH (fillfactor = 50)
    """,
    f"REVOKE ALL ON lifecycle_update_budget FROM {APP_ROLE}",
    "COMMENT ON COLUMN lifecycle_update_budget.minutes IS 'Since 1970, ascending; beside each the changes made in it.'",
]

# A minute counts until its last moment is an hour old. Takes all or nothing. ``clock`` (seconds since 1970) is for simulations. Without it the time is read when the row is locked: at the
# beginning of the transaction, or of the statement, it would be older than what those who were waited for have taken.
TAKE = [
    """
    CREATE FUNCTION take_updates(
        whose text, wanted integer, most integer, clock double precision DEFAULT NULL,
        OUT taken boolean, OUT used bigint, OUT wait integer, OUT reset integer
    ) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        taken_in integer[];
        numbers integer[];
        last integer;
        minute integer;
        room bigint;
    BEGIN
        LOOP
            SELECT b.minutes, b.changes INTO taken_in, numbers
              FROM lifecycle_update_budget b WHERE b.actor = whose FOR UPDATE;
            EXIT WHEN FOUND;
            INSERT INTO lifecycle_update_budget (actor, minutes, changes) VALUES (whose, '{}', '{}')
                ON CONFLICT DO NOTHING;
        END LOOP;
        clock := COALESCE(clock, extract(epoch FROM clock_timestamp()));
        minute := floor(clock / 60);
        WHILE taken_in[1] < minute - 60 LOOP
            taken_in := taken_in[2:];
            numbers := numbers[2:];
        END LOOP;
        last := cardinality(taken_in);
        used := COALESCE((SELECT sum(c) FROM unnest(numbers) AS c), 0);
        taken := used + wanted <= most;
        IF taken THEN
            IF last = 0 OR taken_in[last] < minute THEN
                last := last + 1;
                taken_in[last] := minute;
                numbers[last] := 0;
            END IF;
            numbers[last] := numbers[last] + wanted;
            UPDATE lifecycle_update_budget b SET minutes = taken_in, changes = numbers
             WHERE b.actor = whose;
            used := used + wanted;
        ELSE
            room := most - used;
            FOR i IN 1 .. last LOOP
                room := room + numbers[i];
                IF room >= wanted THEN
                    wait := ceil((taken_in[i] + 61) * 60.0 - clock);
                    EXIT;
                END IF;
            END LOOP;
            wait := COALESCE(wait, 3600);
        END IF;
        reset := COALESCE(ceil((taken_in[last] + 61) * 60.0 - clock), 0);
    END $$
    """,
    "REVOKE ALL ON FUNCTION take_updates FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION take_updates TO {APP_ROLE}",
]

# One answer a row that was deleted. A row that is held is in use. The others are deleted in a transaction that ends at
# once.
FORGET = [
    """
    CREATE FUNCTION forget_updates(most integer) RETURNS SETOF boolean LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
        DELETE FROM lifecycle_update_budget WHERE actor = ANY(ARRAY(
            SELECT actor FROM lifecycle_update_budget
             WHERE COALESCE(minutes[cardinality(minutes)], 0) < extract(epoch FROM now()) / 60 - 120
             LIMIT most FOR UPDATE SKIP LOCKED))
        RETURNING true
    $$
    """,
    "REVOKE ALL ON FUNCTION forget_updates FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION forget_updates TO {APP_ROLE}",
]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0002_protection")]

    operations = [
        migrations.RunSQL(
            [*TABLE, *TAKE, *FORGET],
            ["DROP FUNCTION forget_updates, take_updates", "DROP TABLE lifecycle_update_budget"],
        ),
    ]
