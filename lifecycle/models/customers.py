"""The customer of a tenant, its contacts, and the figures its Billing and Support modules report."""

from typing import Any

import uuid_utils.compat
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from lifecycle.models.data_keys import OfCustomer
from lifecycle.queries.customers import CustomerQuerySet
from lifecycle.rules.fields import BILLING, COMPANY, SUPPORT, Kind, amounts_of, fields_of
from storage.fields import EncryptedEmail, EncryptedText
from tenants.models import Tenant


class AmountField(models.DecimalField):  # type: ignore[type-arg]
    """A sum of money, kept exactly as ``tenants.rules.values.read_amount`` gives it: with its currency's decimals."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "max_digits": 16, "decimal_places": 4, "null": True})

    def db_type(self, connection: Any) -> str:
        """Without a fixed scale: 1234.565 KWD and 1235 JPY are read back as they were written."""
        return "numeric"


def _columns_of(part: str, besides: tuple[str, ...] = ()) -> "dict[str, models.Field[Any, Any]]":
    """The columns that keep a part's fields (``lifecycle.rules.fields``), by name."""
    return {field.name: _column_of(field.kind) for field in fields_of(part) if field.name not in besides}


def _column_of(kind: Kind) -> "models.Field[Any, Any]":
    match kind.name:
        case "amount":
            return AmountField()
        case "day":
            return models.DateField(null=True)
        case "timestamp":
            return models.DateTimeField(null=True)
        case "count":
            return models.PositiveIntegerField(null=True)
        case "score":
            return models.DecimalField(max_digits=4, decimal_places=2, null=True)
        case _:
            # With a default of the database: a release that does not know the column yet goes on writing rows.
            return models.CharField(max_length=kind.longest, blank=True, default="", db_default="")


def _kept(help_text: str) -> "models.JSONField[Any, Any]":
    """An object that is empty at first, also in the rows of a release that does not know the column yet."""
    empty = models.Value({}, models.JSONField())
    return models.JSONField(default=dict, db_default=empty, blank=True, help_text=help_text)


class Customer(models.Model):
    """A client account of a tenant. ``external_id`` is its name in the tenant's own systems, unique there.

    ``name_key`` and ``owner_key`` are what ``name`` is sorted and searched by and ``owner`` is compared by.
    ``source``, ``event_id`` and ``occurred_at`` say which message last wrote the company data.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    # Every other index starts with the tenant: one of its own would only cost each insert.
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="customers", db_index=False)
    external_id = models.CharField(max_length=150)
    name = models.CharField(max_length=200)
    name_key = models.TextField(default="", db_default="", editable=False)
    owner = models.CharField(max_length=150, blank=True, default="", help_text="Username of the account manager.")
    owner_key = models.TextField(blank=True, default="", db_default="", editable=False)
    # The other columns of the company, from the registry of fields.
    vars().update(_columns_of(COMPANY, besides=("name", "owner")))
    # A comparison in whatever case: row-level security lets no function but a leakproof one into an index.
    industry_key = models.GeneratedField(expression=Lower("industry"), output_field=models.TextField(), db_persist=True)
    source = models.CharField(max_length=100, blank=True, default="")
    event_id = models.CharField(max_length=255, blank=True, default="")
    occurred_at = models.DateTimeField()
    field_times = models.JSONField(default=dict, help_text="Field -> microseconds since 1970 of what last wrote it.")
    field_sources = _kept("Field -> the source whose value it has.")
    overruled = _kept("Field -> source -> the latest value of it that does not hold, and its time.")
    pins = _kept("Path of a field -> who pinned it, why, since and until when.")
    pins_until = models.DateTimeField(null=True, help_text="When the first of the pins expires.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1, db_default=1, help_text="Rises with each write.")

    objects = CustomerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "external_id"], name="customer_external_id_once_per_tenant"),
        ]
        indexes = [
            models.Index(fields=["tenant", "name_key", "id"], name="customer_by_name"),
            models.Index(fields=["tenant", "owner_key", "id"], name="customer_in_order_of_owner"),
            models.Index(fields=["tenant", "industry_key", "id"], name="customer_in_order_of_industry"),
            models.Index(
                fields=["tenant", "pins_until"],
                condition=models.Q(pins_until__isnull=False),
                name="customer_pins_expire",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Contact(OfCustomer, models.Model):
    """A person at the customer. Everything that names the person is encrypted under the customer's data key."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, db_constraint=False, related_name="contacts")
    name = EncryptedText()
    email = EncryptedEmail(null=True)
    phone = EncryptedText(null=True)
    email_index = models.BinaryField(null=True, help_text="Keyed hash of the e-mail address, for exact look-up.")
    role = models.CharField(max_length=100, blank=True, default="")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "customer"], name="contact_of_customer"),
            models.Index(fields=["tenant_id", "email_index"], name="contact_by_email"),
        ]

    def __str__(self) -> str:
        return f"contact of {self.customer_id}"


class _Reported(models.Model):
    """Which message last wrote a row of figures, and of each field what last wrote it and what it overruled."""

    source = models.CharField(max_length=100)
    event_id = models.CharField(max_length=255, blank=True, default="")
    occurred_at = models.DateTimeField()
    field_times = models.JSONField(default=dict, help_text="Field -> microseconds since 1970 of what last wrote it.")
    field_sources = _kept("Field -> the source whose value it has.")
    overruled = _kept("Field -> source -> the latest value of it that does not hold, and its time.")
    version = models.PositiveIntegerField(default=1, db_default=1, help_text="Rises with each write.")

    class Meta:
        abstract = True


class BillingFigures(_Reported):
    """What Billing last reported. Amounts in whole units of the currency named, with the decimals it has."""

    customer = models.OneToOneField(
        Customer, primary_key=True, on_delete=models.CASCADE, db_constraint=False, related_name="billing"
    )
    tenant_id = models.UUIDField()
    vars().update(_columns_of(BILLING))

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(**{f"{name}__gt": -(10**12), f"{name}__lt": 10**12}) | Q(**{f"{name}__isnull": True}),
                name=f"billing_{name}_in_range",
                violation_error_message="Amounts are below 1,000,000,000,000.",
            )
            for name in (field.name for field in amounts_of(BILLING))
        ]
        indexes = [
            models.Index(fields=["tenant_id", "renewal_on", "customer"], name="billing_by_renewal"),
            # By currency first: a list in the order of revenue merges them by what they are worth.
            models.Index(fields=["tenant_id", "currency", "arr", "customer"], name="billing_by_currency"),
            # What a list shows of each customer, without a look at the table.
            models.Index(
                fields=["tenant_id", "customer"],
                include=["arr", "currency", "balance_overdue", "renewal_on"],
                name="billing_listed",
            ),
            # Without an overdue balance no one who is not at risk has poor figures (rules.attention).
            models.Index(
                fields=["tenant_id", "customer"],
                name="billing_overdue",
                condition=Q(balance_overdue__gt=0),
                include=["arr", "currency", "balance_overdue", "renewal_on"],
            ),
        ]

    def __str__(self) -> str:
        return f"billing of {self.customer_id}"


class SupportFigures(_Reported):
    """What Support last reported. ``csat`` is a score from 0 to 5."""

    customer = models.OneToOneField(
        Customer, primary_key=True, on_delete=models.CASCADE, db_constraint=False, related_name="support"
    )
    tenant_id = models.UUIDField()
    vars().update(_columns_of(SUPPORT))

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "customer"], include=["open_issues", "csat"], name="support_listed"),
        ]

    def __str__(self) -> str:
        return f"support of {self.customer_id}"
