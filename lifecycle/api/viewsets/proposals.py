"""What at-risk rules propose: listed, accepted as a change of stage, or dismissed with a reason."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import responses, schema
from lifecycle.api.filters import read_limit, refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.openapi.configuration import NO_NUL
from lifecycle.api.openapi.parameters import BUDGET, ETAG_OF_A_CHANGE, IDEMPOTENCY_KEY, PAGING, REPLAYED
from lifecycle.api.paging import PAGING as PAGED
from lifecycle.api.paging import read_position, surround
from lifecycle.api.preconditions import format_etag
from lifecycle.api.risk_responses import (
    PROPOSAL_STATES,
    AcceptanceSerializer,
    DismissalSerializer,
    ProposalDetailResponse,
    ProposalPageResponse,
)
from lifecycle.api.viewsets.effects import read_id
from lifecycle.api.viewsets.tenant import TenantViewSet, start_call
from lifecycle.models import RiskFiring
from lifecycle.queries.cursors import Position, encode_cursor
from lifecycle.services.risk.proposals import (
    ProposalRefused,
    accept_proposal,
    dismiss_proposal,
    find_firing,
    list_proposals,
)
from lifecycle.services.transitions.apply import CallRefused
from lifecycle.services.transitions.update_budget import UpdateBudget
from tenants.refusals import RequestRefused
from tenants.roles import UPDATE_LIFECYCLE, VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.rules.texts import fold_text

LONGEST_OWNER: Final = 150
TAG: Final = "risk"
PROPOSAL: Final = OpenApiParameter("proposal_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
_FILTERS: Final = (
    OpenApiParameter("customer_id", OpenApiTypes.UUID, description="Of one customer."),
    OpenApiParameter(
        "owner",
        {"type": "string", "maxLength": LONGEST_OWNER, "pattern": NO_NUL},
        description="Of this owner's customers.",
    ),
)


class ProposalViewSet(TenantViewSet):
    """``/proposals``."""

    required_permissions: ClassVar[dict[str, str]] = {
        "list": VIEW_LIFECYCLE,
        "retrieve": VIEW_HISTORY,
        "accept": UPDATE_LIFECYCLE,
        "dismiss": UPDATE_LIFECYCLE,
    }

    @schema.describe("list_proposals", TAG, *_FILTERS, *PAGING, answer=ProposalPageResponse)
    def list(self, request: Request) -> Response:
        """The open proposals of at-risk rules, the oldest first."""
        asked = request.query_params
        refuse_unknown_parameters(asked, ("customer_id", "owner", *PAGED))
        limit = read_limit(asked)
        owner, customer = asked.get("owner", ""), asked.get("customer_id")
        if len(owner) > LONGEST_OWNER or "\x00" in owner:
            raise RequestRefused("invalid_request", _("The owner is too long or contains invalid characters."))
        given: dict[str, Any] = {
            "tenant": self.tenant,
            "owners": [fold_text(owner)] if owner else None,
            "customer_id": read_id(customer, "customer_id") if customer is not None else None,
        }
        question = f"proposals|{owner}|{customer}".encode()
        position = read_position(asked, question)
        after = (dt.datetime.fromisoformat(str(position.key)), UUID(position.id)) if position else None
        rows, _count = list_proposals(limit=limit + 1, after=after, **given)
        cursor = None
        if len(rows) > limit:
            last = rows[limit - 1]
            cursor = encode_cursor(Position(last["fired_at"].isoformat(), str(last["id"])), question=question)
        around = surround(request, cursor, count=lambda: list_proposals(limit=1, **given)[1])
        return Response(ProposalPageResponse.render({"results": rows[:limit], **around}))

    @schema.describe("get_proposal", TAG, PROPOSAL, answer=ProposalDetailResponse)
    def retrieve(self, request: Request, proposal_id: str) -> Response:
        """One proposal, and what became of it."""
        refuse_unknown_parameters(request.query_params, ())
        return self._show(find_firing(read_id(proposal_id, "proposal_id"), tenant=self.tenant))

    @schema.describe(
        "accept_proposal",
        TAG,
        PROPOSAL,
        IDEMPOTENCY_KEY,
        ETAG_OF_A_CHANGE,
        *BUDGET,
        REPLAYED,
        request=AcceptanceSerializer,
        answer=responses.MovedResponse,
        problems=(409, 412, 422, 429),
    )
    @idempotent
    def accept(self, request: Request, proposal_id: str) -> Response:
        """Move the customer to the proposed stage, as the caller, with the effects that this starts."""
        asked = AcceptanceSerializer.read(request.data)
        firing = self._find(proposal_id)
        actor = self.identity.actor()
        budget = UpdateBudget(actor)
        self.answered = {firing.customer_id}
        try:
            with _refusals():
                outcome = accept_proposal(
                    firing.id,
                    start_call(self.tenant, actor, asked),
                    reason_code=asked.get("reason_code"),
                    note=asked.get("note"),
                    expected_effects=asked.get("confirm_effects"),
                    budget=budget,
                )
        except CallRefused as refusal:
            raise self.refuse_call(refusal, customer_id=firing.customer_id, to_stage=firing.to_stage) from refusal
        if outcome.refused or outcome.record is None:
            raise self.refuse(outcome)
        headers = {"ETag": format_etag(outcome.record.version), **budget.headers}
        moved = {"success": True, "updated_at": outcome.record.updated_at}
        return Response(responses.MovedResponse.render(moved), headers=headers)

    @schema.describe(
        "dismiss_proposal",
        TAG,
        PROPOSAL,
        IDEMPOTENCY_KEY,
        REPLAYED,
        request=DismissalSerializer,
        answer=ProposalDetailResponse,
        problems=(409, 422),
    )
    @idempotent
    def dismiss(self, request: Request, proposal_id: str) -> Response:
        """Put a proposal aside: it comes again only after the conditions have ceased to hold."""
        body = DismissalSerializer.read(request.data)
        firing = self._find(proposal_id)
        self.answered = {firing.customer_id}
        with _refusals():
            dismissed = dismiss_proposal(
                firing.id,
                firing.customer_id,
                reason=body["reason"],
                tenant=self.tenant,
                actor=self.identity.actor(),
                now=timezone.now(),
            )
        return self._show(dismissed)

    def _find(self, proposal_id: str) -> RiskFiring:
        firing = find_firing(read_id(proposal_id, "proposal_id"), tenant=self.tenant)
        if firing is None:
            raise RequestRefused("not_found", _("There is no such proposal."))
        return firing

    def _show(self, firing: RiskFiring | None) -> Response:
        if firing is None or firing.state not in PROPOSAL_STATES:
            raise RequestRefused("not_found", _("There is no such proposal."))
        return Response(ProposalDetailResponse.render_row(firing))


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ProposalRefused as refused:
        raise RequestRefused(refused.code, str(refused)) from refused
