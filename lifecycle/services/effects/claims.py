"""Claiming: what is due in some lanes of a tenant is taken under a lease, in one transaction, fairly between tenants.

Rows that were found are named by joining what was found, never by ``id = ANY``: while a table has just grown, the
planner knows of no rows in it, and walks all of another index for a list of ids.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import connections
from uuid_utils.compat import uuid4

from lifecycle.services.effects import queue
from lifecycle.services.effects.brakes import OVER_CAP, Brakes
from lifecycle.services.effects.moved_on import drop_moved_on
from lifecycle.services.effects.queue import Job, Lane
from storage.cursors import fetch_prepared, plain_array, text_array
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.services.directory import PLATFORM

MOST_LANES: Final = 100
# In flight in a lane.
ANY_NUMBER: Final = 2**31 - 1

# What comes late to an endpoint that was removed (it was being sent, its worker died, its move was being written, or it
# was replayed) is taken too, paused or not, so that it ends: it is cancelled, and not due for ever.
_SERVED: Final = "(l.disabled_reason = 'endpoint_removed' OR l.paused_at IS NULL AND l.disabled_at IS NULL)"
# The lanes with something due, the one that was served longest ago first. A suspended tenant runs nothing. In order and
# not by EXISTS: where most rows are due, the planner takes it that any of them is found at once, and reads all of the
# table for each lane that has none.
_OPEN_LANES: Final = f"""
SELECT t.id, t.slug, l.id
  FROM lifecycle_effectlane l JOIN tenants_tenant t ON t.id = l.tenant_id
 CROSS JOIN LATERAL (SELECT FROM lifecycle_effect e
                      WHERE e.lane_id = l.id AND e.state = 'due' AND e.due_at <= clock_timestamp()
                      ORDER BY e.due_at, e.id LIMIT 1) d
 WHERE NOT t.is_suspended AND {_SERVED}
   AND NOT EXISTS (SELECT FROM lifecycle_effectpause p WHERE p.tenant_id = t.id AND p.effect = '')
 ORDER BY l.served_at, l.id LIMIT %(limit)s
"""  # noqa: S608  constants
# Another worker that has a lane locked serves it: go on to the next.
_LOCK_LANES: Final = f"""
SELECT l.id, CASE WHEN l.is_ill THEN 1 ELSE l.max_in_flight END
  FROM unnest(%(lane_ids)s::uuid[]) AS i(id)
  JOIN lifecycle_effectlane l ON l.tenant_id = %(tenant_id)s::uuid AND l.id = i.id
 WHERE {_SERVED}
   AND NOT EXISTS (SELECT FROM lifecycle_effectpause p WHERE p.tenant_id = %(tenant_id)s::uuid AND p.effect = '')
 ORDER BY l.id FOR UPDATE OF l SKIP LOCKED
"""  # noqa: S608  constants
# A statement of its own: one that also locks the lanes would count what is in flight in a snapshot older than the lock.
_DUE: Final = """
SELECT d.*, l.room
  FROM (SELECT i.id, i.place, LEAST(i.room, i.most - (
               SELECT count(*) FROM lifecycle_effect f
                WHERE f.tenant_id = %(tenant_id)s::uuid AND f.lane_id = i.id AND f.state = 'sending')) AS room
          FROM unnest(%(lane_ids)s::uuid[], %(rooms)s::int[], %(most)s::int[])
            WITH ORDINALITY AS i(id, room, most, place)) l
 CROSS JOIN LATERAL (
    SELECT e.lane_id, e.id, e.history_id, e.customer_id, e.configuration_version, e.effect, e.kind, e.recipient,
           e.attempts, h.from_stage, h.to_stage, h.sequence, h.changed_at, h.effective_at, h.changed_by, h.reason_code,
           h.source, e.depth, e.request_id
      FROM lifecycle_effect e
      JOIN customer_lifecycle_history h ON h.tenant_id = e.tenant_id AND h.id = e.history_id
     WHERE e.tenant_id = %(tenant_id)s::uuid AND e.lane_id = l.id AND e.state = 'due'
       AND e.due_at <= clock_timestamp()
       AND NOT EXISTS (SELECT FROM lifecycle_effectpause p WHERE p.tenant_id = e.tenant_id AND p.effect = e.effect)
     ORDER BY {order} LIMIT GREATEST(l.room, 0)
       FOR UPDATE OF e SKIP LOCKED) d
 ORDER BY l.place
"""
_FIND: Final = _DUE.format(order="e.due_at, e.id")
# What one request started last, while thousands of another's wait: two ends of one index.
_FIND_NEWEST: Final = _DUE.format(order="e.due_at DESC, e.id DESC")
_HOLD: Final = """
UPDATE lifecycle_effect e SET state = 'held', reason = i.reason, due_at = i.until
  FROM unnest(%(ids)s::uuid[], %(reasons)s::text[], %(until)s::timestamptz[]) AS i(id, reason, until)
 WHERE e.tenant_id = %(tenant_id)s::uuid AND e.id = i.id
RETURNING e.id
"""
# What is behind those in the same lanes is held with them, and listed at once. It keeps its order: by id. Not what is
# tried again, which the cap has let through before.
_HOLD_REST: Final = """
WITH rest AS (
    SELECT r.id FROM lifecycle_effect r
     WHERE r.tenant_id = %(tenant_id)s::uuid AND r.lane_id = ANY(%(lane_ids)s::uuid[]) AND r.state = 'due'
       AND r.due_at <= clock_timestamp() AND r.effect = ANY(%(effects)s::text[]) AND r.id <> ALL(%(taken)s::uuid[])
       AND r.attempts = 0
     ORDER BY r.id LIMIT 10000 FOR UPDATE SKIP LOCKED
)
UPDATE lifecycle_effect e SET state = 'held', reason = 'cap', due_at = %(until)s::timestamptz
  FROM rest
 WHERE e.tenant_id = %(tenant_id)s::uuid AND e.id = rest.id
RETURNING e.id
"""
_TAKE: Final = """
WITH served AS (
    UPDATE lifecycle_effectlane l SET served_at = clock_timestamp()
      FROM unnest(%(lane_ids)s::uuid[]) AS i(id)
     WHERE l.tenant_id = %(tenant_id)s::uuid AND l.id = i.id
)
UPDATE lifecycle_effect e
   SET state = 'sending', reason = '', attempts = attempts + 1, lease_token = %(token)s::uuid, handed_over_at = NULL,
       lease_until = clock_timestamp() + %(lease)s::interval
  FROM unnest(%(ids)s::uuid[]) AS i(id)
 WHERE e.tenant_id = %(tenant_id)s::uuid AND e.id = i.id
RETURNING e.id
"""

Row = tuple[Any, ...]


def find_lanes(limit: int = MOST_LANES) -> list[Lane]:
    """The next lanes to serve, over the platform connection. One statement."""
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute(_OPEN_LANES, {"limit": limit})
        return [Lane(TenantRef(tenant_id, slug), lane_id) for tenant_id, slug, lane_id in cursor.fetchall()]


def claim(tenant: TenantRef, rooms: Mapping[UUID, int], *, now: dt.datetime) -> list[Job]:
    """Take what is due in lanes of a tenant, up to ``rooms`` of each, lane by lane in that order; nothing of a lane
    that another worker serves. One transaction; a number of statements that does not depend on the number of lanes.

    What a brake stops is held, with the reason, and costs no room.
    """
    with tenant_context(tenant.id):
        locked: dict[UUID, int] = dict(_ask(_LOCK_LANES, tenant, lane_ids=plain_array(rooms)))
        if not locked:
            return []
        token = uuid4()
        jobs = [
            Job(tenant, lane_id, token, *rest[:7], rest[7] + 1, *rest[8:-2])  # type: ignore[call-arg]
            for lane_id, *rest in _find_due(tenant, {id_: (rooms[id_], locked[id_]) for id_ in rooms if id_ in locked})
        ]
        free, stopped = Brakes(tenant, now=now).choose(drop_moved_on(jobs))
        if stopped:
            _ask(
                _HOLD,
                tenant,
                ids=plain_array(one.job.id for one in stopped),
                reasons=text_array([one.reason for one in stopped]),
                until=text_array([one.until.isoformat() for one in stopped]),
            )
        if over := [one for one in stopped if one.reason == OVER_CAP]:
            _ask(
                _HOLD_REST,
                tenant,
                lane_ids=plain_array(locked),
                effects=text_array(sorted({one.job.effect for one in over})),
                until=over[0].until,
                taken=plain_array(job.id for job in free),
            )
        ids = plain_array(job.id for job in free)
        _ask(_TAKE, tenant, lane_ids=plain_array(locked), ids=ids, token=token, lease=queue.LEASE)
    return free


def _find_due(tenant: TenantRef, lanes: Mapping[UUID, tuple[int, int]]) -> list[Row]:
    """The oldest of each lane, up to the room that it has and so that no more are in flight than may be.

    Where one request has filled a lane, what another has started last comes with them: a person's own change does not
    wait for all of a bulk change.
    """
    by_lane = defaultdict[UUID, list[Row]](list)
    for row in _ask_due(_FIND, tenant, lanes):
        by_lane[row[0]].append(row)
    filled = [
        lane_id for lane_id, rows in by_lane.items() if 1 < rows[0][-1] == len(rows) and rows[0][-2] == rows[-1][-2]
    ]
    if filled:
        # In the place of one that was found, so whatever is in flight.
        for newest in _ask_due(_FIND_NEWEST, tenant, dict.fromkeys(filled, (1, ANY_NUMBER))):
            rows = by_lane[newest[0]]
            if newest[-2] != rows[0][-2]:
                rows[-1] = newest
    return [row for rows in by_lane.values() for row in rows]


def _ask_due(statement: str, tenant: TenantRef, lanes: Mapping[UUID, tuple[int, int]]) -> list[Row]:
    rooms, most = zip(*lanes.values(), strict=True)
    return _ask(statement, tenant, lane_ids=plain_array(lanes), rooms=plain_array(rooms), most=plain_array(most))


def _ask(statement: str, tenant: TenantRef, **parameters: Any) -> list[Row]:
    return fetch_prepared(statement, {"tenant_id": tenant.id, **parameters}, using="default")
