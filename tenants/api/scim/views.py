"""``/scim/v2``: people by POST, GET, PUT, PATCH and DELETE, and what this server can do."""

from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar, Final

import orjson
from django.utils import timezone
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from tenants.api.scim import discovery
from tenants.api.scim.errors import ScimRefused, error_body
from tenants.api.scim.queries import Query, read_id, read_query, select
from tenants.api.scim.resources import choose, read_operations, read_whole, show
from tenants.authentication import BearerAuthentication
from tenants.models import User
from tenants.roles import MANAGE_PEOPLE, Role
from tenants.rules import strict_json
from tenants.rules.strict_json import InvalidJson
from tenants.sentences import describe_json
from tenants.services.accounts.people import PersonChangeRefused
from tenants.services.accounts.provisioning import (
    NameTaken,
    Person,
    PersonErased,
    delete_person,
    keep_person,
    list_people,
    provision_person,
)
from tenants.views import TenantViewMixin

SCIM: Final = "application/scim+json"
LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
LARGEST_BODY: Final = 1_048_576


class ScimParser(BaseParser):
    """``application/scim+json``: one object. Raises ParseError."""

    media_type = SCIM

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The object that the body describes."""
        raw = stream.read(LARGEST_BODY + 1)
        if len(raw) > LARGEST_BODY:
            raise ParseError("The body is too long. Nothing was changed.")
        try:
            return strict_json.parse_object(raw)
        except InvalidJson as refusal:
            raise ParseError(describe_json(refusal)) from refusal


class JsonParser(ScimParser):
    """The same as ``application/json``, as many directories name it."""

    media_type = "application/json"


class ScimRenderer(BaseRenderer):
    """``application/scim+json``."""

    media_type = SCIM
    format = "scim"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """The body; empty for None."""
        return b"" if data is None else orjson.dumps(data, default=str)


class JsonRenderer(ScimRenderer):
    """The same as ``application/json``."""

    media_type = "application/json"
    format = "json"


class ScimView(TenantViewMixin, APIView):
    """What the addresses share: a bearer credential with the right of its own, and refusals in SCIM's words."""

    authentication_classes = (BearerAuthentication,)
    parser_classes = (ScimParser, JsonParser)
    renderer_classes = (ScimRenderer, JsonRenderer)
    # It describes itself, by /Schemas.
    schema = None
    required_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ("get", "post", "put", "patch", "delete"), MANAGE_PEOPLE
    )

    def get_exception_handler(self) -> Callable[..., Response | None]:
        """The product's own, its answers put into SCIM's words."""
        handle = super().get_exception_handler()

        def describe(error: Exception, context: Any) -> Response | None:
            if isinstance(error, ScimRefused):
                set_rollback()
                return Response(error_body(error.status, str(error), error.kind), status=error.status)
            response: Response | None = handle(error, context)
            if response is not None:
                kind = "invalidSyntax" if isinstance(error, ParseError) else ""
                detail = response.data.get("detail", "") if isinstance(response.data, dict) else ""
                response.data = error_body(response.status_code, detail, kind)
                response.content_type = SCIM
            return response

        return describe

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """As DRF does, without leave to keep the answer."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @property
    def home(self) -> str:
        """The address that the others begin with."""
        return self.request.build_absolute_uri("/scim/v2")

    def about(self) -> dict[str, Any]:
        """Who asks, for the services."""
        return {"tenant": self.tenant, "actor": self.identity.actor(), "now": timezone.now()}

    def list_response(self, rows: list[dict[str, Any]], total: int, start: int = 1) -> Response:
        """A page of resources."""
        body = {"schemas": [LIST], "totalResults": total, "startIndex": start, "itemsPerPage": len(rows)}
        return Response({**body, "Resources": rows})

    def search(self, query: Query) -> Response:
        """The people whom a question finds. Two statements."""
        found = select(list_people(self.tenant), query.filter)
        first = query.start - 1
        rows = [
            choose(show(user, self.home), query.attributes, query.excluded)
            for user in found[first : first + query.count]
        ]
        return self.list_response(rows, found.count(), query.start)


class UsersView(ScimView):
    """``/Users``."""

    def get(self, request: Request) -> Response:
        """Those whom a filter finds, or all."""
        return self.search(read_query(request.query_params))

    def post(self, request: Request) -> Response:
        """A new person."""
        wanted = read_whole(request.data, role=Role.VIEWER)
        with_location = _refusing(lambda: provision_person(wanted, **self.about()))
        shown = show(with_location, self.home)
        return Response(shown, status=201, headers={"Location": shown["meta"]["location"]})


class SearchView(ScimView):
    """``/Users/.search`` and ``/.search``: the same with the question in a body."""

    def post(self, request: Request) -> Response:
        """Those whom a filter finds, or all."""
        return self.search(read_query(request.data))


class UserView(ScimView):
    """``/Users/{id}``."""

    def get(self, request: Request, user_id: str) -> Response:
        """One person."""
        query = read_query(request.query_params)
        return Response(choose(show(self.find(user_id), self.home), query.attributes, query.excluded))

    def put(self, request: Request, user_id: str) -> Response:
        """The person as the directory has them now."""
        user = self.find(user_id)
        return self.keep(user, lambda person: read_whole(request.data, role=person.role))

    def patch(self, request: Request, user_id: str) -> Response:
        """Change some attributes; ``active`` false lets them go."""
        user = self.find(user_id)
        return self.keep(user, lambda person: read_operations(request.data, person))

    def delete(self, request: Request, user_id: str) -> Response:
        """Let the person go, and erase what names them."""
        user = self.find(user_id)
        _refusing(lambda: delete_person(user.id, **self.about()))
        return Response(status=204)

    def find(self, user_id: str) -> User:
        """The person that the address names. Raises ScimRefused."""
        wanted = read_id(user_id)
        user = list_people(self.tenant).filter(id=wanted).first() if wanted else None
        if user is None:
            raise ScimRefused(404, "There is no such user: check the id.")
        return user

    def keep(self, user: User, change: Callable[[Person], Person]) -> Response:
        """The person as they are kept then."""
        return Response(show(_refusing(lambda: keep_person(user.id, change, **self.about())), self.home))


class ProviderConfigView(ScimView):
    """``/ServiceProviderConfig``."""

    def get(self, request: Request) -> Response:
        """What this server can do."""
        return Response(discovery.provider_config(self.home))


class ResourceTypesView(ScimView):
    """``/ResourceTypes`` and ``/ResourceTypes/User``."""

    def get(self, request: Request, name: str | None = None) -> Response:
        """What there is: people."""
        return _show_some(self, discovery.resource_types(self.home), name)


class SchemasView(ScimView):
    """``/Schemas`` and ``/Schemas/{urn}``."""

    def get(self, request: Request, name: str | None = None) -> Response:
        """What is kept of a person."""
        return _show_some(self, discovery.schemas(self.home), name)


class NothingView(ScimView):
    """Every other address below ``/scim/v2``."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who asks is asked first."""
        super().initial(request, *args, **kwargs)
        raise ScimRefused(404, "There is nothing at this address.")


def _show_some(view: ScimView, found: list[dict[str, Any]], name: str | None) -> Response:
    if "filter" in view.request.query_params:
        raise ScimRefused(403, "What a server can do is not filtered.")
    if name is None:
        return view.list_response(found, len(found))
    for one in found:
        if one["id"] == name:
            return Response(one)
    raise ScimRefused(404, "There is no such resource: check the address.")


def _refusing(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except NameTaken as taken:
        raise ScimRefused(409, str(taken), "uniqueness") from taken
    except PersonErased as gone:
        raise ScimRefused(404, str(gone)) from gone
    except PersonChangeRefused as refused:
        raise ScimRefused(400, str(refused), "invalidValue") from refused
