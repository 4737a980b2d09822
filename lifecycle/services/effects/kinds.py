"""Whom an effect reaches, and how long it waits: one way for each reach that a kind of effect can have.

What the kinds are is said in ``tenants.rules.configuration.effect_kinds``; how each is delivered in
``lifecycle.delivery``.
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
from tenants.rules.configuration.effect_kinds import (
    CONTACTS,
    CONTACTS_PREFIX,
    EFFECT_KINDS,
    KINDS,
    USER_PREFIX,
    Reach,
)
from tenants.rules.texts import fold_text

HELD_FOR_RECALL: Final = "recall"
DELAYED: Final = "delayed"

NO_OWNER = "no_owner"
NO_CONTACT = "no_contact"
NO_USER = "no_user"
NO_ENDPOINT = "no_endpoint"
OWN_CHANGE = "own_change"
# A later step of an alert that no one has acknowledged: a kind of rows, not of the configuration.
ESCALATION: Final = "escalation"

# The lanes of a tenant that are no endpoints'.
LANES: Final = EFFECT_KINDS


@dataclass(frozen=True, slots=True)
class Reached:
    """Whom the effects of one customer can reach. ``contacts``: those with an address, in their order, by role."""

    owner: UUID | None = None
    contacts: tuple[tuple[UUID, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Members:
    """Whom the effects of a tenant can reach: people by role and by name, endpoints by name and by address."""

    managers: tuple[UUID, ...] = ()
    admins: tuple[UUID, ...] = ()
    named: Mapping[str, UUID] = field(default_factory=dict)
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


class Planner(ABC):
    """One way to reach someone."""

    # What has to be looked up before it can be planned.
    asks_people: ClassVar[bool] = False

    @abstractmethod
    def targets(self, effect: Effect, reached: Reached, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """Whom the effect reaches, perhaps twice; where it reaches no one, a suppressed target says why.

        ``made_by``: the ids of the users who make the change.
        """

    def begin(self, effect: Effect, recipient: str, *, lane: str = "", to_customer: bool = False) -> Target:
        """The target as its delay and its hold have it begin. The longer of the two counts: both can be cancelled."""
        hold = effect.hold_minutes
        if hold is None:
            hold = KINDS[effect.kind].customer_hold_minutes if to_customer else 0
        minutes = dt.timedelta(minutes=max(hold, effect.delay_minutes))
        lane = lane or effect.kind
        if hold > effect.delay_minutes:
            return Target(recipient, lane, EffectRun.HELD, HELD_FOR_RECALL, minutes)
        return Target(recipient, lane, EffectRun.DUE, DELAYED if minutes else "", minutes)


class _Users(Planner):
    """People of the tenant: ``owner``, ``managers``, ``admins``, ``user:NAME``. Who made the change knows of it."""

    asks_people = True

    def targets(self, effect: Effect, reached: Reached, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """As the configuration names them, in its order; later, if no one acknowledges it, those of each step."""
        for named in effect.to:
            yield from self._reach(effect, named, reached, members, made_by)
        for step in effect.escalate:
            delay = dt.timedelta(minutes=step.after_minutes)
            for named in step.to:
                for target in self._reach(effect, named, reached, members, made_by):
                    is_reached = target.state != EffectRun.SUPPRESSED
                    later = {"state": EffectRun.DUE, "reason": ""} if is_reached else {}
                    yield replace(target, delay=delay, kind=ESCALATION, **later)

    def _reach(
        self, effect: Effect, named: str, reached: Reached, members: Members, made_by: Collection[str]
    ) -> Iterator[Target]:
        if (ids := find_users(named, reached, members)) is None:
            yield from self._others(effect, named, reached)
        elif not ids:
            none = NO_OWNER if named == "owner" else NO_USER
            yield Target(named, effect.kind, EffectRun.SUPPRESSED, none)
        for user_id in ids or ():
            yield self._user(effect, user_id, made_by)

    def _user(self, effect: Effect, user_id: UUID, made_by: Collection[str]) -> Target:
        if str(user_id) in made_by:
            return Target(f"user:{user_id}", effect.kind, EffectRun.SUPPRESSED, OWN_CHANGE)
        return self.begin(effect, f"user:{user_id}")

    def _others(self, effect: Effect, named: str, reached: Reached) -> Iterator[Target]:
        yield Target(named, effect.kind, EffectRun.SUPPRESSED, NO_USER)


class _People(_Users):
    """These, also when they made the change, and ``contacts``, ``contacts:ROLE`` and addresses."""

    def _user(self, effect: Effect, user_id: UUID, made_by: Collection[str]) -> Target:
        return self.begin(effect, f"user:{user_id}")

    def _others(self, effect: Effect, named: str, reached: Reached) -> Iterator[Target]:
        if named != CONTACTS and not named.startswith(CONTACTS_PREFIX):
            yield self.begin(effect, named, to_customer=True)
            return
        role = fold_text(named.removeprefix(CONTACTS_PREFIX).strip()) if named != CONTACTS else ""
        found = [id_ for id_, its in reached.contacts if not role or fold_text(its.strip()) == role]
        if not found:
            yield Target(named, effect.kind, EffectRun.SUPPRESSED, NO_CONTACT)
        for contact_id in found:
            yield self.begin(effect, f"contact:{contact_id}", to_customer=True)


class _Endpoints(Planner):
    """Endpoints of the tenant, by their name or their address, each a lane of its own."""

    def targets(self, effect: Effect, reached: Reached, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """In the order of the configuration."""
        for named in effect.to:
            endpoint_id = members.endpoints.get(named)
            if endpoint_id is None:
                yield Target(named, effect.kind, EffectRun.SUPPRESSED, NO_ENDPOINT)
            else:
                yield self.begin(effect, f"endpoint:{endpoint_id}", lane=f"endpoint:{endpoint_id}")


class _Topic(Planner):
    """A topic."""

    def targets(self, effect: Effect, reached: Reached, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """One row, with the topic as its recipient."""
        yield self.begin(effect, effect.topic or "")


class _NoOne(Planner):
    """No one in particular."""

    def targets(self, effect: Effect, reached: Reached, members: Members, made_by: Collection[str]) -> Iterator[Target]:
        """One row, without a recipient."""
        yield self.begin(effect, "")


_PLANNERS: Final[Mapping[Reach, Planner]] = MappingProxyType(
    {"users": _Users(), "people": _People(), "endpoints": _Endpoints(), "topic": _Topic(), "no_one": _NoOne()}
)


def planner_of(effect: Effect) -> Planner:
    """How the effect finds whom it reaches."""
    return _PLANNERS[KINDS[effect.kind].reach]


def find_users(named: str, reached: Reached, members: Members) -> Sequence[UUID] | None:
    """The people behind ``owner``, ``managers``, ``admins`` or ``user:NAME``; None: it names no one of the tenant."""
    if named == "owner":
        return (reached.owner,) if reached.owner else ()
    if named in ("managers", "admins"):
        return members.managers if named == "managers" else members.admins
    if named.startswith(USER_PREFIX):
        user_id = members.named.get(name_of_user(named))
        return (user_id,) if user_id else ()
    return None


def name_of_user(named: str) -> str:
    """The user name behind ``user:NAME``, as accounts keep it."""
    return fold_text(named.removeprefix(USER_PREFIX).strip())
