"""Customers that became at risk in a period, what was done in their first week, and whether they recovered."""

import datetime as dt

from django.db import connection

from lifecycle.queries.insight.saving import counts
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.insight.saving import Episode
from lifecycle.services.insight.episodes import name_stages
from lifecycle.services.insight.reading import Period, Stages
from storage.cursors import text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST, RISK


def mature_before(now: dt.datetime) -> dt.datetime:
    """Of those that came to be at risk later it is not known yet whether they recover in time."""
    return now - dt.timedelta(days=HORIZON_DAYS)


def read_episodes(period: Period, stages: Stages, *, tenant: TenantRef, now: dt.datetime) -> list[Episode]:
    """Those of the period, alike ones together. One statement. Call inside the tenant's context."""
    parameters = {
        **period.parameters(tenant),
        "stages": text_array(risk := stages.of_category(RISK)),
        "risk": name_stages(risk),
        "from_stages": text_array(stages.of_category(LOST)),
        "mature": mature_before(now),
    }
    with connection.cursor() as cursor:
        cursor.execute(counts(is_filtered=period.is_filtered), parameters)
        rows = cursor.fetchall()
    return [
        Episode(reason, stage, severity, tuple(done), recovered, count)
        for reason, stage, severity, *done, recovered, count in sorted(rows)
    ]
