"""Customers that came to be at risk, what was done in their first week, and whether they recovered within 90 days.

An episode begins with a move into a stage of risk (``stages``) from one that is none, and goes on through other stages
of risk. Those that ended within the week do not count, nor those that a publication began or ended, nor those that are
not 90 days old. ``p`` is its first stay, ``x`` the first one after it.
"""

from typing import Final

from lifecycle.queries.insight.done import OWNER, done_until
from lifecycle.queries.insight.facts import CHOSEN
from lifecycle.rules.figures import ARR, BALANCE, CSAT, ISSUES
from lifecycle.rules.horizon import HORIZON_DAYS

_OF_TENANT: Final = "p.tenant_id = %(tenant_id)s::uuid"


def _held(path: str, kind: str = "numeric") -> str:
    """The figure that held when the episode began."""
    return f"""
(SELECT NULLIF(f.figures->>'{path}', '')::{kind} FROM lifecycle_figurechange f
  WHERE f.tenant_id = p.tenant_id AND f.customer_id = p.customer_id AND f.figures ? '{path}'
    AND f.effective_at <= p.began ORDER BY f.effective_at DESC, f.id DESC LIMIT 1)"""


# How many worries there were, 2 for two or three: a tenth of the revenue overdue, satisfaction below 3, 3 open issues.
_SEVERITY: Final = """
LEAST(2, COALESCE(h.balance > 0 AND h.balance > COALESCE(h.arr, 0) / 10, false)::int
         + COALESCE(h.csat < 3, false)::int + COALESCE(h.issues >= 3, false)::int)"""
EPISODES: Final = f"""
SELECT p.customer_id, p.sequence, p.stage, p.reason_code, w.severity, d.noted, d.tasked, d.messaged, d.contacted,
       COALESCE(x.began < p.began + interval '{HORIZON_DAYS} days'
                AND NOT x.stage = ANY(%(from_stages)s::text[]), false) AS recovered
  FROM lifecycle_customer c
  JOIN lifecycle_stay p ON p.tenant_id = c.tenant_id AND p.customer_id = c.id
  {OWNER}
  LEFT JOIN LATERAL (
       SELECT o.stage, o.began, o.by_configuration FROM lifecycle_stay o
        WHERE o.tenant_id = p.tenant_id AND o.customer_id = p.customer_id AND o.sequence > p.sequence AND o.piece = 0
          AND NOT o.stage = ANY(%(stages)s::text[])
        ORDER BY o.sequence LIMIT 1) x ON true
 CROSS JOIN LATERAL (
       SELECT {_held(BALANCE)} AS balance, {_held(ARR)} AS arr,
              {_held(CSAT)} AS csat, {_held(ISSUES)} AS issues OFFSET 0) h
 CROSS JOIN LATERAL (SELECT {_SEVERITY} AS severity) w
 CROSS JOIN LATERAL (
       SELECT {done_until("p.began + interval '7 days'")} OFFSET 0) d
 WHERE {_OF_TENANT} AND c.tenant_id = %(tenant_id)s::uuid AND {CHOSEN}
   AND p.stage = ANY(%(stages)s::text[]) AND NOT p.from_stage = ANY(%(stages)s::text[]) AND p.piece = 0
   AND NOT p.by_configuration
   AND p.began >= %(begin_moment)s::timestamptz AND p.began < %(end_moment)s::timestamptz
   AND p.began < %(mature)s::timestamptz
   AND (x.began IS NULL OR x.began >= p.began + interval '7 days')
   AND NOT COALESCE(x.by_configuration AND x.began < p.began + interval '{HORIZON_DAYS} days', false)"""
COUNTS: Final = f"""
SELECT reason_code, stage, severity, noted, tasked, messaged, contacted, recovered, count(*) FROM ({EPISODES}) e
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"""
# The episodes of one figure: for a reason, or any; those for whom something (or nothing) was done; that recovered.
BEHIND: Final = f"""
 p.piece = 0 AND (p.customer_id, p.sequence) IN (
    SELECT e.customer_id, e.sequence FROM ({EPISODES}) e
     WHERE (%(reason)s::text IS NULL OR e.reason_code = %(reason)s::text)
       AND CASE split_part(%(way)s::text, ' ', 1)
             WHEN 'note' THEN e.noted WHEN 'task' THEN e.tasked WHEN 'message' THEN e.messaged
             WHEN 'contact' THEN e.contacted
             ELSE NOT (e.noted OR e.tasked OR e.messaged OR e.contacted) END
       AND (e.recovered OR split_part(%(way)s::text, ' ', 2) = ''))"""
