"""The feed: every history row of a tenant in one row of numbers without gaps, given once the row is committed.

A row's id is made before its transaction commits, so the row may become visible after rows with higher ids: anyone who
reads on from the last id they have seen misses it. So a row gets its position when it is found, committed, without one:
it comes after all that was handed out before. One at a time numbers a tenant's rows; what they number is committed
together, so anyone sees the positions up to some number, and all of them. The rows of one customer keep their order.

Writers do nothing for it. Rows without a position are looked for by the time in their ids: each time among those of the
last minutes, and every few minutes among those of the last day, as ``seals`` does, for what a very long transaction
brought. The first look at a long history goes through all of it, a part each time.
"""

import datetime as dt
from typing import Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS

from audit.models import FeedEntry
from audit.services.seals import LATE
from storage.cursors import prepared_cursor
from storage.timeouts import JOB_SECONDS

# Rows that are numbered at once.
MOST: Final = 5_000
# How old a row may be that is committed only now, but for what is looked for more seldom: longer than any job may take.
SOON: Final = dt.timedelta(seconds=2 * JOB_SECONDS)
SELDOM: Final = dt.timedelta(minutes=10)

TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('feed:' || %(tenant_id)s::text, 0))"
STATE: Final = """
SELECT complete_to, searched_at FROM audit_feed_state WHERE tenant_id = %(tenant_id)s::uuid
"""
# Found in the order of their ids; with each row those of its customer before it, which are committed too. Their
# positions follow the ids, but for a customer whose rows have ids in another order (clocks of two hosts).
NUMBER: Final = """
WITH found AS MATERIALIZED (
    SELECT h.id, h.customer_id, h.sequence FROM customer_lifecycle_history h
     WHERE h.tenant_id = %(tenant_id)s::uuid AND h.id >= %(since)s::uuid
       AND NOT EXISTS (SELECT FROM audit_feed f WHERE f.tenant_id = h.tenant_id AND f.history_id = h.id)
     ORDER BY h.id LIMIT %(most)s::int
), taken AS (
    SELECT id, customer_id, sequence FROM found
     UNION
    SELECT h.id, h.customer_id, h.sequence
      FROM (SELECT customer_id, max(sequence) AS sequence FROM found GROUP BY customer_id) last
      JOIN customer_lifecycle_history h
        ON h.tenant_id = %(tenant_id)s::uuid AND h.customer_id = last.customer_id AND h.sequence < last.sequence
     WHERE NOT EXISTS (SELECT FROM audit_feed f WHERE f.tenant_id = h.tenant_id AND f.history_id = h.id)
), ordered AS (
    SELECT id, customer_id, sequence,
           max(id::text COLLATE "C") OVER (PARTITION BY customer_id ORDER BY sequence) AS after
      FROM taken
), numbered AS (
    INSERT INTO audit_feed (tenant_id, history_id, position)
    SELECT %(tenant_id)s::uuid, id,
           COALESCE((SELECT max(position) FROM audit_feed WHERE tenant_id = %(tenant_id)s::uuid), 0)
           + row_number() OVER (ORDER BY after, customer_id, sequence)
      FROM ordered
)
SELECT count(*), (SELECT id FROM found ORDER BY id DESC LIMIT 1) FROM found
"""
NOTE: Final = """
INSERT INTO audit_feed_state (tenant_id, complete_to, searched_at)
VALUES (%(tenant_id)s::uuid, %(complete_to)s::uuid, %(searched_at)s::timestamptz)
    ON CONFLICT (tenant_id) DO UPDATE
   SET complete_to = EXCLUDED.complete_to, searched_at = EXCLUDED.searched_at
"""
_FIRST: Final = UUID(int=0)


def number_rows(tenant_id: UUID, *, now: dt.datetime) -> None:
    """Give up to MOST committed rows that have no position theirs, the oldest first. Five statements at most.

    Call inside the tenant's context and a transaction: others who want to number the tenant's rows wait for its end.
    """
    given = {"tenant_id": tenant_id, "most": MOST}
    with prepared_cursor(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(TAKE_TURN, given)
        cursor.execute(STATE, given)
        complete_to, searched_at = cursor.fetchone() or (_FIRST, None)
        is_thorough = searched_at is None or not now - SELDOM < searched_at <= now
        since = complete_to if is_thorough else max(complete_to, floor_of(now - SOON))
        cursor.execute(NUMBER, {**given, "since": since})
        count, last = cursor.fetchone()
        if not is_thorough:
            return
        settled = floor_of(now - LATE)
        is_over = count < MOST
        reached = settled if is_over else min(last, settled)
        noted = {"complete_to": max(complete_to, reached), "searched_at": now if is_over else None}
        cursor.execute(NOTE, {**given, **noted})


def read_positions(tenant_id: UUID, *, after: int, limit: int) -> list[tuple[int, UUID]]:
    """Up to ``limit`` positions behind ``after``, each with its history row. One statement."""
    entries = FeedEntry.objects.filter(tenant_id=tenant_id, position__gt=after).order_by("position")
    return list(entries.values_list("position", "history_id")[:limit])


def find_last_position(tenant_id: UUID) -> int:
    """The last position that was given, 0 for none. One statement."""
    entries = FeedEntry.objects.filter(tenant_id=tenant_id).order_by("-position")
    return entries.values_list("position", flat=True).first() or 0


def floor_of(timestamp: dt.datetime) -> UUID:
    """Not above any id of a row that was made then or later (UUID version 7: milliseconds since 1970 come first)."""
    return UUID(int=max(0, int(timestamp.timestamp() * 1000)) << 80)
