"""Customers that came to be at risk in a period: how it ended, and what was done until then.

An episode begins with a move into a stage of risk (``stages``) from one that is none, or as the customer comes, and
ends with the first move out of such stages. ``p`` is its first stay, ``x`` the first one after it.
"""

from collections.abc import Mapping
from typing import Final

from lifecycle.queries.insight.done import OWNER, done_until
from lifecycle.queries.insight.facts import CHOSEN

# What is counted -> of which episodes. Those of how it ended add up to all.
WAYS: Final[Mapping[str, str]] = {
    "all": "true",
    "open": "e.outcome = 'open'",
    "recovered": "e.outcome = 'recovered'",
    "lost": "e.outcome = 'lost'",
    "published": "e.outcome = 'published'",
    "nothing": "NOT (e.noted OR e.tasked OR e.messaged OR e.contacted)",
    "note": "e.noted",
    "task": "e.tasked",
    "message": "e.messaged",
    "contact": "e.contacted",
}
EPISODES: Final = f"""
SELECT p.customer_id, p.sequence, p.reason_code, d.noted, d.tasked, d.messaged, d.contacted,
       CASE WHEN x.began IS NULL THEN 'open' WHEN x.by_configuration THEN 'published'
            WHEN x.stage = ANY(%(from_stages)s::text[]) THEN 'lost' ELSE 'recovered' END AS outcome
  FROM lifecycle_customer c
  JOIN lifecycle_stay p ON p.tenant_id = c.tenant_id AND p.customer_id = c.id
  {OWNER}
  LEFT JOIN LATERAL (
       SELECT o.stage, o.began, o.by_configuration FROM lifecycle_stay o
        WHERE o.tenant_id = p.tenant_id AND o.customer_id = p.customer_id AND o.sequence > p.sequence AND o.piece = 0
          AND NOT o.stage = ANY(%(stages)s::text[])
        ORDER BY o.sequence LIMIT 1) x ON true
 CROSS JOIN LATERAL (SELECT {done_until("COALESCE(x.began, %(now)s::timestamptz)")} OFFSET 0) d
 WHERE p.tenant_id = %(tenant_id)s::uuid AND c.tenant_id = %(tenant_id)s::uuid AND {CHOSEN}
   AND p.stage = ANY(%(stages)s::text[]) AND NOT p.from_stage = ANY(%(stages)s::text[]) AND p.piece = 0
   AND p.began >= %(begin_moment)s::timestamptz AND p.began < %(end_moment)s::timestamptz"""
_COUNTS: Final = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in WAYS.values())
COUNTS: Final = f"SELECT e.reason_code, {_COUNTS} FROM ({EPISODES}) e GROUP BY 1"
_CHOICES: Final = " ".join(f"WHEN '{way}' THEN {condition}" for way, condition in WAYS.items())
# The episodes of one figure: for a reason, or any.
BEHIND: Final = f"""
 p.piece = 0 AND (p.customer_id, p.sequence) IN (
    SELECT e.customer_id, e.sequence FROM ({EPISODES}) e
     WHERE (%(reason)s::text IS NULL OR e.reason_code = %(reason)s::text)
       AND CASE %(way)s::text {_CHOICES} ELSE false END)"""
