"""Which customers the tenant's event rules move: the same ``decide`` and the same ``apply`` as for people."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from audit.services.chain import EPOCH
from audit.services.refusals import Refusal as RefusedAttempt
from audit.services.refusals import record_refusals
from lifecycle.rules.envelopes import Event
from lifecycle.rules.ownership import find_source_root
from lifecycle.rules.transitions import Allowed, Change, Status, Unchanged, decide
from lifecycle.services.customers.recording import Recorded
from lifecycle.services.events.dead_letters import Refusal
from lifecycle.services.transitions.apply import ConfigurationKeepsChanging, Outcome, apply
from storage.cursors import plain_array, prepared_cursor
from tenants.actors import Actor, TenantRef
from tenants.models import Tenant
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.policies import HOLD_CONFIGURATION, policy_of_version

STALE_EVENT: Final = "stale_event"
# As ``apply`` will lock them: the configuration first, so that no publisher stands between a row and its stage, then
# status rows in id order. ``confirmed_at``: when an event last said that the
# customer stands where it stands; such an event writes no history, and yet what is older must not move the customer.
LOCK: Final = f"""
SELECT s.customer_id, s.stage, s.stage_entered_at, s.version, t.configuration_version,
       (c.field_times ->> 'stage')::bigint AS confirmed_at
  FROM customer_lifecycle_status s
  JOIN tenants_tenant t ON t.id = s.tenant_id
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id
 WHERE s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = ANY(%(customer_ids)s::uuid[])
   AND {HOLD_CONFIGURATION}
 ORDER BY s.customer_id
   FOR UPDATE OF s
"""  # noqa: S608  constants
CONFIRM: Final = """
UPDATE lifecycle_customer c SET field_times = c.field_times || jsonb_build_object('stage', i.confirmed_at)
  FROM unnest(%(customer_ids)s::uuid[], %(confirmed_at)s::bigint[]) AS i(id, confirmed_at)
 WHERE c.tenant_id = %(tenant_id)s::uuid AND c.id = i.id
"""


@dataclass(frozen=True, slots=True)
class Move:
    """What the rules made of one event. ``stale``: something newer has decided about the customer's stage."""

    moved: bool = False
    stale: bool = False
    refusal: Refusal | None = None


NOTHING: Final = Move()
STALE: Final = Move(stale=True)


@dataclass(slots=True)
class _Standing:
    """Where customers stand, as the events of the batch leave them one after the other."""

    statuses: dict[UUID, Status]
    version: int
    confirmed: dict[UUID, int] = field(default_factory=dict)
    newly_confirmed: dict[UUID, int] = field(default_factory=dict)

    def confirm(self, customer_id: UUID, at: int) -> None:
        self.confirmed[customer_id] = self.newly_confirmed[customer_id] = at


def move_by_rules(
    events: Sequence[tuple[Event, Recorded]],
    *,
    policy: Policy,
    tenant: TenantRef,
    actor: Actor,
    source: str,
    now: dt.datetime,
) -> list[Move]:
    """Judge each event on the stage that its predecessors leave behind; one Move an event, in their order.

    An event of which some field is already known better moves nobody: it tells of the past. Nor does one that is
    older than the last that moved the customer, or that confirmed where it stands. Call inside the tenant's context,
    after the customers' rows were locked.
    """
    moves = [NOTHING] * len(events)
    candidates = [
        (index, event, recorded.customer_id)
        for index, (event, recorded) in enumerate(events)
        if recorded.customer_id is not None and not recorded.stale and _may_match(policy, event)
    ]
    if not candidates:
        return moves
    standing = _lock_standing({customer_id for _, _, customer_id in candidates}, tenant=tenant)
    policy = policy_of_version(tenant.id, standing.version) if standing.version else policy
    asked: list[tuple[int, Change]] = []
    for index, event, customer_id in candidates:
        change = _ask(policy, standing, customer_id, event, now=now)
        if change is None:
            continue
        if _micros(event.time) < standing.confirmed.get(customer_id, 0):
            moves[index] = STALE
            continue
        asked.append((index, change))
        _foresee(policy, standing, change, _micros(event.time))
    outcomes = apply([change for _, change in asked], tenant=tenant, actor=actor, source=source, now=now)
    if any(outcome.refused for outcome in outcomes):
        _refuse_race(tenant, policy)
    refused = []
    for (index, _), outcome in zip(asked, outcomes, strict=True):
        moves[index] = _as_move(outcome)
        if moves[index].refusal is not None:
            refused.append(_as_attempt(events[index][0], outcome, tenant=tenant, actor=actor, source=source, now=now))
    if refused:
        record_refusals(refused)
    _write_confirmed(standing.newly_confirmed, tenant=tenant)
    return moves


def _may_match(policy: Policy, event: Event) -> bool:
    """Whether some rule speaks of the event, for a customer in whatever stage."""
    return any(all(condition.holds(event.data) for condition in rule.when) for rule in policy.rules_for(event.type))


def _ask(policy: Policy, standing: _Standing, customer_id: UUID, event: Event, *, now: dt.datetime) -> Change | None:
    """The change that the first matching rule asks for, or None."""
    status = standing.statuses.get(customer_id)
    rule = policy.matching_rule(event.type, status.stage, event.data) if status else None
    if rule is None:
        return None
    return Change(
        customer_id=customer_id,
        stage=rule.to,
        reason_code=rule.reason_code,
        effective_at=min(event.time, now),
        event_id=event.id,
        only_if_newer=True,
    )


def _lock_standing(customer_ids: Iterable[UUID], *, tenant: TenantRef) -> _Standing:
    with prepared_cursor("default") as cursor:
        cursor.execute(LOCK, {"tenant_id": tenant.id, "customer_ids": plain_array(sorted(customer_ids))})
        rows = cursor.fetchall()
    standing = _Standing({}, rows[0][4] if rows else 0)
    for customer_id, stage, entered_at, version, _, confirmed_at in rows:
        standing.statuses[customer_id] = Status(
            customer_id=customer_id, stage=stage, version=version, stage_entered_at=entered_at
        )
        if confirmed_at is not None:
            standing.confirmed[customer_id] = confirmed_at
    return standing


def _foresee(policy: Policy, standing: _Standing, change: Change, at: int) -> None:
    """Note what ``apply`` will make of the change: it judges the same rows by the same rules."""
    status = standing.statuses[change.customer_id]
    decision = decide(policy, status, change, may_update=True)
    if isinstance(decision, Allowed):
        standing.statuses[change.customer_id] = status._replace(
            stage=decision.to_stage, version=status.version + 1, stage_entered_at=change.effective_at
        )
    elif isinstance(decision, Unchanged) and status.stage_entered_at and at > _micros(status.stage_entered_at):
        standing.confirm(change.customer_id, at)


def _write_confirmed(confirmed: Mapping[UUID, int], *, tenant: TenantRef) -> None:
    if not confirmed:
        return
    with prepared_cursor("default") as cursor:
        cursor.execute(
            CONFIRM,
            {
                "tenant_id": tenant.id,
                "customer_ids": plain_array(confirmed),
                "confirmed_at": plain_array(confirmed.values()),
            },
        )


def _refuse_race(tenant: TenantRef, policy: Policy) -> None:
    """A refusal by a configuration that was published in between is no refusal: the batch is judged again."""
    live = Tenant.objects.filter(id=tenant.id).values_list("configuration_version", flat=True).get()
    if live != policy.version:
        raise ConfigurationKeepsChanging("A configuration was published in the middle of the batch: try again.")


def _as_move(outcome: Outcome) -> Move:
    refused = outcome.refused
    if refused is None:
        return Move(moved=outcome.moved)
    if refused.code == STALE_EVENT:
        return STALE
    return Move(refusal=Refusal(refused.code, refused.sentence))


def _micros(moment: dt.datetime) -> int:
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def _as_attempt(
    event: Event, outcome: Outcome, *, tenant: TenantRef, actor: Actor, source: str, now: dt.datetime
) -> RefusedAttempt:
    """What the admin's summary counts. The door names the module that sent the event: "290 of them from billing"."""
    refused = outcome.refused
    assert refused is not None  # noqa: S101  the caller has looked
    return RefusedAttempt(
        tenant_id=tenant.id,
        attempted_at=now,
        actor=actor.name,
        actor_kind=actor.kind,
        source=f"{source} {find_source_root(event.source)}"[:30],
        code=refused.code,
        detail=f"{event.type}: {refused.sentence}",
        customer_id=outcome.change.customer_id,
        from_stage=outcome.from_stage or "",
        to_stage=outcome.change.stage,
    )
