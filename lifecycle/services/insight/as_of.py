"""A customer, or all of them, as of the end of a past day: as it was, or as it was known here by then.

One customer is read from the history itself, many from the stays that are kept of it.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from audit.models import LifecycleHistory
from lifecycle.models import FigureChange
from lifecycle.queries.insight.reading import AS_OF, COUNT_AS_OF
from lifecycle.rules.insight.stays import Move, stay_at
from lifecycle.services.insight.reading import ROWS, Stages, midnight
from storage.cursors import text_array
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.texts import fold_text
from tenants.services.configuration.versions import present_name, present_names

EFFECTIVE: Final = "effective"
RECORDED: Final = "recorded"


@dataclass(frozen=True, slots=True)
class Past:
    """Where a customer was at the end of a day. ``stage`` is what it was called then, ``stage_now`` what today.

    ``figures``: path -> the value that held, and since when, as far as they are kept. ``configuration_version``: the
    one that was live at the end of the day. ``row`` brought the customer there. None of the stage: it was not here yet.
    """

    day: dt.date
    known: str
    stage: str | None
    stage_now: str | None
    stage_entered_at: dt.datetime | None
    days_in_stage: int | None
    reason_code: str
    sequence: int
    configuration_version: int | None
    figures: dict[str, tuple[Any, dt.datetime]]
    row: LifecycleHistory | None = None


def read_past(customer_id: UUID, day: dt.date, *, known: str, tenant: TenantRef) -> Past:
    """The customer at the end of the day, read from the history. Four statements. Call inside the tenant's context."""
    end = midnight(day + dt.timedelta(days=1))
    rows = list(LifecycleHistory.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("sequence"))
    moves = [Move(row.to_stage, row.effective_at, row.recorded_at, row.reason_code) for row in rows]
    found = stay_at(moves, end, as_known=known == RECORDED)
    changes = FigureChange.objects.filter(tenant_id=tenant.id, customer_id=customer_id, effective_at__lt=end)
    if known == RECORDED:
        changes = changes.filter(recorded_at__lt=end)
    figures: dict[str, tuple[Any, dt.datetime]] = {}
    for change in changes.order_by("effective_at", "id"):
        figures |= {path: (value, change.effective_at) for path, value in change.figures.items()}
    versions = ConfigurationVersion.objects.filter(tenant_id=tenant.id, published_at__lt=end)
    live = versions.order_by("-number").values_list("number", flat=True).first()
    if found is None:
        return Past(day, known, None, None, None, None, "", 0, live, figures)
    row = rows[found.sequence - 1]
    return Past(
        day=day,
        known=known,
        stage=row.to_stage,
        stage_now=present_name(row.to_stage, row.configuration_version, present_names(tenant)),
        stage_entered_at=found.entered,
        days_in_stage=(end - found.entered).days,
        reason_code=row.reason_code,
        sequence=found.sequence,
        configuration_version=live,
        figures=figures,
        row=row,
    )


def list_past(
    day: dt.date,
    *,
    stages: Stages,
    tenant: TenantRef,
    known: str = EFFECTIVE,
    keys: Sequence[str] = (),
    owner: str = "",
    segment: str = "",
    page: int = 1,
    offset: int | None = None,
    limit: int = ROWS,
) -> tuple[list[dict[str, Any]], int]:
    """A page of the customers that were here at the end of the day, by name, and how many there were. Two statements.

    ``keys``: only in these stages. ``offset``: behind so many of them, where that is no whole
    ``page``. Owner and segment are those of today.
    """
    end = midnight(day + dt.timedelta(days=1))
    parameters: dict[str, Any] = {
        "tenant_id": tenant.id,
        "moment": end,
        "stages": text_array(keys) if keys else None,
        "owner": fold_text(owner),
        "segment": segment,
        "limit": limit,
        "offset": (page - 1) * limit if offset is None else offset,
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNT_AS_OF[known], parameters)
        ((count,),) = cursor.fetchall()
        cursor.execute(AS_OF[known], parameters)
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    for row in rows:
        row["stage"] = stages.name(row["stage"])
        row["days_in_stage"] = (end - row["entered"]).days
    return rows, count
