"""The responses about customers: profiles, figures, lists. ``api.rendering`` says what a response is."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from lifecycle.api.paging import PageResponse
from lifecycle.api.rendering import ResponseSerializer, SentenceField
from lifecycle.api.responses import StatusResponse
from lifecycle.queries.list_columns import LISTED, ListColumn
from lifecycle.rules.fields import BILLING, COMPANY, SUPPORT, Field, Kind, fields_of
from lifecycle.rules.health import BANDS
from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.values import MOST_DECIMALS

URGENCY_HELP = (
    "What is at stake now, in the tenant's currency (US dollars if it has named none), for comparing customers:"
    " annual revenue x risk x time to the renewal."
)


def _money() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=MOST_DECIMALS, allow_null=True)


def _declare(fields: Iterable[Field]) -> "dict[str, serializers.Field[Any, Any, Any, Any]]":
    """Fields of a customer, from their registry, as the API shows them."""
    return {field.name: _show(field.kind) for field in fields}


def _show(kind: Kind) -> "serializers.Field[Any, Any, Any, Any]":
    match kind.name:
        case "amount":
            return _money()
        case "day":
            return serializers.DateField(allow_null=True)
        case "timestamp":
            return serializers.DateTimeField(allow_null=True)
        case "count":
            return serializers.IntegerField(allow_null=True)
        case "score":
            return serializers.DecimalField(max_digits=4, decimal_places=2, allow_null=True)
        case _:
            return serializers.CharField(allow_blank=True)


def _declare_urgency() -> "dict[str, serializers.Field[Any, Any, Any, Any]]":
    """What is at stake now, for comparing customers, in money, and in words."""
    return {
        "urgency": serializers.FloatField(help_text=URGENCY_HELP),
        "at_stake": serializers.DecimalField(
            max_digits=20,
            decimal_places=2,
            allow_null=True,
            help_text="The same in the customer's own currency; null where nothing is at stake or known.",
        ),
        "urgency_reason": SentenceField(help_text="The figures behind the urgency, in one sentence."),
    }


class HealthResponse(ResponseSerializer):
    """How the customer is doing: 0 (poor) to 100; null and ``unknown`` while no figure is known."""

    score = serializers.IntegerField(allow_null=True)
    band = serializers.ChoiceField(choices=BANDS)


class PointsResponse(ResponseSerializer):
    """What one part of the score takes from 100; what is less than 0 it gives."""

    part = serializers.CharField(help_text="As the tenant's configuration calls it.")
    points = serializers.IntegerField()


class ExplainedHealthResponse(HealthResponse):
    """The health with its reasons, the heaviest first, and the share of figures that was known, in per cent."""

    reasons = serializers.ListField(child=SentenceField())
    confidence = serializers.IntegerField()
    parts = PointsResponse(many=True, help_text="Together exactly 100 - score; none without a score.")


class RenewalResponse(ResponseSerializer):
    """When the contract is to be renewed."""

    renewal_on = serializers.DateField(allow_null=True)
    days_to_renewal = serializers.IntegerField(allow_null=True)
    contract_id = serializers.CharField(allow_blank=True)
    contract_starts_on = serializers.DateField(allow_null=True)
    contract_ends_on = serializers.DateField(allow_null=True)


class MoneyResponse(ResponseSerializer):
    """Billing's figures, in ``currency``; null where nothing is known."""

    currency = serializers.CharField(allow_blank=True)
    arr = _money()
    mrr = _money()
    balance_overdue = _money()


class SupportResponse(ResponseSerializer):
    """Support's figures; ``csat`` from 0 to 5."""

    vars().update(_declare(fields_of(SUPPORT)))


class StayResponse(StatusResponse):
    """A customer's stage, and since when."""

    category = serializers.ChoiceField(choices=CATEGORIES)
    color = serializers.CharField()
    days_in_stage = serializers.IntegerField()
    expected_days = serializers.IntegerField(allow_null=True)
    days_over = serializers.IntegerField()


class SummaryResponse(StayResponse):
    """One customer at a glance [API-3]."""

    name = serializers.CharField()
    owner = serializers.CharField(allow_blank=True)
    health = ExplainedHealthResponse()
    vars().update(_declare_urgency())
    renewal = RenewalResponse()
    billing = MoneyResponse()
    support = SupportResponse()


class SourceResponse(ResponseSerializer):
    """The message that reported it."""

    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    occurred_at = serializers.DateTimeField()


class CompanyResponse(ResponseSerializer):
    """The company."""

    vars().update(_declare(fields_of(COMPANY)))
    provenance = SourceResponse(allow_null=True)


class ContactResponse(ResponseSerializer):
    """A person at the customer; all null after an erasure.

    E-mail address and phone number are masked without the permission reveal_contacts: ``z•••@acme.example``.
    """

    name = serializers.CharField(allow_null=True, allow_blank=True)
    email = serializers.CharField(allow_null=True, allow_blank=True)
    phone = serializers.CharField(allow_null=True, allow_blank=True)
    role = serializers.CharField(allow_blank=True)


class BillingResponse(ResponseSerializer):
    """What Billing reported."""

    vars().update(_declare(fields_of(BILLING)))
    provenance = SourceResponse(allow_null=True)


class SourcedSupportResponse(SupportResponse):
    """What Support reported."""

    provenance = SourceResponse(allow_null=True)


class OverruledResponse(ResponseSerializer):
    """A value that does not hold. Of contacts the value is null: only the list that holds is kept."""

    value = serializers.JSONField(allow_null=True)
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    occurred_at = serializers.DateTimeField()
    why = serializers.ChoiceField(
        choices=["age", "priority", "pinned"],
        help_text="Something newer holds, a source that goes before this one, or what a person has pinned.",
    )


class ProvenanceResponse(ResponseSerializer):
    """Where the value of a field comes from, and what it was chosen over."""

    source = serializers.CharField(  # type: ignore[assignment]
        allow_blank=True, help_text="`/crm`, `/billing`, `/support`, `/import`; `/people`: set by hand."
    )
    occurred_at = serializers.DateTimeField()
    pinned_by = serializers.CharField(allow_null=True, help_text="The user's id.")
    pinned_at = serializers.DateTimeField(allow_null=True)
    pinned_until = serializers.DateTimeField(allow_null=True)
    pin_reason = serializers.CharField(allow_null=True, allow_blank=True)
    overruled = OverruledResponse(many=True)
    version = serializers.IntegerField(min_value=0, help_text="For If-Match when the field is pinned or unpinned.")


class HeardResponse(ResponseSerializer):
    """When a source was last heard of about the customer."""

    source = serializers.CharField()  # type: ignore[assignment]
    heard_at = serializers.DateTimeField()


class ProfileResponse(ResponseSerializer):
    """Everything that is known of a customer [FR-01]."""

    id = serializers.UUIDField()
    customer_id = serializers.UUIDField(help_text="The same as id.")
    external_id = serializers.CharField()
    company = CompanyResponse()
    contacts = ContactResponse(many=True)
    contacts_masked = serializers.BooleanField(
        help_text=(
            "Whether e-mail addresses and phone numbers are masked: without the permission reveal_contacts, and while "
            "nothing can be written, because what is shown in clear is recorded."
        )
    )
    billing = BillingResponse()
    support = SourcedSupportResponse()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    erased_at = serializers.DateTimeField(allow_null=True)
    lifecycle = StayResponse(allow_null=True)
    provenance = serializers.DictField(
        child=ProvenanceResponse(), help_text="By field: `name`, `owner`, `billing.arr`, `contacts` and so on."
    )
    freshness = HeardResponse(many=True, help_text="The source that has been silent longest first.")


class CustomerRowResponse(StatusResponse):
    """One customer of the list."""

    id = serializers.UUIDField(help_text="The same as customer_id.")
    external_id = serializers.CharField()
    vars().update(_declare(LISTED))
    category = serializers.ChoiceField(choices=CATEGORIES)
    color = serializers.CharField()
    days_in_stage = serializers.IntegerField()
    days_over = serializers.IntegerField()
    days_to_renewal = serializers.IntegerField(allow_null=True)
    health = HealthResponse()
    vars().update(_declare_urgency())


@extend_schema_serializer(many=False)
class CustomerPageResponse(PageResponse):
    """One page of customers."""

    results = CustomerRowResponse(many=True)


# What each row has, whichever columns are chosen.
ALWAYS: Final = ("id", "customer_id", "external_id", "name")


def render_page(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[ListColumn] | None, around: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of CustomerPageResponse, with the fields of these columns alone; None for all that there is."""
    body = CustomerPageResponse.render({"results": rows, **around})
    if columns is not None:
        chosen = dict.fromkeys((*ALWAYS, *(name for column in columns for name in column.fields)))
        body["results"] = [{name: row[name] for name in chosen} for row in body["results"]]
    return body
