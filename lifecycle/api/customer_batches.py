"""Customers' data over the API: items read, written together, and each answered by itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework import serializers

from lifecycle.api.batches import read_with, summarize_errors
from lifecycle.api.customer_serializers import CustomerItemSerializer, say_value
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.api.responses import ErrorEntry
from lifecycle.services.customers.profiles import find_unnamed
from lifecycle.services.events.awaited import CustomerData, Written
from tenants.actors import TenantRef
from tenants.refusals import STATUS_OF_CODE
from tenants.rules.values import LONGEST_ID, InvalidValue

OUTCOMES: Final = ("applied", "noop", "stale", "duplicate", "dead")
# Refusals of events as codes of the contract, and where what is wrong is.
_CODES: Final[Mapping[str, tuple[str, str]]] = {
    "time_in_future": ("invalid_request", "#/time"),
    "no_configuration": ("conflict", ""),
}
# What is said of them here, where no one knows of an event.
_SENTENCES: Final[Mapping[str, str]] = {
    "time_in_future": gettext_noop("The value is in the future; check the clock of the source."),
    "no_configuration": gettext_noop("This tenant has no lifecycle configuration yet: publish one first."),
}
# Keys of a request that say nothing of the customer itself.
_ABOUT: Final = frozenset(("source", "time", "id", "external_id"))
CREATED, OK = 201, 200


class RuleRefusalResponse(ResponseSerializer):
    """Why the move that an event rule asked for was not made."""

    code = serializers.CharField()
    detail = serializers.CharField()


class CustomerResultResponse(ResponseSerializer):
    """What became of what a source says of a customer."""

    external_id = serializers.CharField(allow_null=True)
    customer_id = serializers.UUIDField(required=False, help_text="Left out if the item was refused.")
    status = serializers.IntegerField(help_text="The status that a request for this item alone has.")
    success = serializers.BooleanField()
    outcome = serializers.ChoiceField(
        choices=OUTCOMES,
        help_text="`applied`; `noop`: nothing new; `stale`: something newer is known of all it says; `duplicate`: it"
        " was dealt with before; `dead`: refused, or, with success, a rule's move was.",
    )
    created = serializers.BooleanField(help_text="The customer was not known before.")
    changed = serializers.BooleanField(help_text="It counts against the budget.")
    moved = serializers.BooleanField(help_text="An event rule of the tenant has changed the customer's stage.")
    stale = serializers.ListField(
        child=serializers.CharField(),
        help_text="Fields of which something newer is known, or that were erased: not written.",
    )
    outranked = serializers.ListField(
        child=serializers.CharField(),
        help_text="Fields that were not written because they are pinned, were erased, or another source goes first.",
    )
    rejected = serializers.ListField(
        child=serializers.CharField(),
        help_text="Fields that were not written because they do not fit: more decimals than the currency has.",
    )
    move_refused = RuleRefusalResponse(allow_null=True)
    code = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    errors = ErrorEntry(many=True, required=False)  # type: ignore[assignment]


class CustomerBatchResponse(ResponseSerializer):
    """One result per item, in the order of the items."""

    results = CustomerResultResponse(many=True)


def read_items(items: Sequence[Any], *, tenant: TenantRef) -> list[CustomerData | dict[str, Any]]:
    """What each item says of which customer, or the result of one that cannot be read. One statement at most.

    Call inside the tenant's context.
    """
    read = [_read_item(item) for item in items]
    unnamed = find_unnamed({one.external_id for one in read if isinstance(one, CustomerData)}, tenant=tenant)
    return [
        _refuse_name(one.external_id, unnamed[one.external_id])
        if isinstance(one, CustomerData) and one.external_id in unnamed
        else one
        for one in read
    ]


def _refuse_name(external_id: str, invalid: InvalidValue) -> dict[str, Any]:
    detail = f"external_id: {say_value(invalid)}"
    error = {"pointer": "#/external_id", "detail": detail, "code": invalid.code}
    return _refuse(external_id, "invalid_request", detail, [error])


def _read_item(item: Any) -> CustomerData | dict[str, Any]:
    read = read_with(CustomerItemSerializer, item)
    if isinstance(read, dict):
        return as_data(read["external_id"], read)
    named = item.get("external_id") if isinstance(item, Mapping) else None
    shown = named if isinstance(named, str) and len(named) <= LONGEST_ID else None
    return _refuse(shown, "invalid_request", summarize_errors(read), read)


def as_data(external_id: str, values: Mapping[str, Any]) -> CustomerData:
    """What a request that was read says of a customer."""
    data = {name: value for name, value in values.items() if name not in _ABOUT}
    return CustomerData(external_id, values["source"], values["time"], data, values.get("id") or "")


def describe_written(written: Written) -> dict[str, Any]:
    """The result of what was written, or of what was not."""
    refusal, move = written.refusal, written.move_refusal
    if refusal is not None:
        code, pointer = _CODES.get(refusal.code, ("invalid_request", ""))
        sentence = _(_SENTENCES[refusal.code]) if refusal.code in _SENTENCES else refusal.said
        errors = [{"pointer": pointer, "detail": sentence, "code": refusal.code}] if pointer else []
        return _refuse(written.external_id, code, summarize_errors(errors) if errors else sentence, errors)
    return {
        "external_id": written.external_id,
        "customer_id": written.customer_id,
        "status": CREATED if written.created else OK,
        "success": True,
        "outcome": written.outcome,
        "created": written.created,
        "changed": written.changed,
        "moved": written.moved,
        "stale": list(written.stale),
        "outranked": list(written.outranked),
        "rejected": list(written.rejected),
        "move_refused": None if move is None else {"code": move.code, "detail": move.said},
    }


def _refuse(external_id: str | None, code: str, sentence: str, errors: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    refused: dict[str, Any] = {
        "external_id": external_id,
        "status": STATUS_OF_CODE[code],
        "success": False,
        "outcome": "dead",
        "created": False,
        "changed": False,
        "moved": False,
        "stale": [],
        "outranked": [],
        "rejected": [],
        "move_refused": None,
        "code": code,
        "detail": sentence,
    }
    return refused | ({"errors": list(errors)} if errors else {})
