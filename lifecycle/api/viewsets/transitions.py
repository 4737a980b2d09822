"""Many customers at once, and the tenant at a glance."""

from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import responses, schema
from lifecycle.api.as_of import AS_OF, KNOWN, read_day, read_known, refuse_known_alone
from lifecycle.api.batches import InvalidItem, describe_result, read_items, status_of
from lifecycle.api.filters import refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.serializers import BatchSerializer, read_uuid
from lifecycle.api.viewsets.tenant import TenantViewSet, start_call
from lifecycle.rules.transitions import Allowed, Change
from lifecycle.sentences import say_for_record
from lifecycle.services.customers import summaries
from lifecycle.services.effects.foreseen import count_foreseen
from lifecycle.services.insight.as_of_totals import read_past_totals
from lifecycle.services.insight.reading import Stages
from lifecycle.services.transitions.apply import CallRefused, Outcome, apply
from lifecycle.services.transitions.update_budget import UpdateBudget
from tenants.context import tenant_context
from tenants.permissions import describe_denial
from tenants.roles import UPDATE_LIFECYCLE, VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.services.configuration.policies import live_policy


class TransitionViewSet(TenantViewSet):
    """Moving up to 1,000 customers in one transaction."""

    required_permissions: ClassVar[dict[str, str]] = {"create": UPDATE_LIFECYCLE}

    @schema.MOVE_CUSTOMERS
    @idempotent
    def create(self, request: Request) -> Response:
        """Judge every item, make those changes that are allowed (all or none is written), and answer each."""
        body = BatchSerializer.read(request.data)
        dry_run: bool = body["dry_run"]
        items = read_items(body["items"], identity=self.identity, tenant=self.tenant)
        actor = self.identity.actor()
        budget = UpdateBudget(actor)
        try:
            outcomes = apply(
                start_call(self.tenant, actor, body),
                [item for item in items if isinstance(item, Change)],
                budget=budget,
                expected_effects=body.get("confirm_effects"),
                asks_above_budget=True,
                dry_run=dry_run,
            )
        except CallRefused as refusal:
            raise self.refuse_call(refusal, customer_id=None) from refusal
        judged = iter(outcomes)
        answered = [next(judged) if isinstance(item, Change) else item for item in items]
        if not dry_run:
            self._note_refusals(answered)
        results = [describe_result(item, dry_run=dry_run) for item in answered]
        shown: dict[str, Any] = {"dry_run": dry_run, "results": results}
        if dry_run:
            moves = [
                (one.change.customer_id, one.decision.effects) for one in outcomes if isinstance(one.decision, Allowed)
            ]
            shown["effects"] = count_foreseen(moves, tenant=self.tenant, made_by=(actor.name,), now=timezone.now())
        answer = responses.BatchResponse.render(shown)
        return Response(answer, status=status_of(results), headers=budget.headers)

    def _note_refusals(self, answered: list[Outcome | InvalidItem]) -> None:
        for item in answered:
            if item.refused is None:
                continue
            if isinstance(item, InvalidItem):
                customer_id, from_stage, to_stage = read_uuid(str(item.customer_id)), "", item.to_stage
            else:
                customer_id, to_stage = item.change.customer_id, item.change.stage
                from_stage = item.record.stage if item.record else ""
            self.note(
                item.refused.code,
                say_for_record(item.refused.message),
                customer_id=customer_id,
                from_stage=from_stage,
                to_stage=to_stage,
            )


class TenantSummaryViewSet(TenantViewSet):
    """The tenant at a glance."""

    required_permissions: ClassVar[dict[str, str]] = {"retrieve": VIEW_LIFECYCLE}
    opens_tenant_context: ClassVar[bool] = False

    @schema.GET_TENANT_SUMMARY
    def retrieve(self, request: Request) -> Response:
        """Customers and money per stage [API-3]; with `as_of`, as of the end of a past day."""
        refuse_unknown_parameters(request.query_params, (AS_OF, KNOWN))
        if AS_OF in request.query_params:
            return self._show_past(request)
        refuse_known_alone(request.query_params)
        return Response(responses.TenantSummaryResponse.render(summaries.read_tenant_summary(tenant=self.tenant)))

    def _show_past(self, request: Request) -> Response:
        if not self.identity.may(VIEW_HISTORY):
            raise PermissionDenied(describe_denial(self.identity, VIEW_HISTORY))
        day, known = read_day(request.query_params), read_known(request.query_params)
        with tenant_context(self.tenant.id):
            stages = Stages.of(live_policy(self.tenant.id), self.tenant)
            body = read_past_totals(day, stages=stages, tenant=self.tenant, known=known)
        return Response(responses.TenantSummaryResponse.render(body))
