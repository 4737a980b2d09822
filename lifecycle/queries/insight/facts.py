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

from dataclasses import dataclass
from typing import Final

COLUMNS: Final = "kind, day, from_stage, to_stage, number, label, customers, arr"
_DAY: Final = "(p.began AT TIME ZONE 'UTC')::date"
_MONTH: Final = "date_trunc('month', p.began AT TIME ZONE 'UTC')::date"
_COHORT: Final = "(extract(year FROM p.cohort) * 12 + extract(month FROM p.cohort))::int"
_CHANGED: Final = "(p.arr, p.currency) IS DISTINCT FROM (p.was_arr, p.was_currency)"

# ``{stays}`` is FROM and WHERE of the pieces p; ``{whose}`` what the sums are parted by, '' for nothing.
_SUMS: Final = {
    "flow": f"""
SELECT {{whose}} AS whose, 'flow' AS kind, {_DAY} AS day, p.from_stage, p.stage AS to_stage,
       p.by_configuration::int AS number, p.was_currency AS label, count(*) AS customers, sum(p.was_arr) AS arr
  {{stays}} AND p.piece = 0 GROUP BY 1, 3, 4, 5, 6, 7""",
    "value": f"""
SELECT {{whose}} AS whose, 'value' AS kind, {_DAY} AS day, p.stage AS from_stage, p.stage AS to_stage,
       CASE WHEN v.arr < 0 THEN -1 ELSE 1 END AS number, v.currency AS label, 0::bigint AS customers, sum(v.arr) AS arr
  {{stays}} AND {_CHANGED} AND v.arr <> 0 GROUP BY 1, 3, 4, 5, 6, 7""",
    "known": """
SELECT {whose} AS whose, 'known' AS kind, (p.known AT TIME ZONE 'UTC')::date AS day, p.from_stage,
       p.stage AS to_stage, 0 AS number, '' AS label, count(*) AS customers, 0::numeric AS arr
  {stays} AND p.piece = 0 GROUP BY 1, 3, 4, 5""",
    "reason": f"""
SELECT {{whose}} AS whose, 'reason' AS kind, {_DAY} AS day, p.from_stage, p.stage AS to_stage, 0 AS number,
       p.reason_code AS label, count(*) AS customers, sum(p.was_arr) AS arr
  {{stays}} AND p.piece = 0 GROUP BY 1, 3, 4, 5, 7""",
    "cohort": f"""
SELECT {{whose}} AS whose, 'cohort' AS kind, {_MONTH} AS day, p.from_stage, p.stage AS to_stage, {_COHORT} AS number,
       '' AS label, count(*) AS customers, 0::numeric AS arr
  {{stays}} AND p.piece = 0 GROUP BY 1, 3, 4, 5, 6""",
    "stay": f"""
SELECT {{whose}} AS whose, 'stay' AS kind, {_MONTH} AS day, p.stage AS from_stage,
       CASE WHEN p.left_by_configuration THEN '' ELSE p.to_stage END AS to_stage,
       floor(extract(epoch FROM p.left_at - p.entered) / 86400)::int AS number, '' AS label, count(*) AS customers,
       0::numeric AS arr
  {{stays}} AND p.piece = 0 AND p.to_stage <> '' GROUP BY 1, 3, 4, 5, 6""",
    "reach": f"""
SELECT m.whose, 'reach' AS kind, m.day, m.from_stage, t.to_stage, 0 AS number, '' AS label, count(*) AS customers,
       0::numeric AS arr
  FROM (SELECT {{whose}} AS whose, p.customer_id, p.stage AS from_stage, min(p.sequence) AS first,
               min({_MONTH}) AS day
          {{stays}} AND p.piece = 0 GROUP BY 1, 2, 3) m
  JOIN (SELECT p.customer_id, p.stage AS to_stage, max(p.sequence) AS last
          {{stays}} AND p.piece = 0 GROUP BY 1, 2
        UNION ALL
        SELECT p.customer_id, '', {2**31 - 1} {{stays}} AND p.piece = 0 AND p.sequence = 1) t
    ON t.customer_id = m.customer_id AND t.last > m.first
 GROUP BY 1, 3, 4, 5""",
}
KINDS: Final = tuple(_SUMS)
_GAIN_AND_LOSS: Final = """
CROSS JOIN LATERAL (SELECT p.currency, p.arr - CASE WHEN p.currency = p.was_currency THEN p.was_arr ELSE 0 END AS arr
                    UNION ALL
                    SELECT p.was_currency, -p.was_arr WHERE p.currency <> p.was_currency) v"""

_OF_TENANT: Final = "p.tenant_id = %(tenant_id)s::uuid"


@dataclass(frozen=True, slots=True)
class Stays:
    """Whose stays are added up, FROM and WHERE, and what the sums are parted by."""

    text: str
    whose: str = "''"


# Of some customers, each with the number of those with whom it is counted: read once, customer by customer along the
# key, whatever the planner knows of the table. As the facts are first made it knows nothing.
PIECES: Final = f"""
WITH pieces AS MATERIALIZED (
    SELECT w.counted_with, p.*
      FROM unnest(%(customer_ids)s::uuid[], %(counted_with)s::int[]) AS w(customer_id, counted_with)
     CROSS JOIN LATERAL (
           SELECT * FROM lifecycle_stay p WHERE {_OF_TENANT} AND p.customer_id = w.customer_id
            ORDER BY p.customer_id, p.sequence, p.piece) p)"""
OF_CUSTOMERS: Final = Stays("FROM pieces p {more} WHERE true", "p.counted_with")
OF_EVERYBODY: Final = Stays(f"FROM lifecycle_stay p {{more}} WHERE {_OF_TENANT}")


def _counted_by(column: str) -> Stays:
    return Stays(
        f"""
FROM lifecycle_insight_state w
JOIN lifecycle_stay p ON p.tenant_id = w.tenant_id AND p.customer_id = w.customer_id {{more}}
WHERE {_OF_TENANT} AND w.tenant_id = %(tenant_id)s::uuid AND w.{column} IS NOT NULL""",
        f"w.{column}",
    )


# Of the customers that are counted in the sums of a segment, by segment; of an owner, by owner; of some owners alone.
OF_SEGMENTS: Final = _counted_by("segment")
OF_OWNERS: Final = _counted_by("owner")
OF_SOME_OWNERS: Final = Stays(f"{OF_OWNERS.text} AND w.owner = ANY(%(owners)s::text[])", OF_OWNERS.whose)
# Those who have this owner today, and are counted in the sums of this segment: so lists have as many as figures say
# while a change of segment is not counted yet.
CHOSEN: Final = """
 (%(owner)s::text = '' OR c.owner_key = %(owner)s::text)
 AND (%(segment)s::text = '' OR EXISTS (
        SELECT FROM lifecycle_insight_state w
         WHERE w.tenant_id = %(tenant_id)s::uuid AND w.customer_id = c.id AND w.segment = lower(%(segment)s::text)))"""
OF_CHOSEN: Final = Stays(f"""
FROM lifecycle_customer c JOIN lifecycle_stay p ON p.tenant_id = c.tenant_id AND p.customer_id = c.id {{more}}
WHERE {_OF_TENANT} AND c.tenant_id = %(tenant_id)s::uuid AND {CHOSEN}""")

# Of whom figures are: of everybody, of the customers of one segment, of an owner who has sums, or of others that are
# chosen.
EVERYBODY, SEGMENT, OWNER, OTHERS = "everybody", "segment", "owner", "others"
_OF_SEGMENT: Final = "segment = lower(%(segment)s::text)"
_OF_OWNER: Final = "owner = %(owner)s::text"
# The sums of those who have some, as FROM and WHERE.
SUMS_OF: Final = {
    EVERYBODY: "lifecycle_insight_fact WHERE tenant_id = %(tenant_id)s::uuid",
    SEGMENT: f"lifecycle_segment_fact WHERE tenant_id = %(tenant_id)s::uuid AND {_OF_SEGMENT}",
    OWNER: f"lifecycle_owner_fact WHERE tenant_id = %(tenant_id)s::uuid AND {_OF_OWNER}",
}
# The customers whose pieces ``p`` are counted in these sums, or who are chosen: joined, as conditions that ask for
# either would be looked up for each piece.
_CUSTOMER: Final = "JOIN lifecycle_customer c ON c.tenant_id = %(tenant_id)s::uuid AND c.id = p.customer_id"
_COUNTED: Final = (
    "JOIN lifecycle_insight_state w ON w.tenant_id = %(tenant_id)s::uuid AND w.customer_id = p.customer_id"
)
JOINED: Final = {
    EVERYBODY: "",
    SEGMENT: f"{_COUNTED} AND w.{_OF_SEGMENT}",
    OWNER: f"{_COUNTED} AND w.{_OF_OWNER}",
    OTHERS: f"{_CUSTOMER} AND {CHOSEN}",
}
# The same of customers ``c``, as a condition.
CHOSEN_OF: Final = {
    **dict.fromkeys((EVERYBODY, SEGMENT, OTHERS), CHOSEN),
    OWNER: f"""EXISTS (
        SELECT FROM lifecycle_insight_state w
         WHERE w.tenant_id = %(tenant_id)s::uuid AND w.customer_id = c.id AND w.{_OF_OWNER})""",
}


def whose(owner: str, segment: str, *, has_sums: bool) -> str:
    """Which of these; ``has_sums``: whether the owner has."""
    if owner:
        return OWNER if has_sums and not segment else OTHERS
    return SEGMENT if segment else EVERYBODY


def sum_stays(kind: str, stays: Stays) -> str:
    """The facts of one kind of these stays."""
    more = _GAIN_AND_LOSS if kind == "value" else ""
    return _SUMS[kind].replace("{stays}", stays.text.replace("{more}", more)).replace("{whose}", stays.whose)


def sum_all(stays: Stays) -> str:
    """The facts of every kind."""
    columns = f"whose, {COLUMNS}"
    return "\nUNION ALL\n".join(f"(SELECT {columns} FROM ({sum_stays(kind, stays)}) f)" for kind in KINDS)


def facts(kind: str, *, of: str) -> str:
    """A table of the facts of one kind, as ``f``: those that are kept, or those of the chosen customers."""
    if of == OTHERS:
        return f"({sum_stays(kind, OF_CHOSEN)}) f"
    return f"(SELECT * FROM {SUMS_OF[of]} AND kind = '{kind}') f"
