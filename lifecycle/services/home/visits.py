"""When a person was last on the first page: what "since you were last here" counts from."""

import datetime as dt
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from django.db import DatabaseError, connection, transaction

from lifecycle.queries.home import PERSON
from storage.cursors import fetch_prepared_dicts, plain_array, prepared_cursor
from storage.database.routing import on_primary
from storage.failures import refuses_writes
from tenants.actors import TenantRef
from tenants.context import tenant_context

log = structlog.get_logger(__name__)

# Anyone who comes back within this time goes on with the same visit.
SAME_VISIT: Final = dt.timedelta(minutes=30)

# Who looks again within this time is not noted again. So a visit may end that much earlier than it did: what happened
# in between is shown once more, and nothing is missed.
NOTED_FOR: Final = dt.timedelta(minutes=5)

_VISIT: Final = """
INSERT INTO lifecycle_homevisit (id, tenant_id, user_id, last_at)
SELECT uuidv7(), %(tenant_id)s::uuid, %(user_id)s::uuid, %(now)s::timestamptz
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


def find_person(
    user_id: UUID,
    *,
    tenant: TenantRef,
    own_key: str,
    now: dt.datetime,
    is_visit: bool,
    named: Collection[str] = (),
) -> dict[str, Any]:
    """Whether the person owns customers, the usernames of their team, and their visits of the first page until now.

    ``names``: what customers of the ids ``named`` are called, of those that there are. ``is_visit``: they are on the
    page, which is noted, but for a database that takes no writes for the moment. One statement, and one more, apart
    from the page's transaction, for a visit that was not noted within ``NOTED_FOR``; call inside the tenant's context.
    """
    given = {"tenant_id": tenant.id, "user_id": user_id}
    asked = given | {"own_key": own_key, "named": plain_array(named)}
    (row,) = fetch_prepared_dicts(PERSON, asked, using="default")
    row["names"] = orjson.loads(row["names"] or "{}")
    # One that a replica has not heard of yet is noted once more: the later of two times stays.
    if is_visit and (row["last_at"] is None or row["last_at"] < now - NOTED_FOR):
        try:
            with on_primary(), _apart(), tenant_context(tenant.id):
                _note(given | {"now": now, "same": now - SAME_VISIT})
        except DatabaseError as error:
            if not refuses_writes(error):
                raise
            log.warning("a visit is not noted", error=type(error).__name__)
    return row


def _note(given: dict[str, Any]) -> None:
    with prepared_cursor("default") as cursor:
        cursor.execute(_VISIT, given)


def _apart() -> AbstractContextManager[object]:
    """What fails inside leaves the transaction at hand whole; where there is none, the tenant's context is one."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()
