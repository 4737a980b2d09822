"""What a forecast reads of many customers at once, and where forecasts are kept. Moments are days since 1970."""

from typing import Final

from lifecycle.rules.forecast.landmarks import PATHS
from storage.cursors import insert_rows

_OF_CUSTOMERS: Final = "tenant_id = %(tenant_id)s::uuid AND {}.customer_id = ANY(%(customer_ids)s::uuid[])"


def _days(timestamp: str) -> str:
    return f"(extract(epoch FROM {timestamp}) / 86400)::float8"


FIRST: Final = f"SELECT {_days('min(p.entered)')} FROM lifecycle_stay p WHERE p.tenant_id = %(tenant_id)s::uuid"
COUNT: Final = "SELECT count(*) FROM customer_lifecycle_status WHERE tenant_id = %(tenant_id)s::uuid"
CUSTOMERS: Final = """
SELECT customer_id FROM customer_lifecycle_status
 WHERE tenant_id = %(tenant_id)s::uuid AND customer_id > %(after)s::uuid ORDER BY customer_id LIMIT %(batch)s::int"""
STAYS: Final = f"""
SELECT p.customer_id, {_days("p.entered")}, p.stage, p.by_configuration FROM lifecycle_stay p
 WHERE p.{_OF_CUSTOMERS.format("p")} AND p.piece = 0 ORDER BY p.customer_id, p.sequence"""
# Figures are known from when they were recorded; those that were loaded with the customer, from when they held.
REPORTS: Final = f"""
SELECT f.customer_id, {_days("k.known")} AS known, {_days("f.effective_at")}, f.figures::text
  FROM lifecycle_figurechange f
  JOIN lifecycle_customer c ON c.tenant_id = f.tenant_id AND c.id = f.customer_id
 CROSS JOIN LATERAL (SELECT CASE WHEN f.recorded_at <= c.created_at + interval '1 day' THEN f.effective_at
                                 ELSE greatest(f.effective_at, f.recorded_at) END AS known) k
 WHERE f.{_OF_CUSTOMERS.format("f")} AND f.figures ?| '{{{",".join(PATHS)}}}'
 ORDER BY f.customer_id, k.known, f.effective_at, f.id"""
COLUMNS: Final = ("tenant_id", "customer_id", "made_at", "sequence", "chance", "low", "high", "typical", "points")
# What was made later stays.
KEEP: Final = f"""{insert_rows("lifecycle_forecast", COLUMNS)}
ON CONFLICT (tenant_id, customer_id) DO UPDATE
   SET {", ".join(f"{name} = EXCLUDED.{name}" for name in COLUMNS[2:])}
 WHERE lifecycle_forecast.made_at <= EXCLUDED.made_at"""
_LIKELY: Final = """
  FROM lifecycle_forecast f
  JOIN lifecycle_customer c ON c.tenant_id = f.tenant_id AND c.id = f.customer_id
  JOIN customer_lifecycle_status s ON s.tenant_id = f.tenant_id AND s.customer_id = f.customer_id
 WHERE f.tenant_id = %(tenant_id)s::uuid AND NOT s.stage = ANY(%(lost)s::text[])
   AND (%(owner)s::text = '' OR c.owner_key = %(owner)s::text)
   AND (%(segment)s::text = '' OR lower(c.segment) = lower(%(segment)s::text))
   AND (%(begin)s::timestamptz IS NULL OR f.made_at >= %(begin)s::timestamptz)
   AND (%(end)s::timestamptz IS NULL OR f.made_at < %(end)s::timestamptz)"""
# Whom to call first.
HIGHEST: Final = f"""
SELECT f.customer_id, c.name, c.external_id, c.owner, s.stage, f.chance, f.low, f.high{_LIKELY}
 ORDER BY f.chance DESC, f.customer_id LIMIT %(limit)s::int OFFSET %(offset)s::int"""
LIKELY_COUNT: Final = f"SELECT count(*), sum(f.chance){_LIKELY}"
