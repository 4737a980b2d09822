"""Which customers the tenant's event rules move: chosen under the lock of ``apply``, judged by it as for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from audit.services.chain import micros
from audit.services.refusals import Refusal as RefusedAttempt
from audit.services.refusals import record_refusals
from lifecycle.rules.envelopes import MOST_DEPTH, Event
from lifecycle.rules.ownership import find_source_root
from lifecycle.rules.transitions import Change, Refused, Status
from lifecycle.sentences import say_for_record
from lifecycle.services.customers.batch import STAGE_CONFIRMED
from lifecycle.services.customers.facts import Recorded
from lifecycle.services.events.dead_letters import Refusal
from lifecycle.services.transitions.apply import Call, Choice, Outcome, apply
from storage.cursors import plain_array, prepared_cursor
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.policy import Policy
from tenants.rules.messages import Message

TOO_DEEP: Final = "causation_depth"
STALE_EVENT: Final = "stale_event"
CONFIRM: Final = f"""
UPDATE lifecycle_customer c
   SET field_times = c.field_times || jsonb_build_object('{STAGE_CONFIRMED}', i.confirmed_at)
  FROM unnest(%(customer_ids)s::uuid[], %(confirmed_at)s::bigint[]) AS i(id, confirmed_at)
 WHERE c.tenant_id = %(tenant_id)s::uuid AND c.id = i.id
"""  # noqa: S608  constants


@dataclass(frozen=True, slots=True)
class Move:
    """What the rules made of one event. ``stale``: something newer has decided about the customer's stage."""

    moved: bool = False
    stale: bool = False
    refusal: Refusal | None = None
    effects: tuple[Effect, ...] = ()


NOTHING: Final = Move()
STALE: Final = Move(stale=True)


def move_by_rules(events: Sequence[tuple[Event, Recorded]], *, policy: Policy, call: Call) -> list[Move]:
    """Judge each event on the stage that its predecessors leave behind; one Move an event, in their order.

    An event of which some field is already known better moves no one: it is about the past. Nor does one that is older
    than the last that moved the customer, or that confirmed its stage. ``policy`` says which events may matter; the
    live one, as ``apply`` holds it, decides. Call inside the tenant's context, after the customers' rows were locked.
    """
    chooser = _Chooser(call, {recorded.customer_id: recorded.confirmed_at for _, recorded in events})
    candidates = {
        index: Choice(recorded.customer_id, partial(chooser.choose, index, event))
        for index, (event, recorded) in enumerate(events)
        if recorded.customer_id is not None and not recorded.stale and _may_match(policy, event)
    }
    moves = [NOTHING] * len(events)
    if not candidates:
        return moves
    refused = []
    for index, outcome in zip(candidates, apply(call, list(candidates.values())), strict=True):
        event = events[index][0]
        if index in chooser.too_deep:
            outcome = _refuse_loop(outcome, *chooser.too_deep[index])
        moves[index] = STALE if index in chooser.stale else _as_move(outcome)
        if moves[index].refusal is not None:
            refused.append(_as_attempt(event, outcome, call))
    if refused:
        record_refusals(refused)
    _write_confirmed(chooser.newly_confirmed, call)
    return moves


def _may_match(policy: Policy, event: Event) -> bool:
    """Whether some rule speaks of the event, for a customer in some stage."""
    return any(all(condition.holds(event.data) for condition in rule.when) for rule in policy.rules_for(event.type))


class _Chooser:
    """Chooses for one event of the batch after the other, and remembers which of them confirmed a stage.

    ``confirmed``: when an event last found the customer in the stage that it asks for. It writes no history, and yet
    what is older must not move the customer. The customers' rows, which hold it, are locked.
    """

    def __init__(self, call: Call, confirmed: Mapping[UUID | None, int]) -> None:
        self.now = call.now
        self.confirmed = dict(confirmed)
        self.newly_confirmed: dict[UUID, int] = {}
        self.stale: set[int] = set()
        # What is not asked for, because the chain of causes is too long: from which stage to which.
        self.too_deep: dict[int, tuple[str | None, str]] = {}

    def choose(self, index: int, event: Event, policy: Policy, status: Status) -> Change | None:
        """The change that the first matching rule asks for."""
        customer_id, at = status.customer_id, micros(event.time)
        rule = policy.matching_rule(event.type, status.stage, event.data, event.unread)
        if rule is None:
            return None
        if at < self.confirmed[customer_id]:
            self.stale.add(index)
            return None
        if rule.to == status.stage:
            if status.stage_entered_at and at > micros(status.stage_entered_at):
                self.confirmed[customer_id] = self.newly_confirmed[customer_id] = at
            return None
        if event.depth >= MOST_DEPTH:
            self.too_deep[index] = status.stage, rule.to
            return None
        return Change(
            customer_id=customer_id,
            stage=rule.to,
            reason_code=rule.reason_code,
            effective_at=min(event.time, self.now),
            event_id=event.id,
            # Of its own: an undo takes back what one request did, and the events of a batch have nothing in common.
            request_id=uuid7(),
            only_if_newer=True,
            depth=event.depth + 1,
        )


def _write_confirmed(confirmed: Mapping[UUID, int], call: Call) -> None:
    if not confirmed:
        return
    with prepared_cursor("default") as cursor:
        cursor.execute(
            CONFIRM,
            {
                "tenant_id": call.tenant.id,
                "customer_ids": plain_array(confirmed),
                "confirmed_at": plain_array(confirmed.values()),
            },
        )


def _refuse_loop(outcome: Outcome, from_stage: str | None, to_stage: str) -> Outcome:
    """What the rules would have done, refused: a program answers each of our changes with an event that makes one."""
    refused = Refused(TOO_DEEP, Message("causation_depth", {"most": MOST_DEPTH}))
    return Outcome(Change(outcome.change.customer_id, to_stage), refused, outcome.record, from_stage)


def _as_move(outcome: Outcome) -> Move:
    refused = outcome.refused
    if refused is None:
        return Move(moved=outcome.moved, effects=outcome.effects)
    if refused.code == STALE_EVENT:
        return STALE
    return Move(refusal=Refusal(refused.code, say_for_record(refused.message), refused.message))


def _as_attempt(event: Event, outcome: Outcome, call: Call) -> RefusedAttempt:
    """What the admin's summary counts. The source names the module that sent the event: "290 of them from billing"."""
    refused = outcome.refused
    assert refused is not None  # noqa: S101  the caller has looked
    return RefusedAttempt(
        tenant_id=call.tenant.id,
        attempted_at=call.now,
        actor=call.actor.name,
        actor_kind=call.actor.kind,
        source=f"{call.source} {find_source_root(event.source)}"[:30],
        code=refused.code,
        detail=f"{event.type}: {say_for_record(refused.message)}",
        customer_id=outcome.change.customer_id,
        from_stage=outcome.from_stage or "",
        to_stage=outcome.change.stage,
    )
