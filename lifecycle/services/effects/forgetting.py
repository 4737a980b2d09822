"""What is kept of effects, and for how long; what of it goes with an erased customer."""

import datetime as dt
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from lifecycle.models import EffectRun, Notification
from lifecycle.queries.insight.done import REACHED
from storage.cursors import prepared_cursor

# Finished effects and read notifications; tallies as long as the busiest hours are compared.
KEPT: Final = dt.timedelta(days=90)

# That, and when, a message reached the customer is kept for the save rate. What reached no one from the beginning has
# never run, and so no end.
_FORGET_EFFECTS: Final = f"""
WITH forgotten AS (
    DELETE FROM lifecycle_effect WHERE tenant_id = %(tenant_id)s::uuid AND id = ANY(ARRAY(
        SELECT id FROM lifecycle_effect
         WHERE tenant_id = %(tenant_id)s::uuid
           AND (finished_at < %(before)s::timestamptz
                OR state = 'suppressed' AND finished_at IS NULL AND created_at < %(before)s::timestamptz)
         LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED))
    RETURNING customer_id, state, kind, recipient, finished_at
), kept AS (
    INSERT INTO lifecycle_insight_state AS s (tenant_id, customer_id, sequence, figures, reached)
    SELECT %(tenant_id)s::uuid, customer_id, 0, 0, array_agg(finished_at ORDER BY finished_at)
      FROM forgotten WHERE {REACHED} GROUP BY customer_id ORDER BY customer_id
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET reached = s.reached || EXCLUDED.reached
)
SELECT count(*) FROM forgotten
"""  # noqa: S608  constants
_OLD: Final[Mapping[str, str]] = {
    "lifecycle_notification": "created_at < %(before)s::timestamptz",
    "lifecycle_effecttally": "since < %(before)s::timestamptz",
}


def erase_effects(tenant_id: UUID, customer_id: UUID, *, now: dt.datetime) -> int:
    """Cancel what waits for the customer, and forget what was sent and answered; how many were cancelled."""
    mine = EffectRun.objects.filter(tenant_id=tenant_id, customer_id=customer_id)
    Notification.objects.filter(tenant_id=tenant_id, customer_id=customer_id).update(subject="", body="")
    on_their_way = (EffectRun.SENDING, EffectRun.UNKNOWN)
    open_ones = mine.filter(state__in=(EffectRun.HELD, EffectRun.DUE, *on_their_way))
    states = dict(open_ones.order_by("id").select_for_update().values_list("id", "state"))
    sending = [id_ for id_, state in states.items() if state in on_their_way]
    # What is on its way is marked, also where only its lease is over: who finishes it (``queue``) keeps nothing of it,
    # and does not try it again.
    mine.filter(id__in=sending).update(reason="erased")
    # What was finished until then has what it was answered.
    mine.exclude(last_attempt=None).update(last_attempt=None)
    waiting = mine.filter(id__in=states.keys() - set(sending))
    return waiting.update(state=EffectRun.CANCELLED, reason="erased", finished_at=now)


def forget_effects(tenant_id: UUID, *, before: dt.datetime, limit: int) -> int:
    """Delete what is older; how many rows, up to ``limit`` of each kind. Call in the tenant's context."""
    given = {"tenant_id": tenant_id, "before": before, "limit": limit}
    with prepared_cursor("default") as cursor:
        cursor.execute(_FORGET_EFFECTS, given)
        count = int(cursor.fetchone()[0])
    for table, condition in _OLD.items():
        with prepared_cursor("default") as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE tenant_id = %(tenant_id)s::uuid AND id = ANY(ARRAY(SELECT id FROM {table}"  # noqa: S608  constants
                f" WHERE tenant_id = %(tenant_id)s::uuid AND {condition}"
                " LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED))",
                given,
            )
            count += cursor.rowcount
    return count
