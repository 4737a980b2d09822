"""Which customers the tenant's event rules move: the same ``decide`` and the same ``apply`` as for people."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from audit.cursors import plain_array, prepared_cursor
from audit.services.refusals import Refusal as RefusedAttempt
from audit.services.refusals import record_refusals
from lifecycle.rules.envelopes import Event
from lifecycle.rules.ownership import find_source_root
from lifecycle.rules.transitions import Allowed, Change, Status, decide
from lifecycle.services import statements
from lifecycle.services.customers import Recorded
from lifecycle.services.dead_letters import Refusal
from lifecycle.services.transitions import ConfigurationKeepsChanging, Outcome, apply
from tenants.actors import Actor, TenantRef
from tenants.models import Tenant
from tenants.rules.policy import Policy
from tenants.services.policies import live_policy, policy_of_version

STALE_EVENT = "stale_event"


@dataclass(frozen=True, slots=True)
class Move:
    """What the rules made of one event. ``stale``: it is older than the customer's stay in its stage."""

    moved: bool = False
    stale: bool = False
    refusal: Refusal | None = None


NOTHING = Move()


def move_by_rules(
    events: Sequence[tuple[Event, Recorded]], *, tenant: TenantRef, actor: Actor, source: str, now: dt.datetime
) -> list[Move]:
    """Judge each event on the stage that its predecessors leave behind; one Move an event, in their order.

    An event of which some field is already known better moves nobody: it tells of the past. Call inside the
    tenant's context, after the customers' rows were locked.
    """
    moves = [NOTHING] * len(events)
    policy = live_policy(tenant.id)
    candidates = [
        (index, event, recorded.customer_id)
        for index, (event, recorded) in enumerate(events)
        if recorded.customer_id is not None and not recorded.stale and _may_match(policy, event)
    ]
    if not candidates:
        return moves
    statuses, version = _lock_statuses({customer_id for _, _, customer_id in candidates}, tenant=tenant)
    policy = policy_of_version(tenant.id, version) if version else policy
    asked: list[tuple[int, Change]] = []
    for index, event, customer_id in candidates:
        status = statuses.get(customer_id)
        rule = policy.matching_rule(event.type, status.stage, event.data) if status else None
        if status is None or rule is None:
            continue
        change = Change(
            customer_id=customer_id,
            stage=rule.to,
            reason_code=rule.reason_code,
            effective_at=min(event.time, now),
            event_id=event.id,
            only_if_newer=True,
        )
        asked.append((index, change))
        statuses[customer_id] = _status_after(policy, status, change, may_update=True)
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
    return moves


def _may_match(policy: Policy, event: Event) -> bool:
    """Whether some rule speaks of the event, for a customer in whatever stage."""
    return any(all(condition.holds(event.data) for condition in rule.when) for rule in policy.rules_for(event.type))


def _lock_statuses(customer_ids: Iterable[UUID], *, tenant: TenantRef) -> tuple[dict[UUID, Status], int]:
    """Lock status rows as ``apply`` will: the stages as they are now, and the live configuration's number."""
    with prepared_cursor("default") as cursor:
        parameters = {"tenant_id": tenant.id, "customer_ids": plain_array(sorted(customer_ids))}
        cursor.execute(statements.LOCK, parameters)
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    statuses = {
        row["customer_id"]: Status(
            customer_id=row["customer_id"],
            stage=row["stage"],
            version=row["version"],
            stage_entered_at=row["stage_entered_at"],
            updated_at=row["updated_at"],
        )
        for row in rows
    }
    return statuses, rows[0]["configuration_version"] if rows else 0


def _status_after(policy: Policy, status: Status, change: Change, *, may_update: bool) -> Status:
    decision = decide(policy, status, change, may_update=may_update)
    if not isinstance(decision, Allowed):
        return status
    return replace(status, stage=decision.to_stage, version=status.version + 1, stage_entered_at=change.effective_at)


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
        return Move(stale=True)
    return Move(refusal=Refusal(refused.code, refused.sentence))


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
