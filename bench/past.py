"""A past for the customers of ``population``: so many moves and reports of figures over two years, notes and tasks.

Written by SQL as the administrator: two million rows through the services would take hours. The hashes are no chain,
so nothing that verifies the history may be measured on it.
"""

import psycopg

from bench.population import Populated, connect_as_administrator

DAYS = 730
# Customers came at any time of the two years, the later the fewer moves they have had: on average so much of them.
AVERAGE_SHARE = 0.65

# Every second stay is Active. The others are at risk (one in four, of which one in seven is lost), renewed, or new.
STEPS = f"""
CREATE TEMP TABLE steps AS
SELECT p.customer_id, p.moves, k, r, lag(r) OVER (PARTITION BY p.customer_id ORDER BY k) AS before,
       now() - p.span + p.span * ((k - 1 + 0.9 * later) / p.moves) AS at
  FROM (SELECT id AS customer_id, share * interval '{DAYS} days' AS span,
               greatest(2, (%(moves)s * share / {AVERAGE_SHARE})::int) AS moves
          FROM (SELECT id, 0.3 + 0.7 * random() AS share FROM lifecycle_customer WHERE tenant_id = %(tenant)s) c) p
 CROSS JOIN LATERAL (SELECT k, random() AS r, random() AS later FROM generate_series(1, p.moves) k) s
"""
STAGES = """
CREATE TEMP TABLE moves AS
SELECT customer_id, moves, k, at, stage, lag(stage) OVER (PARTITION BY customer_id ORDER BY k) AS came_from,
       CASE stage WHEN 'At-Risk' THEN (ARRAY['Low Engagement', 'Support Escalation', 'Late'])[1 + (r * 12)::int]
                  WHEN 'Churned' THEN (ARRAY['Price', 'Competitor'])[1 + (r * 13)::int] ELSE '' END AS reason
  FROM (SELECT *, CASE WHEN k = 1 THEN 'Prospect' WHEN k = 2 THEN 'Onboarded'
                       WHEN k % 2 = 1 AND k > 4 AND before < 0.25 AND r < 0.15 THEN 'Churned'
                       WHEN k % 2 = 1 THEN 'Active'
                       WHEN r < 0.25 THEN 'At-Risk' WHEN r < 0.65 THEN 'Renewed' ELSE 'Onboarded' END AS stage
          FROM steps) s
"""
HISTORY = """
INSERT INTO customer_lifecycle_history (id, tenant_id, customer_id, sequence, from_stage, to_stage, changed_at,
                                        effective_at, recorded_at, changed_by, on_behalf_of, actor_kind, source,
                                        reason_code, event_id, configuration_version, previous_hash, hash)
SELECT uuidv7(at - now()), %(tenant)s, customer_id, k, came_from, stage, at, at, at, 'system:bench', '', 'system',
       'UI', COALESCE(reason, ''), '', 1, '', sha256(customer_id::text::bytea)
  FROM moves
"""
STATUSES = """
UPDATE customer_lifecycle_status s
   SET stage = m.stage, stage_entered_at = m.at, updated_at = m.at, version = m.k, reason_code = COALESCE(m.reason, '')
  FROM moves m WHERE s.tenant_id = %(tenant)s AND s.customer_id = m.customer_id AND m.k = m.moves
"""
# By turns what Billing says and what Support says.
REPORTS = """
INSERT INTO lifecycle_figurechange (id, tenant_id, customer_id, effective_at, recorded_at, source, figures)
SELECT uuidv7(r.at - now()), %(tenant)s, c.id, r.at, r.at, CASE n % 2 WHEN 1 THEN '/billing' ELSE '/support' END,
       CASE n % 2 WHEN 1 THEN jsonb_build_object(
              'billing.arr', ((1000 + random() * 90000)::int)::text, 'billing.currency', 'USD',
              'billing.balance_overdue', CASE WHEN random() < 0.1 THEN (random() * 9000)::int ELSE 0 END::text,
              'billing.renewal_on', (current_date + (random() * 365)::int)::text)
            ELSE jsonb_build_object('support.open_issues', (random() * 6)::int,
                                    'support.csat', round((2 + random() * 3)::numeric, 1)::text) END
  FROM lifecycle_customer c CROSS JOIN generate_series(1, %(reports)s) n
 CROSS JOIN LATERAL (SELECT now() - interval '730 days' * (1 - (n - 1 + 0.9 * random()) / %(reports)s) AS at) r
 WHERE c.tenant_id = %(tenant)s
"""
NOTES = """
INSERT INTO lifecycle_note (id, tenant_id, customer_id, text, mentions, created_at, created_by, version)
SELECT uuidv7(n.at - now()), %(tenant)s, c.id, '', '[]', n.at, 'bench', 1
  FROM lifecycle_customer c CROSS JOIN generate_series(1, 4) k
 CROSS JOIN LATERAL (SELECT now() - interval '730 days' * (1 - (k - 1 + 0.9 * random()) / 4) AS at
                      WHERE c.id IS NOT NULL OFFSET 0) n
 WHERE c.tenant_id = %(tenant)s
"""
TASKS = """
INSERT INTO lifecycle_task (id, tenant_id, customer_id, title, due_on, due_key, created_at, created_by, done_at,
                            done_by, version)
SELECT uuidv7(n.at - now()), %(tenant)s, c.id, '', n.due, n.due, n.at, 'bench', n.done, '', 1
  FROM lifecycle_customer c CROSS JOIN generate_series(1, 2) k
 CROSS JOIN LATERAL (SELECT at, (at + interval '14 days')::date AS due,
                            CASE WHEN random() < 0.9 THEN at + interval '7 days' END AS done
                       FROM (SELECT now() - interval '365 days' * (k - random()) AS at
                               WHERE c.id IS NOT NULL OFFSET 0) a OFFSET 0) n
 WHERE c.tenant_id = %(tenant)s
"""
# As the database keeps them, whose triggers are off here.
KEPT_BY_TRIGGERS = """
SELECT renew_latest_notes(%(tenant)s, w.ids), renew_open_tasks(%(tenant)s, w.ids)
  FROM (SELECT array_agg(id) AS ids FROM lifecycle_customer WHERE tenant_id = %(tenant)s) w
"""
TABLES = (
    "customer_lifecycle_history",
    "customer_lifecycle_status",
    "lifecycle_figurechange",
    "lifecycle_note",
    "lifecycle_task",
)


def write_past(populated: Populated, *, moves: int, reports: int) -> int:
    """Give each customer so many moves on average, so many reports, four notes and two tasks; how many moves in all."""
    parameters = {"tenant": populated.tenant.id, "moves": moves, "reports": reports}
    with connect_as_administrator() as administrator:
        administrator.execute("SET session_replication_role = replica")
        administrator.execute("SET synchronous_commit = off")
        administrator.execute("SET work_mem = '256MB'")
        for statement in (STEPS, STAGES, HISTORY, STATUSES, REPORTS, NOTES, TASKS, KEPT_BY_TRIGGERS):
            _execute(administrator, statement, parameters)
        (count,) = administrator.execute("SELECT count(*) FROM moves").fetchone() or (0,)
    return int(str(count))


def _execute(
    administrator: "psycopg.Connection[tuple[object, ...]]", statement: str, parameters: dict[str, object]
) -> None:
    # Typed by hand: without parameters of the protocol one statement may use what another has made.
    text = statement.replace("%(moves)s", str(parameters["moves"])).replace("%(reports)s", str(parameters["reports"]))
    administrator.execute(text.replace("%(tenant)s", f"'{parameters['tenant']}'::uuid"))
