"""The changes of a tenant's customers in the order in which they were committed, as programs follow them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from audit.models import LifecycleHistory
from audit.services.feed import find_last_position, number_rows, read_positions
from lifecycle.models import Customer
from lifecycle.services.transitions.history import describe_row
from tenants.actors import TenantRef
from tenants.services.configuration.versions import present_names

MOST: Final = 1000


class PositionUnknown(Exception):
    """The reader has seen more than there is: the database is not the one they read from, or was set back."""

    def __init__(self, last: int) -> None:
        super().__init__(str(last))
        self.last = last


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Rows as plain dicts, the oldest first; where to go on, also when that was all; whether there is more now."""

    rows: list[dict[str, Any]]
    next_after: int
    has_more: bool


def read_feed(*, tenant: TenantRef, after: int, limit: int, now: dt.datetime) -> FeedPage:
    """The changes behind a position. None is ever skipped: one that is committed later comes later.

    Without the notes, which are for those who open the customer; ``has_note`` says that there is one. Call inside the
    tenant's context. Ten statements at most, whatever the number of rows. Raises PositionUnknown.
    """
    found = read_positions(tenant.id, after=after, limit=limit + 1)
    if len(found) <= limit:
        number_rows(tenant.id, now=now)
        found = read_positions(tenant.id, after=after, limit=limit + 1)
    if not found and after and after > (last := find_last_position(tenant.id)):
        raise PositionUnknown(last)
    shown = found[:limit]
    rows = LifecycleHistory.objects.filter(tenant_id=tenant.id).in_bulk([id_ for _, id_ in shown])
    customers = {row.customer_id for row in rows.values()}
    named = Customer.objects.filter(tenant_id=tenant.id, id__in=customers).values_list("id", "external_id")
    external_ids = dict(named) if customers else {}
    renames = present_names(tenant) if rows else {}
    described = [
        {
            **describe_row(row, {}, renames),
            "position": position,
            "external_id": external_ids.get(row.customer_id),
            "has_note": row.note is not None,
        }
        for position, id_ in shown
        if (row := rows.get(id_)) is not None
    ]
    return FeedPage(described, shown[-1][0] if shown else after, len(found) > limit)


def count_feed(tenant: TenantRef) -> int:
    """How many changes have their place in the feed. One statement; inside the tenant's context."""
    return find_last_position(tenant.id)
