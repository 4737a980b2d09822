"""The tenant's changes for programs that follow them without Kafka."""

from typing import Any, ClassVar, Final

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import schema
from lifecycle.api.filters import COUNT, read_count, read_limit, refuse_parameter, refuse_unknown_parameters
from lifecycle.api.openapi.parameters import LIMIT, TOTAL
from lifecycle.api.paging import TOTAL_HELP
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.api.responses import HistoryResponse
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.services.transitions.feed import PositionUnknown, count_feed, read_feed
from tenants.roles import VIEW_HISTORY
from tenants.rules.texts import shorten_text

LONGEST_POSITION: Final = 18
AFTER = OpenApiParameter(
    "after",
    {"type": "string", "pattern": rf"^[0-9]{{0,{LONGEST_POSITION}}}$"},
    OpenApiParameter.QUERY,
    description="`next_cursor` of the page before, or the `position` of the last change that you have dealt with. Left"
    " out: from the first change on.",
)


class FeedRowResponse(ResponseSerializer):
    """One change of one customer, as in its history but for the note."""

    vars().update(
        {name: field for name, field in HistoryResponse._declared_fields.items() if not name.startswith("note")}
    )
    position = serializers.IntegerField(help_text="Its place among the tenant's changes: 1, 2, 3 ... without a gap.")
    external_id = serializers.CharField(allow_null=True, help_text="The customer's id in your own systems.")
    has_note = serializers.BooleanField(help_text="Somebody wrote a note: read it in the customer's history.")


@extend_schema_serializer(many=False)
class FeedResponse(ResponseSerializer):
    """Changes in the order in which they were committed."""

    results = FeedRowResponse(many=True)
    next_cursor = serializers.CharField(help_text="`after` of the next request, also when there is nothing more now.")
    has_more = serializers.BooleanField(help_text="There is more: ask again at once. Otherwise wait a little.")
    total = serializers.IntegerField(allow_null=True, help_text=TOTAL_HELP)


class FeedViewSet(TenantViewSet):
    """``/lifecycle/history``."""

    required_permissions: ClassVar[dict[str, str]] = {"list": VIEW_HISTORY}

    @schema.describe("list_changes", "lifecycle", AFTER, LIMIT, TOTAL, answer=FeedResponse)
    def list(self, request: Request) -> Response:
        """What happened to all customers of the tenant, in the order in which it was committed.

        Keep `next_cursor` once you have dealt with a page, and go on from it, whenever you like: no change is skipped
        and none comes twice. The changes of one customer keep their order.
        """
        refuse_unknown_parameters(request.query_params, ("after", "limit", COUNT))
        after, limit = _read_after(request.query_params), read_limit(request.query_params)
        try:
            page = read_feed(tenant=self.tenant, after=after, limit=limit, now=timezone.now())
        except PositionUnknown as unknown:
            sentence = _(
                "There is no change %(after)s yet; the last is %(last)s. If this was the cursor of an answer, the"
                " database was restored since: go on from %(last)s, and compare what you have got behind it."
            )
            raise refuse_parameter("after", sentence % {"after": after, "last": unknown.last}) from unknown
        total = count_feed(self.tenant) if read_count(request.query_params) else None
        answer = {
            "results": page.rows,
            "next_cursor": str(page.next_after),
            "has_more": page.has_more,
            "total": total,
        }
        return Response(FeedResponse.render(answer))


def _read_after(parameters: QueryDict) -> int:
    text: Any = parameters.get("after", "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= LONGEST_POSITION):
        raise refuse_parameter(
            "after",
            _("“%(text)s” is no place in the feed: give next_cursor as you got it.") % {"text": shorten_text(text)},
        )
    return int(text or 0)
