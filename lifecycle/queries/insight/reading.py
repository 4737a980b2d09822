"""The statements behind the figures (``behind``: the lists of customers that each of them opens).

Aliases: ``f`` facts, ``p`` pieces of stays, ``c`` customers.
"""

from typing import Final

from lifecycle.queries.insight.facts import CHOSEN, CHOSEN_OF, JOINED, OTHERS, facts

OF_TENANT: Final = "p.tenant_id = %(tenant_id)s::uuid"
CUSTOMER: Final = "JOIN lifecycle_customer c ON c.tenant_id = p.tenant_id AND c.id = p.customer_id"
_IN_MONTHS: Final = "f.day BETWEEN %(first_month)s::date AND %(last_month)s::date"
_IN_DAYS: Final = "f.day BETWEEN %(begin)s::date AND %(end)s::date"


_MOVES_OF_CHOSEN: Final = f"""
  FROM lifecycle_customer c JOIN lifecycle_stay p ON p.tenant_id = c.tenant_id AND p.customer_id = c.id
 WHERE {OF_TENANT} AND c.tenant_id = %(tenant_id)s::uuid AND {CHOSEN} AND p.piece = 0"""
# Of large segments the stays are read once, and added up by parts of the period before a piece is looked at as a move
# and as a change of revenue: by days, as facts are, would be many times as many groups.
_FLOWS_OF_CHOSEN: Final = f"""
SELECT s.part, x.from_stage, s.stage, x.label, sum(x.customers)::bigint, sum(x.arr)
  FROM (SELECT width_bucket(p.began, %(threshold_timestamps)s::timestamptz[]) AS part, p.from_stage, p.stage,
               p.piece = 0 AS is_move, p.currency, p.was_currency, count(*) AS customers,
               sum(p.was_arr) FILTER (WHERE p.piece = 0 OR p.currency <> p.was_currency) AS was,
               sum(p.arr) FILTER (WHERE p.currency <> p.was_currency) AS came,
               sum(p.arr - p.was_arr) FILTER (WHERE p.arr > p.was_arr AND p.currency = p.was_currency) AS more,
               sum(p.arr - p.was_arr) FILTER (WHERE p.arr < p.was_arr AND p.currency = p.was_currency) AS less
          FROM lifecycle_customer c JOIN lifecycle_stay p ON p.tenant_id = c.tenant_id AND p.customer_id = c.id
         WHERE {OF_TENANT} AND c.tenant_id = %(tenant_id)s::uuid AND {CHOSEN}
           AND p.began < %(end_timestamp)s::timestamptz
         GROUP BY 1, 2, 3, 4, 5, 6) s
 CROSS JOIN LATERAL (VALUES
       ('flow', s.from_stage, s.was_currency, s.customers, CASE WHEN s.is_move THEN s.was END),
       ('value', s.stage, s.currency, 0, s.more),
       ('value', s.stage, s.currency, 0, s.less),
       ('value', s.stage, s.currency, 0, s.came),
       ('value', s.stage, s.was_currency, 0, CASE WHEN s.currency <> s.was_currency THEN - s.was END)
  ) x(kind, from_stage, label, customers, arr)
 WHERE x.arr IS NOT NULL AND (x.kind = 'flow' OR x.arr <> 0)
 GROUP BY 1, 2, 3, 4, x.kind, sign(x.arr) * (x.kind = 'value')::int"""


def flows(*, of: str) -> str:
    """Moves and changes of revenue until the end of the period, by the part of it; part 0 is what was before."""
    if of == OTHERS:
        return _FLOWS_OF_CHOSEN
    both = " UNION ALL ".join(f"SELECT * FROM {facts(kind, of=of)}" for kind in ("flow", "value"))
    return f"""
SELECT width_bucket(f.day, %(thresholds)s::date[]), f.from_stage, f.to_stage, f.label, sum(f.customers)::bigint,
       sum(f.arr)
  FROM ({both}) f WHERE f.day <= %(end)s::date GROUP BY 1, 2, 3, 4, f.kind, sign(f.arr) * (f.kind = 'value')::int"""


# The sums over stays of the facts, without their months, and read once.
_ENDED_OF_CHOSEN: Final = f"""
SELECT p.stage, floor(date_part('epoch', p.left_at - p.entered) / 86400)::int,
       CASE WHEN p.left_by_configuration THEN '' ELSE p.to_stage END, count(*)
  {_MOVES_OF_CHOSEN} AND p.to_stage <> ''
   AND p.began >= %(first_timestamp)s::timestamptz AND p.began < %(last_timestamp)s::timestamptz
 GROUP BY 1, 2, 3"""
_REACHED_OF_CHOSEN: Final = f"""
WITH v AS MATERIALIZED (
    SELECT p.customer_id, p.stage, min(p.sequence) AS first, max(p.sequence) AS last, min(p.began) AS began
    {_MOVES_OF_CHOSEN} GROUP BY 1, 2
), m AS MATERIALIZED (
    SELECT customer_id, stage, first FROM v
     WHERE began >= %(first_timestamp)s::timestamptz AND began < %(last_timestamp)s::timestamptz
)
SELECT m.stage, v.stage, count(*) FROM m JOIN v ON v.customer_id = m.customer_id AND v.last > m.first GROUP BY 1, 2
 UNION ALL
SELECT m.stage, '', count(*) FROM m GROUP BY 1"""


def ended_stays(*, of: str) -> str:
    """Stays that began in the months and are over: stage, days, way out, how many."""
    if of == OTHERS:
        return _ENDED_OF_CHOSEN
    return f"""
SELECT f.from_stage, f.number, f.to_stage, sum(f.customers)::bigint FROM {facts("stay", of=of)}
 WHERE {_IN_MONTHS} GROUP BY 1, 2, 3"""


def open_stays(*, of: str) -> str:
    """Stays that began in the months and go on: stage, days so far, how many."""
    return f"""
SELECT p.stage, floor(extract(epoch FROM %(now)s::timestamptz - p.began) / 86400)::int, count(*)
  FROM lifecycle_stay p {JOINED[of]}
 WHERE {OF_TENANT} AND p.stage = ANY(%(stages)s::text[]) AND p.to_stage = '' AND p.piece = 0
   AND p.began >= %(first_timestamp)s::timestamptz AND p.began < %(last_timestamp)s::timestamptz
 GROUP BY 1, 2"""


def reached(*, of: str) -> str:
    """Stage, later stage ('' for all), how many customers, of those who first came to the stage in the months."""
    if of == OTHERS:
        return _REACHED_OF_CHOSEN
    return f"""
SELECT f.from_stage, f.to_stage, sum(f.customers)::bigint FROM {facts("reach", of=of)}
 WHERE {_IN_MONTHS} GROUP BY 1, 2"""


def cohorts(*, of: str) -> str:
    """The moves of customers whose first month is one of the months: cohort, month, from, to, how many."""
    return f"""
SELECT f.number, f.day, f.from_stage, f.to_stage, sum(f.customers)::bigint
  FROM {facts("cohort", of=of)}
 WHERE f.number BETWEEN %(first_cohort)s::int AND %(last_cohort)s::int GROUP BY 1, 2, 3, 4"""


def reasons(*, of: str) -> str:
    """The moves of the period into and out of some stages: from, to, reason, how many."""
    return f"""
SELECT f.from_stage, f.to_stage, f.label, sum(f.customers)::bigint FROM {facts("reason", of=of)}
 WHERE {_IN_DAYS} AND (f.from_stage = ANY(%(stages)s::text[])) <> (f.to_stage = ANY(%(stages)s::text[]))
 GROUP BY 1, 2, 3"""


# Who was here at the end of a day: as it was, or as it was known here by then.
HERE: Final = {
    "effective": "p.began < %(timestamp)s::timestamptz AND p.ended >= %(timestamp)s::timestamptz",
    "recorded": "p.known < %(timestamp)s::timestamptz AND p.known_until >= %(timestamp)s::timestamptz AND p.piece = 0",
}
_OF_STAGES: Final = "(%(stages)s::text[] IS NULL OR p.stage = ANY(%(stages)s::text[]))"


def as_of(known: str, *, of: str, goes_on: bool, is_backward: bool) -> str:
    """A page of those who were here at the end of a day and one more, by name; ``goes_on``: from ``key`` and ``id``."""
    way, sign = ("DESC", "<") if is_backward else ("ASC", ">")
    beyond = f"AND (c.name_key, c.id) {sign} (%(key)s::text, %(id)s::uuid)" if goes_on else ""
    return f"""
SELECT p.customer_id, c.name, c.name_key, c.external_id, c.owner, c.segment, p.stage, p.sequence, p.entered,
       p.reason_code, p.arr, p.currency
  FROM lifecycle_customer c JOIN lifecycle_stay p ON p.tenant_id = c.tenant_id AND p.customer_id = c.id
 WHERE {OF_TENANT} AND c.tenant_id = %(tenant_id)s::uuid AND {HERE[known]} AND {_OF_STAGES}
   AND {CHOSEN_OF[of]} {beyond}
 ORDER BY c.name_key {way}, c.id {way} LIMIT %(limit)s::int + 1"""
