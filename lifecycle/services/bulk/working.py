"""Confirmed bulk changes: begun once, worked off in batches by any worker, however often it is interrupted.

Each batch is one transaction that also counts it, so a kill at any point loses nothing and does nothing twice. All that
is moved has one request id, by which it is undone as a whole.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services.administration import record_administration
from lifecycle.models import BulkChange
from lifecycle.rules.transitions import (
    Allowed,
    Change,
    Refused,
    Unchanged,
    refuse_effects,
    refuse_mute,
    refuse_unasked_effects,
)
from lifecycle.services.bulk.previews import SOURCE, MovePreview, preview_move
from lifecycle.services.bulk.selecting import BulkRefused
from lifecycle.services.customers.owners import assign_owner, check_owner
from lifecycle.services.transitions.apply import Call, Outcome, apply
from lifecycle.services.transitions.update_budget import RateLimited, UpdateBudget
from storage.cursors import fetch_prepared, plain_array, prepared_cursor, text_array
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import USER, Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import MUTE_EFFECTS, PERMISSIONS, ROLE_PERMISSIONS, UPDATE_LIFECYCLE, Role
from tenants.rules.configuration.definitions import Effect
from tenants.rules.messages import Message
from tenants.services.configuration.policies import live_policy
from tenants.services.directory import fetch_tenants

BATCH: Final = 1000
MOVED, UNCHANGED = "moved", "unchanged"
_NEXT: Final = """
SELECT customer_id, version, stage FROM lifecycle_bulkchangeitem
 WHERE tenant_id = %(tenant_id)s::uuid AND change_id = %(change_id)s::uuid
   AND (%(after)s::uuid IS NULL OR customer_id > %(after)s::uuid)
 ORDER BY customer_id LIMIT %(limit)s::int
"""
_NOTE: Final = """
UPDATE lifecycle_bulkchangeitem i SET code = n.code
  FROM unnest(%(customer_ids)s::uuid[], %(codes)s::text[]) AS n(customer_id, code)
 WHERE i.tenant_id = %(tenant_id)s::uuid AND i.change_id = %(change_id)s::uuid AND i.customer_id = n.customer_id
"""
_UNFINISHED: Final = """
SELECT DISTINCT t.id, t.slug FROM lifecycle_bulkchange c JOIN tenants_tenant t ON t.id = c.tenant_id
 WHERE c.finished_at IS NULL AND c.started_at IS NOT NULL
   AND (c.waits_until IS NULL OR c.waits_until <= %(now)s::timestamptz)
"""
_FORGET: Final = """
WITH gone AS (
    SELECT id FROM lifecycle_bulkchange
     WHERE tenant_id = %(tenant_id)s::uuid
       AND (started_at IS NULL AND created_at < %(unconfirmed)s::timestamptz OR finished_at < %(done)s::timestamptz)
     ORDER BY id LIMIT least(%(limit)s::int, 10) FOR UPDATE SKIP LOCKED
), items AS (
    DELETE FROM lifecycle_bulkchangeitem
     WHERE tenant_id = %(tenant_id)s::uuid AND change_id = ANY(ARRAY(SELECT id FROM gone))
)
DELETE FROM lifecycle_bulkchange WHERE tenant_id = %(tenant_id)s::uuid AND id = ANY(ARRAY(SELECT id FROM gone))
"""
# A selection that was never confirmed, and what became of one that was.
UNCONFIRMED_KEPT: Final = dt.timedelta(days=1)
DONE_KEPT: Final = dt.timedelta(days=30)


def begin_move(
    change_id: UUID,
    *,
    stage: str,
    reason_code: str | None,
    configuration_version: int,
    effects: int,
    typed: int | None,
    mute_reason: str | None,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> BulkChange:
    """Move the selection as its preview showed it; the change, of which no one has moved yet.

    A second time it is the same change. ``effects`` is how many the preview showed, and ``typed`` the number that was
    typed, where there are more than the tenant lets one start without it. Call in the tenant's context. Raises
    BulkRefused, and nothing is saved.
    """
    change = _take(change_id, BulkChange.Kind.MOVE, tenant=tenant, actor=actor)
    if change.started_at is not None:
        return change
    policy = live_policy(tenant.id)
    if policy.version != configuration_version:
        raise BulkRefused("effects_unconfirmed", Message("reconfigured"))
    if mute_reason is not None and not actor.may(MUTE_EFFECTS):
        raise _as_refusal(refuse_mute())
    preview = preview_move(
        change,
        stage=stage,
        reason_code=reason_code,
        tenant=tenant,
        policy=policy,
        now=now,
        counts_recipients=False,
    )
    _check_preview(preview, effects=effects, typed=typed, is_muted=mute_reason is not None)
    change.stage = policy.canonical_stage(stage) or stage
    change.reason_code, change.mute_reason = reason_code or "", mute_reason or ""
    change.configuration_version, change.effects = policy.version, effects
    return _begin(
        change,
        action="move_customers",
        actor=actor,
        now=now,
        detail={
            "stage": change.stage,
            "customers": change.total,
            "moving": preview.moving,
            "effects": 0 if mute_reason is not None else effects,
        },
    )


def begin_owner(
    change_id: UUID, *, owner: str, reason: str = "", tenant: TenantRef, actor: Actor, now: dt.datetime
) -> BulkChange:
    """Give the selection another owner ('': none); as ``begin_move``. Raises BulkRefused, and UnknownOwner."""
    change = _take(change_id, BulkChange.Kind.OWNER, tenant=tenant, actor=actor)
    if change.started_at is not None:
        return change
    change.owner, change.reason_code = check_owner(owner, tenant=tenant), reason
    detail = {"owner": change.owner, "customers": change.total}
    return _begin(change, action="assign_owners", actor=actor, now=now, detail=detail)


def stop_change(change_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> None:
    """End a change before its last customer: the batch at hand is finished first. Nothing where it has ended."""
    running = BulkChange.objects.select_for_update().filter(tenant_id=tenant.id, id=change_id, finished_at=None)
    change = running.exclude(started_at=None).first()
    if change is None:
        return
    change.finished_at, change.is_stopped, change.waits_until = now, True, None
    change.save(update_fields=["finished_at", "is_stopped", "waits_until"])
    record_administration(
        "stop_bulk_change",
        change.id,
        tenant_id=tenant.id,
        actor=actor,
        detail={"done": change.done, "customers": change.total},
        request_id=change.id,
        now=now,
    )


def work_off_changes(
    tenant: TenantRef, *, now: dt.datetime | None = None, limit: int | None = None
) -> Iterator[BulkChange]:
    """Work off the tenant's bulk changes, a batch a transaction; yields the change after each. Call outside of any
    transaction.

    ``now``: when they are moved; without it each batch has its own time. A large change goes on for long, and then with
    what was begun in between: dated from before that, customers would leave a stage before they came to it.

    Two workers share the work: the change's row is locked. ``limit`` ends it after that many customers. A change whose
    person has no room left in their budget waits, and the others go on.
    """
    done, size = 0, BATCH
    change: BulkChange | None = None
    while limit is None or done < limit:
        try:
            with tenant_context(tenant.id):
                allow_seconds(JOB_SECONDS)
                change = _next_change(tenant, now or timezone.now())
                if change is None:
                    return
                done += _work_batch(change, tenant=tenant, now=now or timezone.now(), size=size)
        except RateLimited as limited:
            # Nothing of the batch was kept. What there is room for goes on; without room it waits.
            size = limited.remaining
            if size == 0 and change is not None:
                _put_off(
                    change, tenant=tenant, until=(now or timezone.now()) + dt.timedelta(seconds=limited.retry_after)
                )
                size = BATCH
            continue
        size = BATCH
        yield change


def find_tenants_with_changes(*, now: dt.datetime) -> list[TenantRef]:
    """The tenants that have a bulk change to go on with, over the platform connection. One statement."""
    return fetch_tenants(_UNFINISHED, {"now": now})


def work_after_commit(tenant: TenantRef) -> None:
    """Deal with the first thousand as soon as the transaction has been committed: a small change is done when its
    person looks. The worker does what is left, and everything if this fails.
    """
    transaction.on_commit(partial(_work_some, tenant), robust=True)


def _work_some(tenant: TenantRef) -> None:
    for _round in work_off_changes(tenant, limit=BATCH):
        pass


def forget_changes(tenant_id: UUID, *, now: dt.datetime, limit: int) -> int:
    """Forget selections that were not confirmed for a day, and changes that ended a month ago; how many, ten at most.

    The history and the administration log keep what was done. Call in the tenant's context. Two statements.
    """
    allow_seconds(JOB_SECONDS)
    with prepared_cursor("default") as cursor:
        cursor.execute(
            _FORGET,
            {"tenant_id": tenant_id, "unconfirmed": now - UNCONFIRMED_KEPT, "done": now - DONE_KEPT, "limit": limit},
        )
        count: int = cursor.rowcount
    return count


def _take(change_id: UUID, kind: str, *, tenant: TenantRef, actor: Actor) -> BulkChange:
    """The change, locked: of two requests that confirm it the second finds it begun."""
    found = BulkChange.objects.select_for_update().filter(tenant_id=tenant.id, id=change_id, kind=kind)
    change = found.filter(actor=actor.name).first()
    if change is None:
        raise BulkRefused("not_found", Message("no_such_selection"))
    return change


def _check_preview(preview: MovePreview, *, effects: int, typed: int | None, is_muted: bool) -> None:
    if not preview.moving:
        reason = preview.reasons[0][0] if len(preview.reasons) == 1 else None
        raise _as_refusal(reason) if reason else BulkRefused("transition_not_allowed", Message("none_can_be_moved"))
    starting = _count_effects(preview)
    if sum(starting.values()) != effects:
        raise _as_refusal(refuse_effects(starting, effects))
    if preview.asks_number and typed != effects and not is_muted:
        raise _as_refusal(refuse_unasked_effects(starting, preview.effects_budget))


def _count_effects(preview: MovePreview) -> Counter[Effect]:
    """How often the moves start each effect."""
    counts: Counter[Effect] = Counter()
    for group in preview.groups:
        if isinstance(group.decision, Allowed):
            for effect in group.decision.effects:
                counts[effect] += group.customers
    return counts


def _as_refusal(refused: Refused) -> BulkRefused:
    return BulkRefused(refused.code, refused.message)


def _begin(change: BulkChange, *, action: str, actor: Actor, now: dt.datetime, detail: dict[str, object]) -> BulkChange:
    change.started_at = now
    change.save()
    record_administration(
        action,
        change.id,
        tenant_id=change.tenant_id,
        actor=actor,
        reason=change.reason_code,
        detail=detail,
        request_id=change.id,
        now=now,
    )
    return change


def _next_change(tenant: TenantRef, now: dt.datetime) -> BulkChange | None:
    unfinished = BulkChange.objects.select_for_update().filter(tenant_id=tenant.id, finished_at=None)
    return unfinished.exclude(started_at=None).exclude(waits_until__gt=now).order_by("id").first()


def _put_off(change: BulkChange, *, tenant: TenantRef, until: dt.datetime) -> None:
    with tenant_context(tenant.id):
        BulkChange.objects.filter(tenant_id=tenant.id, id=change.id, finished_at=None).update(waits_until=until)


def _work_batch(change: BulkChange, *, tenant: TenantRef, now: dt.datetime, size: int) -> int:
    parameters = {"tenant_id": tenant.id, "change_id": change.id, "after": change.after, "limit": size}
    found = [(row[0], row[1]) for row in fetch_prepared(_NEXT, parameters, using="default")]
    may_go_on = not found or _still_may(change, tenant)
    if found and may_go_on:
        work = _move if change.kind == BulkChange.Kind.MOVE else _assign
        codes = work(change, found, tenant=tenant, now=now)
        _note(change, [id_ for id_, _ in found], codes)
        change.moved += codes.count(MOVED)
        change.unchanged += codes.count(UNCHANGED)
        change.refused += len(codes) - codes.count(MOVED) - codes.count(UNCHANGED)
        change.after = found[-1][0]
    if len(found) < size or not may_go_on:
        change.finished_at, change.is_stopped = now, not may_go_on
    change.waits_until = None
    change.save(update_fields=["moved", "unchanged", "refused", "after", "finished_at", "waits_until", "is_stopped"])
    return len(found)


def _still_may(change: BulkChange, tenant: TenantRef) -> bool:
    """Whether the person who confirmed it may still change customers: it can take hours. One statement for people."""
    if change.actor_kind != USER:
        return True
    found = User.objects.filter(tenant_id=tenant.id, id=change.actor).values_list("is_active", "role").first()
    # Staff who work for the tenant are not among its people.
    return found is None or (found[0] and UPDATE_LIFECYCLE in ROLE_PERMISSIONS[Role(found[1])])


def _actor_of(change: BulkChange) -> Actor:
    return Actor(change.actor_kind, change.actor, frozenset(PERMISSIONS), change.updates_per_hour)


def _move(change: BulkChange, found: Sequence[tuple[UUID, int]], *, tenant: TenantRef, now: dt.datetime) -> list[str]:
    """Move those whom no one has changed since they were chosen, if the configuration is as it was shown."""
    actor = _actor_of(change)
    call = Call(tenant, actor, SOURCE, now, change.id, starts_effects=True, mute_reason=change.mute_reason or None)
    changes = [
        Change(
            customer_id,
            change.stage,
            change.reason_code or None,
            expected_version=version,
            expected_configuration=change.configuration_version,
        )
        for customer_id, version in found
    ]
    return [_code_of(outcome) for outcome in apply(call, changes, budget=UpdateBudget(actor))]


def _code_of(outcome: Outcome) -> str:
    if outcome.refused is not None:
        return outcome.refused.code
    return UNCHANGED if isinstance(outcome.decision, Unchanged) else MOVED


def _assign(change: BulkChange, found: Sequence[tuple[UUID, int]], *, tenant: TenantRef, now: dt.datetime) -> list[str]:
    return assign_owner(
        found,
        change.owner,
        tenant=tenant,
        actor=_actor_of(change),
        now=now,
        reason=change.reason_code,
        request_id=change.id,
    )


def _note(change: BulkChange, customer_ids: Sequence[UUID], codes: Sequence[str]) -> None:
    parameters = {
        "tenant_id": change.tenant_id,
        "change_id": change.id,
        "customer_ids": plain_array(customer_ids),
        "codes": text_array(codes),
    }
    with prepared_cursor("default") as cursor:
        cursor.execute(_NOTE, parameters)
