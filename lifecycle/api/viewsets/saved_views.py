"""Views of the customer list that people and programs keep. A service account has views of its own, as a person has."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import schema
from lifecycle.api import view_queries as queries
from lifecycle.api.filters import read_limit, refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.openapi.parameters import ETAG, IDEMPOTENCY_KEY, IF_MATCH, PAGING, REPLAYED
from lifecycle.api.paging import PAGING as PAGING_NAMES
from lifecycle.api.paging import read_position, surround
from lifecycle.api.preconditions import format_etag, read_if_match
from lifecycle.api.viewsets.effects import read_id
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.models import SavedView
from lifecycle.queries.cursors import Position, encode_cursor
from lifecycle.services.lists.saved_views import (
    ViewMissing,
    ViewRefused,
    change_view,
    count_views,
    delete_view,
    find_view,
    list_views,
    save_view,
)
from tenants.middleware import current_request_id
from tenants.refusals import RequestRefused
from tenants.roles import CONFIGURE_STAGES, UPDATE_LIFECYCLE, VIEW_LIFECYCLE
from tenants.services.configuration.policies import live_policy

TAG: Final = "views"
VIEW: Final = OpenApiParameter("view_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The view.")


class SavedViewViewSet(TenantViewSet):
    """``/views``: the caller's own, and those that are shared with the tenant."""

    required_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ("list", "create", "retrieve", "partial_update", "destroy"), VIEW_LIFECYCLE
    )

    @schema.describe("list_views", TAG, *PAGING, answer=queries.SavedViewPageResponse)
    def list(self, request: Request) -> Response:
        """The caller's own views and those that are shared, by name."""
        parameters, user_id = request.query_params, self.identity.user_id
        refuse_unknown_parameters(parameters, PAGING_NAMES)
        question = f"views|{self.tenant.id}|{user_id}".encode()
        limit, position = read_limit(parameters), read_position(parameters, question)
        after = (position.key, UUID(position.id)) if position else None
        views = list_views(user_id, tenant=self.tenant, after=after, limit=limit + 1)
        last = views[limit - 1] if len(views) > limit else None
        cursor = encode_cursor(Position(last.name_key, str(last.id)), question=question) if last else None
        around = surround(request, cursor, count=lambda: count_views(user_id, tenant=self.tenant))
        rows = [self._describe(view) for view in views[:limit]]
        return Response(queries.SavedViewPageResponse.render({"results": rows, **around}))

    @schema.describe(
        "create_view",
        TAG,
        IDEMPOTENCY_KEY,
        REPLAYED,
        request=queries.SavedViewSerializer,
        answer=queries.SavedViewResponse,
        status=201,
        problems=(409, 422),
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Keep a view of the caller's own."""
        body = queries.SavedViewSerializer.read(request.data)
        share, lock = self._read_scope(body.get("scope", queries.PERSONAL))
        query = self._read_query(body)
        with self._refusals():
            view = save_view(
                body["name"],
                query("") if query else "",
                user_id=self.identity.user_id,
                tenant=self.tenant,
                actor=self.identity.actor(),
                now=timezone.now(),
                share=share,
                lock=lock,
                request_id=current_request_id(),
            )
        return self._show(view, status=201)

    @schema.describe("get_view", TAG, VIEW, ETAG, answer=queries.SavedViewResponse)
    def retrieve(self, request: Request, view_id: str) -> Response:
        """One view."""
        refuse_unknown_parameters(request.query_params, ())
        with self._refusals():
            return self._show(find_view(read_id(view_id, "view_id"), self.identity.user_id, tenant=self.tenant))

    @schema.describe(
        "change_view",
        TAG,
        VIEW,
        IF_MATCH,
        IDEMPOTENCY_KEY,
        REPLAYED,
        request=queries.SavedViewChangeSerializer,
        answer=queries.SavedViewResponse,
        problems=(409, 412, 422),
    )
    @idempotent
    def partial_update(self, request: Request, view_id: str) -> Response:
        """Change a view; what is not given stays. For its owner, shared also for admins, locked only for them."""
        body, id_ = queries.SavedViewChangeSerializer.read(request.data), read_id(view_id, "view_id")
        scope: dict[str, Any] = {}
        if "scope" in body:
            share, lock = self._read_scope(body["scope"])
            scope = {"share": share, **({"lock": lock} if lock or self._is_admin else {})}
        with self._refusals():
            view = change_view(
                id_,
                version=read_if_match(request, current=lambda: self._version_of(id_)),
                name=body.get("name"),
                query=self._read_query(body),
                **scope,
                **self._by(),
            )
        return self._show(view)

    @schema.describe("delete_view", TAG, VIEW, answer=None, status=204)
    def destroy(self, request: Request, view_id: str) -> Response:
        """Delete a view. For those who may change it."""
        with self._refusals():
            delete_view(read_id(view_id, "view_id"), **self._by())
        return Response(status=204)

    @property
    def _is_admin(self) -> bool:
        return self.identity.may(CONFIGURE_STAGES)

    def _by(self) -> dict[str, Any]:
        return {
            "user_id": self.identity.user_id,
            "is_admin": self._is_admin,
            "tenant": self.tenant,
            "actor": self.identity.actor(),
            "now": timezone.now(),
            "request_id": current_request_id(),
        }

    def _version_of(self, view_id: UUID) -> int:
        return find_view(view_id, self.identity.user_id, tenant=self.tenant).version

    def _read_scope(self, scope: str) -> tuple[bool, bool]:
        """Whether the view is shared and locked. Raises RequestRefused for those who share none."""
        share, lock = queries.SCOPES[scope]
        if share and not self.identity.may(UPDATE_LIFECYCLE):
            raise RequestRefused("permission_denied", _("Your role does not share views. Nothing was saved."))
        return share, lock

    def _read_query(self, body: dict[str, Any]) -> Callable[[str], str] | None:
        """What the view keeps, of what it has kept; None if the request says nothing of it. Raises RequestRefused."""
        if "query" not in body and "columns" not in body:
            return None
        filters, columns = None, body.get("columns")
        if "query" in body:
            filters, among = queries.read_query(body["query"], tenant=self.tenant, policy=live_policy(self.tenant.id))
            columns = columns if columns is not None else among

        def join(kept: str) -> str:
            before, chosen = queries.split_query(kept)
            return queries.join_query(before if filters is None else filters, chosen if columns is None else columns)

        return join

    def _describe(self, view: SavedView) -> dict[str, Any]:
        return queries.describe_view(view, self.identity.user_id, is_admin=self._is_admin)

    def _show(self, view: SavedView, *, status: int = 200) -> Response:
        body = queries.SavedViewResponse.render(self._describe(view))
        return Response(body, status=status, headers={"ETag": format_etag(view.version)})

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """A refusal of the service as the answer to the request."""
        try:
            yield
        except ViewMissing as missing:
            raise RequestRefused("not_found", _("There is no such view: check the id.")) from missing
        except ViewRefused as refused:
            sentence = str(refused)
            errors = [{"pointer": f"#/{refused.field}", "detail": sentence, "code": refused.code}]
            raise RequestRefused(refused.code, sentence, errors=errors if refused.field else ()) from refused
