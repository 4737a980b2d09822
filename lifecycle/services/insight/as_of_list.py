"""The list of customers as of the end of a past day, in the shape that it has today."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection

from lifecycle.queries.health import find_work
from lifecycle.queries.insight.past import ARRIVALS, FIGURES
from lifecycle.queries.list_columns import LISTED
from lifecycle.queries.listing import describe_row
from lifecycle.rules.fields import COMPANY
from lifecycle.rules.health import NO_WORK
from lifecycle.services.insight.as_of import EFFECTIVE, RECORDED, list_past
from lifecycle.services.insight.reading import Stages, midnight
from storage.cursors import plain_array, text_array
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.services.configuration.policies import policy_of_version

Row = dict[str, Any]
_FIGURES: Final = {field.path: field for field in LISTED if field.part != COMPANY}


def list_as_of(
    day: dt.date,
    *,
    stages: Stages,
    tenant: TenantRef,
    known: str = EFFECTIVE,
    keys: Sequence[str] | None = None,
    owner: str = "",
    offset: int = 0,
    limit: int,
) -> tuple[list[Row], int]:
    """A page of the customers that were here at the end of the day, by name, and how many there were in all.

    ``keys``: only in these stages; None: in any. Rows are those of ``list_customers``: stage, reason and author of
    then, judged by the configuration that was live, with the figures that held. The company's own fields are today's,
    and so is what ``owner`` asks for. At most six statements, and
    one where the score asks for notes or tasks. Call inside the tenant's context.
    """
    if keys is not None and not keys:
        return [], 0
    found, count = list_past(
        day, stages=stages, tenant=tenant, known=known, keys=keys or (), owner=owner, offset=offset, limit=limit
    )
    if not found:
        return [], count
    end = midnight(day + dt.timedelta(days=1))
    versions = ConfigurationVersion.objects.filter(tenant_id=tenant.id, published_at__lt=end)
    live = versions.order_by("-number").values_list("number", flat=True).first()
    policy = stages.policy if live is None else policy_of_version(tenant.id, live)
    arrivals = {row["customer_id"]: row for row in _fetch(ARRIVALS, found, tenant)}
    figures = _read_figures(found, tenant, end, as_known=known == RECORDED)
    work = find_work([past["customer_id"] for past in found], policy, tenant=tenant, now=end, past_day=day)
    rows = []
    for past in found:
        customer_id = past["customer_id"]
        held = figures.get(customer_id, {})
        if known == EFFECTIVE:
            # Before its first report a revenue counts as what was reported first.
            arr = f"{past['arr']:.2f}" if past["arr"] or past["currency"] else None
            held |= {"arr": arr, "currency": past["currency"]}
        row = dict.fromkeys(field.name for field in LISTED) | arrivals[customer_id] | held
        row |= {"stage_entered_at": past["entered"]}
        rows.append(describe_row(row, policy, end, work.get(customer_id, NO_WORK), today=day))
    return rows, count


def _read_figures(found: Sequence[Row], tenant: TenantRef, end: dt.datetime, *, as_known: bool) -> dict[UUID, Row]:
    given = {"moment": end, "as_known": as_known, "paths": text_array(_FIGURES)}
    held: dict[UUID, Row] = {}
    for row in _fetch(FIGURES, found, tenant, **given):
        held.setdefault(row["customer_id"], {})[_FIGURES[row["key"]].name] = orjson.loads(row["value"])
    return held


def _fetch(statement: str, found: Sequence[Row], tenant: TenantRef, **given: Any) -> list[Row]:
    ids, sequences = (plain_array(row[name] for row in found) for name in ("customer_id", "sequence"))
    with connection.cursor() as cursor:
        cursor.execute(statement, {"tenant_id": tenant.id, "ids": ids, "sequences": sequences, **given})
        names = [column.name for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
