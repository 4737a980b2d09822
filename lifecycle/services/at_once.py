"""A single change in one statement: judged beforehand for every stage the customer may stand in.

``decide`` is asked for each stage of the configuration, which costs nothing the second time, and the statement moves
the customer only out of the stages from which that is allowed, under the lock that the update takes. The same is
decided as by looking at the locked row first, one round trip sooner. Whatever is not plain (a refusal to be explained,
a customer that is there already, a configuration just published) is left to ``transitions.apply``: nothing was written.
"""

import datetime as dt
from functools import lru_cache
from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

from audit import cipher
from audit.cursors import text_array
from audit.services.bell import wake_relay_after_commit
from audit.services.keys import ensure_keys
from audit.services.recording import trace_headers
from lifecycle.rules.transitions import LONGEST_REASON, Allowed, Change, Status, decide
from lifecycle.services import cache, statements
from lifecycle.services.outcomes import Outcome, StatusRecord
from tenants.actors import Actor, TenantRef, as_text
from tenants.roles import UPDATE_LIFECYCLE
from tenants.rules.policy import Policy
from tenants.services.policies import guess_live_policy

_ANYBODY = UUID(int=0)


def move_at_once(
    change: Change,
    *,
    tenant: TenantRef,
    actor: Actor,
    source: str,
    now: dt.datetime,
    request_id: UUID | None,
) -> Outcome | None:
    """The outcome if the customer was moved, None if nothing was written and the change is still to be judged."""
    policy = guess_live_policy(tenant.id)
    if policy is None or change.only_if_newer or not actor.may(UPDATE_LIFECYCLE):
        return None
    if change.reason_code is not None and len(change.reason_code) > LONGEST_REASON:
        return None
    ways, from_stages = _find_ways(policy, change.stage, change.reason_code)
    return _write(change, policy, ways, from_stages, tenant, actor, source, now, request_id) if ways else None


@lru_cache(maxsize=4096)
def _find_ways(policy: Policy, stage: str, reason_code: str | None) -> tuple[dict[str, Allowed], str]:
    """The stages from which the change is allowed, each with the decision; and their names as an array literal."""
    change = Change(customer_id=_ANYBODY, stage=stage, reason_code=reason_code)
    decisions = {
        from_stage: decide(policy, Status(customer_id=_ANYBODY, stage=from_stage, version=1), change, may_update=True)
        for from_stage in policy.stages
    }
    ways = {from_stage: decision for from_stage, decision in decisions.items() if isinstance(decision, Allowed)}
    return ways, text_array(ways)


def _write(
    change: Change,
    policy: Policy,
    ways: dict[str, Allowed],
    from_stages: str,
    tenant: TenantRef,
    actor: Actor,
    source: str,
    now: dt.datetime,
    request_id: UUID | None,
) -> Outcome | None:
    plan = next(iter(ways.values()))
    history_id = uuid7()
    entered_at = change.effective_at or now
    moment = now.isoformat()
    rows = statements.MOVE_ONE.run(
        {
            "tenant_id": as_text(tenant.id),
            "customer_id": str(change.customer_id),
            "history_id": str(history_id),
            "to_stage": plan.to_stage,
            "from_stages": from_stages,
            "version": None if change.expected_version is None else str(change.expected_version),
            "configuration_version": str(policy.version),
            "now": moment,
            "effective_at": moment if change.effective_at is None else change.effective_at.isoformat(),
            "changed_by": actor.name,
            "actor_kind": actor.kind,
            "source": source,
            "reason_code": plan.reason_code or "",
            "on_behalf_of": change.on_behalf_of or "",
            "request_id": str(change.request_id or request_id or uuid_utils.uuid7()),
            "event_id": change.event_id or "",
            "headers": trace_headers(),
            "note": _encrypt(change.note, change.customer_id, history_id, tenant) if change.note else None,
        }
    )
    if not rows:
        return None
    from_stage, sequence = rows[0]
    assert from_stage is not None and sequence is not None  # noqa: S101  columns that are never NULL
    record = StatusRecord(
        customer_id=change.customer_id,
        stage=plan.to_stage,
        stage_entered_at=entered_at,
        updated_at=now,
        updated_by=actor.name,
        actor_kind=actor.kind,
        source=source,
        reason_code=plan.reason_code or "",
        version=int(sequence),
    )
    cache.refresh_statuses(tenant.id, [record])
    wake_relay_after_commit()
    return Outcome(change, ways[from_stage], record, from_stage, history_id)


def _encrypt(note: str, customer_id: UUID, history_id: UUID, tenant: TenantRef) -> str:
    key = ensure_keys(tenant.id, [customer_id])[customer_id]
    bound_to = cipher.binding("customer_lifecycle_history", "note", history_id, tenant.id)
    return "\\x" + cipher.encrypt(key, note, bound_to=bound_to).hex()
