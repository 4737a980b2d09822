"""What is known of some customers as of a moment: who brought them to their stage, and the figures that held."""

from typing import Final

from lifecycle.queries.facts import select
from lifecycle.queries.insight.facts import CHOSEN, CHOSEN_OF, OTHERS, SUMS_OF
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
   AND g.effective_at < %(timestamp)s::timestamptz
   AND (NOT %(as_known)s::boolean OR g.recorded_at < %(timestamp)s::timestamptz)
   AND k.key = ANY(%(paths)s::text[])
 ORDER BY g.customer_id, k.key, g.effective_at DESC, g.id DESC
"""

# How many were in each stage, and with what value, by the sums up to a day (``lifecycle.queries.insight.facts``): as
# it was, or as it was known here by then. Rows of stage and currency, whose customers add up to those of the stage.
_COUNTED: Final = {
    "effective": "('flow', 'value')",
    "recorded": "('known')",
}


def _count_stages(known: str, whose: str) -> str:
    return f"""
SELECT x.stage, x.currency, sum(x.customers)::bigint AS customers, sum(x.arr) AS arr
  FROM (SELECT kind, from_stage, to_stage, label, sum(customers) AS customers, sum(arr) AS arr
          FROM {whose} AND kind IN {_COUNTED[known]}
           AND day < (%(timestamp)s::timestamptz AT TIME ZONE 'UTC')::date
         GROUP BY 1, 2, 3, 4) f
 CROSS JOIN LATERAL (
       SELECT f.to_stage AS stage, f.label AS currency, f.customers, f.arr
        UNION ALL
       SELECT f.from_stage, f.label, -f.customers, -f.arr WHERE f.kind <> 'value' AND f.from_stage <> ''
 ) x
 GROUP BY 1, 2 HAVING sum(x.customers) <> 0 OR sum(x.arr) <> 0"""


_OF_CHOSEN: Final = {
    known: f"""
SELECT p.stage, p.currency, count(*) AS customers, sum(p.arr) AS arr
  FROM lifecycle_customer c JOIN lifecycle_stay p ON p.tenant_id = c.tenant_id AND p.customer_id = c.id
 WHERE {OF_TENANT} AND c.tenant_id = %(tenant_id)s::uuid AND {here} AND {CHOSEN} GROUP BY 1, 2"""
    for known, here in HERE.items()
}
# Whose, and how it was known -> the statement; of customers without sums from their stays.
STAGE_COUNTS: Final = {
    **{(of, known): _count_stages(known, text) for of, text in SUMS_OF.items() for known in _COUNTED},
    **{(OTHERS, known): text for known, text in _OF_CHOSEN.items()},
}
# Of each stage those who came to it last, as many as are asked for (``columns`` and ``cards``): read from the last one
# backwards until there are enough of them. By whose they are and how it was known.
_STAYED: Final = {
    "effective": "p.left_at >= %(timestamp)s::timestamptz",
    "recorded": "p.known < %(timestamp)s::timestamptz AND p.known_until >= %(timestamp)s::timestamptz",
}
LATEST: Final = {
    (of, known): f"""
SELECT x.*, w.arr, w.currency
  FROM unnest(%(columns)s::text[], %(cards)s::int[]) AS k(stage, cards)
 CROSS JOIN LATERAL (
    SELECT p.customer_id, p.sequence, p.stage, p.began AS entered, p.reason_code, c.name, c.owner
      FROM lifecycle_stay p {CUSTOMER}
     WHERE {OF_TENANT} AND p.stage = k.stage AND p.piece = 0 AND p.began < %(timestamp)s::timestamptz AND {stayed}
       AND {chosen}
     ORDER BY p.began DESC, p.customer_id LIMIT k.cards
 ) x
 CROSS JOIN LATERAL (
    SELECT w.arr, w.currency FROM lifecycle_stay w
     WHERE w.tenant_id = %(tenant_id)s::uuid AND w.customer_id = x.customer_id AND w.sequence = x.sequence
       AND w.began < %(timestamp)s::timestamptz
     ORDER BY w.piece DESC LIMIT 1
 ) w
 ORDER BY x.entered DESC, x.customer_id"""
    for known, stayed in _STAYED.items()
    for of, chosen in CHOSEN_OF.items()
}
# The tenant at a glance. Money is that of all pieces: those of one moment.
TOTALS: Final = {
    known: f"""
SELECT p.stage, p.currency, count(*), NULLIF(sum(p.arr), 0),
       count(*) FILTER (WHERE p.entered <= %(timestamp)s::timestamptz - make_interval(days => w.max_days + 1))
  FROM lifecycle_stay p
  LEFT JOIN unnest(%(stages)s::text[], %(max_days)s::int[]) AS w(stage, max_days) ON w.stage = p.stage
 WHERE {OF_TENANT} AND {here}
 GROUP BY 1, 2"""
    for known, here in HERE.items()
}
