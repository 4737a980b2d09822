"""What the moves of a publication start where that is asked for: named before, and compared when they are arranged."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from lifecycle.models import CustomerLifecycleStatus
from lifecycle.services.configuration.plans import Target
from lifecycle.services.effects.foreseen import count_foreseen
from tenants.actors import TenantRef
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.policy import Policy

# The moves of a configuration in the history.
SOURCE: Final = "Configuration"
# Where more customers are moved, those whom their effects reach are not counted.
MOST_LOOKED_AT: Final = 10_000


@dataclass(frozen=True, slots=True)
class StartedCount:
    """How often an effect would be started, for how many recipients, and how many in vain. None: not counted."""

    name: str
    kind: str
    count: int
    recipients: int | None = None
    suppressed: int | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """Stages that go away: where their customers go, by the stage as it is called now, and what each starts there."""

    effects: Mapping[str, tuple[Effect, ...]]
    customers: Mapping[str, int]

    def count_effects(self) -> Counter[Effect]:
        """How often each effect is started: as many entries as there are effects, however many customers are moved."""
        counts: Counter[Effect] = Counter()
        for stage, effects in self.effects.items():
            for effect in effects:
                counts[effect] += self.customers[stage]
        return counts


def find_leaving(
    policy: Policy, targets: Mapping[str, Target], counts: Mapping[str, int], names: Mapping[str, str]
) -> Leaving:
    """What moving the customers (``counts``, by stage) to ``targets`` starts by the policy that is to be published.

    ``names``: what stages are called by it.
    """
    effects = {
        stage: policy.effects_of(
            names.get(stage, stage), policy.canonical_stage(target.stage) or target.stage, source=SOURCE
        )
        for stage, target in targets.items()
        if counts.get(stage)
    }
    return Leaving(effects, {stage: counts[stage] for stage in effects})


def count_started(
    leaving: Leaving, *, tenant: TenantRef, made_by: Collection[str], now: dt.datetime
) -> tuple[StartedCount, ...]:
    """The same by effect, before it is published; with the recipients, unless it moves very many.

    Three statements at most, and none where nothing is started. Call in the tenant's context.
    """
    stages = [stage for stage, effects in leaving.effects.items() if effects]
    if sum(leaving.customers[stage] for stage in stages) > MOST_LOOKED_AT:
        return tuple(StartedCount(effect.name, effect.kind, count) for effect, count in leaving.count_effects().items())
    if not stages:
        return ()
    rows = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id, stage__in=stages)
    moves = [(id_, leaving.effects[stage]) for id_, stage in rows.values_list("customer_id", "stage")]
    return tuple(StartedCount(**one) for one in count_foreseen(moves, tenant=tenant, made_by=made_by, now=now))
