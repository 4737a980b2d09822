"""Pinning a field of a customer, so that no source overwrites it."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import customer_responses, schema
from lifecycle.api.filters import refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.openapi.parameters import CUSTOMER, ETAG_OF_A_CHANGE, IDEMPOTENCY_KEY, IF_MATCH, REPLAYED
from lifecycle.api.preconditions import format_etag, read_if_match
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.services.customers.offers import PINNABLE
from lifecycle.services.customers.pins import (
    AS_IT_IS,
    LONGEST_PIN_REASON,
    PinRefused,
    pin_field,
    unpin_field,
)
from lifecycle.services.customers.profiles import read_field_provenance
from tenants.api.serializers import StrictSerializer, TextField
from tenants.middleware import current_request_id
from tenants.refusals import RequestRefused
from tenants.roles import UPDATE_LIFECYCLE

FIELD = OpenApiParameter(
    "field", str, OpenApiParameter.PATH, enum=sorted(PINNABLE), description="As `provenance` names it."
)


class PinSerializer(StrictSerializer):
    """``PUT /customers/{id}/pins/{field}``."""

    value = serializers.JSONField(
        required=False,
        allow_null=True,
        help_text="As an event brings it. Left out: the value that the field has; null: nothing is known.",
    )
    reason = TextField(
        max_length=LONGEST_PIN_REASON,
        allow_blank=True,
        help_text="Why, for those who see the field and the administration log, which keeps it: name no one in it.",
    )
    until = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When the sources count again; left out: until it is unpinned."
    )

    def to_internal_value(self, data: Any) -> Any:
        """Without a reason as with a blank one: the service says that it is missing."""
        return super().to_internal_value({"reason": "", **data} if isinstance(data, Mapping) else data)


class PinViewSet(TenantViewSet):
    """``/customers/{id}/pins/{field}``."""

    required_permissions: ClassVar[dict[str, str]] = {"pin": UPDATE_LIFECYCLE, "unpin": UPDATE_LIFECYCLE}
    opens_tenant_context: ClassVar[Any] = {"pin", "unpin"}
    denied_actions: ClassVar[dict[str, str]] = {"pin": "pin a customer's fields", "unpin": "unpin a customer's fields"}

    @schema.describe(
        "pin_field",
        "customers",
        CUSTOMER,
        FIELD,
        IF_MATCH,
        IDEMPOTENCY_KEY,
        ETAG_OF_A_CHANGE,
        REPLAYED,
        request=PinSerializer,
        answer=customer_responses.ProvenanceResponse,
        problems=(409, 412, 422),
    )
    @idempotent
    def pin(self, request: Request, customer_id: str, field: str) -> Response:
        """Give the field this value, or keep the one it has, whatever its sources say from now on.

        What they say is kept beside it, as overruled. It takes its place back when the pin ends. If-Match: the
        `version` of the field's provenance.
        """
        refuse_unknown_parameters(request.query_params, ())
        asked = PinSerializer.read(request.data)
        return self._change(
            request,
            field,
            lambda **arguments: pin_field(
                self.customer_id,
                field,
                value=asked.get("value", AS_IT_IS),
                reason=asked["reason"],
                until=asked.get("until"),
                **arguments,
            ),
        )

    @schema.describe(
        "unpin_field",
        "customers",
        CUSTOMER,
        FIELD,
        IF_MATCH,
        ETAG_OF_A_CHANGE,
        answer=customer_responses.ProvenanceResponse,
        problems=(409, 412),
    )
    def unpin(self, request: Request, customer_id: str, field: str) -> Response:
        """Let the field have the best of what its sources have said, also of what came while it was pinned."""
        refuse_unknown_parameters(request.query_params, ())
        return self._change(request, field, lambda **arguments: unpin_field(self.customer_id, field, **arguments))

    def _change(self, request: Request, field: str, change: Callable[..., None]) -> Response:
        try:
            change(
                tenant=self.tenant,
                actor=self.identity.actor(),
                now=timezone.now(),
                expected_version=read_if_match(request, current=lambda: self._version_of(field)),
                request_id=current_request_id(),
            )
        except PinRefused as refused:
            errors = [{"pointer": f"#/{refused.field}", "detail": refused.sentence, "code": refused.code}]
            raise RequestRefused(
                refused.code, refused.sentence, errors=errors if refused.field in ("value", "reason", "until") else []
            ) from refused
        provenance = self.found(read_field_provenance(self.customer_id, field, tenant=self.tenant))
        headers = {"ETag": format_etag(provenance["version"])}
        return Response(customer_responses.ProvenanceResponse.render(provenance), headers=headers)

    def _version_of(self, field: str) -> int | None:
        provenance = read_field_provenance(self.customer_id, field, tenant=self.tenant)
        return None if provenance is None else int(provenance["version"])
