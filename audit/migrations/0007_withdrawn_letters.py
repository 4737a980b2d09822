"""A copy of a dead letter in the outbox names its letter, and may be withdrawn with it; what was typed into a refused
attempt may be taken out of it. Nothing else in the outbox can be deleted by the application.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from storage.rls import APP_ROLE, CURRENT_TENANT


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0006_refused_attempts_counted")]

    operations = [
        migrations.AddField("outboxmessage", "letter_id", models.UUIDField(null=True)),
        AddIndexConcurrently(
            "outboxmessage",
            models.Index(fields=["letter_id"], name="outbox_of_letter", condition=models.Q(letter_id__isnull=False)),
        ),
        migrations.RunSQL(
            [
                f"CREATE POLICY letters_alone_are_withdrawn ON audit_outbox AS RESTRICTIVE FOR DELETE TO {APP_ROLE}"
                f" USING (tenant_id = {CURRENT_TENANT} AND letter_id IS NOT NULL)",
                f"GRANT DELETE ON audit_outbox TO {APP_ROLE}",
                f"GRANT UPDATE (to_stage, detail) ON audit_refused_attempt TO {APP_ROLE}",
            ],
            [
                f"REVOKE UPDATE (to_stage, detail) ON audit_refused_attempt FROM {APP_ROLE}",
                f"REVOKE DELETE ON audit_outbox FROM {APP_ROLE}",
                "DROP POLICY letters_alone_are_withdrawn ON audit_outbox",
            ],
        ),
    ]
