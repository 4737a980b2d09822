"""When a person was last on the first page: what "since you were last here" counts from."""

import datetime as dt
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import DatabaseError, connection, transaction

from lifecycle.queries.home import PERSON
from storage.cursors import fetch_prepared_dicts
from storage.database.routing import on_primary
from storage.database.writable import refuses_writes
from tenants.actors import TenantRef
from tenants.context import tenant_context

log = structlog.get_logger(__name__)

# Anyone who comes back within this time goes on with the same visit.
SAME_VISIT: Final = dt.timedelta(minutes=30)

# What it reads is as it was before: a statement does not see what it writes itself.
_VISIT: Final = f"""
WITH noted AS (
    INSERT INTO lifecycle_homevisit (id, tenant_id, user_id, last_at)
    SELECT uuidv7(), %(tenant_id)s::uuid, %(user_id)s::uuid, %(now)s::timestamptz
        ON CONFLICT (tenant_id, user_id) DO UPDATE
       SET previous_at = CASE WHEN lifecycle_homevisit.last_at < %(same)s::timestamptz
                              THEN lifecycle_homevisit.last_at ELSE lifecycle_homevisit.previous_at END,
           last_at = greatest(lifecycle_homevisit.last_at, EXCLUDED.last_at)
)
{PERSON}
"""  # noqa: S608  constants


def visit_before(
    last_at: dt.datetime | None, previous_at: dt.datetime | None, *, now: dt.datetime
) -> dt.datetime | None:
    """When the visit before the one of ``now`` ended; None: this is the first."""
    return last_at if last_at is not None and last_at < now - SAME_VISIT else previous_at


def find_person(user_id: UUID, *, tenant: TenantRef, own_key: str, now: dt.datetime, is_visit: bool) -> dict[str, Any]:
    """Whether the person owns customers, the usernames of their team, and their visits of the first page until now.

    ``is_visit``: they are on it, which is noted, but for a database that takes no writes for the moment. One statement,
    apart from the page's transaction; call inside the tenant's context.
    """
    given = {"tenant_id": tenant.id, "user_id": user_id, "own_key": own_key}
    if is_visit:
        try:
            with on_primary(), _apart(), tenant_context(tenant.id):
                (row,) = fetch_prepared_dicts(_VISIT, given | {"now": now, "same": now - SAME_VISIT}, using="default")
        except DatabaseError as error:
            if not refuses_writes(error):
                raise
            log.warning("a visit is not noted", error=type(error).__name__)
        else:
            return row
    (row,) = fetch_prepared_dicts(PERSON, given, using="default")
    return row


def _apart() -> AbstractContextManager[object]:
    """What fails inside leaves the transaction at hand whole; where there is none, the tenant's context is one."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()
