"""Everything that happened to a customer in one line of time, as the customer's page shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Final

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import schema
from lifecycle.api.filters import read_limit, refuse_parameter, refuse_unknown_parameters
from lifecycle.api.openapi.parameters import CUSTOMER, PAGING
from lifecycle.api.paging import PAGING as PAGING_NAMES
from lifecycle.api.paging import PageResponse, read_position, surround
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.api.responses import HistoryResponse
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.api.work_responses import NoteResponse, TaskResponse
from lifecycle.queries.cursors import Position, encode_cursor
from lifecycle.services.work.timeline import (
    EVENT,
    KINDS,
    NOTE,
    STAGE,
    TASK,
    Entry,
    count_timeline,
    has_timeline,
    read_timeline,
)
from tenants.roles import UPDATE_LIFECYCLE, VIEW_HISTORY
from tenants.rules.texts import shorten_text

_ANY: Final = "|".join(KINDS)
KIND: Final = OpenApiParameter(
    "kind",
    {"type": "string", "pattern": rf"^(?:(?:{_ANY})(?:,(?:{_ANY}))*)?$", "maxLength": 200},
    OpenApiParameter.QUERY,
    description=f"Only entries of this kind, or of these, with commas between them: {', '.join(KINDS)}. Left out: all.",
)
# Kind -> the field of its row that says who it was.
_AUTHORS: Final[Mapping[str, str]] = {STAGE: "changed_by", NOTE: "created_by", TASK: "created_by"}


class StartedStepResponse(ResponseSerializer):
    """So many effects of one name that a stage change started and that are in one state for one reason."""

    effect = serializers.CharField()
    kind = serializers.CharField()
    state = serializers.CharField()
    why = serializers.CharField(allow_blank=True, help_text="Why it has not run, or not yet, in a sentence.")
    count = serializers.IntegerField()


class StageStepResponse(HistoryResponse):
    """A stage change, and what it started."""

    started = StartedStepResponse(many=True)


class EventStepResponse(ResponseSerializer):
    """What a source reported, a person pinned, or the end of a pin brought back."""

    figures = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        help_text="The new values by field: `billing.arr`, `support.csat` and so on; amounts and days are texts.",
    )
    recorded_at = serializers.DateTimeField()


class EffectStepResponse(ResponseSerializer):
    """An effect of a stage change, for one recipient."""

    history_id = serializers.UUIDField(help_text="The stage change that started it.")
    effect = serializers.CharField()
    kind = serializers.CharField()
    recipient = serializers.CharField(help_text="As it was called then; addresses are masked.")
    state = serializers.CharField()
    why = serializers.CharField(allow_blank=True, help_text="Why it has not run, or not yet, in a sentence.")
    due_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class EntryResponse(ResponseSerializer):
    """One thing that happened: of `stage`, `event`, `note`, `task` and `effect` it has the one that its kind names."""

    kind = serializers.ChoiceField(choices=KINDS)
    id = serializers.UUIDField()
    at = serializers.DateTimeField(help_text="When it happened: the line is sorted by it.")
    by = serializers.CharField(allow_null=True, help_text="The user's id, or system:<name>; null where no one did it.")
    # Serializers have an attribute of this name.
    source = serializers.CharField(  # type: ignore[assignment]
        allow_null=True, help_text="Where a stage change or a report came from; null for the other kinds."
    )
    stage = StageStepResponse(required=False)
    event = EventStepResponse(required=False)
    note = NoteResponse(required=False)
    task = TaskResponse(required=False)
    effect = EffectStepResponse(required=False)


@extend_schema_serializer(many=False)
class TimelinePageResponse(PageResponse):
    """A page of the timeline, newest first."""

    results = EntryResponse(many=True)


class TimelineViewSet(TenantViewSet):
    """``/customers/{id}/timeline``."""

    required_permissions: ClassVar[dict[str, str]] = {"list": VIEW_HISTORY}

    @schema.describe("list_timeline", "lifecycle", CUSTOMER, KIND, *PAGING, answer=TimelinePageResponse)
    def list(self, request: Request, customer_id: str) -> Response:
        """Stage changes, what sources reported, notes, tasks and what changes started, newest first.

        Texts of notes and tasks are masked for those who may not change customers, recipients for everyone.
        """
        parameters = request.query_params
        refuse_unknown_parameters(parameters, ("kind", *PAGING_NAMES))
        kinds = _read_kinds(parameters)
        question = f"timeline|{self.tenant.id}|{self.customer_id}|{','.join(kinds)}".encode()
        position, limit = read_position(parameters, question), read_limit(parameters)
        page = read_timeline(
            self.customer_id,
            tenant=self.tenant,
            now=timezone.now(),
            kinds=kinds,
            before=position.key if position else None,
            limit=limit,
            sees_texts=self.identity.may(UPDATE_LIFECYCLE),
        )
        if not page.entries:
            self.found(has_timeline(self.customer_id, tenant=self.tenant) or None)
        cursor = None
        if page.following is not None:
            cursor = encode_cursor(Position(dict(page.following), str(self.customer_id)), question=question)
        around = surround(
            request, cursor, count=lambda: count_timeline(self.customer_id, tenant=self.tenant, kinds=kinds)
        )
        rows = [_describe(entry) for entry in page.entries]
        return Response(TimelinePageResponse.render({"results": rows, **around}))


def _read_kinds(parameters: QueryDict) -> Sequence[str]:
    """The kinds that are asked for, in their usual order. Raises RequestRefused."""
    asked: str = parameters.get("kind", "")
    names = asked.split(",") if asked else KINDS
    for name in names:
        if name not in KINDS:
            sentence = _("There is no kind “%(name)s”; the kinds are %(known)s.")
            raise refuse_parameter("kind", sentence % {"name": shorten_text(name), "known": ", ".join(KINDS)})
    return [kind for kind in KINDS if kind in names]


def _describe(entry: Entry) -> dict[str, Any]:
    row = entry.row
    by = row[_AUTHORS[entry.kind]] if entry.kind in _AUTHORS else None
    source = row["source"] or None if entry.kind in (STAGE, EVENT) else None
    detail = {**row, "started": [asdict(line) for line in row["started"]]} if entry.kind == STAGE else row
    return {"kind": entry.kind, "id": row["id"], "at": entry.at, "by": by, "source": source, entry.kind: detail}
