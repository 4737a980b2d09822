"""Writing what a source says of customers: one, or many in one transaction."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import schema
from lifecycle.api.batches import status_of
from lifecycle.api.customer_batches import (
    CustomerBatchResponse,
    CustomerResultResponse,
    as_data,
    describe_written,
    read_items,
)
from lifecycle.api.customer_serializers import CustomerBatchSerializer, CustomerDataSerializer
from lifecycle.api.filters import refuse_parameter, refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.openapi.parameters import BUDGET, IDEMPOTENCY_KEY, REPLAYED
from lifecycle.api.viewsets.customers import EXTERNAL_ID, CustomerViewSet
from lifecycle.api.viewsets.tenant import start_call
from lifecycle.services.customers.profiles import find_name
from lifecycle.services.events.awaited import CustomerData, Written, write_customers
from lifecycle.services.transitions.update_budget import UpdateBudget
from tenants.refusals import RequestRefused
from tenants.roles import UPDATE_LIFECYCLE
from tenants.rules.values import InvalidValue
from tenants.sentences import describe_value


class CustomerDataViewSet(CustomerViewSet):
    """The tenant's customers, and what their sources say of them."""

    required_permissions: ClassVar[dict[str, str]] = {
        **CustomerViewSet.required_permissions,
        "put": UPDATE_LIFECYCLE,
        "put_many": UPDATE_LIFECYCLE,
    }
    opens_tenant_context: ClassVar[Any] = {*CustomerViewSet.opens_tenant_context, "put", "put_many"}
    denied_actions: ClassVar[dict[str, str]] = {"put": "write customers", "put_many": "write customers"}
    # The customers that the answer is about, for what is kept of it.
    answered: set[UUID]

    @schema.describe(
        "put_customer",
        "customers",
        EXTERNAL_ID,
        IDEMPOTENCY_KEY,
        *BUDGET,
        REPLAYED,
        request=CustomerDataSerializer,
        answer=CustomerResultResponse,
        responses={201: OpenApiResponse(CustomerResultResponse, description="The customer was made.")},
        problems=(409, 422, 429),
    )
    @idempotent
    def put(self, request: Request, external_id: str) -> Response:
        """Say what a source knows of the customer with this id in your own systems; one that is unknown is made.

        As an event of the source: a field that is absent is left alone, null clears it, and of each field the newest
        counts (`time`). The tenant's event rules for customer.created and customer.updated apply.
        """
        refuse_unknown_parameters(request.query_params, ())
        try:
            wanted = find_name(external_id, tenant=self.tenant)
        except InvalidValue as error:
            sentence = _("The external id %(error)s.") % {"error": describe_value(error)}
            raise refuse_parameter("external_id", sentence) from error
        body = CustomerDataSerializer.read(request.data)
        (written,), headers = self._write([as_data(wanted, body)])
        result = describe_written(written)
        if not result["success"]:
            raise RequestRefused(result["code"], result["detail"], errors=result.get("errors", ()))
        return Response(CustomerResultResponse.render(result), status=result["status"], headers=headers)

    @schema.describe(
        "put_customers",
        "customers",
        IDEMPOTENCY_KEY,
        *BUDGET,
        REPLAYED,
        request=CustomerBatchSerializer,
        answer=CustomerBatchResponse,
        responses={207: OpenApiResponse(CustomerBatchResponse, description="The items have different results.")},
        problems=(422, 429),
    )
    @idempotent
    def put_many(self, request: Request) -> Response:
        """The same of up to 1,000 customers in one transaction. An item that is refused leaves the others alone."""
        refuse_unknown_parameters(request.query_params, ())
        body = CustomerBatchSerializer.read(request.data)
        items = read_items(body["items"], tenant=self.tenant)
        written, headers = self._write([item for item in items if isinstance(item, CustomerData)])
        rest = iter(written)
        results = [describe_written(next(rest)) if isinstance(item, CustomerData) else item for item in items]
        answer = CustomerBatchResponse.render({"results": results})
        return Response(answer, status=status_of(results), headers=headers)

    def _write(self, items: list[CustomerData]) -> tuple[list[Written], dict[str, str]]:
        actor = self.identity.actor()
        budget = UpdateBudget(actor)
        written = write_customers(items, call=start_call(self.tenant, actor, {}), budget=budget)
        self.answered = {one.customer_id for one in written if one.customer_id is not None}
        return written, budget.headers
