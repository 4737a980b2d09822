"""The sums over stays are kept by segment, too: the segments of large tenants are read as fast as everybody's."""

from typing import Any
from uuid import UUID

from django.db import migrations, transaction

# The policies bind the owner too, so each tenant's rows are read and written as that tenant, in a transaction of its own.
TENANT = "SELECT set_config('app.tenant_id', %(tenant_id)s::text, true)"
# As the batches of ``lifecycle.services.insight.keeping``: it may wait for a batch. Of requests only an erasure and the
# reset of a sandbox take this turn; they answer 503 while the sums of their tenant are made (docs/operations.md).
TURN = (
    "SET LOCAL lock_timeout = '60s'",
    "SELECT pg_advisory_xact_lock(hashtextextended('insight ' || %(tenant_id)s::text, 0))",
)
COUNT = """
UPDATE lifecycle_insight_state f SET segment = lower(c.segment) FROM lifecycle_customer c
 WHERE f.tenant_id = %(tenant_id)s::uuid AND c.tenant_id = f.tenant_id AND c.id = f.customer_id
"""
FORGET = "DELETE FROM lifecycle_segment_fact WHERE tenant_id = %(tenant_id)s::uuid"
# As ``lifecycle.queries.insight.facts`` has them today.
DAY = "(p.began AT TIME ZONE 'UTC')::date"
MONTH = "date_trunc('month', p.began AT TIME ZONE 'UTC')::date"
STAYS = """
FROM lifecycle_insight_state w JOIN lifecycle_stay p ON p.tenant_id = w.tenant_id AND p.customer_id = w.customer_id
WHERE w.tenant_id = %(tenant_id)s::uuid AND p.tenant_id = %(tenant_id)s::uuid AND w.segment IS NOT NULL AND p.piece = 0
"""
SUMS = (
    f"""
SELECT w.segment, 'flow', {DAY}, p.from_stage, p.stage, p.by_configuration::int, p.was_currency, count(*),
       sum(p.was_arr) {STAYS} GROUP BY 1, 3, 4, 5, 6, 7""",
    f"""
SELECT w.segment, 'value', {DAY}, p.stage, p.stage, CASE WHEN v.arr < 0 THEN -1 ELSE 1 END, v.currency, 0, sum(v.arr)
  FROM lifecycle_insight_state w
  JOIN lifecycle_stay p ON p.tenant_id = w.tenant_id AND p.customer_id = w.customer_id
 CROSS JOIN LATERAL (
       SELECT p.currency, p.arr - CASE WHEN p.currency = p.was_currency THEN p.was_arr ELSE 0 END AS arr
        UNION ALL
       SELECT p.was_currency, -p.was_arr WHERE p.currency <> p.was_currency) v
 WHERE w.tenant_id = %(tenant_id)s::uuid AND p.tenant_id = %(tenant_id)s::uuid AND w.segment IS NOT NULL
   AND (p.arr, p.currency) IS DISTINCT FROM (p.was_arr, p.was_currency) AND v.arr <> 0
 GROUP BY 1, 3, 4, 5, 6, 7""",
    f"""
SELECT w.segment, 'known', (p.known AT TIME ZONE 'UTC')::date, p.from_stage, p.stage, 0, '', count(*), 0
 {STAYS} GROUP BY 1, 3, 4, 5""",
    f"""
SELECT w.segment, 'reason', {DAY}, p.from_stage, p.stage, 0, p.reason_code, count(*), sum(p.was_arr)
 {STAYS} GROUP BY 1, 3, 4, 5, 7""",
    f"""
SELECT w.segment, 'cohort', {MONTH}, p.from_stage, p.stage,
       (extract(year FROM p.cohort) * 12 + extract(month FROM p.cohort))::int, '', count(*), 0
 {STAYS} GROUP BY 1, 3, 4, 5, 6""",
    f"""
SELECT w.segment, 'stay', {MONTH}, p.stage, CASE WHEN p.left_by_configuration THEN '' ELSE p.to_stage END,
       floor(extract(epoch FROM p.left_at - p.entered) / 86400)::int, '', count(*), 0
 {STAYS} AND p.to_stage <> '' GROUP BY 1, 3, 4, 5, 6""",
    f"""
SELECT m.segment, 'reach', m.day, m.stage, t.stage, 0, '', count(*), 0
  FROM (SELECT w.segment, p.customer_id, p.stage, min(p.sequence) AS first, min({MONTH}) AS day
        {STAYS} GROUP BY 1, 2, 3) m
  JOIN (SELECT p.customer_id, p.stage, max(p.sequence) AS last {STAYS} GROUP BY 1, 2
        UNION ALL
        SELECT p.customer_id, '', {2**31 - 1} {STAYS} AND p.sequence = 1) t
    ON t.customer_id = m.customer_id AND t.last > m.first
 GROUP BY 1, 3, 4, 5""",
)
INSERT = """
INSERT INTO lifecycle_segment_fact (tenant_id, segment, kind, day, from_stage, to_stage, number, label, customers, arr)
SELECT %(tenant_id)s::uuid, s.* FROM ({sum}) s
"""


def sum_up(_apps: Any, editor: Any) -> None:
    """The sums of every tenant. What a run that was ended has left is made again."""
    connection = editor.connection
    statements = (TENANT, *TURN, COUNT, FORGET, *(INSERT.replace("{sum}", one) for one in SUMS))
    for tenant_id in _list_tenants(connection):
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, {"tenant_id": tenant_id})


def _list_tenants(connection: Any) -> list[UUID]:
    """The owner sees them while the policy does not bind it: for one look at one small table."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tenants_tenant NO FORCE ROW LEVEL SECURITY")
        cursor.execute("SELECT id FROM tenants_tenant ORDER BY id")
        found = [tenant_id for (tenant_id,) in cursor.fetchall()]
        cursor.execute("ALTER TABLE tenants_tenant FORCE ROW LEVEL SECURITY")
    return found


class Migration(migrations.Migration):
    # A transaction for each tenant.
    atomic = False

    dependencies = [("lifecycle", "0037_segment_sums")]

    operations = [migrations.RunPython(sum_up, atomic=False)]
