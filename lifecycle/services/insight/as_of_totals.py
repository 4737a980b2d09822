"""The tenant at a glance as of the end of a past day [API-3]."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import connection

from lifecycle.queries.insight.past import TOTALS
from lifecycle.services.customers.parts import Json
from lifecycle.services.customers.totals import describe_totals
from lifecycle.services.insight.as_of import EFFECTIVE
from lifecycle.services.insight.as_of_list import find_policy
from lifecycle.services.insight.reading import Stages, midnight
from storage.cursors import plain_array, text_array
from tenants.actors import TenantRef
from tenants.rules.values import trim_amount


def read_past_totals(day: dt.date, *, stages: Stages, tenant: TenantRef, known: str = EFFECTIVE) -> Json:
    """As ``read_tenant_summary``, by the configuration that was live then, with the names that stages had in it.

    Three statements at most. Call inside the tenant's context. How much revenue was known by a day is not kept: then
    there is no money.
    """
    end = midnight(day + dt.timedelta(days=1))
    policy = find_policy(end, live=stages.policy, tenant=tenant)
    then = Stages(policy, stages.renames)
    names = dict(zip(then.keys, policy.stages, strict=True))
    limits = [(key, days) for key, name in names.items() if (days := policy.max_days(name)) is not None]
    parameters: dict[str, Any] = {
        "tenant_id": tenant.id,
        "timestamp": end,
        "stages": text_array(key for key, _days in limits),
        "max_days": plain_array(days for _key, days in limits),
    }
    with connection.cursor() as cursor:
        cursor.execute(TOTALS[known], parameters)
        rows = cursor.fetchall()
    return describe_totals(
        policy,
        [
            (names.get(key, then.name(key)), currency, count, _amount_of(arr, currency, known), over)
            for key, currency, count, arr, over in rows
        ],
    )


def _amount_of(arr: Decimal | None, currency: str, known: str) -> Decimal | None:
    return None if arr is None or known != EFFECTIVE else trim_amount(arr, currency)
