"""A draft's health played over the past in the background: asked for, worked off a batch at a time, kept and shown."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services.administration import record_administration
from lifecycle.models import CustomerLifecycleStatus, HealthPlay
from lifecycle.services.insight.health_backtest import BATCH, HealthBacktest, PastJudge, describe_sums
from tenants.actors import Actor, TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import Policy, compile_policy
from tenants.services.configuration.policies import policy_of_version
from tenants.services.configuration.versions import hold_draft
from tenants.services.unfinished import find_tenants_with_unfinished, work_off_unfinished

# A result that is older than this goes when another play begins.
KEPT: Final = dt.timedelta(days=30)


def begin_health_play(
    draft: ConfigurationVersion,
    *,
    live: Policy,
    names: Mapping[str, str],
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> HealthPlay:
    """Ask for a play of a draft's health beside the live one; an earlier one of the same draft is replaced.

    ``names``: live stages in the draft. Of two who ask at once the second waits, and its play is the one that stays.
    Call in the tenant's context. Raises InvalidConfiguration for a draft with errors, NoSuchVersion for one that is
    gone.
    """
    with transaction.atomic():
        draft = hold_draft(draft.id, tenant=tenant)
        document = parse_configuration(draft.document).to_document()
        customers = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id).count()
        plays = HealthPlay.objects.filter(tenant_id=tenant.id)
        plays.filter(draft_id=draft.id).delete()
        plays.filter(created_at__lt=now - KEPT).delete()
        record_administration(
            "play_health",
            draft.id,
            tenant_id=tenant.id,
            actor=actor,
            detail={"revision": draft.revision, "configuration": live.version, "customers": customers},
            now=now,
        )
        return HealthPlay.objects.create(
            tenant_id=tenant.id,
            draft_id=draft.id,
            revision=draft.revision,
            document=document,
            names=dict(names),
            live_version=live.version,
            total=customers,
            sums={},
            requested_by=actor.name,
            created_at=now,
        )


def find_health_play(draft_id: UUID, *, tenant: TenantRef) -> HealthPlay | None:
    """The play of a draft that was asked for last; None if none was. One statement."""
    return HealthPlay.objects.filter(tenant_id=tenant.id, draft_id=draft_id).first()


def describe_health_play(play: HealthPlay) -> HealthBacktest:
    """What the bands said, of what has been counted so far."""
    return describe_sums(play.sums, now=play.created_at)


def find_tenants_with_health_plays() -> list[TenantRef]:
    """The tenants that have something to play, over the platform connection. One statement."""
    return find_tenants_with_unfinished(HealthPlay)


def work_off_health_plays(tenant: TenantRef, *, now: dt.datetime | None = None) -> Iterator[HealthPlay]:
    """Work off the tenant's plays, a batch a transaction; yields the job after each. Call outside of any transaction.

    Two workers share the work.
    """
    judges: dict[UUID, PastJudge] = {}

    def play_batch(play: HealthPlay) -> None:
        if play.id not in judges:
            judges[play.id] = _judge_for(play, tenant)
        play.after, count = judges[play.id].judge(play.sums, play.after)
        play.done += count
        play.total = max(play.total, play.done)
        play.finished_at = (now or timezone.now()) if count < BATCH else None
        play.save(update_fields=["after", "done", "total", "finished_at", "sums"])

    return work_off_unfinished(HealthPlay, play_batch, tenant=tenant)


def _judge_for(play: HealthPlay, tenant: TenantRef) -> PastJudge:
    live = policy_of_version(tenant.id, play.live_version)
    draft = compile_policy(parse_configuration(play.document), version=play.live_version + 1)
    return PastJudge(live, draft, play.names, tenant=tenant, now=play.created_at)
