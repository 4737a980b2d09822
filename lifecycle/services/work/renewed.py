"""What was renewed: the contracts that were signed for another term, with what they are worth now and were before."""

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from lifecycle.services.work.renewals import PER_PAGE, Month
from storage.cursors import fetch_prepared_dicts
from tenants.actors import TenantRef


def _before(field: str) -> str:
    """The value that held until the change ``f``; no row: none was known."""
    return f"""(
    SELECT x.figures->>'{field}' AS value FROM lifecycle_figurechange x
     WHERE x.tenant_id = f.tenant_id AND x.customer_id = f.customer_id AND x.figures ? '{field}'
       AND x.effective_at <= f.effective_at AND (x.effective_at, x.id) < (f.effective_at, f.id)
     ORDER BY x.effective_at DESC, x.id DESC LIMIT 1
  )"""  # noqa: S608  names of fields


_RENEWED: Final = f"""
SELECT count(*) OVER () AS customers, f.id, f.customer_id, f.effective_at, f.source, c.name, c.owner, s.stage,
       b.contract_id, b.currency,
       (f.figures->>'billing.renewal_on')::date AS until, d.value::date AS until_before,
       COALESCE(f.figures->>'billing.arr', a.value)::numeric AS arr, a.value::numeric AS arr_before
  FROM lifecycle_figurechange f
  JOIN lifecycle_customer c ON c.tenant_id = f.tenant_id AND c.id = f.customer_id
  JOIN customer_lifecycle_status s ON s.tenant_id = f.tenant_id AND s.customer_id = f.customer_id
  JOIN lifecycle_billingfigures b ON b.tenant_id = f.tenant_id AND b.customer_id = f.customer_id
  LEFT JOIN LATERAL {_before("billing.renewal_on")} d ON true
  LEFT JOIN LATERAL {_before("billing.arr")} a ON true
 WHERE f.tenant_id = %(tenant_id)s::uuid AND f.figures ? 'billing.contract_ends_on'
   AND f.effective_at >= %(start)s::timestamptz AND f.effective_at < %(end)s::timestamptz
   AND f.figures->>'billing.renewal_on' > COALESCE(d.value, '')
   AND EXISTS (SELECT FROM lifecycle_figurechange x
                WHERE x.tenant_id = f.tenant_id AND x.customer_id = f.customer_id AND x.effective_at < f.effective_at)
   AND c.erased_at IS NULL AND (%(owner)s::text = '' OR c.owner_key = %(owner)s::text)
 ORDER BY f.effective_at DESC, f.id DESC LIMIT %(limit)s::int OFFSET %(offset)s::int
"""  # noqa: S608  constants


def list_renewed(
    month: Month, *, tenant: TenantRef, owner: str = "", limit: int = PER_PAGE, offset: int = 0
) -> list[dict[str, Any]]:
    """The contracts that were renewed in a month, the latest first. One statement; inside the tenant's context.

    A report renewed a contract when it gave the customer, who was known before, a later renewal date together with the
    end of the contract (``contract.renewed`` does, an import of both does): ``until`` and ``until_before``, None where
    no date was known, as after a cancellation. ``arr`` and ``arr_before`` are in ``currency``; ``arr_delta`` is None
    where either is not known. ``contract_id`` is the contract that the customer has now. ``owner``: the key of a user
    name, for theirs alone. ``customers`` is the number of them all. The month is that in which the contract was signed.
    """
    given = {
        "tenant_id": tenant.id,
        "start": dt.datetime.combine(month.first, dt.time(), dt.UTC),
        "end": dt.datetime.combine(month.plus(1).first, dt.time(), dt.UTC),
        "owner": owner,
        "limit": limit,
        "offset": offset,
    }
    rows = fetch_prepared_dicts(_RENEWED, given, using="default")
    return [{**row, "arr_delta": _subtract(row["arr"], row["arr_before"])} for row in rows]


def _subtract(after: Decimal | None, before: Decimal | None) -> Decimal | None:
    return None if after is None or before is None else after - before
