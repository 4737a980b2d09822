"""Episodes: a customer came to be at risk, how it ended, what was done until then and in the first week.

An episode begins with a move into a stage of risk (``stages``) from one that is none, or as the customer comes, and
ends with the first move out of such stages. Those that have ended, and whose first week is over, are kept: nothing of
them changes any more. The others are looked up, of customers of whom not all are kept (``risk`` of their state names
the stages of risk by which they are, ``loose`` says that there are others): they came after those that are kept, since
who came earlier is over earlier. ``p`` is the first stay of an episode,
``x`` the first one after it.
"""

from typing import Final

from lifecycle.queries.insight.done import OWNER, done_until, who_until
from lifecycle.queries.insight.facts import CHOSEN
from lifecycle.rules.figures import ARR, BALANCE, CSAT, ISSUES

_WEEK: Final = "p.began + interval '7 days'"
_OF_P: Final = "tenant_id = p.tenant_id AND {0}.customer_id = p.customer_id"
_BEGINS: Final = """
p.stage = ANY(%(stages)s::text[]) AND NOT p.from_stage = ANY(%(stages)s::text[]) AND p.piece = 0"""
_AFTER: Final = f"""
  LEFT JOIN LATERAL (
       SELECT o.stage, o.began, o.by_configuration FROM lifecycle_stay o
        WHERE o.{_OF_P.format("o")} AND o.sequence > p.sequence AND o.piece = 0
          AND NOT o.stage = ANY(%(stages)s::text[])
        ORDER BY o.sequence LIMIT 1) x ON true"""


def _held(path: str, kind: str = "numeric") -> str:
    """The figure that held when the episode began."""
    return f"""
(SELECT NULLIF(f.figures->>'{path}', '')::{kind} FROM lifecycle_figurechange f
  WHERE f.{_OF_P.format("f")} AND f.figures ? '{path}'
    AND f.effective_at <= p.began ORDER BY f.effective_at DESC, f.id DESC LIMIT 1)"""


# How many worries there were, 2 for two or three: a tenth of the revenue overdue, satisfaction below 3, 3 open issues.
_SEVERITY: Final = f"""
 CROSS JOIN LATERAL (
       SELECT {_held(BALANCE)} AS balance, {_held(ARR)} AS arr,
              {_held(CSAT)} AS csat, {_held(ISSUES)} AS issues OFFSET 0) h
 CROSS JOIN LATERAL (
       SELECT LEAST(2, COALESCE(h.balance > 0 AND h.balance > COALESCE(h.arr, 0) / 10, false)::int
                       + COALESCE(h.csat < 3, false)::int + COALESCE(h.issues >= 3, false)::int) AS severity) w"""
# Of whom not every episode is kept: three looks, each along an index, so that none of the others is read.
NOT_ALL_KEPT: Final = " UNION ALL ".join(
    f"""
SELECT tenant_id, customer_id, {is_kept} AS is_kept FROM lifecycle_insight_state
 WHERE tenant_id = %(tenant_id)s::uuid AND {who}"""
    for is_kept, who in (
        ("true", "loose AND risk = %(risk)s::text"),
        ("false", "risk < %(risk)s::text"),
        ("false", "risk > %(risk)s::text"),
    )
)
_IN_PERIOD: Final = "began >= %(begin_timestamp)s::timestamptz AND {0}.began < %(end_timestamp)s::timestamptz"


def episodes(*, week: bool) -> str:
    """Those that began in the period, of chosen customers: what was done in their first ``week``, and how severe it
    was; else what was done until their end, or ``now``. ``left_at`` is NULL while one goes on.
    """
    prefix = "week_" if week else ""
    until = _WEEK if week else "COALESCE(x.began, %(now)s::timestamptz)"
    severity, asked = ("w.severity", _SEVERITY) if week else ("0", "")
    return f"""
SELECT k.customer_id, k.sequence, k.began, k.stage, k.reason_code, k.by_configuration, k.severity,
       k.{prefix}noted AS noted, k.{prefix}tasked AS tasked, k.{prefix}messaged AS messaged,
       COALESCE(u.id::text = ANY(k.{prefix}contacts), false) AS contacted,
       k.left_at, k.left_to, k.left_by_configuration
  FROM lifecycle_risk_episode k
  JOIN lifecycle_insight_state f ON f.tenant_id = k.tenant_id AND f.customer_id = k.customer_id
   AND f.risk = %(risk)s::text
  JOIN lifecycle_customer c ON c.tenant_id = k.tenant_id AND c.id = k.customer_id
  {OWNER}
 WHERE k.tenant_id = %(tenant_id)s::uuid AND k.{_IN_PERIOD.format("k")} AND {CHOSEN}
 UNION ALL
SELECT p.customer_id, p.sequence, p.began, p.stage, p.reason_code, p.by_configuration, {severity},
       d.noted, d.tasked, d.messaged, d.contacted, x.began, x.stage, x.by_configuration
  FROM ({NOT_ALL_KEPT} OFFSET 0) f
  JOIN lifecycle_customer c ON c.tenant_id = f.tenant_id AND c.id = f.customer_id
  {OWNER}
 CROSS JOIN LATERAL (
       SELECT CASE WHEN f.is_kept THEN COALESCE(max(k.sequence), 0) ELSE 0 END AS kept FROM lifecycle_risk_episode k
        WHERE k.tenant_id = %(tenant_id)s::uuid AND k.customer_id = f.customer_id OFFSET 0) e
 CROSS JOIN LATERAL (
       SELECT * FROM lifecycle_stay p
        WHERE p.tenant_id = %(tenant_id)s::uuid AND p.customer_id = f.customer_id AND p.sequence > e.kept AND {_BEGINS}
          AND p.{_IN_PERIOD.format("p")} OFFSET 0) p
  {_AFTER} {asked}
 CROSS JOIN LATERAL (SELECT {done_until(until)} OFFSET 0) d
 WHERE {CHOSEN}"""


# Of a batch of customers: the episodes that can be kept, by the columns of their table; and of one (``o``) whether it
# has others, and when the first of them can be.
KEPT_COLUMNS: Final = (
    "tenant_id, customer_id, sequence, began, stage, reason_code, by_configuration, severity, week_noted, week_tasked,"
    " week_messaged, week_contacts, noted, tasked, messaged, contacts, left_at, left_to, left_by_configuration"
)
TO_KEEP: Final = f"""
SELECT p.tenant_id, p.customer_id, p.sequence, p.began, p.stage, p.reason_code, p.by_configuration, w.severity,
       d.noted, d.tasked, d.messaged, d.contacts, e.noted, e.tasked, e.messaged, e.contacts,
       x.began, x.stage, x.by_configuration
  FROM lifecycle_stay p {_AFTER} {_SEVERITY}
 CROSS JOIN LATERAL (SELECT {who_until(_WEEK)} OFFSET 0) d
 CROSS JOIN LATERAL (SELECT {who_until("x.began")} OFFSET 0) e
 WHERE p.tenant_id = %(tenant_id)s::uuid AND p.customer_id = ANY(%(customer_ids)s::uuid[]) AND {_BEGINS}
   AND x.began <= %(now)s::timestamptz AND {_WEEK} <= %(now)s::timestamptz
"""
LOOSE: Final = f"""
       SELECT count(*) > 0 AS loose,
              min({_WEEK}) FILTER (WHERE {_WEEK} > %(now)s::timestamptz) AS due_at
         FROM lifecycle_stay p
        WHERE p.tenant_id = %(tenant_id)s::uuid AND p.customer_id = o.customer_id AND {_BEGINS}
          AND NOT EXISTS (SELECT FROM lifecycle_risk_episode k WHERE k.{_OF_P.format("k")}
                             AND k.sequence = p.sequence)"""
# Three looks, each along an index, so that it reads those that are behind and none of the others. Locked: who deletes a
# note in the meantime notes it after the episodes were made without knowing of it.
_LOOK: Final = """
SELECT customer_id FROM (
       SELECT customer_id FROM lifecycle_insight_state
        WHERE tenant_id = %(tenant_id)s::uuid AND {0}
        ORDER BY {1} LIMIT %(batch)s FOR UPDATE) b
"""
_DUE: Final = "due_at <= %(now)s::timestamptz"
_NOT_DUE: Final = "(due_at > %(now)s::timestamptz OR due_at IS NULL)"
BEHIND: Final = f"""{
    "UNION ALL".join(
        (
            _LOOK.format(_DUE, "due_at"),
            _LOOK.format(f"risk < %(risk)s::text AND {_NOT_DUE}", "risk"),
            _LOOK.format(f"risk > %(risk)s::text AND {_NOT_DUE}", "risk"),
        )
    )
} LIMIT %(batch)s
"""
