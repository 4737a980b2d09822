"""What is known of some customers as of a moment: who brought them to their stage, and the figures that held."""

from typing import Final

from lifecycle.queries.facts import select
from lifecycle.queries.insight.facts import CHOSEN
from lifecycle.queries.insight.reading import CUSTOMER, HERE, OF_TENANT
from lifecycle.queries.list_columns import LISTED
from lifecycle.rules.fields import COMPANY

_COMPANY: Final = "".join(f", {select(field)}" for field in LISTED if field.part == COMPANY)

# The rows of the history by which the customers came to where they were, and what the company is called today.
ARRIVALS: Final = f"""
SELECT h.customer_id, c.external_id, h.to_stage AS stage, h.changed_at AS updated_at, h.changed_by AS updated_by,
       h.actor_kind, h.source, h.reason_code, h.sequence AS version{_COMPANY}
  FROM unnest(%(ids)s::uuid[], %(sequences)s::int[]) AS w(customer_id, sequence)
  JOIN customer_lifecycle_history h
    ON h.tenant_id = %(tenant_id)s::uuid AND h.customer_id = w.customer_id AND h.sequence = w.sequence
  JOIN lifecycle_customer c ON c.tenant_id = h.tenant_id AND c.id = h.customer_id
"""

# The latest report of each figure until then: of those that had been heard of by then, if only they count.
FIGURES: Final = """
SELECT DISTINCT ON (g.customer_id, k.key) g.customer_id, k.key, k.value::text
  FROM lifecycle_figurechange g CROSS JOIN LATERAL jsonb_each(g.figures) k
 WHERE g.tenant_id = %(tenant_id)s::uuid AND g.customer_id = ANY(%(ids)s::uuid[])
   AND g.effective_at < %(moment)s::timestamptz
   AND (NOT %(as_known)s::boolean OR g.recorded_at < %(moment)s::timestamptz)
   AND k.key = ANY(%(paths)s::text[])
 ORDER BY g.customer_id, k.key, g.effective_at DESC, g.id DESC
"""

# The board: all of each stage, and of each stage those who came to it last.
BOARD_COLUMNS: Final = {
    known: f"""
SELECT p.stage, p.currency, count(*) AS customers, sum(p.arr) AS arr FROM lifecycle_stay p {CUSTOMER}
 WHERE {OF_TENANT} AND {here} AND {CHOSEN} GROUP BY 1, 2"""
    for known, here in HERE.items()
}
BOARD_CARDS: Final = {
    known: f"""
SELECT x.*
  FROM unnest(%(columns)s::text[]) AS k(stage)
 CROSS JOIN LATERAL (
    SELECT p.customer_id, p.stage, p.entered, p.reason_code, p.arr, p.currency, c.name, c.owner
      FROM lifecycle_stay p {CUSTOMER}
     WHERE {OF_TENANT} AND p.stage = k.stage AND {here} AND {CHOSEN}
     ORDER BY p.entered DESC, p.customer_id LIMIT %(cards)s::int
 ) x
 ORDER BY x.entered DESC, x.customer_id"""
    for known, here in HERE.items()
}
# The tenant at a glance. Money is that of all pieces: those of one moment.
TOTALS: Final = {
    known: f"""
SELECT p.stage, p.currency, count(*), NULLIF(sum(p.arr), 0),
       count(*) FILTER (WHERE p.entered < %(moment)s::timestamptz - make_interval(days => w.max_days))
  FROM lifecycle_stay p
  LEFT JOIN unnest(%(stages)s::text[], %(max_days)s::int[]) AS w(stage, max_days) ON w.stage = p.stage
 WHERE {OF_TENANT} AND {here}
 GROUP BY 1, 2"""
    for known, here in HERE.items()
}
