"""Customers that became at risk in a period, by reason: how it ended, and what was done until then."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from lifecycle.queries.insight.at_risk import COUNTS, WAYS
from lifecycle.services.insight.episodes import name_stages
from lifecycle.services.insight.reading import Period, Stages
from storage.cursors import text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST, RISK


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Those of one reason, None for all. ``counts``: each of WAYS -> customers; one may have come more than once."""

    reason: str | None
    counts: Mapping[str, int]


def read_at_risk(period: Period, stages: Stages, *, tenant: TenantRef, now: dt.datetime) -> list[AtRisk]:
    """All reasons together, then each, the most frequent first; nothing if no one came to be at risk.

    One statement. Call inside the tenant's context.
    """
    parameters = {
        **period.parameters(tenant),
        "stages": text_array(risk := stages.of_category(RISK)),
        "risk": name_stages(risk),
        "from_stages": text_array(stages.of_category(LOST)),
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, parameters)
        rows = [AtRisk(reason, dict(zip(WAYS, counts, strict=True))) for reason, *counts in cursor.fetchall()]
    if not rows:
        return []
    whole: Counter[str] = Counter()
    for row in rows:
        whole.update(row.counts)
    rows.sort(key=lambda one: (-one.counts["all"], one.reason or ""))
    return [AtRisk(None, {way: whole[way] for way in WAYS}), *rows]
