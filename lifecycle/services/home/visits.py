"""When a person was last on the first page: what "since you were last here" counts from."""

import datetime as dt
from typing import Final
from uuid import UUID

from django.db import connection

from tenants.actors import TenantRef

# Anyone who comes back within this time goes on with the same visit.
SAME_VISIT: Final = dt.timedelta(minutes=30)

_SET: Final = """
INSERT INTO lifecycle_homevisit (id, tenant_id, user_id, last_at)
VALUES (uuidv7(), %(tenant_id)s::uuid, %(user_id)s::uuid, %(now)s::timestamptz)
    ON CONFLICT (tenant_id, user_id) DO UPDATE
   SET previous_at = CASE WHEN lifecycle_homevisit.last_at < %(same)s::timestamptz
                          THEN lifecycle_homevisit.last_at ELSE lifecycle_homevisit.previous_at END,
       last_at = greatest(lifecycle_homevisit.last_at, EXCLUDED.last_at)
"""


def visit_before(
    last_at: dt.datetime | None, previous_at: dt.datetime | None, *, now: dt.datetime
) -> dt.datetime | None:
    """When the visit before the one of ``now`` ended; None: this is the first."""
    return last_at if last_at is not None and last_at < now - SAME_VISIT else previous_at


def note_visit(user_id: UUID, *, tenant: TenantRef, now: dt.datetime) -> None:
    """The person is on the first page. One statement; call inside the tenant's context."""
    with connection.cursor() as cursor:
        cursor.execute(_SET, {"tenant_id": tenant.id, "user_id": user_id, "now": now, "same": now - SAME_VISIT})
