"""Episodes: a customer came to be at risk, how it ended, what was done until then and in the first week.

An episode begins with a move into a stage of risk (``stages``) from one that is none, or as the customer comes, and
ends with the first move out of such stages. Those that have ended, and whose first week is over, are kept: nothing of
them changes any more. The others are looked up, of customers of whom not all are
kept (``risk`` of their state names the stages of risk by which they are, ``loose`` says that there are others, and
``loose_from`` when the first of these began): they came after those that are kept, since who came earlier is over
earlier. ``p`` is the first stay of an episode, ``x`` the first one after it.
"""

from typing import Final

from lifecycle.queries.insight.done import OWNER, done_until, who_until
from lifecycle.queries.insight.facts import CHOSEN
from lifecycle.rules.figures import ARR, BALANCE, CSAT, ISSUES

# In hours: a day is looked up in the calendar for each row, as if it could have another length.
WEEK: Final = "interval '168 hours'"
_WEEK: Final = f"p.began + {WEEK}"
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
# Customers of whom something changed, or who are judged by other stages than the state says: two looks along an index.
# As an array: how many they are the planner cannot know, and comparing each row with each of them it must not try.
_OF_OTHERS: Final = ("risk < %(risk)s::text", "risk > %(risk)s::text")
_STATE: Final = "FROM lifecycle_insight_state WHERE tenant_id = %(tenant_id)s::uuid AND"
_OTHERS: Final = " UNION ALL ".join(f"SELECT customer_id {_STATE} {who}" for who in _OF_OTHERS)


def not_all_kept(before: str) -> str:
    """Of whom not every episode that began ``before`` is kept: three looks, each along an index, so that none of the
    others is read.
    """
    looks = {"true": [f"loose AND risk = %(risk)s::text AND loose_from < {before}"], "false": _OF_OTHERS}
    return " UNION ALL ".join(
        f"SELECT tenant_id, customer_id, {is_kept} AS is_kept {_STATE} {who}"
        for is_kept, which in looks.items()
        for who in which
    )


# As CHOSEN says; those of a segment are found by the segment, and not each looked up.
_THEIRS: Final = "c.tenant_id = %(tenant_id)s::uuid AND (%(owner)s::text = '' OR c.owner_key = %(owner)s::text)"
_CHOSEN_CUSTOMERS: Final = f"""(
       SELECT c.tenant_id, c.id, c.owner_key FROM lifecycle_customer c
        WHERE {_THEIRS} AND %(segment)s::text = ''
        UNION ALL
       SELECT c.tenant_id, c.id, c.owner_key FROM lifecycle_insight_state w
         JOIN lifecycle_customer c ON c.tenant_id = w.tenant_id AND c.id = w.customer_id
        WHERE {_THEIRS} AND %(segment)s::text <> ''
          AND w.tenant_id = %(tenant_id)s::uuid AND w.segment = lower(%(segment)s::text))"""


def _kept_of_week(before: str, *, acted: bool, is_filtered: bool) -> str:
    """Those that are kept, by their first week: where no one acted, no one's owner is asked for, and the index alone is
    read.
    """
    customers = _CHOSEN_CUSTOMERS if is_filtered else "lifecycle_customer"
    join = f"JOIN {customers} c ON c.tenant_id = k.tenant_id AND c.id = k.customer_id" if acted or is_filtered else ""
    contacted = "COALESCE(u.id::text = ANY(k.week_contacts), false)" if acted else "false"
    return f"""
SELECT k.customer_id, k.sequence, k.began, k.stage, k.reason_code, k.by_configuration, k.severity,
       k.week_noted AS noted, k.week_tasked AS tasked, k.week_messaged AS messaged, {contacted} AS contacted,
       k.left_at, k.left_to, k.left_by_configuration
  FROM lifecycle_risk_episode k {join} {OWNER if acted else ""}
 WHERE k.tenant_id = %(tenant_id)s::uuid AND {"" if acted else "NOT "}k.week_acted
   AND k.began >= %(begin_timestamp)s::timestamptz AND k.began < {before}
   AND NOT EXISTS (SELECT FROM unnest(ARRAY({_OTHERS})) f(customer_id) WHERE f.customer_id = k.customer_id)"""


# Those that are kept, until their end: about many of them someone did something by then.
_KEPT: Final = f"""
SELECT k.customer_id, k.sequence, k.began, k.stage, k.reason_code, k.by_configuration, k.severity,
       k.noted, k.tasked, k.messaged, COALESCE(u.id::text = ANY(k.contacts), false) AS contacted,
       k.left_at, k.left_to, k.left_by_configuration
  FROM lifecycle_risk_episode k
  JOIN lifecycle_insight_state f ON f.tenant_id = k.tenant_id AND f.customer_id = k.customer_id
   AND f.risk = %(risk)s::text
  JOIN lifecycle_customer c ON c.tenant_id = k.tenant_id AND c.id = k.customer_id
  {OWNER}
 WHERE k.tenant_id = %(tenant_id)s::uuid AND k.began >= %(begin_timestamp)s::timestamptz
   AND k.began < %(end_timestamp)s::timestamptz AND {CHOSEN}"""


def episodes_of_week(*, is_filtered: bool) -> tuple[str, ...]:
    """Those that began in the period and are ``mature``, of chosen customers: what was done in their first week, and
    how severe they were. ``left_at`` is NULL while one goes on. In parts, of which no two have the same.
    """
    before = "LEAST(%(end_timestamp)s::timestamptz, %(mature)s::timestamptz)"
    kept = (_kept_of_week(before, acted=acted, is_filtered=is_filtered) for acted in (False, True))
    return (*kept, _look_up(before, _WEEK, "w.severity", _SEVERITY))


def _look_up(before: str, until: str, severity: str, asked: str) -> str:
    """Those that are not kept: what was done ``until`` then; ``asked``: where the severity comes from."""
    return f"""
SELECT p.customer_id, p.sequence, p.began, p.stage, p.reason_code, p.by_configuration, {severity} AS severity,
       d.noted, d.tasked, d.messaged, d.contacted, x.began AS left_at, x.stage AS left_to,
       x.by_configuration AS left_by_configuration
  FROM ({not_all_kept(before)} OFFSET 0) f
  JOIN lifecycle_customer c ON c.tenant_id = f.tenant_id AND c.id = f.customer_id
  {OWNER}
 CROSS JOIN LATERAL (
       SELECT CASE WHEN f.is_kept THEN COALESCE(max(k.sequence), 0) ELSE 0 END AS kept FROM lifecycle_risk_episode k
        WHERE k.tenant_id = %(tenant_id)s::uuid AND k.customer_id = f.customer_id OFFSET 0) e
 CROSS JOIN LATERAL (
       SELECT * FROM lifecycle_stay p
        WHERE p.tenant_id = %(tenant_id)s::uuid AND p.customer_id = f.customer_id AND p.sequence > e.kept AND {_BEGINS}
          AND p.began >= %(begin_timestamp)s::timestamptz AND p.began < {before} OFFSET 0) p
  {_AFTER} {asked}
 CROSS JOIN LATERAL (SELECT {done_until(until)} OFFSET 0) d
 WHERE {CHOSEN}"""


# Those that began in the period, of chosen customers: what was done until their end, or ``now``.
EPISODES: Final = f"""{_KEPT}
 UNION ALL {_look_up("%(end_timestamp)s::timestamptz", "COALESCE(x.began, %(now)s::timestamptz)", "0", "")}"""


# Of a batch of customers: the episodes that can be kept, by the columns of their table; and of one (``o``) whether it
# has others, when the first of them began, and when the first of them can be kept.
KEPT_COLUMNS: Final = (
    "tenant_id, customer_id, sequence, began, stage, reason_code, by_configuration, severity, week_noted, week_tasked,"
    " week_messaged, week_acted, week_contacts, noted, tasked, messaged, contacts, left_at, left_to,"
    " left_by_configuration"
)
TO_KEEP: Final = f"""
SELECT p.tenant_id, p.customer_id, p.sequence, p.began, p.stage, p.reason_code, p.by_configuration, w.severity,
       d.noted, d.tasked, d.messaged, d.contacts <> '{{}}', d.contacts,
       e.noted, e.tasked, e.messaged, e.contacts,
       x.began, x.stage, x.by_configuration
  FROM lifecycle_stay p {_AFTER} {_SEVERITY}
 CROSS JOIN LATERAL (SELECT {who_until(_WEEK)} OFFSET 0) d
 CROSS JOIN LATERAL (SELECT {who_until("x.began")} OFFSET 0) e
 WHERE p.tenant_id = %(tenant_id)s::uuid AND p.customer_id = ANY(%(customer_ids)s::uuid[]) AND {_BEGINS}
   AND x.began <= %(now)s::timestamptz AND {_WEEK} <= %(now)s::timestamptz
"""
LOOSE: Final = f"""
       SELECT count(*) > 0 AS loose, min(p.began) AS loose_from,
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
