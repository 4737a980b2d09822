"""What the viewsets share."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from lifecycle.api.filters import refuse_parameter
from lifecycle.api.openapi.parameters import SANDBOX_HEADER, SANDBOX_RESETS
from lifecycle.api.preconditions import format_etag
from lifecycle.api.serializers import read_uuid
from lifecycle.sentences import say, say_for_record
from lifecycle.services.transitions.apply import NOT_FOUND, Call, CallRefused, Outcome
from tenants.actors import Actor, TenantRef
from tenants.middleware import current_request_id, note_refusal
from tenants.refusals import RequestRefused
from tenants.views import TenantViewMixin

Found = TypeVar("Found")

SOURCE = "API"
NO_ID = gettext_noop("The id of a customer is a UUID such as 0198f3c2-5d1e-7a44-9f0e-2b6c1d7e8a90: check the address.")


def start_call(tenant: TenantRef, actor: Actor, asked: Mapping[str, Any]) -> Call:
    """The call of a request that moves customers. ``asked``: its body, which may say that nothing is to be started."""
    mute = asked.get("mute_effects")
    return Call(
        tenant,
        actor,
        SOURCE,
        timezone.now(),
        current_request_id(),
        starts_effects=True,
        mute_reason=mute["reason"] if mute else None,
    )


class TenantViewSet(TenantViewMixin, ViewSet):
    """A viewset of a tenant's data, for the caller alone: nothing that a proxy could keep."""

    required_permissions: ClassVar[dict[str, str]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """As the mixin does. A sandbox says that it is one, with whatever is answered from here on."""
        super().initial(request, *args, **kwargs)
        if (tenant := self.identity.tenant) is not None and tenant.is_sandbox:
            self.headers[SANDBOX_HEADER] = SANDBOX_RESETS

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """As DRF does, without leave to keep the answer unless it says so itself."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @property
    def customer_id(self) -> UUID:
        """The customer that the address names. Raises RequestRefused for what is no id."""
        found = read_uuid(self.kwargs["customer_id"])
        if found is None:
            raise refuse_parameter("customer_id", _(NO_ID))
        return found

    def found(self, answer: Found | None) -> Found:
        """The answer; raises RequestRefused if there is none. The same words for every id: nothing can be learned."""
        if answer is None:
            raise RequestRefused("not_found", say(NOT_FOUND))
        return answer

    def refuse(self, outcome: Outcome) -> RequestRefused:
        """A refused change as the answer to the request; a stale version brings the present state with it."""
        refused, record = outcome.refused, outcome.record
        assert refused is not None  # noqa: S101  (the caller has looked)
        self.note(
            refused.code,
            say_for_record(refused.message),
            customer_id=outcome.change.customer_id,
            from_stage=record.stage if record else "",
            to_stage=outcome.change.stage,
        )
        if record is None:
            return RequestRefused.of(refused, say(refused.message))
        extra = {}
        if refused.code == "version_conflict":
            extra["current"] = {
                "stage": record.stage,
                "version": record.version,
                "updated_at": record.updated_at,
                "updated_by": record.updated_by,
            }
        return RequestRefused.of(refused, say(refused.message), headers={"ETag": format_etag(record.version)}, **extra)

    def refuse_call(self, refusal: CallRefused, *, customer_id: UUID | None, to_stage: str = "") -> RequestRefused:
        """A change, or many, that is refused as a whole, as the answer to the request."""
        refused = refusal.refused
        self.note(refused.code, say_for_record(refused.message), customer_id=customer_id, to_stage=to_stage)
        return RequestRefused.of(refused, say(refused.message))

    def note(
        self, code: str, sentence: str, *, customer_id: UUID | None, to_stage: str = "", from_stage: str = ""
    ) -> None:
        """Keep the refused attempt, whatever becomes of the request's transaction."""
        note_refusal(
            self.request,
            self.identity,
            source=SOURCE,
            code=code,
            detail=sentence,
            customer_id=customer_id,
            from_stage=from_stage,
            to_stage=to_stage,
        )
