"""Customers that became at risk in a period: how it ended, and what was done until then."""

from collections.abc import Mapping
from typing import Final

from lifecycle.queries.insight import episodes

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
SELECT e.customer_id, e.sequence, e.began, e.reason_code, e.noted, e.tasked, e.messaged, e.contacted,
       CASE WHEN e.left_at IS NULL THEN 'open' WHEN e.left_by_configuration THEN 'published'
            WHEN e.left_to = ANY(%(from_stages)s::text[]) THEN 'lost' ELSE 'recovered' END AS outcome
  FROM ({episodes.EPISODES}) e"""
_COUNTS: Final = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in WAYS.values())
COUNTS: Final = f"SELECT e.reason_code, {_COUNTS} FROM ({EPISODES}) e GROUP BY 1"
_CHOICES: Final = " ".join(f"WHEN '{way}' THEN {condition}" for way, condition in WAYS.items())
# The episodes of one figure: for a reason, or any.
BEHIND: Final = f"""
SELECT e.customer_id, e.sequence, 0 AS piece, e.began FROM ({EPISODES}) e
 WHERE (%(reason)s::text IS NULL OR e.reason_code = %(reason)s::text)
   AND CASE %(way)s::text {_CHOICES} ELSE false END"""
