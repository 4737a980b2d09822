"""Undoing a change, of one customer or of thousands."""

from typing import ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import effect_responses as responses
from lifecycle.api import effect_schema as schema
from lifecycle.api.effect_serializers import UndoSerializer
from lifecycle.api.idempotency import idempotent
from lifecycle.api.viewsets.effects import read_id
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.services.transitions.undo import UndoRefused, begin_undo, find_undo, undo_after_commit
from lifecycle.services.transitions.update_budget import UpdateBudget
from tenants.refusals import RequestRefused
from tenants.roles import UPDATE_LIFECYCLE


class UndoViewSet(TenantViewSet):
    """``/lifecycle/transitions/{request_id}/undo`` and ``/lifecycle/undos/{undo_id}``."""

    required_permissions: ClassVar[dict[str, str]] = {"create": UPDATE_LIFECYCLE, "retrieve": UPDATE_LIFECYCLE}

    @schema.BEGIN_UNDO
    @idempotent
    def create(self, request: Request, request_id: str) -> Response:
        """Bring everyone back whom the request moved and no one has moved since; cancel what waits to be sent.

        The first thousand at once, the others in the background: ask for the undo to see how far it has come. It takes
        nothing from the budget of changes, unless what it undoes is an undo: that makes the change again.
        """
        body = UndoSerializer.read(request.data)
        now, actor = timezone.now(), self.identity.actor()
        budget = UpdateBudget(actor)
        try:
            undo = begin_undo(
                read_id(request_id, "request_id"),
                tenant=self.tenant,
                actor=actor,
                now=now,
                reason=body.get("reason", ""),
                budget=budget,
            )
        except UndoRefused as refused:
            raise RequestRefused(refused.code, str(refused)) from refused
        undo_after_commit(self.tenant)
        answer = responses.UndoResponse.render_row(undo, undo_id=undo.id)
        return Response(answer, status=202, headers=budget.headers)

    @schema.GET_UNDO
    def retrieve(self, request: Request, undo_id: str) -> Response:
        """How far an undo has come."""
        undo = find_undo(read_id(undo_id, "undo_id"), tenant=self.tenant)
        if undo is None:
            raise RequestRefused("not_found", _("There is no such undo: check the id."))
        return Response(responses.UndoResponse.render_row(undo, undo_id=undo.id))
