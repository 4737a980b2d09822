"""At-risk rules: what was played over the past, how far customers were looked at, and what rules did."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import KeyByTenant, ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0023_renewed_contracts"),
    ]

    operations = [
        migrations.CreateModel(
            name="RiskFiring",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("rule", models.CharField(max_length=100)),
                ("configuration_version", models.PositiveIntegerField()),
                ("from_stage", models.CharField(max_length=100)),
                ("to_stage", models.CharField(max_length=100)),
                ("reason_code", models.CharField(blank=True, default="", max_length=255)),
                ("since", models.DateTimeField(help_text="When the conditions began to hold.")),
                ("fired_at", models.DateTimeField(help_text="When they had held for as long as the rule asks.")),
                ("created_at", models.DateTimeField()),
                ("state", models.CharField(max_length=10)),
                ("decided_by", models.CharField(blank=True, default="", max_length=150)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "dismissal",
                    models.CharField(blank=True, default="", help_text="Why it was dismissed.", max_length=255),
                ),
            ],
            options={
                "db_table": "lifecycle_risk_firing",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["tenant_id", "customer_id"],
                        name="risk_firing_open",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "customer_id", "rule", "since"), name="risk_firing_once_a_stretch"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RiskState",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id", "customer_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                ("configuration_version", models.PositiveIntegerField()),
                ("status", models.PositiveIntegerField()),
                ("company", models.PositiveIntegerField()),
                ("billing", models.PositiveIntegerField()),
                ("support", models.PositiveIntegerField()),
                ("due_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "lifecycle_risk_state",
            },
        ),
        migrations.CreateModel(
            name="RulePlay",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("draft_id", models.UUIDField()),
                ("revision", models.PositiveIntegerField()),
                ("document", models.JSONField()),
                ("renamed", models.JSONField(default=dict)),
                ("known", models.CharField(max_length=10)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("managers", models.PositiveIntegerField()),
                ("total", models.PositiveIntegerField()),
                ("done", models.PositiveIntegerField(default=0)),
                ("after", models.UUIDField(null=True)),
                ("tally", models.JSONField()),
                ("requested_by", models.CharField(max_length=150)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "lifecycle_rule_play",
                "indexes": [
                    models.Index(
                        condition=models.Q(("finished_at", None)), fields=["tenant_id"], name="rule_play_unfinished"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "draft_id"), name="rule_play_once_a_draft")
                ],
            },
        ),
        KeyByTenant("lifecycle_risk_firing"),
        KeyByTenant("lifecycle_rule_play"),
        ProtectTenantTable("lifecycle_risk_firing"),
        ProtectTenantTable("lifecycle_risk_state"),
        ProtectTenantTable("lifecycle_rule_play"),
    ]
