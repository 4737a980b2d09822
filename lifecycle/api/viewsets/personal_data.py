"""A customer's personal data: handed out, or erased for good [SEC-7]."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import personal_data_responses, schema
from lifecycle.api.filters import refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.serializers import ErasureSerializer, ExportSerializer
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.services.compliance.erasure import ErasureRefused, erase_customer, find_external_id
from lifecycle.services.compliance.exports import export_customer
from tenants.middleware import current_request_id
from tenants.refusals import RequestRefused
from tenants.roles import CONFIGURE_STAGES


class PersonalDataViewSet(TenantViewSet):
    """``/customers/{id}/export`` and ``/customers/{id}/erase``, for tenant admins."""

    required_permissions: ClassVar[dict[str, str]] = {"export": CONFIGURE_STAGES, "erase": CONFIGURE_STAGES}
    denied_actions: ClassVar[dict[str, str]] = {
        "export": "hand out a customer's personal data",
        "erase": "erase a customer's personal data",
    }

    @schema.EXPORT_CUSTOMER
    def export(self, request: Request, customer_id: str) -> Response:
        """Everything that is kept about the customer, personal data in clear. The export is recorded.

        No copy of the answer is kept, so an Idempotency-Key has no meaning here: each request is an export.
        """
        refuse_unknown_parameters(request.query_params, ())
        body = ExportSerializer.read(request.data)
        external_id = self.found(find_external_id(self.customer_id, self.tenant))
        with _refusals():
            exported = export_customer(external_id, **body, **self._arguments())
        return Response(personal_data_responses.ExportResponse.render(exported))

    @schema.ERASE_CUSTOMER
    @idempotent
    def erase(self, request: Request, customer_id: str) -> Response:
        """Erase what is known of people at the customer: contacts, notes, messages. This cannot be undone.

        The history and the figures stay. `company` erases the company's name as well. Repeated, it erases what has come
        since.
        """
        refuse_unknown_parameters(request.query_params, ())
        body = ErasureSerializer.read(request.data)
        external_id = self.found(find_external_id(self.customer_id, self.tenant))
        with _refusals():
            erased = erase_customer(external_id, **body, **self._arguments())
        return Response(personal_data_responses.ErasedResponse.render(asdict(erased)))

    def _arguments(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "actor": self.identity.actor(),
            "now": timezone.now(),
            "request_id": current_request_id(),
        }


@contextmanager
def _refusals() -> Iterator[None]:
    """A refusal of the service as the answer to the request."""
    try:
        yield
    except ErasureRefused as refused:
        field = {"pointer": "#/reason", "detail": refused.sentence, "code": refused.code}
        errors = [field] if refused.code == "reason_required" else []
        raise RequestRefused(refused.code, refused.sentence, errors=errors) from refused
