"""What happened, and the data keys."""

import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AdministrationEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField(null=True)),
                ("recorded_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=150)),
                ("actor_kind", models.CharField(max_length=10)),
                ("action", models.CharField(help_text="verb_noun, for example publish_configuration.", max_length=60)),
                (
                    "subject",
                    models.CharField(
                        blank=True, default="", help_text="What was acted upon, by its id.", max_length=255
                    ),
                ),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                ("detail", models.JSONField(default=dict)),
                ("request_id", models.UUIDField(null=True)),
            ],
            options={
                "verbose_name": "administration entry",
                "verbose_name_plural": "administration log",
                "db_table": "audit_administration",
                "indexes": [models.Index(fields=["tenant_id", "-id"], name="administration_by_tenant")],
            },
        ),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                (
                    "number",
                    models.PositiveIntegerField(
                        help_text="1 for the tenant's first seal, then one more each: no gaps."
                    ),
                ),
                ("sealed_at", models.DateTimeField()),
                ("leaves", models.PositiveIntegerField()),
                ("root", models.BinaryField()),
                ("previous", models.BinaryField()),
                (
                    "key_id",
                    models.CharField(help_text="First half of the public key's SHA-256, in hex.", max_length=16),
                ),
                ("signature", models.BinaryField()),
                (
                    "complete_to",
                    models.DateTimeField(
                        help_text="Every row begun before this moment is covered by this or an earlier seal."
                    ),
                ),
            ],
            options={
                "db_table": "audit_seal",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "number"), name="seal_unbroken_numbers"),
                    models.CheckConstraint(condition=models.Q(("leaves__gte", 1)), name="seal_covers_something"),
                ],
            },
        ),
        migrations.CreateModel(
            name="DataKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("subject_id", models.UUIDField()),
                ("wrapped", models.BinaryField()),
                ("master_key_id", models.PositiveIntegerField()),
            ],
            options={
                "db_table": "audit_data_key",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "subject_id"), name="data_key_one_per_subject")
                ],
            },
        ),
        migrations.CreateModel(
            name="LifecycleHistory",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                (
                    "sequence",
                    models.PositiveIntegerField(
                        help_text="1 for the customer's first row, then one more each: no gaps."
                    ),
                ),
                ("from_stage", models.CharField(max_length=100, null=True)),
                ("to_stage", models.CharField(max_length=100)),
                (
                    "changed_at",
                    models.DateTimeField(help_text="When the stage was set, by the clock that applied it."),
                ),
                (
                    "effective_at",
                    models.DateTimeField(
                        help_text="When it became true in the business; an event brings its own time."
                    ),
                ),
                ("recorded_at", models.DateTimeField(help_text="The database's clock when the row was written.")),
                ("changed_by", models.CharField(max_length=150)),
                ("on_behalf_of", models.CharField(blank=True, default="", max_length=150)),
                ("actor_kind", models.CharField(max_length=10)),
                ("source", models.CharField(max_length=30)),
                ("reason_code", models.CharField(blank=True, default="", max_length=255)),
                ("request_id", models.UUIDField(null=True)),
                ("event_id", models.CharField(blank=True, default="", max_length=255)),
                ("configuration_version", models.PositiveIntegerField()),
                ("note", models.BinaryField(help_text="Encrypted under the customer's data key.", null=True)),
                ("previous_hash", models.BinaryField()),
                ("hash", models.BinaryField()),
            ],
            options={
                "verbose_name": "lifecycle history row",
                "verbose_name_plural": "lifecycle history",
                "indexes": [models.Index(fields=["tenant_id", "request_id"], name="history_of_request")],
                "db_table": "customer_lifecycle_history",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "customer_id", "sequence"), name="history_unbroken_sequence"
                    ),
                    models.CheckConstraint(condition=models.Q(("sequence__gte", 1)), name="history_sequence_from_one"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("from_stage__isnull", True), ("sequence", 1)),
                            models.Q(("from_stage__isnull", False), ("sequence__gt", 1)),
                            _connector="OR",
                        ),
                        name="history_first_row_has_no_stage_before",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxMessage",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(null=True)),
                ("topic", models.CharField(max_length=100)),
                ("key", models.BinaryField(null=True)),
                ("history_id", models.UUIDField(null=True)),
                ("dead_letter_id", models.UUIDField(null=True)),
                ("payload", models.BinaryField(null=True)),
                ("headers", models.JSONField(help_text="List of [name, base64 value] pairs.", null=True)),
                ("created_at", models.DateTimeField()),
                ("published_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "audit_outbox",
                "indexes": [
                    models.Index(
                        condition=models.Q(("published_at__isnull", True)),
                        fields=["topic", "id"],
                        name="outbox_pending_of_topic",
                    ),
                    models.Index(
                        condition=models.Q(("dead_letter_id__isnull", False)),
                        fields=["dead_letter_id"],
                        name="outbox_of_dead_letter",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RefusedAttempt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("customer_id", models.UUIDField(null=True)),
                ("attempted_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=150)),
                ("actor_kind", models.CharField(max_length=10)),
                ("source", models.CharField(max_length=30)),
                ("from_stage", models.CharField(blank=True, default="", max_length=100)),
                ("to_stage", models.CharField(blank=True, default="", max_length=100)),
                ("code", models.CharField(max_length=50)),
                ("detail", models.CharField(blank=True, default="", max_length=500)),
                ("request_id", models.UUIDField(null=True)),
                ("more", models.PositiveIntegerField(db_default=0, default=0)),
            ],
            options={
                "db_table": "audit_refused_attempt",
                "indexes": [models.Index(fields=["tenant_id", "attempted_at"], name="refused_by_tenant_and_time")],
            },
        ),
        migrations.CreateModel(
            name="SealedRow",
            fields=[
                ("history_id", models.UUIDField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("seal_number", models.PositiveIntegerField()),
                ("position", models.PositiveIntegerField()),
                ("hash", models.BinaryField()),
            ],
            options={
                "db_table": "audit_sealed_row",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "seal_number", "position"), name="sealed_row_once_per_position"
                    )
                ],
            },
        ),
    ]
