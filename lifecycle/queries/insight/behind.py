"""The statements of the lists of customers, or moves, that figures open: ``p`` are pieces of stays, ``c`` customers.

Most lists are a walk: along an index, from the longest ago on, until the page is full; how many there are in all is
counted from an index, too. The others are found as a whole, once for both.
"""

from typing import Final

from lifecycle.queries.insight import at_risk, revenue, saving
from lifecycle.queries.insight.facts import EVERYBODY, JOINED
from lifecycle.queries.insight.reading import CUSTOMER, OF_TENANT

_IN_MONTHS: Final = "{0} >= %(first_timestamp)s::timestamptz AND {0} < %(last_timestamp)s::timestamptz"
# What is asked of pieces, beside their stages.
_WALKED: Final = {
    # Who stood in stages at the end of a day.
    "standing": "p.began < %(timestamp)s::timestamptz AND p.ended >= %(timestamp)s::timestamptz",
    # Moves of a period into stages: from some, '' for those who came in, or any; with a reason, if one is asked for.
    "moves": """
 p.piece = 0 AND (%(from_stages)s::text[] IS NULL OR p.from_stage = ANY(%(from_stages)s::text[]))
 AND p.began >= %(begin_timestamp)s::timestamptz AND p.began < %(end_timestamp)s::timestamptz
 AND (%(reason)s::text IS NULL OR p.reason_code = %(reason)s::text)""",
    # Stays that ended in a period, with a move to some stages or any.
    "left": """
 p.piece = 0 AND p.began < %(end_timestamp)s::timestamptz
 AND p.left_at >= %(begin_timestamp)s::timestamptz AND p.left_at < %(end_timestamp)s::timestamptz""",
    # Stays that began in the months: all, those that go on, or those that ended one way ('-': by a publication).
    "stays": f"""
 p.piece = 0 AND {_IN_MONTHS.format("p.began")}
 AND CASE %(way)s::text WHEN '*' THEN true WHEN '' THEN p.to_stage = '' WHEN '-' THEN p.left_by_configuration
          ELSE p.to_stage = %(way)s::text AND NOT p.left_by_configuration END""",
    # Moves and changes by which the period gained or lost revenue.
    "revenue": revenue.BEHIND,
}
_OF_STAYS: Final = "SELECT p.customer_id, p.sequence, p.piece, p.began FROM"
_OF_COHORT: Final = "tenant_id = %(tenant_id)s::uuid AND {0}.cohort = %(cohort)s::date AND {0}.sequence = 1"
_FOUND: Final = {
    # The first stay in a stage of those who first came to it in the months; of them who have come to another later.
    "reached": f"""
{_OF_STAYS} (
    SELECT o.* FROM (SELECT DISTINCT unnest(%(stages)s::text[]) AS stage) k
     CROSS JOIN LATERAL (
           SELECT DISTINCT ON (p.customer_id) p.customer_id, p.sequence, 0 AS piece, p.began FROM lifecycle_stay p
            WHERE {OF_TENANT} AND p.stage = k.stage AND p.piece = 0 ORDER BY p.customer_id, p.sequence) o
    ) p {{customer}}
 WHERE {_IN_MONTHS.format("p.began")}
   AND (%(way)s::text = '' OR EXISTS (
          SELECT FROM lifecycle_stay o WHERE o.tenant_id = %(tenant_id)s::uuid AND o.customer_id = p.customer_id
             AND o.stage = %(way)s::text AND o.sequence > p.sequence AND o.piece = 0))""",
    # The customers who came in a month.
    "came": f"""
{_OF_STAYS} lifecycle_stay p {{customer}} WHERE p.{_OF_COHORT.format("p")} AND p.piece = 0""",
    # Where the customers who came in a month stood at a later moment, but for some stages.
    "cohort": f"""
{_OF_STAYS} lifecycle_stay p {{customer}}
 WHERE {OF_TENANT}
   AND p.customer_id IN (SELECT o.customer_id FROM lifecycle_stay o
                          WHERE o.{_OF_COHORT.format("o")} AND o.piece = 0)
   AND p.began < %(timestamp)s::timestamptz AND p.ended >= %(timestamp)s::timestamptz AND p.began < p.ended
   AND NOT p.stage = ANY(%(stages)s::text[])""",
    # Who came to be at risk, by how it ended, and by what was done until then.
    "at_risk": at_risk.BEHIND,
}
# Who came to be at risk, by what was done, and who of them recovered.
_SAVED: Final = "saved"
BEHIND: Final = (*_WALKED, *_FOUND, _SAVED)
_ORDER: Final = "ORDER BY p.began, p.customer_id, p.sequence, p.piece"
_PAGE: Final = "LIMIT %(limit)s::int OFFSET %(offset)s::int"


def is_walked(figure: str) -> bool:
    """Whether the list is counted by a statement of its own (``count_behind``)."""
    return figure in _WALKED


def behind(figure: str, *, of: str) -> str:
    """A page of the customers, or moves, behind a figure: the longest ago first; ``change`` is what each adds to one of
    revenue. The first column is how many there are in all, where ``is_walked`` does not say otherwise; a page of
    nothing is one row without a customer then.
    """
    walked = is_walked(figure)
    page = _walk(figure, of=of) if walked else f"SELECT * FROM found p {_ORDER} {_PAGE}"
    found = "" if walked else f"found AS MATERIALIZED ({_find(figure, of=of)}\n), "
    count = "NULL::bigint" if walked else "(SELECT count(*) FROM found)"
    change = revenue.CHANGE if figure == "revenue" else "NULL::numeric"
    return f"""
WITH {found}page AS MATERIALIZED ({page}
)
SELECT n.count, p.customer_id, c.name, c.external_id, c.owner, c.segment, p.from_stage, p.stage, p.to_stage, p.entered,
       NULLIF(p.left_at, '9999-01-01 00:00:00+00'::timestamptz) AS left_at, p.reason_code, p.left_reason, p.arr,
       p.currency, {change} AS change
  FROM (SELECT {count} AS count) n
  LEFT JOIN (page f
             JOIN lifecycle_stay p ON {OF_TENANT} AND p.customer_id = f.customer_id AND p.sequence = f.sequence
              AND p.piece = f.piece
             {CUSTOMER}) ON true
 {_ORDER}"""


def _find(figure: str, *, of: str) -> str:
    if figure == _SAVED:
        return saving.behind(is_filtered=of != EVERYBODY)
    return _fill(_FOUND[figure], of=of)


def _walk(figure: str, *, of: str) -> str:
    """Each stage by itself, in the order of an index: as many of each as fill the page."""
    # Where it is no column of the index it is known all the same.
    piece, last = ("p.piece", ", p.piece") if figure in ("standing", "revenue") else ("0", "")
    text = f"""
    SELECT p.* FROM (SELECT DISTINCT unnest(%(stages)s::text[]) AS stage) k
     CROSS JOIN LATERAL (
           SELECT p.customer_id, p.sequence, {piece} AS piece, p.began FROM lifecycle_stay p {{customer}}
            WHERE {OF_TENANT} AND p.stage = k.stage AND {_WALKED[figure]}
            ORDER BY p.began, p.customer_id, p.sequence{last} LIMIT %(limit)s::int + %(offset)s::int) p
     {_ORDER} {_PAGE}"""
    return _fill(text, of=of)


def count_behind(figure: str, *, of: str) -> str:
    """How many rows a list has in all that is walked."""
    text = f"""
SELECT count(*) FROM lifecycle_stay p {{customer}}
 WHERE {OF_TENANT} AND p.stage = ANY(%(stages)s::text[]) AND {_WALKED[figure]}"""
    return _fill(text, of=of)


def _fill(text: str, *, of: str) -> str:
    return text.replace("{customer}", JOINED[of])
