"""What dead letters would start if they were replayed and asked to: found out by replaying them and keeping nothing."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from lifecycle.models import DeadLetter
from lifecycle.rules.transitions import refuse_effects, refuse_unasked_effects
from lifecycle.services.events.dead_letter_actions import DeadLetterRefused, replay_dead_letters
from lifecycle.services.events.replay_agreement import Agreement, Starting
from lifecycle.services.transitions.outcomes import EffectsUnconfirmed
from tenants.actors import Actor
from tenants.models import Tenant
from tenants.sentences.figures import say_number
from tenants.services.directory import PLATFORM

# Their customers are locked together while it is found out.
MOST_FORESEEN: Final = 1_000


@dataclass(frozen=True, slots=True)
class ReplayPreview:
    """What some dead letters would start together. ``budgets``: what each tenant lets one request start unasked."""

    starting: tuple[Starting, ...]
    budgets: Mapping[UUID, int]

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How often each effect, by its name and kind."""
        return Counter((effect.name, effect.kind) for _tenant_id, effect in self.starting)

    @property
    def asks_for_number(self) -> bool:
        """Whether more would start than a tenant lets one request start unasked."""
        return self._find_budget() is not None

    def agree(self, confirmed: int | None) -> Agreement:
        """What may start, when the number that people confirmed is that of now. Raises EffectsUnconfirmed."""
        effects = Counter(effect for _tenant_id, effect in self.starting)
        if confirmed is not None:
            if confirmed != len(self.starting):
                raise EffectsUnconfirmed(refuse_effects(effects, confirmed))
        elif (budget := self._find_budget()) is not None:
            raise EffectsUnconfirmed(refuse_unasked_effects(effects, budget))
        return Agreement(self.starting)

    def _find_budget(self) -> int | None:
        """The budget of a tenant whose effects are more than that."""
        by_tenant = Counter(tenant_id for tenant_id, _effect in self.starting)
        return next((self.budgets[id_] for id_, count in by_tenant.items() if count > self.budgets[id_]), None)


def preview_replay(dead_letters: Sequence[DeadLetter], *, actor: Actor, now: dt.datetime) -> ReplayPreview:
    """What they would start, each after those before it. Nothing is kept. Raises DeadLetterRefused for too many."""
    if len(dead_letters) > MOST_FORESEEN:
        sentence = _("Choose at most %(most)s dead letters at a time to start what they start. Nothing was replayed.")
        raise DeadLetterRefused("too_many", sentence % {"most": say_number(MOST_FORESEEN)})
    with transaction.atomic():
        replayed = list(replay_dead_letters(dead_letters, actor=actor, now=now, starts_effects=True))
        transaction.set_rollback(True)
    starting = tuple(one for result in replayed for one in result.starting)
    ids = {tenant_id for tenant_id, _effect in starting}
    budgets = Tenant.objects.using(PLATFORM).filter(id__in=ids).values_list("id", "effects_budget") if ids else ()
    return ReplayPreview(starting, dict(budgets))
