"""Outbox and refused attempts are filed by period: what is over goes with its partition (docs/decisions/0033)."""

from django.db import migrations, models
from django.db.models.functions import Now

from storage.periods import MACHINERY, FileByPeriod
from storage.rls import APP_ROLE, CURRENT_TENANT, RELAY_ROLE, ProtectTenantTable

OUTBOX = FileByPeriod(
    "audit_outbox",
    key=["id"],
    by=RELAY_ROLE,
    least="1 hour",
    numbered=True,
    indexes=[
        "CREATE INDEX outbox_pending_of_topic ON audit_outbox (topic, id) WHERE published_at IS NULL",
        "CREATE INDEX outbox_of_dead_letter ON audit_outbox (dead_letter_id) WHERE dead_letter_id IS NOT NULL",
        # Says of a period that is over whether anything of it was published late.
        "CREATE INDEX outbox_by_publication ON audit_outbox USING brin (published_at) WITH (autosummarize = on)",
    ],
    kept_if=["published_at IS NULL", "published_at >= $1"],
    # Rows are written once and marked once: by number of dead rows, not by their share of a growing table.
    storage="WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, fillfactor = 85)",
)
REFUSED = FileByPeriod(
    "audit_refused_attempt",
    key=["tenant_id", "id"],
    by=APP_ROLE,
    least="1 day",
    indexes=["CREATE INDEX refused_by_tenant_and_time ON audit_refused_attempt (tenant_id, attempted_at)"],
)
RELAY = [
    f"CREATE POLICY relay_rows ON audit_outbox TO {RELAY_ROLE} USING (true) WITH CHECK (true)",
    f"GRANT SELECT, UPDATE (published_at), INSERT ON audit_outbox TO {RELAY_ROLE}",
    # A copy of a dead letter may be withdrawn with its dead letter. The application can delete nothing else here.
    f"CREATE POLICY dead_letters_alone_are_withdrawn ON audit_outbox AS RESTRICTIVE FOR DELETE TO {APP_ROLE}"
    f" USING (tenant_id = {CURRENT_TENANT} AND dead_letter_id IS NOT NULL)",
]
PERIOD = models.DateTimeField(
    db_default=Now(), editable=False, help_text="When the period began that it was written in."
)


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_feed")]

    operations = [
        migrations.RunSQL([*MACHINERY]),
        OUTBOX,
        ProtectTenantTable(
            "audit_outbox",
            app_may="SELECT, INSERT, DELETE",
            check=f"tenant_id = {CURRENT_TENANT} OR tenant_id IS NULL",
        ),
        REFUSED,
        ProtectTenantTable("audit_refused_attempt", app_may="SELECT, INSERT"),
        migrations.RunSQL([*RELAY, f"GRANT UPDATE (more, to_stage, detail) ON audit_refused_attempt TO {APP_ROLE}"]),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField("outboxmessage", "period", PERIOD),
                migrations.AddField("refusedattempt", "period", PERIOD),
            ]
        ),
    ]
