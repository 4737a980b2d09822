"""The customers behind what a month has kept of its revenue: those that ``measure_retention`` counts, one by one."""

import datetime as dt
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from lifecycle.services.work.renewals import PER_PAGE, Month, begin_of, lost_stages
from storage.cursors import fetch_prepared_dicts
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy


def _held(moment: str) -> str:
    """The last report of revenue before a moment."""
    return f"""(
       SELECT (f.figures->>'billing.arr')::numeric AS arr FROM lifecycle_figurechange f
        WHERE f.tenant_id = %(tenant_id)s::uuid AND f.customer_id = b.customer_id AND f.figures ? 'billing.arr'
          AND f.effective_at < %({moment})s::timestamptz
        ORDER BY f.effective_at DESC, f.id DESC LIMIT 1)"""  # noqa: S608  constants


# ``was_away``: who was lost at the beginning of the month and has returned since; ``is_away``: at its end.
_LIST: Final = f"""
WITH returned AS MATERIALIZED (
    SELECT p.customer_id,
           bool_or(p.began < %(begin)s::timestamptz) AS was_away,
           bool_or(p.began < %(end)s::timestamptz AND p.left_at >= %(end)s::timestamptz) AS is_away
      FROM lifecycle_stay p
     WHERE p.tenant_id = %(tenant_id)s::uuid AND p.stage = ANY(%(lost_keys)s::text[]) AND p.piece = 0
       AND p.to_stage <> '' AND p.left_at >= %(begin)s::timestamptz
     GROUP BY p.customer_id
), found AS MATERIALIZED (
    SELECT b.customer_id, o.arr AS start_arr,
           CASE WHEN w.is_away OR s.stage = ANY(%(lost)s::text[]) AND s.stage_entered_at < %(end)s::timestamptz THEN 0
                ELSE COALESCE(e.arr, 0) END AS end_arr
      FROM lifecycle_billingfigures b
      JOIN customer_lifecycle_status s ON s.tenant_id = b.tenant_id AND s.customer_id = b.customer_id
      LEFT JOIN returned w ON w.customer_id = b.customer_id
     CROSS JOIN LATERAL {_held("begin")} o
     CROSS JOIN LATERAL {_held("end")} e
     WHERE b.tenant_id = %(tenant_id)s::uuid AND b.currency = %(currency)s::text AND o.arr > 0
       AND NOT (s.stage = ANY(%(lost)s::text[]) AND s.stage_entered_at < %(begin)s::timestamptz)
       AND w.was_away IS NOT TRUE
), page AS MATERIALIZED (
    SELECT * FROM found ORDER BY start_arr DESC, customer_id LIMIT %(limit)s::int OFFSET %(offset)s::int
)
SELECT n.count, x.* FROM (SELECT count(*) FROM found) n
  LEFT JOIN (
       SELECT p.customer_id, c.name, c.external_id, c.owner, c.segment, s.stage, p.start_arr, p.end_arr,
              least(p.start_arr, p.end_arr) AS kept_arr
         FROM page p
         JOIN lifecycle_customer c ON c.tenant_id = %(tenant_id)s::uuid AND c.id = p.customer_id
         JOIN customer_lifecycle_status s ON s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = p.customer_id
  ) x ON true
 ORDER BY x.start_arr DESC, x.customer_id
"""  # noqa: S608  constants


def list_kept(
    month: Month, currency: str, *, tenant: TenantRef, policy: Policy, offset: int = 0, limit: int = PER_PAGE
) -> tuple[list[dict[str, Any]], int]:
    """A page of the customers with revenue in the currency at the beginning of the month, the largest first, and how
    many there are: with what it was at its beginning, at its end, and what was kept of it. One statement.

    They add up to what ``measure_retention`` says of the month. Call inside the tenant's context.
    """
    given: dict[str, UUID | dt.datetime | str | int | Decimal] = {
        "tenant_id": tenant.id,
        "begin": begin_of(month),
        "end": begin_of(month.plus(1)),
        "currency": currency,
        **lost_stages(policy, tenant),
        "limit": limit,
        "offset": offset,
    }
    rows = fetch_prepared_dicts(_LIST, given, using="default")
    count = int(rows[0]["count"])
    return [row for row in rows if row["customer_id"] is not None], count
