"""A draft's at-risk rules, and its health, played over the tenant's own past."""

from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import schema
from lifecycle.api.filters import refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.openapi.parameters import IDEMPOTENCY_KEY, REPLAYED
from lifecycle.api.risk_responses import (
    DONE,
    RUNNING,
    BacktestResponse,
    BacktestSerializer,
    HealthBacktestResponse,
    HealthBacktestSerializer,
)
from lifecycle.api.viewsets.effects import read_id
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.models import HealthPlay, RulePlay
from lifecycle.rules.risk.judging import Tally
from lifecycle.services.configuration.health_preview import ask_of_draft
from lifecycle.services.insight.health_backtest import BandSaid
from lifecycle.services.insight.health_plays import begin_health_play, describe_health_play, find_health_play
from lifecycle.services.risk.playing import RuleResult, begin_play, describe_results, find_play
from tenants.models import ConfigurationVersion
from tenants.refusals import RequestRefused
from tenants.roles import CONFIGURE_STAGES
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.policies import NoConfiguration, live_policy
from tenants.services.configuration.versions import find_draft

_DRAFT: Final = OpenApiParameter(
    "draft", OpenApiTypes.UUID, description="The draft; the one that was edited last without it."
)


class _OfDraft(TenantViewSet):
    required_permissions: ClassVar[dict[str, str]] = dict.fromkeys(("retrieve", "create"), CONFIGURE_STAGES)

    def _find_asked(self, request: Request) -> ConfigurationVersion:
        refuse_unknown_parameters(request.query_params, ("draft",))
        text = request.query_params.get("draft")
        return self._find(read_id(text, "draft") if text is not None else None)

    def _find(self, draft_id: UUID | None) -> ConfigurationVersion:
        draft = find_draft(draft_id, tenant=self.tenant)
        if draft is None:
            raise RequestRefused("not_found", _("There is no such draft."))
        return draft


class BacktestViewSet(_OfDraft):
    """``/configuration/backtest``."""

    @schema.describe("get_backtest", "configuration", _DRAFT, answer=BacktestResponse)
    def retrieve(self, request: Request) -> Response:
        """How far the play of a draft has come that was asked for last, and once it is done what each rule did."""
        draft = self._find_asked(request)
        play = find_play(draft.id, tenant=self.tenant)
        if play is None:
            raise RequestRefused("not_found", _("The rules of this draft have not been tested yet."))
        return Response(BacktestResponse.render(describe_play(play, draft)))

    @schema.describe(
        "begin_backtest",
        "configuration",
        IDEMPOTENCY_KEY,
        REPLAYED,
        request=BacktestSerializer,
        answer=BacktestResponse,
        status=202,
        problems=(422,),
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Play the at-risk rules of a draft over the last two years, in the background; ask again for the result.

        An earlier play of the same draft is replaced. Nothing is moved or proposed.
        """
        body = BacktestSerializer.read(request.data)
        draft = self._find(body.get("draft"))
        if not parse_configuration(draft.document).risk_rules:
            raise RequestRefused("invalid_request", _("The draft has no at-risk rules yet."))
        play = begin_play(
            draft,
            tenant=self.tenant,
            actor=self.identity.actor(),
            now=timezone.now(),
            known=body.get("known", ""),
        )
        return Response(BacktestResponse.render(describe_play(play, draft)), status=202)


class HealthBacktestViewSet(_OfDraft):
    """``/configuration/health-backtest``."""

    @schema.describe("get_health_backtest", "configuration", _DRAFT, answer=HealthBacktestResponse)
    def retrieve(self, request: Request) -> Response:
        """How far the play of a draft's health has come that was asked for last, and how many of each band churned."""
        draft = self._find_asked(request)
        play = find_health_play(draft.id, tenant=self.tenant)
        if play is None:
            raise RequestRefused("not_found", _("The health of this draft has not been tested yet."))
        return Response(HealthBacktestResponse.render(describe_health(play, draft, self._live())))

    @schema.describe(
        "begin_health_backtest",
        "configuration",
        IDEMPOTENCY_KEY,
        REPLAYED,
        request=HealthBacktestSerializer,
        answer=HealthBacktestResponse,
        status=202,
        problems=(422,),
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Judge all customers by a draft's health and by the live one, on the first days of the last twelve months of
        which 90 days are over, in the background; ask again for the result.

        An earlier play of the same draft is replaced.
        """
        body = HealthBacktestSerializer.read(request.data)
        draft, live = self._find(body.get("draft")), self._live()
        question = ask_of_draft(draft, live=live, tenant=self.tenant)
        if question is None:
            raise RequestRefused("invalid_request", _("The draft has errors: correct them first, then look again."))
        play = begin_health_play(
            draft,
            live=live,
            names=question.names,
            tenant=self.tenant,
            actor=self.identity.actor(),
            now=timezone.now(),
        )
        return Response(HealthBacktestResponse.render(describe_health(play, draft, live)), status=202)

    def _live(self) -> Policy:
        try:
            return live_policy(self.tenant.id)
        except NoConfiguration as error:
            sentence = _("Nothing is live yet, so there is nothing to compare the draft with.")
            raise RequestRefused("invalid_request", sentence) from error


def describe_health(play: HealthPlay, draft: ConfigurationVersion, live: Policy) -> dict[str, Any]:
    """The play of a draft's health as ``HealthBacktestResponse`` renders it."""
    said = describe_health_play(play)
    return {
        "draft": draft.id,
        "is_of_present_draft": (play.revision, play.live_version) == (draft.revision, live.version),
        "state": RUNNING if play.finished_at is None else DONE,
        "customers_done": play.done,
        "customers": play.total,
        "landmarks": said.landmarks,
        **{name: getattr(play, name) for name in ("live_version", "requested_by", "finished_at")},
        "live_bands": [_describe_band(one) for one in said.live],
        "draft_bands": [_describe_band(one) for one in said.draft],
    }


def _describe_band(one: BandSaid) -> dict[str, Any]:
    share = one.share
    return {
        "band": one.band,
        "observations": share.rows,
        "customers": share.customers,
        "lost": share.hits,
        "share": share.value,
        "share_low": share.low,
        "share_high": share.high,
        "share_of_lost": one.of_churned,
    }


def describe_play(play: RulePlay, draft: ConfigurationVersion) -> dict[str, Any]:
    """The play of a draft as ``BacktestResponse`` renders it."""
    tally = Tally.from_json(play.tally)
    is_done = play.finished_at is not None
    results = describe_results(
        parse_configuration(play.document), tally, since=play.since, until=play.until, managers=play.managers
    )
    return {
        "draft": draft.id,
        "is_of_present_draft": play.revision == draft.revision,
        "state": DONE if is_done else RUNNING,
        "customers_done": play.done,
        "customers": play.total,
        **{name: getattr(play, name) for name in ("known", "since", "until", "requested_by", "finished_at")},
        "churns": tally.churns,
        "rules": [_describe(one) for one in results] if is_done else [],
    }


def _describe(one: RuleResult) -> dict[str, Any]:
    quarter, median, three_quarters = one.leads
    return {
        **{
            name: getattr(one, name) for name in ("name", "enabled", "alarms", "caught", "churns", "undecided", "added")
        },
        "days_before_quarter": quarter,
        "days_before_median": median,
        "days_before_three_quarters": three_quarters,
        "value_caught": one.value,
        "false_alarms": one.false,
        "false_alarms_a_manager_a_week": one.false_a_week,
        "due_now": one.due,
    }
