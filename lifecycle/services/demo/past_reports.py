"""What was reported about customers before they came here: the past of their figures alone, of many at once."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from lifecycle.services.customers.figure_changes import KEEP_FIGURES
from storage.cursors import prepared_cursor
from tenants.actors import TenantRef


@dataclass(frozen=True, slots=True)
class PastReport:
    """What a source had reported of a customer at that time: figures by their paths, as JSON keeps them."""

    customer_id: UUID
    at: dt.datetime
    source: str
    figures: Mapping[str, Any]


def keep_past_reports(reports: Sequence[PastReport], *, tenant: TenantRef) -> None:
    """Keep them as the past of the figures; what holds now is as it is. One statement, none without reports.

    Call in the transaction that makes the customers.
    """
    if not reports:
        return
    rows = [
        {
            "id": uuid7(),
            "tenant_id": tenant.id,
            "customer_id": report.customer_id,
            "effective_at": report.at,
            "recorded_at": report.at,
            "source": report.source,
            "figures": report.figures,
        }
        for report in reports
    ]
    with prepared_cursor("default") as cursor:
        cursor.execute(KEEP_FIGURES, {"rows": orjson.dumps(rows, default=str).decode()})
