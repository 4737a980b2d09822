"""Attempts beyond what is kept of an actor and minute are counted on the last row that is kept."""

from django.db import migrations, models

from storage.rls import APP_ROLE


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_administration_of_staff")]

    operations = [
        migrations.AddField(
            model_name="refusedattempt", name="more", field=models.PositiveIntegerField(default=0, db_default=0)
        ),
        migrations.RunSQL(
            f"GRANT UPDATE (more) ON audit_refused_attempt TO {APP_ROLE}",
            f"REVOKE UPDATE (more) ON audit_refused_attempt FROM {APP_ROLE}",
        ),
    ]
