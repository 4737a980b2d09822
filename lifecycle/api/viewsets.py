"""The API's actions: required permission, parse, one call, render."""

import re
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from lifecycle.api.authorship import MISMATCH, resolve_authors
from lifecycle.api.preconditions import format_etag, is_known_to_caller, read_if_match
from lifecycle.api.serializers import ChangeSerializer
from lifecycle.rules.transitions import Change
from lifecycle.services import summaries
from lifecycle.services.rate_limits import UpdateBudget
from lifecycle.services.transitions import NOT_FOUND, Outcome, apply
from tenants.middleware import current_request_id, note_refusal
from tenants.refusals import RequestRefused
from tenants.roles import UPDATE_LIFECYCLE, VIEW_LIFECYCLE
from tenants.views import TenantViewMixin

SOURCE = "API"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class TenantViewSet(TenantViewMixin, ViewSet):
    """What the actions share: nothing that a proxy could keep, and the customer that the address names."""

    required_permissions: ClassVar[dict[str, str]] = {}

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """As DRF does; answers about customers are for the caller alone."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @property
    def customer_id(self) -> UUID:
        """The customer that the address names. Raises RequestRefused for what is no id."""
        text: str = self.kwargs["customer_id"]
        if _UUID.fullmatch(text) is None:
            raise RequestRefused("invalid_request", "The id of a customer is a UUID: check the address.")
        return UUID(text)

    def found(self, answer: Any) -> Any:
        """The answer; raises RequestRefused if there is none. The same words for every id: nothing can be told."""
        if answer is None:
            raise RequestRefused("not_found", NOT_FOUND)
        return answer


class LifecycleViewSet(TenantViewSet):
    """Where one customer stands, and moving it."""

    required_permissions: ClassVar[dict[str, str]] = {
        "retrieve": VIEW_LIFECYCLE,
        "partial_update": UPDATE_LIFECYCLE,
        "summary": VIEW_LIFECYCLE,
    }
    opens_tenant_context: ClassVar[Any] = {"partial_update"}

    def retrieve(self, request: Request, customer_id: str) -> Response:
        """Where the customer stands, and where it can go now."""
        may_update = self.identity.may(UPDATE_LIFECYCLE)
        body = self.found(summaries.read_lifecycle(self.customer_id, tenant=self.tenant, may_update=may_update))
        headers = {"ETag": format_etag(body["version"]), "Cache-Control": "private, no-cache"}
        if is_known_to_caller(request, body["version"]):
            return Response(status=304, headers=headers)
        return Response(body, headers=headers)

    def partial_update(self, request: Request, customer_id: str) -> Response:
        """Move the customer to another stage [API-1]."""
        body = ChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        change = self._change(request, body.validated_data)
        actor = self.identity.actor()
        budget = UpdateBudget(self.tenant.id, actor)
        (outcome,) = apply(
            [change],
            tenant=self.tenant,
            actor=actor,
            source=SOURCE,
            now=timezone.now(),
            budget=budget,
            request_id=current_request_id(),
        )
        if outcome.refused or outcome.record is None:
            raise self._refusal(outcome)
        return Response(
            {"success": True, "updated_at": outcome.record.updated_at},
            headers={"ETag": format_etag(outcome.record.version), **budget.headers},
        )

    def summary(self, request: Request, customer_id: str) -> Response:
        """Stage, days in it, health, renewal, billing and support figures [API-3]."""
        return Response(self.found(summaries.read_summary(self.customer_id, tenant=self.tenant, now=timezone.now())))

    def _change(self, request: Request, body: dict[str, Any]) -> Change:
        name = body.get("updated_by")
        on_behalf_of = ""
        if name is not None:
            authors = resolve_authors([name], identity=self.identity, tenant=self.tenant)
            if name not in authors:
                raise self._refuse("actor_mismatch", MISMATCH, to_stage=body["stage"])
            on_behalf_of = authors[name]
        return Change(
            customer_id=self.customer_id,
            stage=body["stage"],
            reason_code=body.get("reason_code"),
            note=body.get("note") or None,
            expected_version=read_if_match(request),
            on_behalf_of=on_behalf_of or None,
        )

    def _refusal(self, outcome: Outcome) -> RequestRefused:
        """The refusal as an answer; a stale version brings the present state with it."""
        refused, record = outcome.refused, outcome.record
        assert refused is not None  # noqa: S101  (an outcome without a record is a refusal)
        self._note(refused.code, refused.sentence, from_stage=outcome.from_stage or "", to_stage=outcome.change.stage)
        if record is None:
            return RequestRefused.of(refused)
        extra = {}
        if refused.code == "version_conflict":
            extra["current"] = {
                "stage": record.stage,
                "version": record.version,
                "updated_at": record.updated_at,
                "updated_by": record.updated_by,
            }
        return RequestRefused.of(refused, headers={"ETag": format_etag(record.version)}, **extra)

    def _refuse(self, code: str, sentence: str, *, to_stage: str) -> RequestRefused:
        self._note(code, sentence, to_stage=to_stage)
        return RequestRefused(code, sentence, errors=[{"pointer": "#/updated_by", "detail": sentence, "code": code}])

    def _note(self, code: str, sentence: str, *, to_stage: str, from_stage: str = "") -> None:
        note_refusal(
            self.request,
            self.identity,
            source=SOURCE,
            code=code,
            detail=sentence,
            customer_id=self.customer_id,
            from_stage=from_stage,
            to_stage=to_stage,
        )
