"""The breaker of a tenant's effects: open, nothing runs until an admin has looked.

It opens when more would run in the last hour than five times what ran in the busiest hour of the last 28 days, and more
than 20. A tenant that has run nothing before has no usual hour to compare with, so its breaker stays closed. An open
breaker is a pause of the whole tenant that the system has made; an admin closes it by resuming. What waits runs then,
and for an hour it is not compared again: the caps still hold.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db import connections

from audit.services.administration import record_administration
from lifecycle.models import EffectPause, EffectTally
from lifecycle.sentences import say_for_record
from lifecycle.services.effects.admin_notices import notify_admins
from storage.cursors import fetch_prepared
from tenants.actors import TenantRef, system_actor
from tenants.rules.messages import Message
from tenants.services.directory import PLATFORM

if TYPE_CHECKING:
    from lifecycle.services.effects.queue import Job

ACTOR: Final = system_actor("effects_breaker")
TIMES_USUAL: Final = 5
ALWAYS_FREE: Final = 20
USUAL_DAYS: Final = 28
LAST: Final = dt.timedelta(hours=1)
# Runs are counted by the hour, to compare with, and by parts of it, so that the last hour is the last sixty minutes.
RUNS: Final = "runs"
PARTS: Final = "runs:part"
PART: Final = dt.timedelta(minutes=5)
CLOSED: Final = "breaker:closed"

# The usual hours are those that were over before the last sixty minutes began; they are looked at where many run.
_COUNTS: Final = """
SELECT l.runs, l.closed, CASE WHEN l.closed = 0 AND l.runs + %(wanted)s::int > %(always_free)s::int THEN (
       SELECT max(count) FROM lifecycle_effecttally
        WHERE tenant_id = %(tenant_id)s::uuid AND what = 'runs' AND since >= %(from)s::timestamptz
          AND since <= %(before)s::timestamptz) END
  FROM (SELECT COALESCE(sum(count) FILTER (WHERE what = 'runs:part'), 0) AS runs,
               count(*) FILTER (WHERE what = 'breaker:closed') AS closed
          FROM lifecycle_effecttally
         WHERE tenant_id = %(tenant_id)s::uuid AND what IN ('runs:part', 'breaker:closed')
           AND since > %(last)s::timestamptz) l
"""
_OPEN: Final = "SELECT count(*) FROM lifecycle_effectpause WHERE effect = '' AND paused_by = %(breaker)s"


@dataclass(frozen=True, slots=True)
class Room:
    """How many may still run before the breaker opens; ``last`` ran in the last hour, ``usual`` in the busiest one."""

    left: int
    last: int
    usual: int


def find_room(tenant: TenantRef, *, wanted: int, now: dt.datetime) -> Room | None:
    """How many more may run; None: any number. One statement."""
    given = {
        "tenant_id": tenant.id,
        "last": now - LAST,
        "wanted": wanted,
        "always_free": ALWAYS_FREE,
        "from": now - dt.timedelta(days=USUAL_DAYS),
        "before": now - 2 * LAST,
    }
    ((last, _, usual),) = fetch_prepared(_COUNTS, given, using="default")
    if usual is None:
        return None
    return Room(max(0, max(ALWAYS_FREE, TIMES_USUAL * usual) - int(last)), int(last), usual)


def tallies(now: dt.datetime) -> Iterator[tuple[str, dt.datetime]]:
    """Where runs of this moment are counted."""
    hour = now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    yield RUNS, hour
    yield PARTS, hour + PART * ((now - hour) // PART)


def open_breaker(tenant: TenantRef, job: "Job", room: Room, *, now: dt.datetime) -> None:
    """Pause the tenant, in the transaction that claims, and notify its admins. Nothing, when it is paused already."""
    last_hour = room.last + room.left
    reason = say_for_record(
        Message("breaker_opened", {"last_hour": last_hour, "span": USUAL_DAYS, "usual": room.usual})
    )
    _, is_new = EffectPause.objects.get_or_create(
        tenant_id=tenant.id,
        effect="",
        defaults={"paused_at": now, "paused_by": ACTOR.name, "reason": reason},
    )
    if not is_new:
        return
    record_administration(
        "open_effects_breaker",
        tenant_id=tenant.id,
        actor=ACTOR,
        reason=reason,
        detail={"effect": job.effect, "last_hour": last_hour, "usual": room.usual},
        now=now,
    )
    notify_admins(reason, job, now=now)


def close_breaker(pause: EffectPause, *, now: dt.datetime) -> None:
    """Note that an admin has resumed what the breaker had paused, if it had: it does not open again for an hour."""
    if pause.paused_by == ACTOR.name:
        EffectTally.objects.get_or_create(tenant_id=pause.tenant_id, what=CLOSED, since=now, defaults={"count": 1})


def count_open() -> int:
    """In how many tenants the breaker is open, over the platform connection. One statement."""
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute(_OPEN, {"breaker": ACTOR.name})
        return int(cursor.fetchone()[0])
