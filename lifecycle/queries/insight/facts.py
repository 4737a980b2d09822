"""The sums over stays, each said once: for the facts that are kept, and for those of chosen customers.

``day``, ``from_stage``, ``to_stage``, ``number`` and ``label`` of a fact, by its kind:

* ``flow``: a day's moves; number 1 if a publication made them; label: the currency.
* ``value``: a day's changes of revenue in a stage (both stages the same); number 1 for more, -1 for less; label as
  above.
* ``known``: the moves that became known here on a day.
* ``reason``: a day's moves by reason (label).
* ``cohort``: a month's moves of the customers whose first month is number (year x 12 + month).
* ``stay``: the stays that began in a month and are over: number of days, to_stage '' where a publication ended them.
* ``reach``: the customers who came to from_stage for the first time in a month; those of them who have come to to_stage
  later, to_stage '' for all.

Days and months are those of UTC. Everything here is constant text; values are parameters.
"""

from typing import Final

COLUMNS: Final = "kind, day, from_stage, to_stage, number, label, customers, arr"
_DAY: Final = "(p.began AT TIME ZONE 'UTC')::date"
_MONTH: Final = "date_trunc('month', p.began AT TIME ZONE 'UTC')::date"
_COHORT: Final = "(extract(year FROM p.cohort) * 12 + extract(month FROM p.cohort))::int"
_CHANGED: Final = "(p.arr, p.currency) IS DISTINCT FROM (p.was_arr, p.was_currency)"

# ``{stays}`` is FROM and WHERE of the pieces p.
_SUMS: Final = {
    "flow": f"""
SELECT 'flow' AS kind, {_DAY} AS day, p.from_stage, p.stage AS to_stage, p.by_configuration::int AS number,
       p.was_currency AS label, count(*) AS customers, sum(p.was_arr) AS arr
  {{stays}} AND p.piece = 0 GROUP BY 2, 3, 4, 5, 6""",
    "value": f"""
SELECT 'value' AS kind, {_DAY} AS day, p.stage AS from_stage, p.stage AS to_stage,
       CASE WHEN v.arr < 0 THEN -1 ELSE 1 END AS number, v.currency AS label, 0::bigint AS customers, sum(v.arr) AS arr
  {{stays}} AND {_CHANGED} AND v.arr <> 0 GROUP BY 2, 3, 4, 5, 6""",
    "known": """
SELECT 'known' AS kind, (p.known AT TIME ZONE 'UTC')::date AS day, p.from_stage, p.stage AS to_stage, 0 AS number,
       '' AS label, count(*) AS customers, 0::numeric AS arr
  {stays} AND p.piece = 0 GROUP BY 2, 3, 4""",
    "reason": f"""
SELECT 'reason' AS kind, {_DAY} AS day, p.from_stage, p.stage AS to_stage, 0 AS number, p.reason_code AS label,
       count(*) AS customers, sum(p.was_arr) AS arr
  {{stays}} AND p.piece = 0 GROUP BY 2, 3, 4, 6""",
    "cohort": f"""
SELECT 'cohort' AS kind, {_MONTH} AS day, p.from_stage, p.stage AS to_stage, {_COHORT} AS number, '' AS label,
       count(*) AS customers, 0::numeric AS arr
  {{stays}} AND p.piece = 0 GROUP BY 2, 3, 4, 5""",
    "stay": f"""
SELECT 'stay' AS kind, {_MONTH} AS day, p.stage AS from_stage,
       CASE WHEN p.left_by_configuration THEN '' ELSE p.to_stage END AS to_stage,
       floor(extract(epoch FROM p.left_at - p.entered) / 86400)::int AS number, '' AS label, count(*) AS customers,
       0::numeric AS arr
  {{stays}} AND p.piece = 0 AND p.to_stage <> '' GROUP BY 2, 3, 4, 5""",
    "reach": f"""
SELECT 'reach' AS kind, m.day, m.from_stage, t.to_stage, 0 AS number, '' AS label, count(*) AS customers,
       0::numeric AS arr
  FROM (SELECT p.customer_id, p.stage AS from_stage, min(p.sequence) AS first, min({_MONTH}) AS day
          {{stays}} AND p.piece = 0 GROUP BY 1, 2) m
  JOIN (SELECT p.customer_id, p.stage AS to_stage, max(p.sequence) AS last
          {{stays}} AND p.piece = 0 GROUP BY 1, 2
        UNION ALL
        SELECT p.customer_id, '', {2**31 - 1} {{stays}} AND p.piece = 0 AND p.sequence = 1) t
    ON t.customer_id = m.customer_id AND t.last > m.first
 GROUP BY 2, 3, 4""",
}
KINDS: Final = tuple(_SUMS)
_GAIN_AND_LOSS: Final = """
CROSS JOIN LATERAL (SELECT p.currency, p.arr - CASE WHEN p.currency = p.was_currency THEN p.was_arr ELSE 0 END AS arr
                    UNION ALL
                    SELECT p.was_currency, -p.was_arr WHERE p.currency <> p.was_currency) v"""

_OF_TENANT: Final = "p.tenant_id = %(tenant_id)s::uuid"
OF_CUSTOMERS: Final = (
    f"FROM lifecycle_stay p {{more}} WHERE {_OF_TENANT} AND p.customer_id = ANY(%(customer_ids)s::uuid[])"
)
OF_EVERYBODY: Final = f"FROM lifecycle_stay p {{more}} WHERE {_OF_TENANT}"
# Those who have this owner, and this segment, today.
CHOSEN: Final = """
 (%(owner)s::text = '' OR c.owner_key = %(owner)s::text)
 AND (%(segment)s::text = '' OR lower(c.segment) = lower(%(segment)s::text))"""
OF_CHOSEN: Final = f"""
FROM lifecycle_customer c JOIN lifecycle_stay p ON p.tenant_id = c.tenant_id AND p.customer_id = c.id {{more}}
WHERE {_OF_TENANT} AND c.tenant_id = %(tenant_id)s::uuid AND {CHOSEN}"""


def sum_stays(kind: str, stays: str) -> str:
    """The facts of one kind of the pieces that ``stays`` says: one of the texts above."""
    more = _GAIN_AND_LOSS if kind == "value" else ""
    return _SUMS[kind].replace("{stays}", stays.replace("{more}", more))


def sum_all(stays: str) -> str:
    """The facts of every kind."""
    return "\nUNION ALL\n".join(f"(SELECT {COLUMNS} FROM ({sum_stays(kind, stays)}) f)" for kind in KINDS)


def facts(kind: str, *, is_filtered: bool) -> str:
    """A table of the facts of one kind, as ``f``: those that are kept, or those of the chosen customers."""
    if is_filtered:
        return f"({sum_stays(kind, OF_CHOSEN)}) f"
    return f"(SELECT * FROM lifecycle_insight_fact WHERE tenant_id = %(tenant_id)s::uuid AND kind = '{kind}') f"
