"""Effects: what ran, when, for whom, and why not; run again, cancelled, paused."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar
from uuid import UUID

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import effect_responses as responses
from lifecycle.api import effect_schema as schema
from lifecycle.api.effect_serializers import PauseSerializer, ReplaySerializer
from lifecycle.api.filters import read_limit, refuse_choice, refuse_parameter, refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.paging import PAGING, encode_before_id, read_before_id, surround
from lifecycle.api.serializers import read_uuid
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.models import EffectRun
from lifecycle.services.effects import actions, digests
from lifecycle.services.effects.actions import ActionRefused, Wanted
from lifecycle.services.effects.kinds import ESCALATION
from lifecycle.services.effects.reasons import explain_reason
from lifecycle.services.effects.recipients import mask_recipient
from tenants.refusals import RequestRefused
from tenants.roles import CONFIGURE_STAGES, REVEAL_CONTACTS, UPDATE_LIFECYCLE
from tenants.rules.configuration.effect_kinds import KINDS

# What a configuration names, and what becomes of alerts.
ROW_KINDS = (*KINDS, ESCALATION, digests.KIND)
FILTERS = ("state", "kind", "effect", "customer_id", "request_id")
EXAMPLE = "0198f3c2-5d1e-7a44-9f0e-2b6c1d7e8a90"
NO_EFFECT = gettext_noop("There is no such effect: check the id, and that the effect belongs to this tenant.")


class EffectViewSet(TenantViewSet):
    """What stage changes have started."""

    # The customer that the answer is about, for what is kept of it.
    answered: set[UUID]
    required_permissions: ClassVar[dict[str, str]] = {
        "list": UPDATE_LIFECYCLE,
        "retrieve": CONFIGURE_STAGES,
        "replay": CONFIGURE_STAGES,
        "cancel": CONFIGURE_STAGES,
        "replay_many": CONFIGURE_STAGES,
        "pause": CONFIGURE_STAGES,
    }

    @schema.LIST_EFFECTS
    def list(self, request: Request) -> Response:
        """Effects, the latest first. Follow `next` for more."""
        parameters = request.query_params
        refuse_unknown_parameters(parameters, (*FILTERS, *PAGING))
        limit = read_limit(parameters)
        question = b"effects|" + "|".join(parameters.get(name, "") for name in FILTERS).encode()
        wanted = _read_wanted(parameters, question)
        runs = actions.list_effects(wanted, tenant=self.tenant, limit=limit + 1)
        last = runs[limit - 1].id if len(runs) > limit else None
        rows = [self._render(responses.EffectRunResponse, run) for run in runs[:limit]]
        around = surround(
            request,
            encode_before_id(last, question),
            count=lambda: actions.count_effects(wanted, tenant=self.tenant),
        )
        return Response(responses.EffectPageResponse.render({"results": rows, **around}))

    @schema.GET_EFFECT
    def retrieve(self, request: Request, effect_id: str) -> Response:
        """One effect, with what was sent and what was answered; secrets and personal data are left out."""
        refuse_unknown_parameters(request.query_params, ())
        run = actions.find_effect_run(read_id(effect_id, "effect_id"), tenant=self.tenant)
        if run is None:
            raise RequestRefused("not_found", _(NO_EFFECT))
        return Response(self._render(responses.EffectDetailResponse, run, **_show_attempt(run.last_attempt)))

    @schema.REPLAY_EFFECT
    @idempotent
    def replay(self, request: Request, effect_id: str) -> Response:
        """Run one effect again, at once. An e-mail of which no one knows whether it arrived may arrive twice then."""
        with refusals():
            actions.replay(read_id(effect_id, "effect_id"), **self.arguments())
        return Response(responses.ReplayedResponse.render({"replayed": 1}), status=202)

    @schema.CANCEL_EFFECT
    @idempotent
    def cancel(self, request: Request, effect_id: str) -> Response:
        """Cancel an effect that is held or due."""
        with refusals():
            run = actions.cancel(read_id(effect_id, "effect_id"), **self.arguments())
        self.answered = {run.customer_id}
        return Response(self._render(responses.CancelledResponse, run, cancelled=1), status=202)

    @schema.REPLAY_EFFECTS
    @idempotent
    def replay_many(self, request: Request) -> Response:
        """Run all effects again that failed, or that are held, since a time; 10,000 at most."""
        asked = ReplaySerializer.read(request.data)
        with refusals():
            count = actions.replay_since(
                asked["since"], state=asked["state"], effect=asked.get("effect"), **self.arguments()
            )
        return Response(responses.ReplayedResponse.render({"replayed": count}), status=202)

    @schema.PAUSE_EFFECTS
    def pause(self, request: Request) -> Response:
        """Pause or resume everything, one effect, or one endpoint."""
        asked = PauseSerializer.read(request.data)
        with refusals():
            actions.set_pause(asked.pop("paused"), **asked, **self.arguments())
        pauses = [
            {"effect": one.effect, "paused_at": one.paused_at, "paused_by": one.paused_by, "reason": one.reason}
            for one in actions.list_pauses(self.tenant)
        ]
        return Response(responses.PausesResponse.render({"pauses": pauses}))

    def arguments(self) -> dict[str, Any]:
        """Who asks, for the services."""
        return {"tenant": self.tenant, "actor": self.identity.actor(), "now": timezone.now()}

    def _render(self, answer: type[responses.EffectRunResponse], run: EffectRun, **more: Any) -> dict[str, Any]:
        """The row as the API shows it. Recipients are references, or addresses that the configuration names: these are
        masked for those who may not see contact details.
        """
        recipient = run.recipient if self.identity.may(REVEAL_CONTACTS) else mask_recipient(run.recipient)
        return answer.render_row(run, recipient=recipient, why=explain_reason(run.reason), **more)


def _show_attempt(attempt: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was sent and what was answered, whatever the kind: of mail its subject, and what the server said."""
    if attempt is None:
        return {"request": None, "response": None}
    request = attempt.get("request") or {name: attempt[name] for name in ("subject",) if name in attempt}
    return {
        "request": request or None,
        "response": {
            "status": attempt.get("status", attempt.get("code")),
            "text": attempt.get("response", attempt.get("answer", "")),
            "error": attempt.get("error", ""),
        },
    }


def read_id(text: str, name: str) -> UUID:
    """The id that an address names. Raises RequestRefused."""
    found = read_uuid(text)
    if found is None:
        raise refuse_parameter(name, _("It is a UUID such as %(example)s: check the address.") % {"example": EXAMPLE})
    return found


@contextmanager
def refusals() -> Iterator[None]:
    """A refusal of the service as the answer to the request."""
    try:
        yield
    except ActionRefused as refused:
        raise RequestRefused(refused.code, str(refused)) from refused


def _read_wanted(parameters: QueryDict, question: bytes) -> Wanted:
    state, kind = parameters.get("state"), parameters.get("kind")
    if state is not None and state not in EffectRun.STATES:
        raise refuse_choice("state", EffectRun.STATES)
    if kind is not None and kind not in ROW_KINDS:
        raise refuse_choice("kind", ROW_KINDS)
    ids = {
        name: read_id(text, name) if (text := parameters.get(name)) is not None else None
        for name in ("customer_id", "request_id")
    }
    return Wanted(
        state=state,
        kind=kind,
        effect=parameters.get("effect") or None,
        before=read_before_id(parameters, question),
        **ids,
    )
