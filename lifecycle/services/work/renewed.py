"""What was renewed: the contracts that were signed for another term, with what they are worth now and were before."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from lifecycle.services.cache import copies
from lifecycle.services.work.renewals import PER_PAGE, Month
from storage.cursors import fetch_prepared_dicts
from tenants.actors import TenantRef

# So many of a month can be paged through.
MOST_PAGED: Final = 5000


def _before(field: str) -> str:
    """The value that held until the change ``f``, and since when; no row: none was known."""
    return f"""(
    SELECT x.figures->>'{field}' AS value, x.effective_at FROM lifecycle_figurechange x
     WHERE x.tenant_id = f.tenant_id AND x.customer_id = f.customer_id AND x.figures ? '{field}'
       AND (x.effective_at, x.id) < (f.effective_at, f.id)
     ORDER BY x.effective_at DESC, x.id DESC LIMIT 1
  )"""  # noqa: S608  names of fields


# Whose date was known before was known before: of the others it is asked. OFFSET 0: customers are looked up one by one,
# so that the order is that of the index.
_SIGNED: Final = f"""
  FROM lifecycle_figurechange f
  JOIN LATERAL (
    SELECT c.name, c.owner FROM lifecycle_customer c
     WHERE c.tenant_id = f.tenant_id AND c.id = f.customer_id AND c.erased_at IS NULL
       AND (%(owner)s::text = '' OR c.owner_key = %(owner)s::text)
    OFFSET 0
  ) c ON true
  LEFT JOIN LATERAL {_before("billing.renewal_on")} d ON true
 WHERE f.tenant_id = %(tenant_id)s::uuid AND f.figures ? 'billing.contract_ends_on'
   AND f.effective_at >= %(start)s::timestamptz AND f.effective_at < %(end)s::timestamptz
   AND f.figures->>'billing.renewal_on' > COALESCE(d.value, '')
   AND CASE WHEN d.effective_at < f.effective_at THEN true
            ELSE EXISTS (SELECT FROM lifecycle_figurechange x
                          WHERE x.tenant_id = f.tenant_id AND x.customer_id = f.customer_id
                            AND x.effective_at < f.effective_at) END
"""  # noqa: S608  constants
# Each is looked up: of more than can be paged through it is not known how many more.
COUNT: Final = f"SELECT count(*) AS customers FROM (SELECT {_SIGNED} LIMIT %(most)s::int) x"  # noqa: S608  constants
# Along the index until the page is full: what is shown of each is looked up for these alone.
RENEWED: Final = f"""
WITH f AS MATERIALIZED (
    SELECT f.*, c.name, c.owner, d.value AS until_before {_SIGNED}
     ORDER BY f.effective_at DESC, f.id DESC LIMIT %(limit)s::int OFFSET %(offset)s::int
)
SELECT f.id, f.customer_id, f.effective_at, f.source, f.name, f.owner, s.stage, b.contract_id, b.currency,
       (f.figures->>'billing.renewal_on')::date AS until, f.until_before::date,
       COALESCE(f.figures->>'billing.arr', a.value)::numeric AS arr, a.value::numeric AS arr_before
  FROM f
  JOIN customer_lifecycle_status s ON s.tenant_id = f.tenant_id AND s.customer_id = f.customer_id
  JOIN lifecycle_billingfigures b ON b.tenant_id = f.tenant_id AND b.customer_id = f.customer_id
  LEFT JOIN LATERAL {_before("billing.arr")} a ON true
 ORDER BY f.effective_at DESC, f.id DESC
"""  # noqa: S608  constants


def list_renewed(
    month: Month, *, tenant: TenantRef, owner: str = "", limit: int = PER_PAGE, offset: int = 0
) -> list[dict[str, Any]]:
    """The contracts that were renewed in a month, the latest first. One statement; inside the tenant's context.

    A report renewed a contract when it gave the customer, who was known before, a later renewal date together with the
    end of the contract (``contract.renewed`` does, an import of both does): ``until`` and ``until_before``, None where
    no date was known, as after a cancellation. ``arr`` and ``arr_before`` are in ``currency``; ``arr_delta`` is None
    where either is not known. ``contract_id`` is the contract that the customer has now. ``owner``: the key of a user
    name, for theirs alone. The month is that in which the contract was signed.
    """
    given = {**_given(month, tenant, owner), "limit": limit, "offset": offset}
    rows = fetch_prepared_dicts(RENEWED, given, using="default")
    return [{**row, "arr_delta": _subtract(row["arr"], row["arr_before"])} for row in rows]


def count_renewed(month: Month, *, tenant: TenantRef, owner: str = "") -> int:
    """How many ``list_renewed`` lists, page by page: MOST_PAGED + 1 where there are more, however many.

    Kept for 5 minutes, and never older than the last change of any customer; else one statement. Call inside the
    tenant's context.
    """
    reading = copies.read_totals(tenant.id, f"renewed:{month.first:%Y-%m}", owner)
    if reading.value is not None:
        return int(reading.value)
    (row,) = fetch_prepared_dicts(COUNT, {**_given(month, tenant, owner), "most": MOST_PAGED + 1}, using="default")
    reading.offer(str(row["customers"]).encode())
    return int(row["customers"])


def _given(month: Month, tenant: TenantRef, owner: str) -> Mapping[str, Any]:
    return {
        "tenant_id": tenant.id,
        "start": dt.datetime.combine(month.first, dt.time(), dt.UTC),
        "end": dt.datetime.combine(month.plus(1).first, dt.time(), dt.UTC),
        "owner": owner,
    }


def _subtract(after: Decimal | None, before: Decimal | None) -> Decimal | None:
    return None if after is None or before is None else after - before
