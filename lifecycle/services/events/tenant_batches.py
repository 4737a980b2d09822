"""The part of a batch of events that concerns one tenant: claimed, arranged, recorded, judged, settled."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings

from lifecycle.models import NO_TENANT, InboxEvent
from lifecycle.rules.envelopes import Event, Received, log_identity, receive
from lifecycle.rules.event_values import InvalidField
from lifecycle.rules.ordering import merge_logs
from lifecycle.services.customers.facts import Recorded
from lifecycle.services.customers.profiles import find_unnamed
from lifecycle.services.customers.recording import record_customers
from lifecycle.services.events import inbox
from lifecycle.services.events.dead_letters import Refusal, refuse, store_dead_letters
from lifecycle.services.events.facts import to_facts
from lifecycle.services.events.inbox import Identity
from lifecycle.services.events.moves import move_by_rules
from lifecycle.services.transitions.apply import Call
from tenants.actors import Actor, TenantRef
from tenants.rules.configuration.definitions import Effect
from tenants.rules.messages import Message
from tenants.rules.values import InvalidValue
from tenants.services.configuration.policies import NoConfiguration, live_policy

SOURCE: Final = "EventListener"
DUPLICATE: Final = "duplicate"
CREATED: Final = "customer.created"
# Clocks differ; an event from further ahead would hide everything that comes before its time.
TOLERANCE: Final = dt.timedelta(minutes=10)

APPLIED, NOOP, STALE, PARKED, DEAD = (
    str(outcome)
    for outcome in (
        InboxEvent.Outcome.APPLIED,
        InboxEvent.Outcome.NOOP,
        InboxEvent.Outcome.STALE,
        InboxEvent.Outcome.PARKED,
        InboxEvent.Outcome.DEAD,
    )
)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one message: an outcome of the inbox, or ``duplicate``. ``refusal`` says why it is dead.

    ``rejected``: what was left out of an event that was applied, because it cannot be kept. ``recorded``: what became
    of its data, None if they were not looked at; they stay when a rule's move is refused. ``effects``: what its moves
    start, each as often as it does, where they were asked to start any.
    """

    received: Received
    tenant_id: UUID
    outcome: str
    moved: bool = False
    refusal: Refusal | None = None
    released: bool = False
    rejected: tuple[str, ...] = ()
    recorded: Recorded | None = None
    effects: tuple[Effect, ...] = ()


class TenantBatch:
    """The part of a batch that concerns one tenant (None: messages whose tenant is unknown).

    ``source``: the entry point, as the history names it.
    """

    def __init__(
        self,
        tenant: TenantRef | None,
        *,
        actor: Actor,
        now: dt.datetime,
        releases_parked: bool = True,
        source: str = SOURCE,
    ) -> None:
        self.tenant = tenant
        self.source = source
        self.releases_parked = releases_parked
        self.tenant_id = tenant.id if tenant else NO_TENANT
        self.actor = actor
        self.now = now
        self.starts_effects = True
        self.awaited = False
        self.results: list[Result] = []
        self.settled: dict[Identity, str] = {}
        self.dead: list[tuple[Received, Refusal]] = []
        self.dead_released: list[tuple[Received, Refusal]] = []
        self.waiting: list[Received] = []

    def take(
        self, messages: Sequence[Received], *, replaying: bool, awaited: bool = False, starts_effects: bool = True
    ) -> None:
        """Claim the messages and deal with those that are new.

        ``awaited``: their sender waits for what becomes of them, so that what was refused before may come again, and
        none waits for its customer: the first that speaks of one that is unknown makes it, whatever its type.
        ``starts_effects``: the moves start what they start.
        """
        self.starts_effects = starts_effects
        self.awaited = awaited
        if self.tenant is not None and self.tenant.is_sandbox and not replaying:
            # A replay holds its dead letter, which a reset waits for.
            inbox.await_reset(self.tenant_id)
        unnamed = self._find_unnamed(messages)
        refusals = {id(received): self._refuse_early(received.event, unnamed) for received in messages}
        identities = {
            id(received): log_identity(received.message) if refusals[id(received)] else _identity(received.event)
            for received in messages
        }
        claimed = inbox.claim(
            self.tenant_id,
            {identities[id(received)]: received.event.type for received in messages},
            now=self.now,
            replaying=replaying or awaited,
        )
        fresh: list[Received] = []
        for received in messages:
            identity, refusal = identities[id(received)], refusals[id(received)]
            if identity not in claimed:
                self.results.append(Result(received, self.tenant_id, DUPLICATE))
                continue
            claimed.discard(identity)
            if refusal is not None:
                self._reject(received, refusal, identity)
            else:
                fresh.append(received)
        self._apply(self._arrange(fresh))

    def release(self, messages: Iterable[Received]) -> None:
        """Deal with messages that were parked and are no longer in the table."""
        self._apply([(received, True) for received in merge_logs(messages)])

    def expire(self, received: Received) -> None:
        """Give up a message whose customer was never created."""
        refusal = refuse("unknown_customer", Message("event_waited"))
        self._reject(received, refusal, _identity(received.event), released=True)

    def finish(self, *, replaying: bool = False) -> list[Result]:
        """Write what was decided about the messages; the results. A replayed message has its dead letter already."""
        if self.waiting:
            until = self.now + dt.timedelta(minutes=settings.EVENTS_PARKED_MINUTES)
            inbox.park(self.tenant_id, self.waiting, now=self.now, until=until)
        store_dead_letters(self.tenant_id, [] if replaying else self.dead, now=self.now)
        store_dead_letters(self.tenant_id, self.dead_released, now=self.now)
        inbox.settle(self.tenant_id, self.settled)
        return self.results

    def _find_unnamed(self, messages: Sequence[Received]) -> dict[str, InvalidValue]:
        if self.tenant is None:
            return {}
        names = {received.event.external_id for received in messages if isinstance(received.event, Event)}
        return find_unnamed(names, tenant=self.tenant)

    def _refuse_early(self, event: object, unnamed: Mapping[str, InvalidValue]) -> Refusal | None:
        """Why a message is not judged at all. It does not use up its id: a corrected one may come under the same."""
        if not isinstance(event, Event):
            return refuse(event.code, event.reason)  # type: ignore[attr-defined]
        if self.tenant is None:
            return refuse("unknown_tenant", Message("event_no_active_tenant"))
        if event.external_id in unnamed:
            return refuse("invalid_data", InvalidField("data.external_id", unnamed[event.external_id]).message)
        if event.time > self.now + TOLERANCE:
            return refuse("time_in_future", Message("event_in_future"))
        return None

    def _arrange(self, fresh: Sequence[Received]) -> list[tuple[Received, bool]]:
        """The order in which events take effect, each with whether it was parked before.

        The creation of a customer comes before everything that waits for it, and what was parked before what came
        later. What concerns an unknown customer is set aside to be parked.
        """
        if not fresh:
            return []
        external_ids = {_event(received).external_id for received in fresh}
        known, has_parked, emptied_at = inbox.find_known(self.tenant_id, external_ids)
        if emptied_at is not None:
            fresh = self._leave_out_former(fresh, emptied_at)
        creations: dict[str, Received] = {}
        for received in fresh:
            event = _event(received)
            if self._makes(event) and event.external_id not in known:
                creations.setdefault(event.external_id, received)
        parked: dict[str, list[Received]] = defaultdict(list)
        present = known | creations.keys()
        if self.releases_parked and has_parked and present:
            for waiting in merge_logs(map(receive, inbox.take_parked(self.tenant_id, present))):
                parked[_external_id(waiting)].append(waiting)
        arranged: list[tuple[Received, bool]] = []
        opened: set[str] = set()
        for received in fresh:
            external_id = _event(received).external_id
            if external_id not in present:
                self._park(received)
                continue
            if external_id not in opened:
                opened.add(external_id)
                if external_id in creations:
                    arranged.append((creations[external_id], False))
                arranged += [(waiting, True) for waiting in parked.pop(external_id, [])]
            if creations.get(external_id) is not received:
                arranged.append((received, False))
        return arranged + [(waiting, True) for rest in parked.values() for waiting in rest]

    def _makes(self, event: Event) -> bool:
        """Whether it makes its customer, where that is not there."""
        return self.awaited or event.type == CREATED

    def _leave_out_former(self, fresh: Sequence[Received], emptied_at: dt.datetime) -> list[Received]:
        """What was sent before a sandbox was emptied is about customers that are gone, though others have their ids."""
        of_now = []
        for received in fresh:
            sent_at = received.message.sent_at
            if sent_at is not None and sent_at < emptied_at:
                self._settle(received, _identity(received.event), STALE)
            else:
                of_now.append(received)
        return of_now

    def _apply(self, arranged: Sequence[tuple[Received, bool]]) -> None:
        """Record the data of the events, then let the tenant's rules move customers."""
        valid = []
        for received, released in arranged:
            if isinstance(received.event, Event):
                valid.append((received, received.event, released))
            else:
                # It was valid when it was parked: its schema has been withdrawn since.
                refusal = refuse(received.event.code, received.event.reason)
                self._reject(received, refusal, _identity(received.event), released=released)
        if not valid or self.tenant is None:
            return
        try:
            policy = live_policy(self.tenant.id)
        except NoConfiguration:
            refusal = refuse("no_configuration", Message("event_no_lifecycle"))
            for received, event, released in valid:
                self._reject(received, refusal, _identity(event), released=released)
            return
        recorded = record_customers(
            [to_facts(event) for _, event, _ in valid],
            tenant=self.tenant,
            actor=self.actor,
            source=self.source,
            now=self.now,
            create=[self._makes(event) for _, event, _ in valid],
            starts_effects=self.starts_effects,
        )
        moves = move_by_rules(
            [(event, one) for (_, event, _), one in zip(valid, recorded, strict=True)],
            policy=policy,
            call=Call(self.tenant, self.actor, self.source, self.now, starts_effects=self.starts_effects),
        )
        for (received, event, released), one, move in zip(valid, recorded, moves, strict=True):
            effects = (one.placed.effects if one.placed else ()) + move.effects
            if one.customer_id is None:
                self._park(received)
            elif move.refusal is not None:
                self._reject(received, move.refusal, _identity(event), released=released, recorded=one, effects=effects)
            else:
                changed = one.changed or move.moved
                outcome = APPLIED if changed else STALE if one.stale or move.stale else NOOP
                rejected = event.rejected + one.rejected
                self._settle(
                    received,
                    _identity(event),
                    outcome,
                    moved=move.moved,
                    released=released,
                    rejected=rejected,
                    recorded=one,
                    effects=effects,
                )

    def _park(self, received: Received) -> None:
        self.waiting.append(received)
        self._settle(received, _identity(received.event), PARKED)

    def _reject(
        self,
        received: Received,
        refusal: Refusal,
        identity: Identity,
        *,
        released: bool = False,
        recorded: Recorded | None = None,
        effects: tuple[Effect, ...] = (),
    ) -> None:
        (self.dead_released if released else self.dead).append((received, refusal))
        self._settle(received, identity, DEAD, refusal=refusal, released=released, recorded=recorded, effects=effects)

    def _settle(
        self,
        received: Received,
        identity: Identity,
        outcome: str,
        *,
        moved: bool = False,
        refusal: Refusal | None = None,
        released: bool = False,
        rejected: tuple[str, ...] = (),
        recorded: Recorded | None = None,
        effects: tuple[Effect, ...] = (),
    ) -> None:
        # The claim has written ``applied`` already; only a released event carries ``parked`` from before.
        if outcome != APPLIED or released:
            self.settled[identity] = outcome
        self.results.append(
            Result(received, self.tenant_id, outcome, moved, refusal, released, rejected, recorded, effects)
        )


def _event(received: Received) -> Event:
    assert isinstance(received.event, Event)  # noqa: S101  errors were rejected before
    return received.event


def _external_id(received: Received) -> str:
    key = received.message.key or b""
    return received.event.external_id if isinstance(received.event, Event) else key.decode(errors="replace")


def _identity(event: object) -> Identity:
    return (event.source, event.id)  # type: ignore[attr-defined]
