"""Deleting a tenant's rows where they are no longer needed: on the server it has left, or of a copy given up.

The database refuses to delete rows of the history. It lets go those of a tenant that ``audit_departure`` says may
leave, and only the administrator can say so. The entry is kept: what left, where to, and that both sides were the same.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

import orjson
from psycopg import sql
from uuid_utils.compat import uuid7

from lifecycle.services.moving.comparing import Compared
from lifecycle.services.moving.sides import ABOUT_TENANTS, Side
from tenants.actors import TenantRef

BATCH: Final = 5000
_OPEN: Final = "SELECT id FROM audit_departure WHERE tenant_id = %s AND deleted_at IS NULL"


def let_depart(side: Side, tenant: TenantRef, *, to: str, compared: Compared) -> None:
    """Say that the tenant's rows may leave this server. Repeatable."""
    if not side.ask(_OPEN, [tenant.id]):
        side.do(
            "INSERT INTO audit_departure (id, tenant_id, slug, to_server, compared, decided_at)"
            " VALUES (%s, %s, %s, %s, %s::jsonb, clock_timestamp())",
            [uuid7(), tenant.id, tenant.slug, to, orjson.dumps(compared).decode()],
        )


def delete_rows(side: Side, tenant: TenantRef, *, deleted: Callable[[int], object]) -> int:
    """Delete what ``let_depart`` has let go, in batches of their own transactions; how many rows. Repeatable.

    No cascade and no trigger but those that always fire, so the order of the tables does not matter.
    """
    count = 0
    side.do("SET session_replication_role = replica")
    try:
        for table in side.tables:
            for leaf in table.leaves:
                statement = sql.SQL(
                    "DELETE FROM {0} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {0} WHERE {1} LIMIT {2}))"
                ).format(sql.Identifier(leaf), table.of(tenant.id), sql.Literal(BATCH))
                while gone := side.do(statement):
                    count += gone
                    deleted(gone)
    finally:
        side.do("SET session_replication_role = DEFAULT")
    return count


def note_deleted(side: Side, tenant_id: UUID) -> None:
    """From here on nothing of the tenant may be deleted here again, should it come back. Repeatable."""
    side.do(
        "UPDATE audit_departure SET deleted_at = clock_timestamp() WHERE tenant_id = %s AND deleted_at IS NULL",
        [tenant_id],
    )


def count_rows(side: Side, tenant_id: UUID) -> dict[str, int]:
    """The tables that have rows of the tenant, and how many."""
    counts = {}
    for table in side.tables:
        if table.name not in ABOUT_TENANTS:
            query = sql.SQL("SELECT count(*) FROM {} WHERE {}")
            counts[table.name] = side.ask_one(query.format(sql.Identifier(table.name), table.of(tenant_id)))
    return {name: count for name, count in counts.items() if count}
