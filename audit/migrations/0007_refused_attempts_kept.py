"""Refused attempts are kept for ninety days (``audit.services.refusals``), whatever the application's role asks for."""

from django.db import migrations

from storage.periods import turning_sql

TABLE = "audit_refused_attempt"


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_departures")]

    operations = [
        migrations.RunSQL(
            turning_sql(TABLE, shortest="1 day", least="90 days"),
            turning_sql(TABLE, shortest="1 day", least="1 day"),
        )
    ]
