"""Customers, what is known of them, events and imports."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
import uuid_utils.compat
from django.db import migrations, models

import lifecycle.models.customers
import storage.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0002_protection"),
    ]

    operations = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("external_id", models.CharField(max_length=150)),
                ("name", models.CharField(max_length=200)),
                ("name_key", models.TextField(db_default="", default="", editable=False)),
                ("industry", models.CharField(blank=True, default="", max_length=100)),
                ("segment", models.CharField(blank=True, default="", max_length=100)),
                (
                    "owner",
                    models.CharField(
                        blank=True, default="", help_text="Username of the account manager.", max_length=150
                    ),
                ),
                ("owner_key", models.TextField(blank=True, db_default="", default="", editable=False)),
                (
                    "industry_key",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.text.Lower("industry"),
                        output_field=models.TextField(),
                    ),
                ),
                ("source", models.CharField(blank=True, default="", max_length=100)),
                ("event_id", models.CharField(blank=True, default="", max_length=255)),
                ("occurred_at", models.DateTimeField()),
                (
                    "field_times",
                    models.JSONField(default=dict, help_text="Field -> microseconds since 1970 of what last wrote it."),
                ),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("erased_at", models.DateTimeField(null=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="customers",
                        to="tenants.tenant",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("name", storage.fields.EncryptedText()),
                ("email", storage.fields.EncryptedEmail(max_length=254, null=True)),
                ("phone", storage.fields.EncryptedText(null=True)),
                (
                    "email_index",
                    models.BinaryField(help_text="Keyed hash of the e-mail address, for exact look-up.", null=True),
                ),
                ("role", models.CharField(blank=True, default="", max_length=100)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="contacts",
                        to="lifecycle.customer",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CustomerLifecycleStatus",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("stage", models.CharField(max_length=100)),
                ("stage_entered_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("updated_by", models.CharField(max_length=150)),
                (
                    "actor_kind",
                    models.CharField(help_text="user, service or system: who made the last change.", max_length=10),
                ),
                ("source", models.CharField(max_length=30)),
                ("reason_code", models.CharField(blank=True, default="", max_length=255)),
                ("version", models.PositiveIntegerField()),
                ("head_hash", models.BinaryField()),
                (
                    "customer",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="status",
                        to="lifecycle.customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "lifecycle status",
                "verbose_name_plural": "lifecycle statuses",
                "db_table": "customer_lifecycle_status",
            },
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                (
                    "tenant_slug",
                    models.CharField(blank=True, default="", help_text="As the message wrote it.", max_length=255),
                ),
                ("type", models.CharField(max_length=100)),
                ("source", models.CharField(blank=True, default="", max_length=255)),
                ("event_id", models.CharField(blank=True, default="", max_length=255)),
                ("topic", models.CharField(max_length=255)),
                ("partition", models.IntegerField()),
                ("offset", models.BigIntegerField()),
                ("key", models.BinaryField(null=True)),
                ("value", models.BinaryField(null=True)),
                ("headers", models.JSONField(default=list, help_text="List of [name, base64 value or null] pairs.")),
                (
                    "subjects",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BinaryField(),
                        help_text="Keyed hashes of the customers it may be about.",
                        null=True,
                        size=None,
                    ),
                ),
                ("code", models.CharField(max_length=50)),
                ("sentence", models.CharField(max_length=1000)),
                ("attempts", models.PositiveIntegerField(default=1)),
                ("failed_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("replayed", "Replayed"), ("discarded", "Discarded")],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("resolved_at", models.DateTimeField(null=True)),
                ("resolved_by", models.CharField(blank=True, default="", max_length=150)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "state", "-id"], name="dead_letter_by_tenant"),
                    models.Index(
                        condition=models.Q(("resolved_at__isnull", False)),
                        fields=["resolved_at"],
                        name="dead_letter_by_age",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IdempotentRequest",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("principal", models.CharField(max_length=150)),
                ("key", models.CharField(max_length=255)),
                ("fingerprint", models.BinaryField(help_text="SHA-256 of method, path, If-Match and canonical body.")),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("headers", models.JSONField(default=dict)),
                ("body", models.BinaryField(null=True)),
                (
                    "customer_ids",
                    django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), null=True, size=None),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "created_at"], name="idempotency_by_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "principal", "key"), name="idempotency_key_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportPart",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("upload_id", models.UUIDField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("file", "File"), ("facts", "Facts"), ("rejects", "Rejects")], max_length=10
                    ),
                ),
                (
                    "number",
                    models.PositiveIntegerField(
                        help_text="In the order of numbers; the file's begin with 0 and have no gap."
                    ),
                ),
                ("value", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "upload_id", "kind", "number"), name="import_part_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportUpload",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("name", models.CharField(max_length=255, verbose_name="file")),
                ("size", models.PositiveIntegerField(help_text="Bytes.")),
                ("kind", models.CharField(help_text="csv or ndjson.", max_length=10)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("reading", "Being read"),
                            ("refused", "Cannot be read"),
                            ("ready", "Ready"),
                            ("checking", "Dry run"),
                            ("importing", "Being imported"),
                            ("done", "Imported"),
                        ],
                        default="reading",
                        max_length=10,
                    ),
                ),
                ("revision", models.PositiveIntegerField(default=1, help_text="Counts what people decide about it.")),
                ("as_of", models.DateTimeField(help_text="When it was exported, if that was said.", null=True)),
                (
                    "line",
                    models.PositiveIntegerField(
                        default=0, help_text="Where the last record began that was dealt with."
                    ),
                ),
                ("position", models.PositiveIntegerField(default=0, help_text="Bytes that were dealt with.")),
                ("created", models.PositiveIntegerField(default=0)),
                ("changed", models.PositiveIntegerField(default=0)),
                ("unchanged", models.PositiveIntegerField(default=0)),
                ("rejected", models.PositiveIntegerField(default=0)),
                (
                    "checked_revision",
                    models.PositiveIntegerField(help_text="The revision that a dry run has judged.", null=True),
                ),
                ("created_at", models.DateTimeField(verbose_name="uploaded")),
                ("created_by", models.CharField(max_length=150)),
                ("started_at", models.DateTimeField(null=True)),
                ("started_by", models.CharField(blank=True, default="", max_length=150)),
                ("started_by_kind", models.CharField(blank=True, default="", max_length=10)),
                ("finished_at", models.DateTimeField(null=True)),
                ("worker", models.UUIDField(help_text="The process that works on it.", null=True)),
                (
                    "leased_until",
                    models.DateTimeField(help_text="Until when no other process takes it over.", null=True),
                ),
            ],
            options={
                "verbose_name": "import",
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("state", "reading"), ("state", "checking"), ("state", "importing"), _connector="OR"
                        ),
                        fields=["tenant_id"],
                        name="upload_unfinished",
                    ),
                    models.Index(fields=["created_at"], name="upload_by_age"),
                ],
            },
        ),
        migrations.CreateModel(
            name="InboxEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("source", models.CharField(max_length=255)),
                ("event_id", models.CharField(max_length=255)),
                ("type", models.CharField(max_length=100)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("applied", "Applied"),
                            ("noop", "Noop"),
                            ("stale", "Stale"),
                            ("parked", "Parked"),
                            ("dead", "Dead"),
                        ],
                        max_length=10,
                    ),
                ),
                ("received_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "received_at"], name="inbox_by_tenant_and_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "source", "event_id"), name="inbox_event_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="ParkedEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("external_id", models.CharField(max_length=150)),
                ("topic", models.CharField(max_length=255)),
                ("partition", models.IntegerField()),
                ("offset", models.BigIntegerField()),
                ("occurred_at", models.DateTimeField()),
                ("key", models.BinaryField(null=True)),
                ("value", models.BinaryField()),
                ("headers", models.JSONField(default=list, help_text="List of [name, base64 value or null] pairs.")),
                ("parked_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "external_id"], name="parked_by_customer"),
                    models.Index(fields=["tenant_id", "expires_at"], name="parked_by_expiry"),
                ],
            },
        ),
        migrations.CreateModel(
            name="StageMigration",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("configuration_version", models.PositiveIntegerField()),
                ("from_stage", models.CharField(max_length=100)),
                ("to_stage", models.CharField(max_length=100)),
                ("reason_code", models.CharField(blank=True, default="", max_length=255)),
                ("request_id", models.UUIDField()),
                ("undo_request_id", models.UUIDField(null=True)),
                (
                    "undo_from_stage",
                    models.CharField(blank=True, db_default="", help_text="As it was called then.", max_length=100),
                ),
                ("actor", models.CharField(max_length=150)),
                ("actor_kind", models.CharField(max_length=10)),
                ("total", models.PositiveIntegerField(help_text="Customers to move when the job was made.")),
                ("moved", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("finished_at__isnull", True)),
                        fields=["tenant_id"],
                        name="stage_migration_unfinished",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BillingFigures",
            fields=[
                (
                    "customer",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="billing",
                        serialize=False,
                        to="lifecycle.customer",
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("currency", models.CharField(blank=True, default="", max_length=3)),
                ("arr", lifecycle.models.customers.AmountField(decimal_places=4, max_digits=16, null=True)),
                ("mrr", lifecycle.models.customers.AmountField(decimal_places=4, max_digits=16, null=True)),
                ("balance_overdue", lifecycle.models.customers.AmountField(decimal_places=4, max_digits=16, null=True)),
                ("renewal_on", models.DateField(null=True)),
                ("contract_id", models.CharField(blank=True, default="", max_length=150)),
                ("contract_starts_on", models.DateField(null=True)),
                ("contract_ends_on", models.DateField(null=True)),
                ("source", models.CharField(max_length=100)),
                ("event_id", models.CharField(blank=True, default="", max_length=255)),
                ("occurred_at", models.DateTimeField()),
                (
                    "field_times",
                    models.JSONField(default=dict, help_text="Field -> microseconds since 1970 of what last wrote it."),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "renewal_on", "customer"], name="billing_by_renewal"),
                    models.Index(fields=["tenant_id", "currency", "arr", "customer"], name="billing_by_currency"),
                    models.Index(
                        fields=["tenant_id", "customer"],
                        include=("arr", "currency", "balance_overdue", "renewal_on"),
                        name="billing_listed",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("arr__gt", -1000000000000), ("arr__lt", 1000000000000)),
                            ("arr__isnull", True),
                            _connector="OR",
                        ),
                        name="billing_arr_in_range",
                        violation_error_message="Amounts are below 1,000,000,000,000.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("mrr__gt", -1000000000000), ("mrr__lt", 1000000000000)),
                            ("mrr__isnull", True),
                            _connector="OR",
                        ),
                        name="billing_mrr_in_range",
                        violation_error_message="Amounts are below 1,000,000,000,000.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("balance_overdue__gt", -1000000000000), ("balance_overdue__lt", 1000000000000)),
                            ("balance_overdue__isnull", True),
                            _connector="OR",
                        ),
                        name="billing_balance_overdue_in_range",
                        violation_error_message="Amounts are below 1,000,000,000,000.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SupportFigures",
            fields=[
                (
                    "customer",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="support",
                        serialize=False,
                        to="lifecycle.customer",
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("open_issues", models.PositiveIntegerField(null=True)),
                ("csat", models.DecimalField(decimal_places=2, max_digits=4, null=True)),
                ("last_issue_id", models.CharField(blank=True, default="", max_length=150)),
                ("last_issue_severity", models.CharField(blank=True, default="", max_length=30)),
                ("last_issue_closed_at", models.DateTimeField(null=True)),
                ("source", models.CharField(max_length=100)),
                ("event_id", models.CharField(blank=True, default="", max_length=255)),
                ("occurred_at", models.DateTimeField()),
                (
                    "field_times",
                    models.JSONField(default=dict, help_text="Field -> microseconds since 1970 of what last wrote it."),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["tenant_id", "customer"], include=("open_issues", "csat"), name="support_listed"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["tenant", "name_key", "id"], name="customer_by_name"),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["tenant", "owner_key"], name="customer_by_owner"),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["tenant", "industry_key"], name="customer_by_industry"),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.UniqueConstraint(
                fields=("tenant", "external_id"), name="customer_external_id_once_per_tenant"
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(fields=["tenant_id", "customer"], name="contact_of_customer"),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(fields=["tenant_id", "email_index"], name="contact_by_email"),
        ),
        migrations.AddIndex(
            model_name="customerlifecyclestatus",
            index=models.Index(
                fields=["tenant_id", "stage", "-updated_at", "-customer"], name="status_by_stage_and_change"
            ),
        ),
        migrations.AddConstraint(
            model_name="customerlifecyclestatus",
            constraint=models.UniqueConstraint(fields=("tenant_id", "customer"), name="status_one_per_customer"),
        ),
    ]
