"""How to reach the people at a customer, for those who may ask; who did is recorded."""

from typing import ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import customer_responses, schema
from lifecycle.api.filters import refuse_unknown_parameters
from lifecycle.api.openapi.parameters import CUSTOMER
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.services.compliance.erasure import LONGEST_REASON
from lifecycle.services.customers.revealing import reveal_contacts
from tenants.api.serializers import StrictSerializer, TextField
from tenants.middleware import current_request_id
from tenants.roles import REVEAL_CONTACTS


class RevealSerializer(StrictSerializer):
    """``POST /customers/{id}/contacts/reveal``."""

    reason = TextField(
        max_length=LONGEST_REASON,
        required=False,
        allow_blank=True,
        help_text="Why, for the administration log.",
    )


class RevealedResponse(ResponseSerializer):
    """The people at a customer, in clear; all null after an erasure."""

    contacts = customer_responses.ContactResponse(many=True)


class ContactViewSet(TenantViewSet):
    """``/customers/{id}/contacts/reveal``."""

    required_permissions: ClassVar[dict[str, str]] = {"reveal": REVEAL_CONTACTS}
    denied_actions: ClassVar[dict[str, str]] = {"reveal": "see how to reach a customer's contacts"}

    @schema.describe("reveal_contacts", "customers", CUSTOMER, request=RevealSerializer, answer=RevealedResponse)
    def reveal(self, request: Request, customer_id: str) -> Response:
        """The customer's contacts with their e-mail addresses and phone numbers. That you saw them is recorded.

        Needs the permission reveal_contacts. Each request is recorded by itself.
        """
        refuse_unknown_parameters(request.query_params, ())
        body = RevealSerializer.read(request.data)
        found = reveal_contacts(
            self.customer_id,
            tenant=self.tenant,
            actor=self.identity.actor(),
            now=timezone.now(),
            reason=body.get("reason", ""),
            place="api",
            request_id=current_request_id(),
        )
        return Response(RevealedResponse.render({"contacts": self.found(found)}))
