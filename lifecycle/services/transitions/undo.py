"""Undo, whole: those whom no one has moved since go back to where they were, and what waits to be sent is cancelled.

The history is appended, never taken back: an undo is a change like any other, with the source ``Undo``, and starts
nothing. What has been sent is named. It works in batches, so it can be interrupted anywhere and goes on with the next.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.models import LifecycleHistory
from audit.services.administration import record_administration
from lifecycle.models import BulkChange, EffectRun, Undo
from lifecycle.rules.transitions import LONGEST_REASON, Change, Status
from lifecycle.services.transitions.apply import Budget, Call, Choice, apply
from storage.cursors import prepared_cursor
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.roles import CONFIGURE_STAGES, PERMISSIONS
from tenants.rules.configuration.policy import Policy
from tenants.rules.values import InvalidValue, read_line
from tenants.services.configuration.policies import hold_live_policy
from tenants.services.configuration.versions import present_name, present_names
from tenants.services.directory import fetch_tenants

SOURCE: Final = "Undo"
WAITING: Final = (EffectRun.HELD, EffectRun.DUE)
# Done, or perhaps done.
RUN: Final = (EffectRun.DONE, EffectRun.SENDING, EffectRun.UNKNOWN)
BATCH: Final = 1000

# All whom a request moved and who are still here: from where first, to which version last.
_MOVED: Final = """
SELECT first.customer_id, first.from_stage, first.configuration_version, before.reason_code, before.effective_at,
       last.sequence
  FROM (SELECT customer_id, min(sequence) AS low, max(sequence) AS high FROM customer_lifecycle_history
         WHERE tenant_id = %(tenant_id)s::uuid AND request_id = %(request_id)s::uuid
           AND (%(after)s::uuid IS NULL OR customer_id > %(after)s::uuid)
         GROUP BY customer_id ORDER BY customer_id LIMIT %(limit)s) h
  JOIN customer_lifecycle_history first
    ON first.tenant_id = %(tenant_id)s::uuid AND first.customer_id = h.customer_id AND first.sequence = h.low
  JOIN customer_lifecycle_history last
    ON last.tenant_id = %(tenant_id)s::uuid AND last.customer_id = h.customer_id AND last.sequence = h.high
  JOIN customer_lifecycle_status s ON s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = h.customer_id
  LEFT JOIN customer_lifecycle_history before
    ON before.tenant_id = %(tenant_id)s::uuid AND before.customer_id = h.customer_id AND before.sequence = h.low - 1
 ORDER BY first.customer_id
"""
_COUNT: Final = """
SELECT count(*) FILTER (WHERE s.version = h.high), count(*), min(h.customer_id::text)::uuid
  FROM (SELECT customer_id, max(sequence) AS high FROM customer_lifecycle_history
         WHERE tenant_id = %(tenant_id)s::uuid AND request_id = %(request_id)s::uuid AND from_stage IS NOT NULL
         GROUP BY customer_id) h
  JOIN customer_lifecycle_status s ON s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = h.customer_id
"""
# In the order of ids, like the finishing of single effects: they cannot wait for each other. What is on its way is
# marked: if it does not arrive it is not tried again (``effects.queue``).
_CANCEL: Final = """
WITH open AS (
    SELECT id FROM lifecycle_effect
     WHERE tenant_id = %(tenant_id)s::uuid AND request_id = %(request_id)s::uuid AND state IN ('held', 'due', 'sending')
     ORDER BY id FOR UPDATE
), undone AS (
    UPDATE lifecycle_effect e
       SET state = CASE WHEN e.state = 'sending' THEN e.state ELSE 'cancelled' END, reason = 'undone',
           finished_at = CASE WHEN e.state = 'sending' THEN e.finished_at ELSE %(now)s::timestamptz END
      FROM open WHERE e.tenant_id = %(tenant_id)s::uuid AND e.id = open.id
    RETURNING e.state
)
SELECT count(*) FROM undone WHERE state = 'cancelled'
"""
_UNFINISHED: Final = """
SELECT DISTINCT t.id, t.slug FROM lifecycle_undo u JOIN tenants_tenant t ON t.id = u.tenant_id
 WHERE u.finished_at IS NULL
"""


class UndoRefused(Exception):
    """Nothing was undone. ``code`` is the contract's."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class _Moved(NamedTuple):
    """One customer that the request moved."""

    customer_id: UUID
    from_stage: str | None
    configuration_version: int
    reason_code: str | None
    stayed_since: dt.datetime | None
    version_then: int


@dataclass(frozen=True, slots=True)
class UndoPreview:
    """What an undo of a request would do now. ``customer_id``: whom it moved, if that was one alone.

    Effects are counted by name: those that would be cancelled, and those that are done already (or may be).
    """

    request_id: UUID
    to_move: int
    moved_since: int
    customer_id: UUID | None
    cancelled: Mapping[str, int]
    already_done: Mapping[str, int]


def preview_undo(request_id: UUID, *, tenant: TenantRef, actor: Actor) -> UndoPreview:
    """What an undo would do; nothing is changed. Call in the tenant's context. Four statements at most.

    Raises UndoRefused as ``begin_undo`` does.
    """
    _check_request(request_id, tenant=tenant, actor=actor)
    with prepared_cursor("default") as cursor:
        to_move, everyone, one = _count(cursor, request_id, tenant)
    cancelled, already_done = Counter[str](), Counter[str]()
    found = EffectRun.objects.filter(tenant_id=tenant.id, request_id=request_id, state__in=(*WAITING, *RUN))
    for effect, state, count in found.order_by().values_list("effect", "state").annotate(count=Count("id")):
        (cancelled if state in WAITING else already_done)[effect] += count
    alone = one if everyone == 1 else None
    return UndoPreview(request_id, to_move, everyone - to_move, alone, dict(cancelled), dict(already_done))


def begin_undo(
    request_id: UUID,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    reason: str = "",
    budget: Budget | None = None,
) -> Undo:
    """Ask for the undo of a request, and cancel what it has started and not sent; the job, which moves no one yet.

    A second time it is the same job. Call in the tenant's context. Raises UndoRefused: no such change, or one of
    another person (without the right to configure). An undo takes nothing from the budget. To undo an undo is to make
    the change again: it takes those whom it moves, and what ``budget.take`` raises is raised here.
    """
    source = _check_request(request_id, tenant=tenant, actor=actor)
    existing = Undo.objects.filter(tenant_id=tenant.id, request_id=request_id).first()
    if existing is not None:
        return existing
    # Without room in the budget nothing is kept. Who asked at the same time has taken what this one needs.
    with transaction.atomic():
        # A bulk move that is still running ends here, with the batch at hand: it would go on with what is being undone.
        running = BulkChange.objects.filter(tenant_id=tenant.id, id=request_id, finished_at=None)
        running.update(finished_at=now, is_stopped=True, waits_until=None)
        with prepared_cursor("default") as cursor:
            to_move, everyone, _unmoved = _count(cursor, request_id, tenant)
            cursor.execute(_CANCEL, {"tenant_id": tenant.id, "request_id": request_id, "now": now})
            (cancelled,) = cursor.fetchone()
        done = EffectRun.objects.filter(tenant_id=tenant.id, request_id=request_id, state__in=RUN).count()
        undo, is_new = Undo.objects.get_or_create(
            tenant_id=tenant.id,
            request_id=request_id,
            defaults={
                "reason": reason,
                "actor": actor.name,
                "actor_kind": actor.kind,
                "to_move": to_move,
                "moved_since": everyone - to_move,
                "effects_cancelled": cancelled,
                "effects_already_done": done,
                "created_at": now,
            },
        )
        if is_new and budget is not None and source == SOURCE and to_move:
            budget.take(to_move)
    if is_new:
        record_administration(
            "undo_transitions",
            request_id,
            tenant_id=tenant.id,
            actor=actor,
            reason=reason,
            detail={"to_move": to_move, "effects_cancelled": cancelled, "effects_already_done": done},
            now=now,
        )
    return undo


def _check_request(request_id: UUID, *, tenant: TenantRef, actor: Actor) -> str:
    """The source of the change, which the actor may undo. Raises UndoRefused. Two statements at most."""
    rows = LifecycleHistory.objects.filter(tenant_id=tenant.id, request_id=request_id)
    source = rows.order_by("-id").values_list("source", flat=True).first()
    if source is None:
        raise UndoRefused("not_found", _("There is no stage change with this request id."))
    # Each of its rows is looked at: a service account moves customers for several people in one request, and where a
    # proxy hands on what clients call their requests, two people may have given the same id to theirs.
    of_others = rows.exclude(changed_by=actor.name).exclude(on_behalf_of=actor.name)
    if not actor.may(CONFIGURE_STAGES) and of_others.exists():
        raise UndoRefused("permission_denied", _("Someone else made this change. Only they, or an admin, can undo it."))
    return str(source)


def _count(cursor: Any, request_id: UUID, tenant: TenantRef) -> tuple[int, int, UUID | None]:
    """How many can be moved back, of how many, and one of them."""
    cursor.execute(_COUNT, {"tenant_id": tenant.id, "request_id": request_id})
    to_move, everyone, one = cursor.fetchone()
    return to_move, everyone, one


def work_off_undos(tenant: TenantRef, *, now: dt.datetime | None = None, limit: int | None = None) -> Iterator[Undo]:
    """Work off the tenant's undos, a batch a transaction; yields the job after each. Call outside of any transaction.

    ``now``: when they move back; without it each batch has its own time. A large undo goes on for long, and then with
    what was begun in between: it would be dated before the change that it takes back.

    Two workers share the work: the job's row is locked. ``limit`` ends it after that many customers.
    """
    done = 0
    while limit is None or done < limit:
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            undo = Undo.objects.select_for_update().filter(tenant_id=tenant.id, finished_at=None).order_by("id").first()
            if undo is None:
                return
            done += _move_batch(undo, tenant=tenant, now=now or timezone.now())
        yield undo


def find_tenants_with_undos() -> list[TenantRef]:
    """The tenants that have something to undo, over the platform connection. One statement."""
    return fetch_tenants(_UNFINISHED)


def _move_batch(undo: Undo, *, tenant: TenantRef, now: dt.datetime) -> int:
    with prepared_cursor("default") as cursor:
        cursor.execute(
            _MOVED,
            {"tenant_id": tenant.id, "request_id": undo.request_id, "after": undo.after, "limit": BATCH},
        )
        found = [_Moved(*row) for row in cursor.fetchall()]
    if found:
        # Before the names are read: renamed while their rows are waited for, they would be refused, and stay for good.
        hold_live_policy(tenant.id)
    renames = present_names(tenant) if found else {}
    choices = [_choose_return(one, undo, renames) for one in found if one.from_stage is not None]
    actor = Actor(kind=undo.actor_kind, name=undo.actor, permissions=frozenset(PERMISSIONS))
    outcomes = apply(Call(tenant, actor, SOURCE, now, undo.id), choices)
    undo.moved += sum(outcome.moved for outcome in outcomes)
    undo.refused += sum(outcome.refused is not None for outcome in outcomes)
    if len(found) < BATCH:
        undo.finished_at = now
    if found:
        undo.after = found[-1].customer_id
    undo.save(update_fields=["moved", "refused", "after", "finished_at"])
    return len(found)


def _choose_return(moved: _Moved, undo: Undo, renames: Mapping[int, Mapping[str, str]]) -> Choice:
    """Back to where the customer was, unless someone has moved it since: that is seen under its lock."""
    stage = present_name(moved.from_stage or "", moved.configuration_version, renames)
    # The stage may ask for a reason: that by which the customer had come there stays its own.
    reasons = [reason for reason in (moved.reason_code, _as_reason_code(undo.reason)) if reason]

    def choose(policy: Policy, status: Status) -> Change | None:
        if status.version != moved.version_then:
            return None
        codes = policy.reason_codes(stage)
        return Change(
            moved.customer_id,
            stage,
            # Why it is undone people write in their own words: a stage that lists its reasons is not given them, or it
            # would refuse the customer, for good. The note has them.
            reason_code=next((reason for reason in reasons if codes is None or reason in codes), None),
            note=undo.reason or None,
            effective_at=moved.stayed_since,
            is_return=True,
        )

    return Choice(moved.customer_id, choose)


def _as_reason_code(text: str) -> str:
    """Why it is undone as a reason is kept; '' where it cannot be one."""
    try:
        return read_line(text, LONGEST_REASON)
    except InvalidValue:
        return ""


def undo_after_commit(tenant: TenantRef) -> None:
    """Move the first thousand back as soon as the transaction has been committed: who asks sees a small undo done.

    The worker does what is left, and everything if this fails.
    """
    transaction.on_commit(partial(_undo_some, tenant), robust=True)


def _undo_some(tenant: TenantRef) -> None:
    for _round in work_off_undos(tenant, limit=BATCH):
        pass


def find_already_done(request_id: UUID, *, tenant: TenantRef) -> Mapping[str, int]:
    """How often each effect of a change, by its name, has been done already (or may have been): no undo takes it back.

    One statement. What is forgotten of it is not counted.
    """
    found = EffectRun.objects.filter(tenant_id=tenant.id, request_id=request_id, state__in=RUN)
    counted = found.order_by("effect").values_list("effect").annotate(count=Count("id"))
    return dict(counted)


def find_undo(undo_id: UUID, *, tenant: TenantRef) -> Undo | None:
    """The undo; None when the tenant has no such one. One statement."""
    return Undo.objects.filter(tenant_id=tenant.id, id=undo_id).first()
