"""What requests may say of customers: the parts of an event's data, each field as its registry has it."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from lifecycle.api.serializers import MOST_ITEMS
from lifecycle.rules.event_types import UPDATED
from lifecycle.rules.fields import BILLING, COMPANY, CONTACTS, SUPPORT, TIMESTAMP, Field, amounts_of, fields_of
from lifecycle.rules.ownership import OWNED_PARTS, find_foreign_fields, find_source_root
from tenants.api.serializers import StrictSerializer
from tenants.rules.values import LONGEST_ID, InvalidValue, read_amount, read_kept_external_id, read_line, read_timestamp
from tenants.sentences import describe_value, enumerate_names

# As an event's envelope has them.
LONGEST_SOURCE: Final = 100
LONGEST_EVENT_ID: Final = 255
MOST_CONTACTS: Final = 100
# A sign, twelve digits, a point, four digits.
LONGEST_AMOUNT: Final = 18


def refuse_value(error: InvalidValue) -> serializers.ValidationError:
    """The refusal of one value, in words."""
    return serializers.ValidationError(say_value(error), code=error.code if error.code else "invalid")


def say_value(error: InvalidValue) -> str:
    """What is wrong with a value, as a sentence."""
    return _("The value %(error)s.") % {"error": describe_value(error)}


# JSON Schema's types as Python reads them. True is no number.
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {"string": str, "integer": (int, float), "number": (int, float)}


class _ValueField(serializers.Field[Any, Any, Any, Any]):
    """A value that is read as everywhere else. Its JSON has to be of the described type."""

    reads: Callable[[Any], Any]
    schema: Mapping[str, Any] = {"type": "string"}

    def to_internal_value(self, data: Any) -> Any:
        """The value as it is kept. Raises ValidationError."""
        types = self.schema["type"]
        types = types if isinstance(types, list) else [types]
        if isinstance(data, bool) or not any(isinstance(data, _TYPES[one]) for one in types):
            raise serializers.ValidationError(
                _("The value must be of type %(types)s.") % {"types": _(" or ").join(types)}, code="wrong_type"
            )
        pattern = self.schema.get("pattern")
        try:
            value = self.reads(data)
        except InvalidValue as error:
            raise refuse_value(error) from error
        if isinstance(data, str) and pattern and not re.search(pattern, data):
            raise serializers.ValidationError(_("The value is not spelled as it is described."), code="invalid")
        return value

    def to_representation(self, value: Any) -> Any:
        """As it is."""
        return value


def _value_field(reads: Callable[[Any], Any], schema: Mapping[str, Any], **options: Any) -> Any:
    """A field of its own class, which is how the description of the API tells them apart."""
    kind = type("ValueField", (_ValueField,), {"reads": staticmethod(reads), "schema": schema})
    return extend_schema_field(dict(schema))(kind)(**options)


def _line_field(longest: int, schema: Mapping[str, Any] | None = None, **options: Any) -> Any:
    reads = partial(read_line, longest=longest, required=True)
    return _value_field(reads, {"type": "string", "minLength": 1, "maxLength": longest, **(schema or {})}, **options)


def _declare(part: str) -> dict[str, Any]:
    """The fields that a source may bring of a part, by their names."""
    return {field.name: _declare_field(field) for field in fields_of(part) if field.in_profile}


def _declare_field(field: Field) -> Any:
    kind = field.kind
    reads = partial(read_line, longest=kind.longest, required=True) if field.is_required else kind.read
    # A contact is nothing without a name; a company keeps the one it has.
    required = field.is_required and field.part == CONTACTS
    # That it may be null the description says by itself.
    described = {**field.schema(), "type": kind.schema["type"]}
    if kind.name == "currency":
        described |= {"maxLength": 3, "pattern": "^(?:[A-Za-z]{3})?$"}
    if kind.name == "amount":
        described["maxLength"] = LONGEST_AMOUNT
    return _value_field(reads, described, required=required, allow_null=not field.is_required)


class ContactDataSerializer(StrictSerializer):
    """A person at the customer."""

    vars().update(_declare(CONTACTS))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """An address or a number that is blank is none."""
        return {name: value or ("" if name == "role" else None) for name, value in attrs.items()}


class BillingDataSerializer(StrictSerializer):
    """What the billing system says; null clears."""

    vars().update(_declare(BILLING))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Amounts with as many decimals as the currency beside them has."""
        errors = {}
        for field in amounts_of(BILLING):
            if attrs.get(field.name) is None:
                continue
            try:
                currency = attrs.get("currency") or None
                attrs[field.name] = read_amount(attrs[field.name], currency, least=field.kind.least)
            except InvalidValue as error:
                errors[field.name] = refuse_value(error).detail
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


class SupportDataSerializer(StrictSerializer):
    """What the support system says; null clears."""

    vars().update(_declare(SUPPORT))


def _read_source(value: Any) -> str:
    source = read_line(value, LONGEST_SOURCE, required=True)
    if find_source_root(source) not in OWNED_PARTS or not re.search(_SOURCE["pattern"], source):
        names = enumerate_names(OWNED_PARTS, alternatives=True)
        raise serializers.ValidationError(
            _("There is no such source. Give one of %(names)s, with what you like after another slash.")
            % {"names": names},
            code="unknown_source",
        )
    return source


_ROOTS: Final = "|".join(root.removeprefix("/") for root in OWNED_PARTS)
_SOURCE: Final[Mapping[str, Any]] = {
    "type": "string",
    "maxLength": LONGEST_SOURCE,
    "pattern": rf"^/(?:{_ROOTS})(?:/[!-~]*)?$",
}


class CustomerDataSerializer(StrictSerializer):
    """``PUT /customers/by-external-id/{external_id}``: what a source says of a customer, and since when it holds."""

    source = _value_field(
        _read_source,
        _SOURCE,
        help_text="Which system says so: `/crm` of the company and its contacts, `/billing`, `/support`.",
    )
    time = _value_field(
        read_timestamp, TIMESTAMP.schema, help_text="When it was so in the source: of each field the newest is kept."
    )
    id = _line_field(
        LONGEST_EVENT_ID,
        required=False,
        allow_null=True,
        help_text="Your name of this message; with the source it is taken once. Left out: the same words count once.",
    )
    vars().update(_declare(COMPANY))
    contacts = ContactDataSerializer(  # type: ignore[call-arg]
        many=True, required=False, max_length=MOST_CONTACTS, help_text="All people: they replace those of before."
    )
    billing = BillingDataSerializer(required=False)
    support = SupportDataSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A source writes its own parts only [AC-7]."""
        foreign = find_foreign_fields(attrs["source"], UPDATED, attrs.keys())
        if foreign:
            raise serializers.ValidationError(
                {
                    name: [
                        _("This belongs to %(owner)s: %(source)s cannot write it.")
                        % {"owner": owner, "source": find_source_root(attrs["source"])}
                    ]
                    for name, owner in foreign.items()
                },
                code="source_not_allowed",
            )
        return attrs


class CustomerItemSerializer(CustomerDataSerializer):
    """One item of ``PUT /customers``."""

    # As it may have been kept before characters that no one sees were refused: ``read_items`` asks for the rest.
    external_id = _value_field(
        read_kept_external_id,
        {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
        help_text="The customer's id in your own systems.",
    )


@extend_schema_field(CustomerItemSerializer(many=True))
class _ItemsField(serializers.ListField):
    """Items as they were sent."""


class CustomerBatchSerializer(StrictSerializer):
    """``PUT /customers``. The items are judged one by one: an invalid one does not spoil the others."""

    items = _ItemsField(child=serializers.JSONField(allow_null=True), min_length=1, max_length=MOST_ITEMS)
