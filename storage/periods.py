"""Tables that are filed by period, so that what is over goes with its partition, at once, however many rows it has.

Each row carries the ``period`` in which it was written: when that period began, by the column's default. A new period
is a new partition and a new default, made in one transaction that holds the table for some milliseconds, so no row is
written under a period that is over once the next has begun: a statement that waited for the table writes under the new
one, and sees all rows that the old one will ever have. A unique key, which has to contain ``period``, and a look at the
former periods in the same statement therefore keep a promise of "once" (``lifecycle.services.events.inbox``). No clock
of the application has a part in it; without a process that begins periods the present one grows, and nothing is
refused.

Partitions belong to the owner and are reached through their table alone: forced row-level security, no rights, no
policy but the owner's, who sees by it what a period holds before it is dropped. ``TABLE_rest`` takes rows of periods
that this server has not begun: those of a tenant that moves here from a server that is ahead.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from django.db import connections, models
from django.db.migrations.operations import RunSQL
from django.db.models.functions import Now

from storage.rls import APP_ROLE, PLATFORM_ROLE, RELAY_ROLE

OWNER_ROLE: Final = "c360_owner"
# How long anybody may wait for a period to begin or to be dropped; who holds the table for longer is tried again.
LOCK_TIMEOUT: Final = "300ms"
_PATH: Final = "SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'"

# The name of a partition says when its period began, to the microsecond.
_PERIODS: Final = f"""
CREATE FUNCTION periods_of(parent text)
RETURNS TABLE (leaf text, began timestamptz, ended timestamptz, later bigint)
LANGUAGE sql STABLE {_PATH} AS $$
    SELECT name, at, lead(at) OVER (ORDER BY at), count(*) OVER () - row_number() OVER (ORDER BY at)
      FROM (SELECT c.relname::text AS name, to_timestamp(right(c.relname, 20), 'YYYYMMDDHH24MISSUS') AS at
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = format('public.%I', parent)::regclass AND c.relname ~ '_p[0-9]{{20}}$') AS partition
$$
"""  # noqa: S608  constants
_PROTECT: Final = f"""
CREATE FUNCTION protect_partition(leaf text) RETURNS void LANGUAGE plpgsql {_PATH} AS $$
BEGIN
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', leaf);
    EXECUTE format('CREATE POLICY rows_of_period ON public.%I TO {OWNER_ROLE} USING (true) WITH CHECK (true)', leaf);
    EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, {APP_ROLE}, {PLATFORM_ROLE}, {RELAY_ROLE}', leaf);
END $$
"""
# Ranges have no gap between them: rows of a period that another server began lie with those of the next one here. What
# came from periods before all of these is remembered from now on.
_BEGIN: Final = f"""
CREATE FUNCTION begin_period(parent text, at timestamptz) RETURNS text LANGUAGE plpgsql {_PATH} AS $$
DECLARE
    leaf text := parent || '_p' || to_char(at, 'YYYYMMDDHH24MISSUS');
    rest text := parent || '_rest';
    above timestamptz := at + interval '1 microsecond';
    low timestamptz;
    options text;
BEGIN
    EXECUTE format('LOCK TABLE ONLY public.%I IN ACCESS EXCLUSIVE MODE', parent);
    SELECT began + interval '1 microsecond' INTO low FROM periods_of(parent) ORDER BY began DESC LIMIT 1;
    IF low >= above THEN
        RETURN NULL;
    END IF;
    SELECT COALESCE('WITH (' || array_to_string(reloptions, ', ') || ')', '') INTO options
      FROM pg_class WHERE oid = format('public.%I', rest)::regclass;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES'
                   ' INCLUDING STORAGE) %s', leaf, parent, options);
    PERFORM protect_partition(leaf);
    EXECUTE format('UPDATE public.%I SET period = $1 WHERE period < $2', rest) USING at, low;
    EXECUTE format('WITH moved AS (DELETE FROM public.%I WHERE period < $1 RETURNING *)'
                   ' INSERT INTO public.%I SELECT * FROM moved', rest, leaf) USING above;
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%L)',
                   parent, leaf, COALESCE(quote_literal(low), 'MINVALUE'), above);
    EXECUTE format('ALTER TABLE ONLY public.%I ALTER COLUMN period SET DEFAULT %L', parent, at);
    RETURN leaf;
END $$
"""  # noqa: S608  constants; names are quoted by format
# ``kept_if``: conditions over a partition's rows, with $1 for ``before``, of which none may hold for any row; the first
# is asked again when no one can write any more. ``newer``: so many periods must have begun since: a clock that is
# wrong for a moment, or for a day, forgets nothing that was not over anyway.
_DROP: Final = f"""
CREATE FUNCTION drop_period(parent text, before timestamptz, newer integer, kept_if text[]) RETURNS text
LANGUAGE plpgsql {_PATH} AS $$
DECLARE
    one record;
    condition text;
    is_kept boolean;
BEGIN
    FOR one IN SELECT * FROM periods_of(parent) WHERE ended <= before AND later >= newer ORDER BY began LOOP
        is_kept := false;
        FOREACH condition IN ARRAY kept_if LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM public.%I WHERE %s)', one.leaf, condition)
               INTO is_kept USING before;
            EXIT WHEN is_kept;
        END LOOP;
        CONTINUE WHEN is_kept;
        EXECUTE format('LOCK TABLE ONLY public.%I IN ACCESS EXCLUSIVE MODE', parent);
        IF kept_if[1] IS NOT NULL THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM public.%I WHERE %s)', one.leaf, kept_if[1])
               INTO is_kept USING before;
            CONTINUE WHEN is_kept;
        END IF;
        EXECUTE format('DROP TABLE public.%I', one.leaf);
        RETURN one.leaf;
    END LOOP;
    RETURN NULL;
END $$
"""  # noqa: S608  constants; names are quoted by format
_TURN: Final = """
CREATE OR REPLACE FUNCTION {function}(every interval, kept interval) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
{path} SET lock_timeout = '{lock_timeout}' SET enable_seqscan = off AS $$
DECLARE
    step interval := GREATEST(every, interval '{shortest}');
    span interval := GREATEST(kept, interval '{least}');
    newest timestamptz;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('periods of {table}', 0)) THEN
        RETURN NULL;
    END IF;
    SELECT max(began) INTO newest FROM periods_of('{table}');
    IF newest IS NULL OR clock_timestamp() >= newest + step THEN
        PERFORM begin_period('{table}', clock_timestamp());
        RETURN 'begun';
    END IF;
    IF drop_period('{table}', clock_timestamp() - span,
                   floor(extract(epoch FROM span) / extract(epoch FROM step))::integer, {kept_if}) IS NOT NULL THEN
        RETURN 'dropped';
    END IF;
    RETURN NULL;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END $$
"""
MACHINERY: Final = (
    *(_PERIODS, _PROTECT, _BEGIN, _DROP),
    "REVOKE ALL ON FUNCTION periods_of(text), protect_partition(text), begin_period(text, timestamptz),"
    " drop_period(text, timestamptz, integer, text[]) FROM PUBLIC",
)


class FileByPeriod(RunSQL):
    """Migration operation: rebuild a table as one that is filed by period, with its rows. There is no way back.

    ``key``: the primary key before ``period``; ``indexes``: statements after it. ``by``: the role that may call the
    table's own function for ``turn_periods``; ``least``: no period is shorter, and none is dropped sooner, whatever
    that role asks for. ``numbered``: its ``id`` is a generated number. Protect the table afterwards, as a new one.
    """

    def __init__(
        self,
        table: str,
        *,
        key: Sequence[str],
        by: str,
        least: str,
        without: Sequence[str] = (),
        numbered: bool = False,
        indexes: Sequence[str] = (),
        kept_if: Sequence[str] = (),
        storage: str = "",
    ) -> None:
        self.table = table
        whole, function = f"{table}_whole", turning_function(table)
        numbers = f"ALTER SEQUENCE {table}_id_seq RENAME TO {whole}_id_seq"
        # A new number is higher than all that were given.
        go_on = f"SELECT setval('{table}_id_seq', nextval('{whole}_id_seq'), false)"
        super().__init__(
            [
                # Its owner would copy nothing.
                f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
                f"ALTER TABLE {table} RENAME TO {whole}",
                *(f"ALTER TABLE {whole} DROP COLUMN {column}" for column in without),
                *([numbers] if numbered else []),
                f"CREATE TABLE {table} (LIKE {whole} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING IDENTITY"
                " INCLUDING STORAGE, period timestamptz NOT NULL DEFAULT now()) PARTITION BY RANGE (period)",
                f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT {storage}",
                f"SELECT protect_partition('{table}_rest')",
                f"SELECT begin_period('{table}', now())",
                f"INSERT INTO {table} SELECT *, now() FROM {whole}",  # noqa: S608  names of ours
                *([go_on] if numbered else []),
                f"DROP TABLE {whole}",
                f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY ({', '.join(key)}, period)",
                *indexes,
                turning_sql(table, shortest=least, least=least, kept_if=kept_if),
                f"REVOKE ALL ON FUNCTION {function}(interval, interval) FROM PUBLIC",
                f"GRANT EXECUTE ON FUNCTION {function}(interval, interval) TO {by}",
            ]
        )

    def describe(self) -> str:
        """One line for ``migrate --plan``."""
        return f"File {self.table} by period"


def period_field() -> "models.DateTimeField[Any, Any]":
    """The model's field for the period of a row. The database writes it: its default is the present period's."""
    return models.DateTimeField(
        db_default=Now(), editable=False, help_text="When the period began that it was written in."
    )


def turning_function(table: str) -> str:
    """The name of the function by which a table's periods begin and end."""
    return f"turn_{table}"


def turning_sql(table: str, *, shortest: str, least: str, kept_if: Sequence[str] = ()) -> str:
    """The statement that makes a table's function for ``turn_periods``, or makes it again with other bounds.

    Whatever its caller asks for, no period is shorter than ``shortest``, and none is dropped before it ended ``least``
    ago, or while a condition of ``kept_if`` holds for a row of it. Who may call it stays as it is.
    """
    conditions = ", ".join(f"$condition${condition}$condition$" for condition in kept_if)
    return _TURN.format(
        function=turning_function(table),
        table=table,
        path=_PATH,
        lock_timeout=LOCK_TIMEOUT,
        shortest=shortest,
        least=least,
        kept_if=f"ARRAY[{conditions}]::text[]",
    )


def turn_periods(table: str, *, every: dt.timedelta, kept: dt.timedelta, using: str) -> int:
    """Begin the table's next period when the present one is as old as ``every``, and drop those that ended longer ago
    than ``kept``; how many were dropped.

    One statement, and one more for each period that begins or is dropped, whatever they hold; no row is read but where
    the table's own condition asks. Several at once: one does it. Where someone holds the table nothing is done, for
    the next time. Call outside of any transaction.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        raise RuntimeError("turn_periods holds a table until the end of the transaction: call it outside of any.")
    spans = [f"{span.total_seconds()} seconds" for span in (every, kept)]
    dropped = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(f"SELECT {turning_function(table)}(%s::interval, %s::interval)", spans)
            (done,) = cursor.fetchone()
            if done is None:
                return dropped
            dropped += done == "dropped"
