"""The inbox is filed by period: what is over goes with its partition (docs/decisions/0033)."""

from django.db import migrations, models
from django.db.models.functions import Now

from storage.periods import FileByPeriod
from storage.rls import APP_ROLE, ProtectTenantTable

OUTCOMES = ["applied", "noop", "stale", "parked", "dead"]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0028_latest_notes"), ("audit", "0005_periods")]

    operations = [
        FileByPeriod(
            "lifecycle_inboxevent",
            key=["tenant_id", "source", "event_id"],
            by=APP_ROLE,
            least="1 hour",
            without=["id"],
        ),
        ProtectTenantTable("lifecycle_inboxevent", app_may="SELECT, INSERT, UPDATE"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel("InboxEvent"),
                migrations.CreateModel(
                    "InboxEvent",
                    [
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "tenant_id",
                                "source",
                                "event_id",
                                "period",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("tenant_id", models.UUIDField()),
                        ("source", models.CharField(max_length=255)),
                        ("event_id", models.CharField(max_length=255)),
                        (
                            "period",
                            models.DateTimeField(
                                db_default=Now(),
                                editable=False,
                                help_text="When the period began that it was written in.",
                            ),
                        ),
                        ("type", models.CharField(max_length=100)),
                        (
                            "outcome",
                            models.CharField(choices=[(name, name.title()) for name in OUTCOMES], max_length=10),
                        ),
                        ("received_at", models.DateTimeField()),
                    ],
                ),
            ]
        ),
    ]
