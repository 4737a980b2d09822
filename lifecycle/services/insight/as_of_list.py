"""The list of customers as of the end of a past day, in the shape that it has today."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Max, Min, Q

from lifecycle.queries.health import find_work
from lifecycle.queries.insight.past import ARRIVALS, FIGURES
from lifecycle.queries.list_columns import LISTED
from lifecycle.queries.listing import describe_row
from lifecycle.rules.fields import COMPANY
from lifecycle.rules.health import NO_WORK
from lifecycle.services.insight.as_of import EFFECTIVE, RECORDED, PastPage, PastQuestion, list_past
from lifecycle.services.insight.reading import Stages
from storage.cursors import plain_array, text_array
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.policy import Policy
from tenants.rules.values import trim_amount
from tenants.services.configuration.policies import readable_policy

Row = dict[str, Any]
_FIGURES: Final = {field.path: field for field in LISTED if field.part != COMPANY}


def list_as_of(
    asked: PastQuestion, *, stages: Stages, tenant: TenantRef, cursor: str | None = None, limit: int
) -> PastPage:
    """A page of the customers that were here at the end of the day, by name, in the rows of ``list_customers``.

    Name, stage, reason and author are those of then, judged by the configuration that was live, with the figures that
    held. The company's other fields, and the order of the names, are today's. At most six statements, and one where the
    score asks for notes or tasks.
    Raises InvalidCursor. Call inside the tenant's context.
    """
    page = list_past(asked, stages=stages, tenant=tenant, cursor=cursor, limit=limit)
    return replace(page, rows=_describe(page.rows, asked, stages, tenant)) if page.rows else page


def find_policy(end: dt.datetime, *, live: Policy, tenant: TenantRef) -> Policy:
    """The policy that was live at a moment; before the first, that one, so that a later one does not change the past.

    ``live``: where none was published, or under older rules than today's. Two statements at most.
    """
    found = ConfigurationVersion.objects.filter(tenant_id=tenant.id, number__isnull=False).aggregate(
        then=Max("number", filter=Q(published_at__lt=end)), first=Min("number")
    )
    number = found["then"] or found["first"]
    then = None if number is None else readable_policy(tenant.id, number)
    return live if then is None else then


def name_stages_then(policy: Policy, stages: Stages) -> dict[str, str]:
    """What a stage is called today -> what it was called in the configuration of then, which judges it."""
    then = Stages(policy, stages.renames)
    return {then.name(key): name for key, name in zip(then.keys, policy.stages, strict=True)}


def _describe(found: Sequence[Row], asked: PastQuestion, stages: Stages, tenant: TenantRef) -> list[Row]:
    end = asked.end
    policy = find_policy(end, live=stages.policy, tenant=tenant)
    names = name_stages_then(policy, stages)
    arrivals = {row["customer_id"]: row for row in _fetch(ARRIVALS, found, tenant)}
    figures = _read_figures(found, tenant, end, as_known=asked.known == RECORDED)
    work = find_work([past["customer_id"] for past in found], policy, tenant=tenant, now=end, past_day=asked.day)
    rows = []
    for past in found:
        customer_id = past["customer_id"]
        held = figures.get(customer_id, {})
        if asked.known == EFFECTIVE:
            # Before its first report a revenue counts as what was reported first.
            arr = str(trim_amount(past["arr"], past["currency"])) if past["arr"] or past["currency"] else None
            held |= {"arr": arr, "currency": past["currency"]}
        row = dict.fromkeys(field.name for field in LISTED) | arrivals[customer_id] | held
        said = row["stage"]
        row |= {"name": past["name"], "stage_entered_at": past["entered"], "stage": names.get(past["stage"], said)}
        described = describe_row(row, policy, end, work.get(customer_id, NO_WORK), today=asked.day)
        rows.append(described | {"stage": said})
    return rows


def _read_figures(found: Sequence[Row], tenant: TenantRef, end: dt.datetime, *, as_known: bool) -> dict[UUID, Row]:
    given = {"timestamp": end, "as_known": as_known, "paths": text_array(_FIGURES)}
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
