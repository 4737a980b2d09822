"""The health of customers at moments of the past, by a formula, and whether they churned thereafter.

Aliases are those of ``list_statements``, and ``k`` a moment: its number, its time (``at``) and its ``day``.
"""

from collections.abc import Mapping
from typing import Final

from lifecycle.queries.health import HealthSql, band_of
from lifecycle.rules.figures import ARR, BALANCE, CSAT, ISSUES, RENEWAL

# Path of a figure -> its column among the figures that held.
_FIGURES: Final[Mapping[str, str]] = {
    ARR: "arr",
    BALANCE: "balance",
    RENEWAL: "renewal",
    CSAT: "csat",
    ISSUES: "issues",
}
_LATEST: Final = ", ".join(
    f"(array_agg(f.figures->'{path}' ORDER BY f.effective_at DESC, f.id DESC)"
    f" FILTER (WHERE f.figures ? '{path}'))[1] AS {name}"
    for path, name in _FIGURES.items()
)
# A value that was reported holds until the next one, also one that says that nothing is known.
_HELD: Final = ", ".join(
    f"(array_agg(c.{name}) FILTER (WHERE c.{name} IS NOT NULL) OVER so_far) AS {name}" for name in _FIGURES.values()
)


def _last(name: str, kind: str) -> str:
    return f"(g.{name}[cardinality(g.{name})] #>> '{{}}')::{kind}"


# A batch of customers: what changed between two moments, what held at each of them, where they stood then.
_GRID: Final = f"""
WITH k AS MATERIALIZED (
    SELECT number::int, at, (at AT TIME ZONE 'UTC')::date AS day
      FROM unnest(%(timestamps)s::timestamptz[]) WITH ORDINALITY AS m(at, number)
), customers AS MATERIALIZED (
    SELECT customer_id FROM customer_lifecycle_status
     WHERE tenant_id = %(tenant_id)s::uuid AND customer_id > %(after)s::uuid
     ORDER BY customer_id LIMIT %(batch)s::int
), changed AS MATERIALIZED (
    SELECT f.customer_id, width_bucket(f.effective_at, %(timestamps)s::timestamptz[]) + 1 AS number, {_LATEST}
      FROM lifecycle_figurechange f
     WHERE f.tenant_id = %(tenant_id)s::uuid
       AND f.customer_id = ANY((SELECT array_agg(customer_id) FROM customers)::uuid[])
       AND f.effective_at < %(last)s::timestamptz
     GROUP BY 1, 2
), held AS MATERIALIZED (
    SELECT o.customer_id, k.number, {_HELD}
      FROM customers o CROSS JOIN k LEFT JOIN changed c ON c.customer_id = o.customer_id AND c.number = k.number
    WINDOW so_far AS (PARTITION BY o.customer_id ORDER BY k.number)
), grid AS MATERIALIZED (
    SELECT p.customer_id, k.number, k.at, k.day, p.entered, p.stage,
           {_last("arr", "numeric")} AS arr, {_last("balance", "numeric")} AS balance_overdue,
           {_last("renewal", "date")} AS renewal_on, {_last("csat", "numeric")} AS csat,
           {_last("issues", "int")} AS open_issues,
           q.customer_id IS NOT NULL AS has_churned
      FROM held g JOIN k ON k.number = g.number
      JOIN lifecycle_stay p ON p.tenant_id = %(tenant_id)s::uuid AND p.customer_id = g.customer_id
       AND p.began < k.at AND p.ended >= k.at AND NOT p.stage = ANY(%(lost)s::text[])
      LEFT JOIN LATERAL (
        SELECT q.customer_id, q.by_configuration FROM lifecycle_stay q
         WHERE q.tenant_id = %(tenant_id)s::uuid AND q.customer_id = p.customer_id
           AND q.stage = ANY(%(lost)s::text[]) AND q.piece = 0
           AND q.began >= k.at AND q.began < k.at + make_interval(days => %(horizon)s::int)
         ORDER BY q.began, q.sequence LIMIT 1
      ) q ON true
     WHERE q.by_configuration IS NOT TRUE
)"""


def _judged(label: str, formula: HealthSql, prefix: str) -> str:
    score = formula.of_timestamps.score
    return f"""
    SELECT '{label}' AS formula, {band_of("j.score", prefix)} AS band, j.customer_id, count(*) AS n,
           count(*) FILTER (WHERE j.has_churned) AS y
      FROM (SELECT s.customer_id, k.has_churned, {score} AS score
              FROM grid k
             CROSS JOIN LATERAL (SELECT k.customer_id, k.entered AS stage_entered_at) s
             CROSS JOIN LATERAL (SELECT k.arr, k.balance_overdue, k.renewal_on) b
             CROSS JOIN LATERAL (SELECT k.csat, k.open_issues) u
              LEFT JOIN unnest(%(stages)s::text[], %(penalties)s::int[], %(max_days)s::int[],
                               %(draft_penalties)s::int[], %(draft_max_days)s::int[])
                     AS m(stage, penalty, max_days, draft_penalty, draft_max_days) ON m.stage = k.stage
             CROSS JOIN LATERAL (
                SELECT COALESCE(m.penalty, %(health_elsewhere)s::int) AS penalty, m.max_days,
                       COALESCE(m.draft_penalty, %(draft_health_elsewhere)s::int) AS draft_penalty, m.draft_max_days) w
           ) j
     GROUP BY 2, 3"""


def count_churned(live: HealthSql, draft: HealthSql) -> str:
    """Of one batch: formula (``live``, ``draft``), band, and the sums that an interval is made of; and the last id.

    ``draft`` is as ``HealthSql.drafted`` gives it.
    """
    return f"""{_GRID}, looked AS (
{_judged("live", live, "")}
    UNION ALL
{_judged("draft", draft, "draft_")}
)
SELECT formula, band, sum(n)::bigint, count(*), sum(y)::bigint, sum(n * n)::bigint, sum(n * y)::bigint,
       sum(y * y)::bigint
  FROM looked GROUP BY 1, 2
 UNION ALL
SELECT 'last', (array_agg(customer_id ORDER BY customer_id DESC))[1]::text, count(*), 0, 0, 0, 0, 0 FROM customers"""
