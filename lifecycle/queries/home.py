"""The questions of the first page: whom to call, who was put aside, what happened since, whose figures are poor.

Each is one statement, whatever the number of customers: those in stages of a category are found by the index of
stages, their figures by the ids of the chosen alone, and everything else for the rows that are shown. Call inside the
tenant's context. Aliases are those of ``list_statements``; ``z`` is what the person has put aside.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection
from django.utils import timezone

from lifecycle.queries.health import HEALTH, gather_work, health_of, most_penalty, penalty_of
from lifecycle.queries.urgency import URGENCY
from lifecycle.rules.insight.stages import names_then
from storage.cursors import fetch_prepared_dicts, plain_array, prepared_cursor, text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST
from tenants.rules.configuration.health_formula import FIGURE_MEASURES
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.versions import present_name, present_names

Row = dict[str, Any]
_OF_FIGURES: Final = "«figures»"

_NUMBERS: Final = (
    "unnest(%(stages)s::text[], %(penalties)s::int[], %(max_days)s::int[], %(lost)s::boolean[])"
    " AS w(stage, penalty, max_days, is_lost)"
)
# The figures that wake a customer that was put aside "until something changes": amounts as texts, of which one number
# has one only.
_SEEN: Final = (
    "jsonb_build_object('arr', trim_scale(b.arr)::text, 'currency', COALESCE(b.currency, ''),"
    " 'balance_overdue', trim_scale(b.balance_overdue)::text, 'renewal_on', b.renewal_on,"
    " 'open_issues', u.open_issues, 'csat', trim_scale(u.csat)::text)"
)
_ASLEEP: Final = (
    "z.id IS NOT NULL AND z.stage_version = s.version"
    f" AND CASE WHEN z.until IS NULL THEN z.seen = {_SEEN} ELSE z.until > %(local_day)s::date END"
)
_FIGURES: Final = """
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
  LEFT JOIN lifecycle_supportfigures u ON u.tenant_id = s.tenant_id AND u.customer_id = s.customer_id"""
_OF_OWNERS: Final = """
      JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id
       AND c.owner_key = ANY(%(owners)s::text[])"""


def _look_up(table: str, columns: str) -> str:
    """As an array: an index that looks for one steps from leaf to leaf."""
    return f"""(
        SELECT customer_id, {columns} FROM {table}
         WHERE tenant_id = %(tenant_id)s::uuid
           AND customer_id = ANY((SELECT array_agg(customer_id) FROM chosen)::uuid[]))"""


def _calls(*, owned: bool) -> str:
    """Those at risk, most urgent first, and those of them that were put aside, with what is shown of each."""
    return f"""
WITH chosen AS MATERIALIZED (
    SELECT s.tenant_id, s.customer_id, s.stage_entered_at, s.version, w.penalty, w.max_days,
           w.is_lost
      FROM customer_lifecycle_status s JOIN {_NUMBERS} ON s.stage = w.stage {_OF_OWNERS if owned else ""}
     WHERE s.tenant_id = %(tenant_id)s::uuid
), aside AS MATERIALIZED (
    SELECT id, customer_id, stage_version, seen, until, reason FROM lifecycle_snooze
     WHERE tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid
), wanted AS MATERIALIZED (
    SELECT s.customer_id, {URGENCY} AS key, COALESCE({_ASLEEP}, false) AS is_asleep,
           b.arr, b.currency, b.balance_overdue, b.renewal_on, u.csat, u.open_issues
      FROM chosen s CROSS JOIN LATERAL (SELECT s.penalty, s.max_days, s.is_lost) w
      LEFT JOIN {_look_up("lifecycle_billingfigures", "arr, currency, balance_overdue, renewal_on")} b
        ON b.customer_id = s.customer_id
      LEFT JOIN {_look_up("lifecycle_supportfigures", "open_issues, csat")} u ON u.customer_id = s.customer_id
      LEFT JOIN aside z ON z.customer_id = s.customer_id
), page AS (
    (SELECT * FROM wanted WHERE NOT is_asleep ORDER BY key DESC, customer_id DESC LIMIT %(limit)s::int)
    UNION ALL
    (SELECT * FROM wanted WHERE is_asleep ORDER BY key DESC, customer_id DESC LIMIT %(limit)s::int)
)
SELECT p.customer_id, p.key, p.is_asleep, {_SEEN} AS figures, n.awake, n.asleep,
       s.stage, s.stage_entered_at, s.updated_at, s.updated_by, s.source, s.reason_code, h.from_stage,
       c.name, c.external_id, c.segment, c.owner, c.owner_key,
       z.id AS snooze_id, z.seen, z.until, z.reason AS snooze_reason, z.stage_version <> s.version AS has_moved,
       k.wrapped AS wrapped_key
  FROM page p
  CROSS JOIN LATERAL (SELECT p.arr, p.currency, p.balance_overdue, p.renewal_on) b
  CROSS JOIN LATERAL (SELECT p.csat, p.open_issues) u
  CROSS JOIN (SELECT count(*) FILTER (WHERE NOT is_asleep) AS awake, count(*) FILTER (WHERE is_asleep) AS asleep
                FROM wanted) n
  JOIN customer_lifecycle_status s ON s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = p.customer_id
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id
  LEFT JOIN customer_lifecycle_history h
    ON h.tenant_id = s.tenant_id AND h.customer_id = s.customer_id AND h.sequence = s.version
  LEFT JOIN aside z ON z.customer_id = p.customer_id
  LEFT JOIN audit_data_key k ON k.tenant_id = s.tenant_id AND k.subject_id = s.customer_id
 ORDER BY p.key DESC, p.customer_id DESC
"""


_CALLS: Final = {owned: _calls(owned=owned) for owned in (False, True)}

# Where no figures are poor without an overdue balance and without support's: those that are have most of their points
# from figures, so that few customers' stages are looked up.
_POOR_OWING: Final = f"""
WITH owing AS MATERIALIZED (
    SELECT customer_id, arr, currency, balance_overdue, renewal_on FROM lifecycle_billingfigures
     WHERE tenant_id = %(tenant_id)s::uuid AND balance_overdue > 0
), worried AS MATERIALIZED (
    SELECT b.*, u.csat, u.open_issues
      FROM owing b
      JOIN (SELECT customer_id, csat, open_issues FROM lifecycle_supportfigures
             WHERE tenant_id = %(tenant_id)s::uuid
               AND customer_id = ANY((SELECT array_agg(customer_id) FROM owing)::uuid[])) u
        ON u.customer_id = b.customer_id
     WHERE {_OF_FIGURES} > %(least)s::int
)
SELECT s.customer_id, c.name, s.stage, {HEALTH} AS score, b.arr::text AS arr, b.currency
  FROM worried b CROSS JOIN LATERAL (SELECT b.csat, b.open_issues) u
  JOIN customer_lifecycle_status s ON s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = b.customer_id
  JOIN {_NUMBERS} ON w.stage = s.stage
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = b.customer_id
 WHERE (%(owners)s::text[] IS NULL OR c.owner_key = ANY(%(owners)s::text[]))
   AND {HEALTH} < %(watch_from)s::int
 ORDER BY {URGENCY} DESC, s.customer_id LIMIT %(limit)s::int
"""
_POOR: Final = f"""
WITH poor AS MATERIALIZED (
    SELECT s.customer_id, s.stage, {HEALTH} AS score, {URGENCY} AS urgency, b.arr::text AS arr, b.currency
      FROM customer_lifecycle_status s JOIN {_NUMBERS} ON w.stage = s.stage
      LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
      LEFT JOIN lifecycle_supportfigures u ON u.tenant_id = s.tenant_id AND u.customer_id = s.customer_id
     WHERE s.tenant_id = %(tenant_id)s::uuid AND {HEALTH} < %(watch_from)s::int
)
SELECT s.customer_id, c.name, s.stage, s.score, s.arr, s.currency
  FROM poor s JOIN lifecycle_customer c ON c.tenant_id = %(tenant_id)s::uuid AND c.id = s.customer_id
 WHERE (%(owners)s::text[] IS NULL OR c.owner_key = ANY(%(owners)s::text[]))
 ORDER BY s.urgency DESC, s.customer_id LIMIT %(limit)s::int
"""

# What a stage was called in a version (``names_then``) is compared.
_IS_ONE: Final = """COALESCE(width_bucket(h.configuration_version, %(renamed)s::int[]) || ':' || {stage}
                         = ANY(%(names)s::text[]), false)"""
# Of each stage those who came there last, along its index; of each of them the last step into or out of ``stages``. A
# history is read from its end to the first row that is not younger; of those who came, and who left, some are shown.
# That row's number is a value of its own: the index is not asked for what COALESCE would have to be worked out for.
_MOVED: Final = f"""
WITH m AS MATERIALIZED (
    SELECT m.* FROM unnest(%(every)s::text[]) AS w(stage)
     CROSS JOIN LATERAL (
        SELECT s.customer_id, s.stage, s.version FROM customer_lifecycle_status s
         WHERE s.tenant_id = %(tenant_id)s::uuid AND s.stage = w.stage AND s.updated_at > %(since)s::timestamptz
         ORDER BY s.updated_at DESC LIMIT %(most)s::int + 1
     ) m
)
SELECT f.is_more, x.*
  FROM (SELECT EXISTS (SELECT FROM m GROUP BY m.stage HAVING count(*) > %(most)s::int) AS is_more) f
  LEFT JOIN (
    SELECT m.customer_id, c.name, h.from_stage, h.to_stage, h.configuration_version, h.changed_at AS updated_at,
           h.changed_by AS updated_by, h.has_arrived, count(*) OVER (PARTITION BY h.has_arrived) AS customers,
           row_number() OVER (PARTITION BY h.has_arrived ORDER BY h.changed_at DESC) AS place
      FROM m
      JOIN lifecycle_customer c ON c.tenant_id = %(tenant_id)s::uuid AND c.id = m.customer_id
     CROSS JOIN LATERAL (
        SELECT h.from_stage, h.to_stage, h.configuration_version, h.changed_at, h.changed_by, t.has_arrived
          FROM customer_lifecycle_history h
         CROSS JOIN LATERAL (SELECT {_IS_ONE.format(stage="h.to_stage")} AS has_arrived) t
         WHERE h.tenant_id = %(tenant_id)s::uuid AND h.customer_id = m.customer_id
           AND h.sequence > (SELECT COALESCE((
               SELECT o.sequence FROM customer_lifecycle_history o
                WHERE o.tenant_id = %(tenant_id)s::uuid AND o.customer_id = m.customer_id
                  AND o.changed_at <= %(since)s::timestamptz
                ORDER BY o.sequence DESC LIMIT 1), 0))
           AND t.has_arrived <> {_IS_ONE.format(stage="h.from_stage")}
         ORDER BY h.sequence DESC LIMIT 1
     ) h
     WHERE %(owners)s::text[] IS NULL OR c.owner_key = ANY(%(owners)s::text[])
  ) x ON x.place <= %(shown)s::int
 ORDER BY x.updated_at DESC
"""

# What a person's page begins with: whether they own customers, the usernames of their team, and their visits; whether
# a configuration is moving customers; and the names of customers that others have found.
PERSON: Final = """
SELECT EXISTS (SELECT FROM lifecycle_customer c
                WHERE c.tenant_id = %(tenant_id)s::uuid AND c.owner_key = %(own_key)s::text) AS owns,
       ARRAY(SELECT o.username FROM tenants_user o JOIN tenants_user me ON me.team = o.team
              WHERE me.tenant_id = %(tenant_id)s::uuid AND me.id = %(user_id)s::uuid AND me.team <> ''
                AND o.tenant_id = %(tenant_id)s::uuid AND o.is_active ORDER BY o.username) AS team,
       v.last_at, v.previous_at,
       EXISTS (SELECT FROM lifecycle_stagemigration m
                WHERE m.tenant_id = %(tenant_id)s::uuid AND m.finished_at IS NULL) AS has_moves,
       (SELECT json_object_agg(n.id, n.name) FROM lifecycle_customer n
         WHERE n.tenant_id = %(tenant_id)s::uuid AND n.id = ANY(%(named)s::uuid[]))::text AS names
  FROM (VALUES (1)) AS one
  LEFT JOIN lifecycle_homevisit v ON v.tenant_id = %(tenant_id)s::uuid AND v.user_id = %(user_id)s::uuid
"""

# The latest note, the task that was done last, the open one that comes next, and the figures that have changed.
_DONE: Final = """
SELECT i.customer_id, n.created_at AS note_at, n.created_by AS note_by, d.done_at, d.done_by,
       t.id AS task_id, t.title AS task_title, t.due_on AS task_due, f.changes
  FROM unnest(%(ids)s::uuid[]) AS i(customer_id)
  LEFT JOIN LATERAL (
    SELECT created_at, created_by FROM lifecycle_note
     WHERE tenant_id = %(tenant_id)s::uuid AND customer_id = i.customer_id AND deleted_at IS NULL
     ORDER BY id DESC LIMIT 1
  ) n ON true
  LEFT JOIN LATERAL (
    SELECT done_at, done_by FROM lifecycle_task
     WHERE tenant_id = %(tenant_id)s::uuid AND customer_id = i.customer_id AND done_at IS NOT NULL
     ORDER BY done_at DESC LIMIT 1
  ) d ON true
  LEFT JOIN LATERAL (
    SELECT id, title, due_on FROM lifecycle_task
     WHERE tenant_id = %(tenant_id)s::uuid AND customer_id = i.customer_id AND done_at IS NULL
     ORDER BY due_key, id LIMIT 1
  ) t ON true
  LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(x.path, jsonb_build_array(x.before, x.after)) AS changes
      FROM (
        SELECT k.key AS path, (array_agg(k.value ORDER BY g.effective_at DESC, g.id DESC))[1] AS after,
               (SELECT o.figures -> k.key FROM lifecycle_figurechange o
                 WHERE o.tenant_id = %(tenant_id)s::uuid AND o.customer_id = i.customer_id
                   AND o.effective_at < %(since)s::timestamptz AND o.figures ? k.key
                 ORDER BY o.effective_at DESC, o.id DESC LIMIT 1) AS before
          FROM lifecycle_figurechange g CROSS JOIN LATERAL jsonb_each(g.figures) k
         WHERE g.tenant_id = %(tenant_id)s::uuid AND g.customer_id = i.customer_id
           AND g.effective_at >= %(since)s::timestamptz
         GROUP BY k.key
      ) x
     WHERE x.before IS NOT NULL
  ) f ON true
"""

_SNOOZE: Final = f"""
SELECT s.customer_id, s.version AS stage_version, {_SEEN} AS seen, c.name
  FROM customer_lifecycle_status s
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id {_FIGURES}
 WHERE s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = ANY(%(ids)s::uuid[])
 ORDER BY c.name_key, c.id
"""


def find_calls(
    *,
    tenant: TenantRef,
    user_id: UUID,
    policy: Policy,
    stages: Sequence[str],
    owners: Collection[str] | None,
    now: dt.datetime,
    limit: int,
) -> list[Row]:
    """The most urgent customers in these stages, up to ``limit`` of those awake and as many of those put aside.

    ``owners``: only customers of these, by the keys of their names; None: of everybody. Each row has the numbers of
    all that are ``awake`` and ``asleep``, and ``wrapped_key``, its data key.
    """
    if not stages:
        return []
    parameters = _numbers(tenant, policy, stages, now) | {"user_id": user_id, "limit": limit}
    if owners is not None:
        parameters["owners"] = text_array(owners)
    # A plan that is kept, for any number of stages, would not look figures up.
    with connection.cursor() as cursor:
        cursor.execute(health_of(policy).fill(_CALLS[owners is not None]), parameters)
        return _rows(cursor)


def find_poor_figures(
    *,
    tenant: TenantRef,
    policy: Policy,
    stages: Sequence[str],
    owners: Collection[str] | None,
    now: dt.datetime,
    limit: int,
) -> list[Row]:
    """Customers in these stages whose health is poor all the same, by what is at stake."""
    if not stages:
        return []
    parameters = _numbers(tenant, policy, stages, now) | {
        "owners": None if owners is None else text_array(owners),
        "limit": limit,
        "watch_from": policy.health.watch_from,
    }
    compiled = health_of(policy)
    least = least_of_figures(policy, stages)
    if least is None:
        return fetch_prepared_dicts(gather_work(compiled.fill(_POOR)), parameters, using="default")
    statement = compiled.fill(_POOR_OWING.replace(_OF_FIGURES, compiled.figures))
    return fetch_prepared_dicts(statement, parameters | {"least": least}, using="default")


def least_of_figures(policy: Policy, stages: Sequence[str]) -> int | None:
    """More than these points the figures take of a customer of these stages whose health is poor.

    None if there can be one who owes nothing, or of whom support has reported nothing.
    """
    penalties = [penalty_of(policy, stage) for stage in stages]
    poor = 100 - policy.health.watch_from
    for measures in (("overdue_share",), ("csat", "open_issues")):
        if most_penalty(policy.health, penalties, without=measures) > poor:
            return None
    return poor - most_penalty(policy.health, penalties, without=FIGURE_MEASURES)


def find_moved(
    *,
    tenant: TenantRef,
    policy: Policy,
    stages: Sequence[str],
    owners: Collection[str] | None,
    since: dt.datetime,
    most: int,
    shown: int,
) -> tuple[list[Row], bool]:
    """Who came into ``stages``, or left them, since then, wherever they went on to: their last such step, the latest
    first. And whether more than ``most`` are in one stage since then, of whom the latest are looked at.

    Up to ``shown`` who came (``has_arrived``) and as many who left, each with how many ``customers`` there are of them.
    Stages, also those that were called differently then, have their names of today.
    """
    renames = present_names(tenant, live=policy.version)
    parameters = {
        "tenant_id": tenant.id,
        "every": text_array(policy.stages),
        "names": text_array(names_then(stages, policy.version, renames)),
        "renamed": plain_array(sorted(renames)),
        "owners": None if owners is None else text_array(owners),
        "since": since,
        "most": most,
        "shown": shown,
    }
    rows = fetch_prepared_dicts(_MOVED, parameters, using="default")
    is_more = rows[0]["is_more"]
    rows = [row for row in rows if row["customer_id"] is not None]
    for row in rows:
        for name in ("from_stage", "to_stage"):
            row[name] = row[name] and present_name(row[name], row["configuration_version"], renames)
    return rows, is_more


def find_done(ids: Collection[UUID], *, tenant: TenantRef, since: dt.datetime) -> dict[UUID, Row]:
    """What was done last about each of these customers, the next task, and which figures have changed since then.

    ``changes``: the path of a figure -> its value before ``since`` and its present one; None where none has.
    """
    with prepared_cursor("default") as cursor:
        cursor.execute(_DONE, {"tenant_id": tenant.id, "ids": plain_array(ids), "since": since})
        return {row["customer_id"]: row for row in _rows(cursor)}


def look_at_figures(ids: Collection[UUID], *, tenant: TenantRef) -> list[Row]:
    """The version of the stage, the figures and the name of each of these customers that there is."""
    with prepared_cursor("default") as cursor:
        cursor.execute(_SNOOZE, {"tenant_id": tenant.id, "ids": plain_array(ids)})
        return _rows(cursor)


def _rows(cursor: Any) -> list[Row]:
    names = [column.name for column in cursor.description]
    rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    for row in rows:
        # Django leaves JSON to its fields.
        row |= {
            name: orjson.loads(row[name]) for name in ("seen", "figures", "changes") if isinstance(row.get(name), str)
        }
    return rows


def _numbers(tenant: TenantRef, policy: Policy, stages: Sequence[str], now: dt.datetime) -> Row:
    days: Mapping[str, int | None] = {stage: policy.max_days(stage) for stage in stages}
    return {
        "tenant_id": tenant.id,
        "now": now,
        "today": now.date(),
        "local_day": timezone.localdate(now),
        "own_currency": policy.exchange.own,
        "currencies": text_array(policy.exchange_table),
        "rates": plain_array(policy.exchange_table.values()),
        "stages": text_array(stages),
        "penalties": plain_array(penalty_of(policy, stage) for stage in stages),
        "max_days": plain_array("NULL" if limit is None else limit for limit in days.values()),
        "lost": plain_array(policy.category(stage) == LOST for stage in stages),
        **health_of(policy).parameters,
    }
