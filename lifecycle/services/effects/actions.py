"""What admins do about effects: look, replay, cancel, pause, resume. All of it is recorded."""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from audit.services.administration import record_administration
from lifecycle.models import EffectLane, EffectPause, EffectRun, WebhookEndpoint
from lifecycle.sentences import Refusal
from lifecycle.sentences.codes import EFFECT_STATES
from lifecycle.services.effects.breaker import ACTOR as BREAKER_ACTOR
from lifecycle.services.effects.breaker import close_breaker
from lifecycle.services.effects.endpoints import FAILING, GONE
from tenants.actors import Actor, TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.texts import clean_line
from tenants.rules.values import sort_key
from tenants.services.configuration.policies import NoConfiguration, live_policy

# Held effects wait for a person; failed ones can be tried again. An unknown e-mail may have arrived: only one by one.
# What was suppressed reached no one, and there is no one to send it to.
REPLAYABLE: Final = (EffectRun.FAILED, EffectRun.HELD, EffectRun.CANCELLED, EffectRun.UNKNOWN)
REPLAYABLE_TOGETHER: Final = (EffectRun.FAILED, EffectRun.HELD)
CANCELLABLE: Final = (EffectRun.HELD, EffectRun.DUE)
MOST_AT_ONCE: Final = 10_000
PAUSED: Final = "paused"
BREAKER: Final = "breaker"


class ActionRefused(Refusal):
    """Nothing was changed; ``code`` is the contract's."""

    def __init__(self, code: str, name: str, /, **params: Any) -> None:
        super().__init__(name, **params)
        self.code = code


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which effects to list; None: any. ``before``: those older than this one."""

    state: str | None = None
    kind: str | None = None
    effect: str | None = None
    customer_id: UUID | None = None
    request_id: UUID | None = None
    before: UUID | None = None


def list_effects(wanted: Wanted, *, tenant: TenantRef, limit: int) -> list[EffectRun]:
    """Effects, the latest first; one that is due and paused says so. One statement, three where something is due."""
    found = _select(wanted, tenant)
    if wanted.before:
        found = found.filter(id__lt=wanted.before)
    runs = list(found.order_by("-id")[:limit])
    explain_pauses(runs, tenant)
    return runs


def count_effects(wanted: Wanted, *, tenant: TenantRef) -> int:
    """How many effects are wanted, on all pages. One statement."""
    return _select(wanted, tenant).count()


def _select(wanted: Wanted, tenant: TenantRef) -> QuerySet[EffectRun]:
    given: Mapping[str, Any] = {
        "state": wanted.state,
        "kind": wanted.kind,
        "effect": _kept_name(wanted.effect or ""),
        "customer_id": wanted.customer_id,
        "request_id": wanted.request_id,
    }
    return EffectRun.objects.filter(tenant_id=tenant.id, **{key: value for key, value in given.items() if value})


def find_effect_run(effect_id: UUID, *, tenant: TenantRef) -> EffectRun | None:
    """One effect; None when the tenant has no such one. Three statements at most."""
    runs = list(EffectRun.objects.filter(tenant_id=tenant.id, id=effect_id))
    explain_pauses(runs, tenant)
    return next(iter(runs), None)


def explain_pauses(runs: Sequence[EffectRun], tenant: TenantRef) -> None:
    """What waits only because an admin, or the breaker, has paused it, or its endpoint is paused or switched off, says
    so: in memory, the row stays as it is. Two statements where something is due, else none.
    """
    due = [run for run in runs if run.state == EffectRun.DUE]
    if not due:
        return
    pauses = {pause.effect: pause.paused_by for pause in list_pauses(tenant)}
    lanes = EffectLane.objects.filter(tenant_id=tenant.id).in_bulk({run.lane_id for run in due})
    for run in due:
        paused_by = pauses.get("", pauses.get(run.effect))
        lane = lanes.get(run.lane_id)
        if paused_by is not None:
            run.reason = BREAKER if paused_by == BREAKER_ACTOR.name else PAUSED
        elif lane is not None and lane.disabled_reason in (GONE, FAILING):
            run.reason = f"endpoint_{lane.disabled_reason}"
        elif lane is not None and lane.paused_at is not None:
            run.reason = PAUSED


def replay(effect_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> EffectRun:
    """Run one effect again, at once. Raises ActionRefused."""
    run = _lock(effect_id, tenant)
    if run.state not in REPLAYABLE:
        raise ActionRefused("conflict", "nothing_to_replay", state=EFFECT_STATES[run.state])
    _replay([run], tenant=tenant, actor=actor, now=now, detail={"effect_id": str(run.id), "state": run.state})
    return run


def replay_since(
    since: dt.datetime, *, state: str, effect: str | None, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> int:
    """Run all effects again that failed, or are held, since then; how many (10,000 at most). Raises ActionRefused."""
    if state not in REPLAYABLE_TOGETHER:
        raise ActionRefused("invalid_request", "not_replayed_together")
    found = EffectRun.objects.select_for_update().filter(tenant_id=tenant.id, state=state, created_at__gte=since)
    if effect:
        effect = _kept_name(effect)
        found = found.filter(effect=effect)
    runs = list(found.order_by("id")[:MOST_AT_ONCE])
    detail = {"since": since.isoformat(), "state": state, "effect": effect or "", "count": len(runs)}
    _replay(runs, tenant=tenant, actor=actor, now=now, detail=detail)
    return len(runs)


def cancel(effect_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> EffectRun:
    """Cancel an effect that has not run yet. Raises ActionRefused."""
    run = _lock(effect_id, tenant)
    if run.state not in CANCELLABLE:
        raise ActionRefused("conflict", "nothing_to_cancel", state=EFFECT_STATES[run.state])
    run.state, run.reason, run.finished_at = EffectRun.CANCELLED, "cancelled", now
    run.save(update_fields=["state", "reason", "finished_at"])
    record_administration(
        "cancel_effect", run.id, tenant_id=tenant.id, actor=actor, detail={"effect": run.effect}, now=now
    )
    return run


def set_pause(
    paused: bool,
    *,
    effect: str = "",
    endpoint: str = "",
    reason: str,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> None:
    """Pause or resume everything, one effect (by name), or one endpoint (by name), or these two. Raises ActionRefused.

    Also for a name that no automation has, live or in a draft: who pauses must not believe that it is paused. An
    automation of a draft is held from its publication on, under the name that it has then.
    """
    effect = _kept_name(effect)
    lane_id = _find_lane(endpoint, tenant) if endpoint else None
    # An endpoint alone says nothing of automations. Named together both are meant: neither goes on unnoticed.
    if effect or lane_id is None:
        _pause_effects(paused, effect, reason=reason, tenant=tenant, actor=actor, now=now)
    if lane_id is not None:
        _pause_endpoint(paused, lane_id, tenant=tenant, now=now)
    action = "pause_effects" if paused else "resume_effects"
    detail = {"effect": effect, "endpoint": endpoint}
    record_administration(
        action, effect or endpoint, tenant_id=tenant.id, actor=actor, reason=reason, detail=detail, now=now
    )


def pause_tenant(*, reason: str, tenant: TenantRef, actor: Actor, now: dt.datetime) -> bool:
    """Pause everything of the tenant; False when it is paused already."""
    if EffectPause.objects.filter(tenant_id=tenant.id, effect="").exists():
        return False
    set_pause(True, reason=reason, tenant=tenant, actor=actor, now=now)
    return True


def resume_tenant(*, reason: str, tenant: TenantRef, actor: Actor, now: dt.datetime) -> bool:
    """End the pause that this actor made; False when there is none: those of others are theirs to end."""
    if not EffectPause.objects.filter(tenant_id=tenant.id, effect="", paused_by=actor.name).exists():
        return False
    set_pause(False, reason=reason, tenant=tenant, actor=actor, now=now)
    return True


def list_pauses(tenant: TenantRef) -> list[EffectPause]:
    """What is paused now. One statement."""
    return list(EffectPause.objects.filter(tenant_id=tenant.id).order_by("effect"))


def list_automations(tenant: TenantRef) -> list[str]:
    """The names that can be paused or resumed: live ones, those of drafts, and what is paused. Two statements."""
    names = {_kept_name(pause.effect) for pause in list_pauses(tenant)}
    with suppress(NoConfiguration):
        names |= {effect.name for effect in live_policy(tenant.id).configuration.effects}
    return sorted((names | _names_in_drafts(tenant)) - {""}, key=sort_key)


def _kept_name(effect: str) -> str:
    """The name of an automation as a configuration keeps it. Blanks alone stay what they are: '' would mean all."""
    return clean_line(effect) or effect


def _names_in_drafts(tenant: TenantRef) -> set[str]:
    """As they will be kept: the JSON of a draft is as it was typed. One statement."""
    names: set[str] = set()
    # A draft may still be anything: what has no name there cannot be paused.
    for effects in _drafts(tenant).values_list("document__effects", flat=True):
        found = effects if isinstance(effects, list) else []
        names |= {
            _kept_name(one["name"]) for one in found if isinstance(one, dict) and isinstance(one.get("name"), str)
        }
    return names


def _is_known(effect: str, tenant: TenantRef) -> bool:
    """Whether it is live or in a draft, or anything ever ran under this name. Three statements at most."""
    with suppress(NoConfiguration):
        if live_policy(tenant.id).effect(effect) is not None:
            return True
    return _all(tenant).filter(effect=effect).exists() or effect in _names_in_drafts(tenant)


def _drafts(tenant: TenantRef) -> QuerySet[ConfigurationVersion]:
    return ConfigurationVersion.objects.filter(tenant_id=tenant.id, number__isnull=True)


def _pause_effects(
    paused: bool, effect: str, *, reason: str, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> None:
    if paused:
        if effect and not _is_known(effect, tenant):
            raise ActionRefused("not_found", "no_such_automation", name=effect)
        EffectPause.objects.get_or_create(
            tenant_id=tenant.id,
            effect=effect,
            defaults={"paused_at": now, "paused_by": actor.name, "reason": reason},
        )
        return
    # Also what was paused under a name as the JSON of a draft had it.
    names = [pause.effect for pause in list_pauses(tenant) if _kept_name(pause.effect) == effect]
    found = list(EffectPause.objects.filter(tenant_id=tenant.id, effect__in=names).select_for_update())
    if effect and not found and not _is_known(effect, tenant):
        raise ActionRefused("not_found", "no_such_automation", name=effect)
    for pause in found:
        close_breaker(pause, now=now)
        pause.delete()


def _find_lane(endpoint: str, tenant: TenantRef) -> UUID:
    """The lane of the endpoint of this name. Raises ActionRefused."""
    endpoints = WebhookEndpoint.objects.filter(tenant_id=tenant.id, name__in=(endpoint, clean_line(endpoint)))
    found: UUID | None = endpoints.values_list("id", flat=True).first()
    if found is None:
        raise ActionRefused("not_found", "no_such_endpoint", name=endpoint)
    return found


def _pause_endpoint(paused: bool, lane_id: UUID, *, tenant: TenantRef, now: dt.datetime) -> None:
    # Resumed by a person, it is given another chance, also when it had been switched off.
    resumed = {"disabled_at": None, "disabled_reason": "", "failing_since": None, "failed_again_at": None}
    changes: Mapping[str, Any] = {"paused_at": now} if paused else {"paused_at": None, **resumed}
    EffectLane.objects.filter(tenant_id=tenant.id, id=lane_id).update(**changes)


def _lock(effect_id: UUID, tenant: TenantRef) -> EffectRun:
    run = EffectRun.objects.select_for_update().filter(tenant_id=tenant.id, id=effect_id).first()
    if run is None:
        raise ActionRefused("not_found", "no_such_effect")
    return run


def _replay(
    runs: Sequence[EffectRun], *, tenant: TenantRef, actor: Actor, now: dt.datetime, detail: dict[str, Any]
) -> None:
    changes = {"state": EffectRun.DUE, "reason": "", "due_at": now, "attempts": 0, "finished_at": None}
    ids = [run.id for run in runs]
    _all(tenant).filter(id__in=ids).update(**changes)
    for run in runs:
        run.state, run.reason = EffectRun.DUE, ""
    record_administration("replay_effects", tenant_id=tenant.id, actor=actor, detail=detail, now=now)


def _all(tenant: TenantRef) -> QuerySet[EffectRun]:
    return EffectRun.objects.filter(tenant_id=tenant.id)
