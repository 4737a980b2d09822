"""How many customers are in which stage, and how much money with them: the tenant at a glance [API-3]."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import orjson

from lifecycle.services.cache import copies
from lifecycle.services.customers.parts import Json, dump
from storage.cursors import plain_array, prepared_cursor, text_array
from storage.database.routing import on_primary
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.policies import live_policy

# Money is never added across currencies. Customers of whom Billing has said nothing are counted without money. Who is
# past the target of a stage is so by whole days, as everywhere (``rules.health.overdue``).
_BY_STAGE: Final = """
SELECT s.stage, COALESCE(b.currency, ''), count(*), sum(b.arr),
       count(*) FILTER (WHERE s.stage_entered_at <= statement_timestamp() - make_interval(days => w.max_days + 1))
  FROM customer_lifecycle_status s
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
  LEFT JOIN unnest(%(stages)s::text[], %(max_days)s::int[]) AS w(stage, max_days) ON w.stage = s.stage
 WHERE s.tenant_id = %(tenant_id)s::uuid
 GROUP BY 1, 2
"""


def read_tenant_summary(*, tenant: TenantRef) -> Json:
    """Customers, annual revenue and long stays, for each stage in the configuration's order and altogether.

    Kept for 5 minutes and never older than the last change of any customer. One round trip to Redis on a hit. The
    tenant's context is entered on a miss only. Raises NoConfiguration.
    """
    reading = copies.read_totals(tenant.id)
    raw = reading.value
    if raw is None:
        # For everyone: a copy is made of what the primary says.
        with on_primary(), tenant_context(tenant.id):
            policy = live_policy(tenant.id)
            rows = _count(policy, tenant)
        raw = dump(describe_totals(policy, rows))
        reading.offer(raw)
    summary: Json = orjson.loads(raw)
    return summary


def _count(policy: Policy, tenant: TenantRef) -> list[tuple[Any, ...]]:
    limits = [(stage, days) for stage in policy.stages if (days := policy.max_days(stage)) is not None]
    with prepared_cursor("default") as cursor:
        cursor.execute(
            _BY_STAGE,
            {
                "tenant_id": tenant.id,
                "stages": text_array(stage for stage, _ in limits),
                "max_days": plain_array(days for _, days in limits),
            },
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def describe_totals(policy: Policy, rows: Iterable[Sequence[Any]]) -> Json:
    """The totals of rows of stage, currency, customers, their revenue, and how many are over the expected days."""
    by_stage = defaultdict(list)
    for stage, *figures in rows:
        by_stage[stage].append(figures)
    # The last customers of a stage that is going away are customers too.
    leaving = sorted(set(by_stage) - set(policy.stages))
    at_risk = policy.stages_in("risk")
    return {
        "configuration_version": policy.version,
        "stages": [
            {
                "stage": stage,
                "category": policy.category(stage),
                "color": policy.color(stage),
                "is_leaving": stage in leaving,
                "expected_days": policy.max_days(stage),
                **_add_up(by_stage[stage]),
            }
            for stage in (*policy.stages, *leaving)
        ],
        "total": _add_up(figures for stage in by_stage for figures in by_stage[stage]),
        "at_risk": _add_up(figures for stage in at_risk for figures in by_stage[stage]),
    }


def _add_up(rows: Iterable[Sequence[Any]]) -> Json:
    customers, late = 0, 0
    money: dict[str, Decimal] = {}
    for currency, count, arr, over in rows:
        customers += count
        late += over
        if arr is not None:
            money[currency] = money.get(currency, Decimal()) + arr
    return {
        "customers": customers,
        "over_expected": late,
        "money": [{"currency": currency, "arr": str(arr)} for currency, arr in sorted(money.items())],
    }
