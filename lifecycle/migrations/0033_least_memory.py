"""The inbox is remembered for a day at least, whatever the application's role asks for.

A day is the least that EVENTS_REMEMBERED_DAYS may be. Any statement of that role can call the function.
"""

from django.db import migrations

from storage.periods import turning_sql

TABLE = "lifecycle_inboxevent"


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0032_figures_by_subject")]

    operations = [
        migrations.RunSQL(
            turning_sql(TABLE, shortest="8 hours", least="1 day"),
            turning_sql(TABLE, shortest="1 hour", least="1 hour"),
        )
    ]
