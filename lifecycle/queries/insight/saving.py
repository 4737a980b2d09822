"""Customers that became at risk, what was done in their first week, and whether they recovered within 90 days.

Of the episodes (``lifecycle.queries.insight.episodes``) those that ended within the week do not count, nor those that a
publication began or ended, nor those that are not 90 days old. Where no stage is lost, a list is asked for with no
``from_stages`` at all.
"""

from typing import Final

from lifecycle.queries.insight.episodes import WEEK, episodes_of_week
from lifecycle.rules.horizon import HORIZON_DAYS

_HORIZON: Final = f"interval '{HORIZON_DAYS * 24} hours'"
_ALIKE: Final = "reason_code, stage, severity, noted, tasked, messaged, contacted, recovered"


def _episodes(*, is_filtered: bool) -> list[str]:
    return [
        f"""
SELECT e.customer_id, e.sequence, e.began, e.stage, e.reason_code, e.severity, e.noted, e.tasked, e.messaged,
       e.contacted,
       COALESCE(e.left_at < e.began + {_HORIZON} AND (e.left_to = ANY(%(from_stages)s::text[])) IS NOT TRUE, false)
         AS recovered
  FROM ({part}) e
 WHERE NOT e.by_configuration AND (e.left_at IS NULL OR e.left_at >= e.began + {WEEK})
   AND NOT COALESCE(e.left_by_configuration AND e.left_at < e.began + {_HORIZON}, false)"""
        for part in episodes_of_week(is_filtered=is_filtered)
    ]


def counts(*, is_filtered: bool) -> str:
    """How many there are alike, of everyone or of chosen customers. Each part is counted by itself: of all together the
    planner does not know how few are unlike.
    """
    parts = " UNION ALL ".join(
        f"SELECT {_ALIKE}, count(*) AS count FROM ({part}) e GROUP BY {_ALIKE}"
        for part in _episodes(is_filtered=is_filtered)
    )
    return f"SELECT {_ALIKE}, sum(count)::bigint FROM ({parts}) e GROUP BY {_ALIKE}"


def behind(*, is_filtered: bool) -> str:
    """The episodes of one figure: for a reason, or any; those for whom something (or nothing) was done, those of them
    that have anyone alike, or those alike; that recovered.
    """
    return f"""
SELECT e.customer_id, e.sequence, 0 AS piece, e.began
  FROM (SELECT e.*, bool_or(e.is_done) OVER alike AS has_done, bool_or(e.is_nothing) OVER alike AS has_nothing
          FROM (SELECT e.*, n.is_nothing,
                       CASE split_part(%(way)s::text, ' ', 1)
                         WHEN 'note' THEN e.noted WHEN 'task' THEN e.tasked WHEN 'message' THEN e.messaged
                         WHEN 'contact' THEN e.contacted ELSE n.is_nothing END AS is_done
                  FROM ({" UNION ALL ".join(_episodes(is_filtered=is_filtered))}) e
                 CROSS JOIN LATERAL (
                       SELECT NOT (e.noted OR e.tasked OR e.messaged OR e.contacted) AS is_nothing) n) e
        WINDOW alike AS (PARTITION BY e.reason_code, e.stage, e.severity)) e
 WHERE (%(reason)s::text IS NULL OR e.reason_code = %(reason)s::text)
   AND CASE split_part(%(way)s::text, ' ', 2)
         WHEN 'comparable' THEN e.is_done AND e.has_nothing WHEN 'alike' THEN e.is_nothing AND e.has_done
         ELSE e.is_done END
   AND (e.recovered OR right(%(way)s::text, 10) <> ' recovered')"""
