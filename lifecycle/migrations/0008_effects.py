"""What stage changes start, in which lanes, what people see of it, and how it is undone."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import KeyByTenant, ProtectTenantTable

TABLES = (
    "lifecycle_effectlane",
    "lifecycle_effect",
    "lifecycle_effecttally",
    "lifecycle_notification",
    "lifecycle_undo",
)
OTHERS = (*TABLES, "lifecycle_effectpause", "lifecycle_webhookendpoint", "lifecycle_webhooksecret")


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0007_customer_website"),
    ]

    operations = [
        migrations.CreateModel(
            name="EffectLane",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                (
                    "name",
                    models.CharField(
                        help_text="A kind of effect, or endpoint: and the endpoint's name.", max_length=100
                    ),
                ),
                ("max_in_flight", models.PositiveSmallIntegerField(db_default=8, default=8)),
                ("served_at", models.DateTimeField()),
                ("is_ill", models.BooleanField(db_default=False, default=False)),
                ("paused_at", models.DateTimeField(null=True)),
                (
                    "disabled_at",
                    models.DateTimeField(help_text="Switched off by itself: gone, or failing for days.", null=True),
                ),
                ("disabled_reason", models.CharField(blank=True, db_default="", default="", max_length=255)),
                (
                    "failing_since",
                    models.DateTimeField(help_text="The first failure since the last success.", null=True),
                ),
                (
                    "failed_again_at",
                    models.DateTimeField(help_text="The first failure 12 hours or more after that.", null=True),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant_id", "name"), name="effect_lane_once")],
            },
        ),
        migrations.CreateModel(
            name="EffectPause",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("effect", models.CharField(blank=True, default="", max_length=255)),
                ("paused_at", models.DateTimeField()),
                ("paused_by", models.CharField(max_length=150)),
                ("reason", models.CharField(max_length=500)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant_id", "effect"), name="effect_paused_once")],
            },
        ),
        migrations.CreateModel(
            name="EffectRun",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("history_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("request_id", models.UUIDField()),
                ("configuration_version", models.PositiveIntegerField()),
                ("effect", models.CharField(max_length=255)),
                ("kind", models.CharField(max_length=10)),
                ("recipient", models.CharField(blank=True, default="", max_length=300)),
                ("lane_id", models.UUIDField()),
                ("state", models.CharField(max_length=10)),
                (
                    "reason",
                    models.CharField(
                        blank=True, db_default="", default="", help_text="Why it is not done.", max_length=255
                    ),
                ),
                ("due_at", models.DateTimeField()),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("lease_until", models.DateTimeField(null=True)),
                ("lease_token", models.UUIDField(null=True)),
                (
                    "handed_over_at",
                    models.DateTimeField(help_text="From here on an e-mail may have been sent.", null=True),
                ),
                ("may_be_twice", models.BooleanField(db_default=False, default=False)),
                (
                    "last_attempt",
                    models.JSONField(help_text="What was sent and answered, without secrets and people.", null=True),
                ),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "effect",
                "db_table": "lifecycle_effect",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "due")), fields=["lane_id", "due_at", "id"], name="effect_due"
                    ),
                    models.Index(condition=models.Q(("state", "sending")), fields=["lane_id"], name="effect_in_flight"),
                    models.Index(
                        condition=models.Q(("state", "sending")), fields=["lease_until"], name="effect_by_lease"
                    ),
                    models.Index(
                        condition=models.Q(("state", "held")), fields=["tenant_id", "due_at"], name="effect_held"
                    ),
                    models.Index(fields=["tenant_id", "customer_id", "-id"], name="effect_of_customer"),
                    models.Index(fields=["tenant_id", "request_id"], name="effect_of_request"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "history_id", "effect", "recipient"), name="effect_once_a_recipient"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EffectTally",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("what", models.CharField(max_length=300)),
                ("since", models.DateTimeField()),
                ("count", models.PositiveIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "what", "since"), name="effect_tally_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("user_id", models.UUIDField()),
                ("effect_id", models.UUIDField(help_text="The effect that it came from.")),
                ("customer_id", models.UUIDField()),
                ("effect", models.CharField(max_length=255)),
                ("from_stage", models.CharField(blank=True, default="", max_length=100)),
                ("to_stage", models.CharField(max_length=100)),
                ("created_at", models.DateTimeField()),
                ("read_at", models.DateTimeField(null=True)),
                ("acknowledged_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "user_id", "-id"], name="notification_of_user"),
                    models.Index(
                        condition=models.Q(("read_at__isnull", True)),
                        fields=["tenant_id", "user_id"],
                        name="notification_unread",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "effect_id"), name="notification_of_effect")
                ],
            },
        ),
        migrations.CreateModel(
            name="Undo",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("request_id", models.UUIDField(help_text="Of the change that is undone.")),
                ("reason", models.CharField(blank=True, default="", max_length=255)),
                ("actor", models.CharField(max_length=150)),
                ("actor_kind", models.CharField(max_length=10)),
                ("to_move", models.PositiveIntegerField(help_text="Customers to move back when it was asked for.")),
                (
                    "moved_since",
                    models.PositiveIntegerField(help_text="Customers that had been moved on, and stay where they are."),
                ),
                ("effects_cancelled", models.PositiveIntegerField()),
                ("effects_already_done", models.PositiveIntegerField()),
                ("moved", models.PositiveIntegerField(default=0)),
                (
                    "refused",
                    models.PositiveIntegerField(default=0, help_text="Whose former stage is gone, for example."),
                ),
                ("after", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "lifecycle_undo",
                "indexes": [
                    models.Index(
                        condition=models.Q(("finished_at__isnull", True)), fields=["tenant_id"], name="undo_unfinished"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "request_id"), name="undo_once_a_request")
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("name", models.CharField(max_length=80)),
                ("url", models.CharField(max_length=500)),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(max_length=150)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "name"), name="webhook_endpoint_named_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookSecret",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("endpoint_id", models.UUIDField()),
                ("value", models.BinaryField()),
                ("until", models.DateTimeField(help_text="When it ends, if it was replaced.", null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "endpoint_id"], name="webhook_secret_of_endpoint")],
            },
        ),
        *(ProtectTenantTable(table) for table in TABLES),
        ProtectTenantTable("lifecycle_effectpause"),
        # No one reads the secrets of all tenants.
        ProtectTenantTable("lifecycle_webhooksecret", readers=()),
        ProtectTenantTable("lifecycle_webhookendpoint"),
        *(KeyByTenant(table) for table in OTHERS),
    ]
