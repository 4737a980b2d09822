"""A tenant's webhook endpoints."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import effect_responses as responses
from lifecycle.api import effect_schema as schema
from lifecycle.api.effect_serializers import EndpointSerializer
from lifecycle.api.filters import read_limit, refuse_parameter, refuse_unknown_parameters
from lifecycle.api.paging import PAGING, read_position, surround
from lifecycle.api.viewsets.effects import read_id
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.delivery.samples import TooManySamples, send_sample
from lifecycle.models import EffectLane, WebhookEndpoint
from lifecycle.queries.cursors import Position, encode_cursor
from lifecycle.services.effects import endpoints
from lifecycle.services.effects.addresses import AddressRefused
from lifecycle.services.effects.endpoints import EndpointRefused
from lifecycle.services.effects.reasons import explain_reason
from tenants.refusals import RequestRefused
from tenants.roles import CONFIGURE_STAGES
from tenants.rules.values import InvalidValue
from tenants.sentences import describe_value

QUESTION = b"webhook-endpoints"
NO_ENDPOINT = gettext_noop("There is no such endpoint: check the id.")


class EndpointViewSet(TenantViewSet):
    """``/webhooks/endpoints``."""

    required_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ("list", "create", "rotate", "test", "destroy"), CONFIGURE_STAGES
    )

    @schema.LIST_ENDPOINTS
    def list(self, request: Request) -> Response:
        """The tenant's endpoints by name, and whether they are switched off."""
        parameters = request.query_params
        refuse_unknown_parameters(parameters, PAGING)
        limit, position = read_limit(parameters), read_position(parameters, QUESTION)
        after = str(position.key) if position else ""
        found = endpoints.list_endpoints(self.tenant, after=after, limit=limit + 1)
        shown = found[:limit]
        cursor = None
        if len(found) > limit:
            last, _lane = shown[-1]
            cursor = encode_cursor(Position(last.name, str(last.id)), question=QUESTION)
        around = surround(request, cursor, count=lambda: endpoints.count_endpoints(self.tenant))
        rows = [_describe(endpoint, lane) for endpoint, lane in shown]
        return Response(responses.EndpointsResponse.render({"results": rows, **around}))

    @schema.CREATE_ENDPOINT
    def create(self, request: Request) -> Response:
        """Make an endpoint. Its secret is shown this once; effects name the endpoint in `to`."""
        asked = EndpointSerializer.read(request.data)
        try:
            endpoint, secret = endpoints.create_endpoint(asked["name"], asked["url"], **self._arguments())
        except InvalidValue as error:
            sentence = _("The name %(error)s. Nothing was saved.") % {"error": describe_value(error)}
            problem = {"pointer": "#/name", "detail": sentence, "code": error.code}
            raise RequestRefused("invalid_request", sentence, errors=[problem]) from error
        except AddressRefused as refused:
            raise refuse_parameter("url", _("%(why)s Nothing was saved.") % {"why": refused}) from refused
        except EndpointRefused as refused:
            raise RequestRefused("conflict", str(refused)) from refused
        answer = responses.NewEndpointResponse.render({**_describe(endpoint, None), "secret": secret})
        return Response(answer, status=201)

    @schema.ROTATE_ENDPOINT
    def rotate(self, request: Request, endpoint_id: str) -> Response:
        """Give the endpoint a new secret. The former one signs beside it for 24 hours."""
        secret = endpoints.rotate_secret(read_id(endpoint_id, "endpoint_id"), **self._arguments())
        return Response(responses.SecretResponse.render({"secret": self._found(secret)}))

    @schema.TEST_ENDPOINT
    def test(self, request: Request, endpoint_id: str) -> Response:
        """Send a signed sample, and say what the endpoint answered."""
        destination = endpoints.read_destination(
            read_id(endpoint_id, "endpoint_id"), tenant=self.tenant, now=timezone.now()
        )
        try:
            delivery = send_sample(self._found(destination), tenant=self.tenant)
        except TooManySamples as many:
            raise RequestRefused("unavailable", str(many), headers={"Retry-After": "10"}) from many
        return Response(
            responses.TestResponse.render(
                {
                    "outcome": delivery.outcome,
                    "status": delivery.status,
                    "milliseconds": delivery.milliseconds,
                    "error": delivery.error,
                }
            )
        )

    @schema.DELETE_ENDPOINT
    def destroy(self, request: Request, endpoint_id: str) -> Response:
        """Remove the endpoint; what still waits for it is cancelled."""
        if not endpoints.delete_endpoint(read_id(endpoint_id, "endpoint_id"), **self._arguments()):
            raise RequestRefused("not_found", _(NO_ENDPOINT))
        return Response(status=204)

    def _arguments(self) -> dict[str, Any]:
        return {"tenant": self.tenant, "actor": self.identity.actor(), "now": timezone.now()}

    def _found(self, value: Any) -> Any:
        if value is None:
            raise RequestRefused("not_found", _(NO_ENDPOINT))
        return value


def _describe(endpoint: WebhookEndpoint, lane: EffectLane | None) -> Mapping[str, Any]:
    disabled_reason = lane.disabled_reason if lane else ""
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "url": endpoint.url,
        "created_at": endpoint.created_at,
        "paused_at": lane.paused_at if lane else None,
        "disabled_at": lane.disabled_at if lane else None,
        "disabled_reason": disabled_reason,
        "disabled_why": explain_reason(f"endpoint_{disabled_reason}") if disabled_reason else "",
    }
