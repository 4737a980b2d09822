"""The queue of effects: claimed by lane, fairly between tenants, under a lease; finished by the holder of its token.

A worker may be killed at any line. What was leased comes back when the lease is over, unless it was an e-mail that had
been handed over: whether that one arrived no one can say, so it is ``unknown`` and never sent again by itself.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from django.db import connections

from storage.cursors import fetch_prepared, plain_array, prepared_cursor, text_array
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.services.directory import PLATFORM

# More than any delivery may take (lifecycle.delivery bounds each).
LEASE: Final = dt.timedelta(seconds=120)

# Committed durably before the first byte of the message, whatever the session's usual setting.
_HAND_OVER: Final = """
UPDATE lifecycle_effect SET handed_over_at = clock_timestamp()
 WHERE tenant_id = %(tenant_id)s::uuid AND id = %(id)s::uuid AND lease_token = %(token)s::uuid AND state = 'sending'
   AND lease_until > clock_timestamp() AND reason <> 'erased'
"""
# By the token. Who comes late, and knows, corrects what only the lease had decided. What an undo has found on its way
# (``transitions.undo`` leaves its reason there), or an erasure, is not tried again; and of an erased customer nothing
# that was sent or answered is kept. In the order of ids, as everyone who locks several.
_FINISH: Final = """
WITH ended AS (
    SELECT e.id, i.token, i.state, i.reason, i.attempt, i.may_be_twice, i.due_at, e.reason = 'erased' AS is_erased,
           e.reason IN ('undone', 'erased') AND i.state IN ('due', 'held') AS is_taken_back
      FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::text[], %(reasons)s::text[], %(attempts)s::text[],
                  %(may_be_twice)s::boolean[], %(due_at)s::text[])
        AS i(id, token, state, reason, attempt, may_be_twice, due_at)
      JOIN lifecycle_effect e ON e.tenant_id = %(tenant_id)s::uuid AND e.id = i.id
     ORDER BY e.id FOR UPDATE OF e
)
UPDATE lifecycle_effect e
   SET state = CASE WHEN i.is_taken_back THEN 'cancelled' ELSE i.state END,
       reason = CASE WHEN i.is_taken_back THEN e.reason ELSE i.reason END,
       last_attempt = CASE WHEN i.is_erased THEN NULL ELSE NULLIF(i.attempt, '')::jsonb END, lease_until = NULL,
       may_be_twice = e.may_be_twice OR i.may_be_twice,
       due_at = COALESCE(NULLIF(i.due_at, '')::timestamptz, e.due_at),
       finished_at = CASE WHEN i.state IN ('due', 'held') AND NOT i.is_taken_back THEN NULL ELSE clock_timestamp() END
  FROM ended i
 WHERE e.tenant_id = %(tenant_id)s::uuid AND e.id = i.id AND e.lease_token = i.token
   AND (e.state = 'sending' OR e.state = 'unknown' AND i.state = 'done')
RETURNING e.id
"""
_LAPSED_TENANTS: Final = """
SELECT DISTINCT t.id, t.slug FROM lifecycle_effect e JOIN tenants_tenant t ON t.id = e.tenant_id
 WHERE e.state = 'sending' AND e.lease_until < clock_timestamp()
"""
_LAPSE: Final = """
WITH lapsed AS (
    SELECT id AS lapsed_id FROM lifecycle_effect
     WHERE tenant_id = %(tenant_id)s::uuid AND state = 'sending' AND lease_until < clock_timestamp()
     ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
)
UPDATE lifecycle_effect
   SET state = CASE WHEN handed_over_at IS NOT NULL THEN 'unknown' WHEN reason IN ('undone', 'erased') THEN 'cancelled'
                    ELSE 'due' END,
       reason = CASE WHEN reason = 'erased' THEN reason WHEN handed_over_at IS NOT NULL THEN 'interrupted'
                     WHEN reason = 'undone' THEN reason ELSE '' END,
       may_be_twice = may_be_twice OR kind = 'webhook', lease_until = NULL,
       finished_at = CASE WHEN handed_over_at IS NULL AND reason NOT IN ('undone', 'erased') THEN NULL
                          ELSE clock_timestamp() END
  FROM lapsed
 WHERE tenant_id = %(tenant_id)s::uuid AND id = lapsed_id
RETURNING id
"""
# What is paused or switched off, by people or by itself, is not late; what waits beside it is. Its names as a list: by
# NOT EXISTS a planner may read all that is due of a lane.
_OLDEST: Final = """
SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - d.due_at)), 0)::float8
  FROM lifecycle_effectlane l JOIN tenants_tenant t ON t.id = l.tenant_id
 CROSS JOIN LATERAL (SELECT e.due_at FROM lifecycle_effect e
                      WHERE e.lane_id = l.id AND e.state = 'due' AND e.due_at <= clock_timestamp()
                        AND e.effect <> ALL(ARRAY(
                                SELECT p.effect FROM lifecycle_effectpause p WHERE p.tenant_id = t.id))
                      ORDER BY e.due_at, e.id LIMIT 1) d
 WHERE NOT t.is_suspended AND l.paused_at IS NULL AND l.disabled_at IS NULL
   AND NOT EXISTS (SELECT FROM lifecycle_effectpause p WHERE p.tenant_id = t.id AND p.effect = '')
"""
_RECALL_OVER: Final = """
SELECT DISTINCT t.id, t.slug FROM lifecycle_effect e JOIN tenants_tenant t ON t.id = e.tenant_id
 WHERE e.state = 'held' AND e.reason IN ('recall', 'cap', 'recipient_cap') AND e.due_at <= clock_timestamp()
"""
_RELEASE: Final = """
WITH let_go AS (
    SELECT id AS let_go_id FROM lifecycle_effect
     WHERE tenant_id = %(tenant_id)s::uuid AND state = 'held' AND reason IN ('recall', 'cap', 'recipient_cap')
       AND due_at <= clock_timestamp()
     ORDER BY id LIMIT 10000 FOR UPDATE
)
UPDATE lifecycle_effect SET state = 'due', reason = ''
  FROM let_go
 WHERE tenant_id = %(tenant_id)s::uuid AND id = let_go_id
RETURNING id
"""


class Lane(NamedTuple):
    """A lane that has something to do."""

    tenant: TenantRef
    id: UUID


@dataclass(frozen=True, slots=True)
class Job:
    """One effect that this worker holds until its lease is over, with the transition that started it."""

    tenant: TenantRef
    lane_id: UUID
    token: UUID
    id: UUID
    history_id: UUID
    customer_id: UUID
    configuration_version: int
    effect: str
    kind: str
    recipient: str
    attempts: int
    from_stage: str | None
    to_stage: str
    sequence: int
    changed_at: dt.datetime
    effective_at: dt.datetime
    changed_by: str
    reason_code: str
    source: str
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a job. ``due_at``: when to try again (with the state due). ``attempt`` is shown to admins."""

    state: str
    reason: str = ""
    due_at: dt.datetime | None = None
    attempt: Mapping[str, Any] | None = None
    may_be_twice: bool = False


def hand_over(job: Job) -> bool:
    """Note durably that the message is about to leave; False when the lease is over, or the customer was erased: then
    it must not leave.
    """
    with tenant_context(job.tenant.id), prepared_cursor("default") as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO on")
        cursor.execute(_HAND_OVER, {"tenant_id": job.tenant.id, "id": job.id, "token": job.token})
        return bool(cursor.rowcount)


def finish(ended: Sequence[tuple[Job, Result]]) -> set[UUID]:
    """Write what became of jobs of one tenant; the ids of those whose lease was not over and taken. One statement."""
    if not ended:
        return set()
    tenant_id = ended[0][0].tenant.id
    results = [result for _, result in ended]
    attempts = [orjson.dumps(one.attempt).decode() if one.attempt is not None else "" for one in results]
    given = {
        "tenant_id": tenant_id,
        "ids": plain_array(job.id for job, _ in ended),
        "tokens": plain_array(job.token for job, _ in ended),
        "states": text_array([one.state for one in results]),
        "reasons": text_array([one.reason[:255] for one in results]),
        "attempts": text_array(attempts),
        "may_be_twice": plain_array("t" if one.may_be_twice else "f" for one in results),
        "due_at": text_array([one.due_at.isoformat() if one.due_at else "" for one in results]),
    }
    with tenant_context(tenant_id):
        return {id_ for (id_,) in fetch_prepared(_FINISH, given, using="default")}


def measure_oldest() -> float:
    """For how many seconds the oldest effect that may run has been due, over the platform connection. One statement."""
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute(_OLDEST)
        return float(cursor.fetchone()[0])


def recover_lapsed() -> int:
    """Take back what workers that have died were holding; how many."""
    return _for_tenants(_LAPSED_TENANTS, _LAPSE)


def recover_lapsed_of(tenant_id: UUID) -> int:
    """The same of one tenant, also of one whose work is hidden from workers while it moves."""
    return _change_of(tenant_id, _LAPSE)


def release_held() -> int:
    """Let go what was held so that it could be recalled, or until the next hour or day, when its time has come; how
    many.
    """
    return _for_tenants(_RECALL_OVER, _RELEASE)


def _for_tenants(find: str, change: str) -> int:
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute(find)
        tenants: Sequence[tuple[UUID, str]] = cursor.fetchall()
    return sum(_change_of(tenant_id, change) for tenant_id, _ in tenants)


def _change_of(tenant_id: UUID, change: str) -> int:
    with tenant_context(tenant_id), prepared_cursor("default") as cursor:
        cursor.execute(change, {"tenant_id": tenant_id})
        return len(cursor.fetchall())
