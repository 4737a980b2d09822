"""Selections of customers, and what is done to all of them."""

import uuid_utils.compat
from django.db import migrations, models
from django.db.models import Q

from storage.rls import KeyByTenant, ProtectTenantTable


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0014_expiring_pins"),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkChange",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("kind", models.CharField(choices=[("move", "Move"), ("owner", "Owner")], max_length=10)),
                ("actor", models.CharField(max_length=150)),
                ("actor_kind", models.CharField(max_length=10)),
                (
                    "updates_per_hour",
                    models.PositiveIntegerField(help_text="The person's budget; empty without one.", null=True),
                ),
                ("total", models.PositiveIntegerField(help_text="Customers that were chosen.")),
                (
                    "stage",
                    models.CharField(blank=True, default="", help_text="Where they move to.", max_length=100),
                ),
                ("reason_code", models.CharField(blank=True, default="", max_length=255)),
                (
                    "owner",
                    models.CharField(
                        blank=True, default="", help_text="Whom they get, if that is the change.", max_length=150
                    ),
                ),
                (
                    "mute_reason",
                    models.CharField(blank=True, default="", help_text="Why nothing is started.", max_length=500),
                ),
                (
                    "configuration_version",
                    models.PositiveIntegerField(help_text="The one that was shown.", null=True),
                ),
                ("effects", models.PositiveIntegerField(default=0, help_text="How many were confirmed.")),
                ("moved", models.PositiveIntegerField(default=0)),
                ("unchanged", models.PositiveIntegerField(default=0)),
                ("refused", models.PositiveIntegerField(default=0)),
                ("after", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(help_text="When it was confirmed.", null=True)),
                ("waits_until", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "is_stopped",
                    models.BooleanField(default=False, help_text="A person has ended it before the last customer."),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=Q(finished_at__isnull=True, started_at__isnull=False),
                        fields=["tenant_id"],
                        name="bulk_change_unfinished",
                    ),
                    models.Index(fields=["created_at"], name="bulk_change_by_age"),
                ],
            },
        ),
        migrations.CreateModel(
            name="BulkChangeItem",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
                        "change_id",
                        "customer_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("change_id", models.UUIDField()),
                ("customer_id", models.UUIDField()),
                (
                    "version",
                    models.PositiveIntegerField(
                        help_text="Of its stage, or of its company where the owner is changed."
                    ),
                ),
                ("stage", models.CharField(max_length=100)),
                ("code", models.CharField(blank=True, default="", max_length=30)),
            ],
        ),
        ProtectTenantTable("lifecycle_bulkchange"),
        KeyByTenant("lifecycle_bulkchange"),
        ProtectTenantTable("lifecycle_bulkchangeitem", readers=()),
    ]
