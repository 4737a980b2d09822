"""What becomes of a change, and what may keep it from being made."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from lifecycle.rules.transitions import Allowed, Change, Decision, Refused, Status
from tenants.actors import Actor, TenantRef
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.policy import Policy
from tenants.rules.messages import Message

NOT_FOUND = Message("no_such_customer")


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks for what, through which entry point (``source``, as the history names it), and when.

    ``request_id`` is common to all that one request does; None: one is made. ``starts_effects``: the moves start what
    the configuration says; an undo never asks for that, imports, replays and a configuration's own moves only where
    people asked them to. ``mute_reason``: what the moves would start is kept as suppressed instead, and the
    administration log says who asked for that, and why.
    """

    tenant: TenantRef
    actor: Actor
    source: str
    now: dt.datetime
    request_id: UUID | None = None
    starts_effects: bool = False
    mute_reason: str | None = None


class Choice(NamedTuple):
    """A change that is chosen only when the customer's row is locked.

    ``choose`` gets the live policy and the status that the changes before it in the batch leave behind. None: the
    customer stays in its stage. It is called once.
    """

    customer_id: UUID
    choose: Callable[[Policy, Status], Change | None]


class StatusRecord(NamedTuple):
    """The stage of a customer, as every entry point shows it."""

    customer_id: UUID
    stage: str
    stage_entered_at: dt.datetime
    updated_at: dt.datetime
    updated_by: str
    actor_kind: str
    source: str
    reason_code: str
    version: int


class Outcome(NamedTuple):
    """What became of one change. ``record`` is the status afterwards, None when there is no such customer.

    ``history_id`` is set when the customer was moved (in a dry run never).
    """

    change: Change
    decision: Decision
    record: StatusRecord | None
    from_stage: str | None = None
    history_id: UUID | None = None

    @property
    def refused(self) -> Refused | None:
        """The refusal, if it was one."""
        return self.decision if isinstance(self.decision, Refused) else None

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What the move starts, where the call says that it starts anything."""
        return self.decision.effects if isinstance(self.decision, Allowed) else ()

    @property
    def moved(self) -> bool:
        """Whether the customer is in another stage than before."""
        return isinstance(self.decision, Allowed)


class BudgetExceeded(Exception):
    """The actor has no room left for what a batch would change; nothing was taken."""


class CallRefused(Exception):
    """A batch is refused as a whole, and nothing was written; ``refused`` says why."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code)
        self.refused = refused


class EffectsUnconfirmed(CallRefused):
    """A batch would start other effects than as many as were confirmed."""


class MuteRefused(CallRefused):
    """The actor may not change stages without starting effects."""


class Budget(Protocol):
    """How many customers an actor may still change; taken in the transaction of the batch."""

    def take(self, count: int) -> None:
        """Take ``count`` from the budget, or raise BudgetExceeded and take nothing."""

    def ask(self, count: int) -> Mapping[str, Any] | None:
        """The parameters with which ``statements.move`` takes ``count``; None when there is nothing to take."""

    def settle(self, count: int, taken: bool, used: int, wait: int, reset: int) -> None:
        """What became of it; raises BudgetExceeded when nothing was taken, and so nothing was written."""
