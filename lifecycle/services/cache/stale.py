"""What committed changes have made out of date in Redis: rows that the relay takes, beside the history of statuses.

Writers add a row within their transaction; ``copies.drop_older`` is what becomes of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import orjson
from django.db import connections

from storage.cursors import plain_array, prepared_cursor

# Rows of one look: each is the change of a whole batch.
MOST: Final = 100
# Everyone who writes customer, billing or support holds the customer's row, so the sum of the three rises with each.
_PROFILES: Final = """
WITH made AS (
    SELECT COALESCE(json_object_agg(c.id, c.version + COALESCE(b.version, 0) + COALESCE(u.version, 0){later}), '{{}}')
           AS versions
      FROM lifecycle_customer c
      LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = c.tenant_id AND b.customer_id = c.id
      LEFT JOIN lifecycle_supportfigures u ON u.tenant_id = c.tenant_id AND u.customer_id = c.id
     WHERE c.tenant_id = %(tenant_id)s::uuid{condition}
), noted AS (
    INSERT INTO lifecycle_stalecopies (tenant_id, profiles) SELECT %(tenant_id)s::uuid, versions FROM made
)
SELECT versions::text FROM made
"""
PROFILES: Final = _PROFILES.format(later="", condition=" AND c.id = ANY(%(customer_ids)s::uuid[])")
# Of customers that are about to be deleted: later than anything that was ever read of them.
ALL_PROFILES: Final = _PROFILES.format(later=" + 1", condition="")
CONFIGURATION: Final = """
INSERT INTO lifecycle_stalecopies (tenant_id, configuration) VALUES (%(tenant_id)s::uuid, %(version)s)
"""
# A row that is lost with the process that took it is made good by the next leader, which flushes everything first.
TAKE: Final = """
DELETE FROM lifecycle_stalecopies
 WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM lifecycle_stalecopies LIMIT %(most)s)
RETURNING tenant_id, profiles::text, configuration
"""
LAST_MOVES: Final = """
SELECT o.id, h.tenant_id, h.customer_id::text, h.configuration_version, h.sequence
  FROM audit_outbox o JOIN customer_lifecycle_history h ON h.tenant_id = o.tenant_id AND h.id = o.history_id
 WHERE o.id > COALESCE(NULLIF(%(last)s, 0), (SELECT max(id) FROM audit_outbox)) - %(look_back)s
 ORDER BY o.id LIMIT 10 * %(look_back)s
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What changed of one tenant: of each customer the configuration and version of its status, the version of its
    profile, and the number of the configuration that became live (0: none did).

    ``is_first``: some of it was not dealt with before.
    """

    tenant_id: UUID
    statuses: dict[str, tuple[int, int]] = field(default_factory=dict)
    profiles: Mapping[str, int] = field(default_factory=dict)
    configuration: int = 0
    is_first: bool = True


def note_profiles(tenant_id: UUID, customer_ids: Sequence[UUID]) -> dict[str, int]:
    """Note that figures and profile of these customers were written; the version of each now. One statement."""
    with prepared_cursor("default") as cursor:
        cursor.execute(PROFILES, {"tenant_id": tenant_id, "customer_ids": plain_array(customer_ids)})
        (versions,) = cursor.fetchone()
    found: dict[str, int] = orjson.loads(versions)
    return found


def note_all_profiles(tenant_id: UUID) -> dict[str, int]:
    """Note that all customers of the tenant are about to be deleted; a version of each that is later than any copy.

    One statement.
    """
    with prepared_cursor("default") as cursor:
        cursor.execute(ALL_PROFILES, {"tenant_id": tenant_id})
        (versions,) = cursor.fetchone()
    found: dict[str, int] = orjson.loads(versions)
    return found


def note_configuration(tenant_id: UUID, version: int) -> None:
    """Note that a configuration became live. One statement."""
    with connections["default"].cursor() as cursor:
        cursor.execute(CONFIGURATION, {"tenant_id": tenant_id, "version": version})


def take_changes(*, using: str) -> list[Change]:
    """What was noted since the last look, and is noted no more. One statement."""
    with connections[using].cursor() as cursor:
        cursor.execute(TAKE, {"most": MOST})
        rows = cursor.fetchall()
    return [Change(tenant_id, {}, orjson.loads(profiles or "{}"), number or 0) for tenant_id, profiles, number in rows]


Move = tuple[UUID, str, int, int]


def find_last_moves(last: int, *, look_back: int, using: str) -> dict[int, Move]:
    """Moves that were committed after the outbox row ``last``, and those of so many rows before it, by their rows.

    0 means the last row that there is now. One statement.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(LAST_MOVES, {"last": last, "look_back": look_back})
        rows = cursor.fetchall()
    return {row[0]: row[1:] for row in rows}


def group_moves(moves: Iterable[Move]) -> list[Change]:
    """Moves (tenant, customer, configuration, version of the status) by tenant, the last of each customer."""
    changes: dict[UUID, Change] = {}
    for tenant_id, customer_id, configuration, version in moves:
        statuses = changes.setdefault(tenant_id, Change(tenant_id)).statuses
        statuses[customer_id] = max(statuses.get(customer_id, (0, 0)), (configuration, version))
    return list(changes.values())
