"""The moves that became known here on each day are summed up, as those of each day are."""

from django.db import migrations

TABLES = ("lifecycle_stay", "lifecycle_insight_fact")
# As ``lifecycle.queries.insight.facts`` has it today.
SUM = """
INSERT INTO lifecycle_insight_fact (tenant_id, kind, day, from_stage, to_stage, number, label, customers, arr)
SELECT p.tenant_id, 'known', (p.known AT TIME ZONE 'UTC')::date, p.from_stage, p.stage, 0, '', count(*), 0
  FROM lifecycle_stay p WHERE p.piece = 0 GROUP BY 1, 3, 4, 5
"""


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0034_insight_indexes")]

    operations = [
        migrations.RunSQL(
            [
                # The owner sees every tenant's rows while the policies do not bind it; no one else can look in between.
                *(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY" for table in TABLES),
                SUM,
                *(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY" for table in TABLES),
            ],
            "DELETE FROM lifecycle_insight_fact WHERE kind = 'known'",
        )
    ]
