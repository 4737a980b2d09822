"""The list of customers as a file, over the API: the parameters of the list, all its pages."""

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, ClassVar, Final

from django.http import FileResponse, QueryDict
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from lifecycle.api import schema
from lifecycle.api.as_of import AS_OF, AS_OF_THE_LIST, PastList, read_past_list, refuse_known_alone
from lifecycle.api.files import FORMAT, FileNegotiation
from lifecycle.api.filters import COUNT, read_columns, read_flag, read_list_query, refuse_choice
from lifecycle.api.openapi.parameters import filter_parameters
from lifecycle.api.saved_views import with_view
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.queries.list_columns import USUAL_COLUMNS
from lifecycle.queries.list_named import NAMED
from lifecycle.queries.listing import MOST, ListQuery
from lifecycle.services.insight.as_of_list import list_as_of
from lifecycle.services.lists.contact_columns import ContactColumns
from lifecycle.services.lists.described import describe_asked
from lifecycle.services.lists.exports import CONTENT_TYPES, CSV, XLSX, ExportRefused, export_customers
from tenants.middleware import current_request_id
from tenants.permissions import describe_denial
from tenants.refusals import RequestRefused
from tenants.roles import REVEAL_CONTACTS, VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.services.configuration.policies import live_policy

CONTACTS: Final = "contacts"
ALSO: Final = (FORMAT, CONTACTS)
# What says which page of the list is read: a file has them all.
OF_PAGES: Final = ("cursor", "limit", COUNT)
RETRY_SECONDS: Final = "60"

_EXPORT = schema.describe(
    "export_customers",
    "customers",
    OpenApiParameter(FORMAT, str, enum=[CSV, XLSX], default=CSV, description="What the file is."),
    OpenApiParameter(
        CONTACTS,
        bool,
        description="Whether each customer's main contact stands beside it. Its e-mail address and phone number are"
        " masked without the permission reveal_contacts.",
    ),
    *(one for one in filter_parameters() if one.name not in OF_PAGES),
    *AS_OF_THE_LIST,
    answer=OpenApiTypes.STR,
    status=(200, CONTENT_TYPES[CSV].partition(";")[0]),
    responses={(200, CONTENT_TYPES[XLSX]): OpenApiTypes.BINARY},
    problems=(429,),
)


class CustomerExportViewSet(TenantViewSet):
    """``/customers/export``."""

    required_permissions: ClassVar[dict[str, str]] = {"export": VIEW_LIFECYCLE}
    content_negotiation_class = FileNegotiation

    @_EXPORT
    def export(self, request: Request) -> FileResponse:
        """The customers of the list with these parameters as a file, in its order, with its columns: the usual ones of
        the page without a choice.

        All of them, whichever page the request names. Where a text begins with `=`, `+`, `-`, `@`, a tab or a return,
        an apostrophe stands before it. Who exported what, and how many rows, is in the administration log. One file of
        a tenant is made at a time; others are refused (429).
        """
        kind = request.query_params.get(FORMAT) or CSV
        if kind not in CONTENT_TYPES:
            raise refuse_choice(FORMAT, CONTENT_TYPES)
        policy, now = live_policy(self.tenant.id), timezone.now()
        asked = with_view(request.query_params, self.identity.user_id, tenant=self.tenant, policy=policy)
        about: dict[str, Any] = {"tenant": self.tenant, "policy": policy}
        past = self._read_past(asked, about) if AS_OF in asked else None
        if past is None:
            refuse_known_alone(asked)
            query, columns = read_list_query(asked, **about, also=ALSO), read_columns(asked)
        else:
            query, columns = past.query, past.columns
        with_contacts = read_flag(asked, CONTACTS)
        name = f"customers-{now.date().isoformat()}.{kind}"
        if request.method == "HEAD":
            # None is made, and none is recorded: how long it would be is not known.
            response = FileResponse(BytesIO(), as_attachment=True, filename=name, content_type=CONTENT_TYPES[kind])
            del response["Content-Length"]
            return response
        try:
            file = export_customers(
                query,
                columns or USUAL_COLUMNS,
                kind,
                **about,
                actor=self.identity.actor(),
                now=now,
                described=_describe(asked, query),
                contacts=ContactColumns(self.identity.may(REVEAL_CONTACTS)) if with_contacts else None,
                request_id=current_request_id(),
                past=None if past is None else lambda: self._stream_past(past),
            )
        except ExportRefused as refused:
            raise RequestRefused("rate_limited", str(refused), headers={"Retry-After": RETRY_SECONDS}) from refused
        return FileResponse(file, as_attachment=True, filename=name, content_type=CONTENT_TYPES[kind])

    def _read_past(self, asked: QueryDict, about: Mapping[str, Any]) -> PastList:
        if not self.identity.may(VIEW_HISTORY):
            raise PermissionDenied(describe_denial(self.identity, VIEW_HISTORY))
        return read_past_list(asked, **about, also=ALSO)

    def _stream_past(self, past: PastList) -> Iterator[Mapping[str, Any]]:
        """All rows of the list of a past day, read in pages."""
        cursor = None
        while past.about is not None:
            page = list_as_of(past.about, stages=past.stages, tenant=self.tenant, cursor=cursor, limit=MOST)
            yield from page.rows
            cursor = page.next_cursor
            if cursor is None:
                return


def _describe(asked: QueryDict, query: ListQuery) -> dict[str, str]:
    """The question as the record keeps it. Parameters that are conditions are among the conditions."""
    left_out = {*ALSO, *OF_PAGES, *NAMED, "where"}
    kept = {name: ",".join(map(str, values)) for name, values in asked.lists() if name not in left_out}
    return describe_asked({name: value for name, value in kept.items() if value}, query.where)
