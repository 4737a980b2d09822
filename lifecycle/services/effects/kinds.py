"""The kinds of effects: a class each, with what it needs, whom it reaches and how long it waits.

To add one: a class here, and how it is delivered in ``lifecycle.delivery``.
"""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar, Final
from uuid import UUID

from lifecycle.models.effects import EffectRun
from tenants.rules.configuration.definitions import Effect

# Mail to a customer waits for so long, and can be taken back in the meantime.
HOLD: Final = dt.timedelta(minutes=10)
HELD_FOR_RECALL: Final = "recall"

NO_OWNER = "no_owner"
NO_CONTACT = "no_contact"
NO_USER = "no_user"
NO_ENDPOINT = "no_endpoint"
OWN_CHANGE = "own_change"
# A later step of an alert that no one has acknowledged: a kind of rows, not of the configuration.
ESCALATION: Final = "escalation"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom the effects of one customer can reach. ``contacts``: those with an address, in their order."""

    owner: UUID | None = None
    contacts: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Members:
    """Whom the effects of a tenant can reach: people by role, endpoints by name and by address."""

    managers: tuple[UUID, ...] = ()
    admins: tuple[UUID, ...] = ()
    endpoints: Mapping[str, UUID] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """One recipient of one effect, as the row of the effect names it. ``state`` and ``reason``: how it begins."""

    recipient: str
    lane: str
    state: str = EffectRun.DUE
    reason: str = ""
    delay: dt.timedelta = dt.timedelta()
    # Of the row; empty: that of the effect.
    kind: str = ""


class Kind(ABC):
    """One kind of effect. ``name`` is that of the configuration."""

    name: ClassVar[str]
    # What has to be looked up before it can be planned.
    asks_people: ClassVar[bool] = False

    @abstractmethod
    def targets(self, effect: Effect, reach: Reach, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """Whom the effect reaches, perhaps twice; where it reaches no one, a suppressed target says why.

        ``made_by``: the ids of the users who make the change.
        """


class _ToPeople(Kind):
    """Kinds that reach people: ``owner``, ``managers``, ``admins``, and for e-mail ``contacts`` and addresses."""

    asks_people = True

    def targets(self, effect: Effect, reach: Reach, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """As the configuration names them, in its order."""
        for named in effect.to:
            yield from self._reach(named, reach, members, made_by)

    def _reach(self, named: str, reach: Reach, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        if named == "owner":
            yield from self._users([reach.owner] if reach.owner else [], NO_OWNER, named, made_by)
        elif named == "managers":
            yield from self._users(members.managers, NO_USER, named, made_by)
        elif named == "admins":
            yield from self._users(members.admins, NO_USER, named, made_by)
        else:
            yield from self._others(named, reach)

    def _users(self, ids: Sequence[UUID], none: str, named: str, made_by: Collection[str]) -> Iterator[Target]:
        if not ids:
            yield Target(named, self.name, EffectRun.SUPPRESSED, none)
        for user_id in ids:
            yield self._user(user_id, made_by)

    def _user(self, user_id: UUID, made_by: Collection[str]) -> Target:
        return Target(f"user:{user_id}", self.name)

    def _others(self, named: str, reach: Reach) -> Iterator[Target]:
        yield Target(named, self.name, EffectRun.SUPPRESSED, NO_USER)


class Email(_ToPeople):
    """An e-mail: at once to people of the tenant, held for a while to anyone else."""

    name = "email"

    def _others(self, named: str, reach: Reach) -> Iterator[Target]:
        if named != "contacts":
            yield Target(named, self.name, EffectRun.HELD, HELD_FOR_RECALL, HOLD)
            return
        if not reach.contacts:
            yield Target(named, self.name, EffectRun.SUPPRESSED, NO_CONTACT)
        for contact_id in reach.contacts:
            yield Target(f"contact:{contact_id}", self.name, EffectRun.HELD, HELD_FOR_RECALL, HOLD)


class Alert(_ToPeople):
    """A notification in the product. The one who made the change knows of it already."""

    name = "alert"

    def targets(self, effect: Effect, reach: Reach, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """Those whom it is for, and later, if none of them acknowledges it, those of each step."""
        yield from super().targets(effect, reach, members, made_by)
        for step in getattr(effect, "escalate", ()):
            delay = dt.timedelta(minutes=step.after_minutes)
            for named in step.to:
                for target in self._reach(named, reach, members, made_by):
                    yield replace(target, delay=delay, kind=ESCALATION)

    def _user(self, user_id: UUID, made_by: Collection[str]) -> Target:
        if str(user_id) in made_by:
            return Target(f"user:{user_id}", self.name, EffectRun.SUPPRESSED, OWN_CHANGE)
        return Target(f"user:{user_id}", self.name)


class Webhook(Kind):
    """A signed POST to endpoints of the tenant, each a lane of its own."""

    name = "webhook"

    def targets(self, effect: Effect, reach: Reach, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """Endpoints, by their name or their address."""
        for named in effect.to:
            endpoint_id = members.endpoints.get(named)
            if endpoint_id is None:
                yield Target(named, self.name, EffectRun.SUPPRESSED, NO_ENDPOINT)
            else:
                yield Target(f"endpoint:{endpoint_id}", f"endpoint:{endpoint_id}")


class Forecast(Kind):
    """A request to make the customer's churn forecast again: one for the customer, however many effects ask."""

    name = "forecast"

    def targets(self, effect: Effect, reach: Reach, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """One row, without a recipient."""
        yield Target("", self.name)


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {kind.name: kind for kind in (Email(), Alert(), Webhook(), Forecast())}
)
# The lanes of a tenant that are no endpoints'.
LANES: Final = tuple(KINDS)
