"""What a batch would start, compared with what was agreed to; and what it is asked not to start."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from uuid_utils.compat import uuid7

from audit.services.administration import record_administration
from lifecycle.rules.transitions import refuse_effects, refuse_mute, refuse_unasked_effects
from lifecycle.services.effects.plan import Started, mute_effects
from lifecycle.services.transitions.outcomes import Call, EffectsUnconfirmed, MuteRefused, Outcome
from tenants.actors import TenantRef
from tenants.models import Tenant
from tenants.roles import MUTE_EFFECTS
from tenants.rules.configuration.definitions import Effect


def check_mute(call: Call) -> Call:
    """The call, with an id by which what it mutes can be found. Raises MuteRefused."""
    if call.mute_reason is None:
        return call
    if not call.actor.may(MUTE_EFFECTS):
        raise MuteRefused(refuse_mute())
    return call if call.request_id else replace(call, request_id=uuid7())


def check_effects(
    call: Call, outcomes: Sequence[Outcome], *, expected: int | None, asks_above_budget: bool = False
) -> None:
    """Compare what the moves would start with what was agreed to: ``expected``, or else the tenant's budget.

    Call while the rows are locked. One statement at most, and none where nothing is started. Raises EffectsUnconfirmed.
    """
    if expected is not None or (asks_above_budget and call.starts_effects and call.mute_reason is None):
        compare_effects(_count_effects(outcomes), tenant=call.tenant, expected=expected)


def compare_effects(effects: Mapping[Effect, int], *, tenant: TenantRef, expected: int | None) -> None:
    """Whether so many start as were agreed to: ``expected``, or else no more than the tenant lets start unasked.

    ``effects``: how often each would be started.

    One statement at most, and none where nothing is started. Raises EffectsUnconfirmed.
    """
    count = sum(effects.values())
    if expected is not None:
        if count != expected:
            raise EffectsUnconfirmed(refuse_effects(effects, expected))
    elif count and count > (budget := read_budget(tenant)):
        raise EffectsUnconfirmed(refuse_unasked_effects(effects, budget))


def read_budget(tenant: TenantRef) -> int:
    """How many effects one request may start unasked. One statement."""
    return Tenant.objects.filter(id=tenant.id).values_list("effects_budget", flat=True).get()


def _count_effects(outcomes: Sequence[Outcome]) -> Counter[Effect]:
    return Counter(effect for outcome in outcomes for effect in outcome.effects)


def mute_started(call: Call, started: Mapping[UUID, Sequence[Started]]) -> Mapping[UUID, Sequence[Started]]:
    """The same rows, none of which will run; in the administration log who asked for that, and why. One statement."""
    counts = Counter(row.effect.name for rows in started.values() for row in rows)
    if not counts:
        return started
    record_administration(
        "mute_effects",
        call.request_id or "",
        tenant_id=call.tenant.id,
        actor=call.actor,
        reason=call.mute_reason or "",
        detail={"effects": dict(counts), "customers": len(started)},
        request_id=call.request_id,
        now=call.now,
    )
    return {history_id: mute_effects(rows) for history_id, rows in started.items()}
