"""The one verb: move customers from stage to stage.

``apply`` is the only code that changes a customer's stage. One PATCH is a batch of one; an event batch, a bulk
call, an import and a configuration's mapping are batches of many. Its order never varies: lock (in id order), look,
decide, write, record, announce, all in the caller's transaction; the network comes after the commit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from audit.services.chain import EPOCH, MICROSECOND
from audit.services.keys import ensure_keys
from audit.services.recording import trace_headers
from audit.services.relay_notification import notify_relay_after_commit
from lifecycle.rules.transitions import Allowed, Change, Refused, Status, Unchanged, decide
from lifecycle.services.cache import copies
from lifecycle.services.effects.plan import Moved, Started, as_columns, plan_effects
from lifecycle.services.transitions import statements
from lifecycle.services.transitions.effects_asked import check_effects, check_mute, mute_started
from lifecycle.services.transitions.outcomes import (
    NOT_FOUND,
    Budget,
    Call,
    CallRefused,
    Choice,
    Outcome,
    StatusRecord,
)
from storage import cipher
from storage.cursors import fetch_prepared, plain_array, sparse_text_array, text_array, uuid_array
from tenants.actors import TenantRef
from tenants.roles import UPDATE_LIFECYCLE
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.policies import hold_live_policy, policy_of_version

__all__ = ["NOT_FOUND", "Budget", "Call", "CallRefused", "Choice", "Outcome", "StatusRecord", "apply", "place"]

# Rows of one writing statement: above it the plan spills to disk and memory is no longer bounded.
CHUNK = 10_000


def apply(
    call: Call,
    changes: Sequence[Change | Choice],
    *,
    budget: Budget | None = None,
    expected_effects: int | None = None,
    asks_above_budget: bool = False,
    dry_run: bool = False,
    backdated: bool = False,
) -> list[Outcome]:
    """Move 1..N customers; one Outcome a change, in the order given. Refusals are values, never exceptions.

    Call inside the context of ``call.tenant``; nothing is committed here. Several changes of one customer are judged
    one after the other, each once, under the lock. Two statements for any number of distinct customers up to 10,000 (a
    third for the policy the first time a version is seen, more only when there are notes). With ``dry_run`` the rows
    are locked and judged and nothing is written. ``backdated`` loads what happened elsewhere: each change is dated by
    its ``effective_at``, and only the database's ``recorded_at`` says when it came here.

    Before anything is written it raises EffectsUnconfirmed when the batch would not start ``expected_effects``, or,
    with ``asks_above_budget`` and without these, more than the tenant lets one start unasked; MuteRefused; and what
    ``budget.take`` raises.
    """
    call = check_mute(call)
    statuses, version = _lock(changes, tenant=call.tenant)
    policy = policy_of_version(call.tenant.id, version) if version else None
    outcomes = _judge(call, changes, policy, statuses, backdated=backdated)
    moves = sum(outcome.moved for outcome in outcomes)
    if dry_run:
        return [outcome._replace(history_id=None) for outcome in outcomes]
    check_effects(call, outcomes, expected=expected_effects, asks_above_budget=asks_above_budget)
    if moves and policy is not None:
        # Once the rows are locked and judged: taken before, the budget's lock and theirs could cross. And before what
        # effects and notes need is written; without these it goes with the moves.
        if budget is not None and _writes_before(call, outcomes):
            budget.take(moves)
            budget = None
        started = _plan(call, outcomes)
        write = partial(statements.move, backdated=backdated, starts=bool(started))
        _write(call, outcomes, write, policy, started, budget)
    return outcomes


def place(call: Call, changes: Sequence[Change], *, backdated: bool = False) -> list[Outcome]:
    """Give new customers, which are in no stage yet, their first one; one Outcome a change.

    The customers must exist and have no status row, and each may be named once. Otherwise as ``apply``.
    """
    policy = hold_live_policy(call.tenant.id)
    outcomes = _judge(call, changes, policy, None, backdated=backdated)
    if any(outcome.moved for outcome in outcomes):
        started = _plan(call, outcomes)
        write = partial(statements.place, backdated=backdated, starts=bool(started))
        _write(call, outcomes, write, policy, started)
    return outcomes


def _lock(changes: Sequence[Change | Choice], *, tenant: TenantRef) -> tuple[dict[UUID, StatusRecord], int]:
    """Lock the customers' status rows in id order: the rows as they are now, and the live configuration's number."""
    ids = {str(change.customer_id): change.customer_id for change in changes}
    parameters = {"tenant_id": tenant.id, "customer_ids": plain_array(sorted(ids))}
    rows = fetch_prepared(statements.LOCK, parameters, using="default")
    if not rows:
        return {}, 0
    statuses = {}
    for text, stage, entered, updated, by, kind, source, reason, version, _ in rows:
        # The ids come as strings and are known: to make ten thousand of them again would cost more than to judge them.
        id_ = ids[text]
        entered_at = EPOCH + entered * MICROSECOND
        # The same for most, who were moved when it was said.
        updated_at = entered_at if updated == entered else EPOCH + updated * MICROSECOND
        statuses[id_] = StatusRecord(id_, stage, entered_at, updated_at, by, kind, source, reason, version)
    return statuses, rows[0][-1]


def _judge(
    call: Call,
    changes: Sequence[Change | Choice],
    policy: Policy | None,
    statuses: dict[UUID, StatusRecord] | None,
    *,
    backdated: bool,
) -> list[Outcome]:
    """Decide each change on the status its predecessors in the batch leave behind. ``None``: all are new.

    Every move has the id of its history row: time-ordered, so a customer's rows sort as they happened.
    """
    may_update = call.actor.may(UPDATE_LIFECYCLE)
    current = dict(statuses) if statuses is not None else {}
    outcomes = []
    for asked in changes:
        customer_id = asked.customer_id
        record = current.get(customer_id)
        if policy is None or (record is None and statuses is not None):
            change = Change(customer_id, "") if isinstance(asked, Choice) else asked
            outcomes.append(Outcome(change, Refused("not_found", NOT_FOUND), None))
            continue
        status = _as_status(customer_id, record)
        chosen = asked.choose(policy, status) if isinstance(asked, Choice) else asked
        before, history_id = status.stage, None
        if chosen is None:
            # It need not be a stage of this configuration, so there is nothing to judge.
            outcomes.append(Outcome(Change(customer_id, before or ""), Unchanged(before or ""), record, before))
            continue
        decision = decide(policy, status, chosen, may_update=may_update, source=call.source)
        if isinstance(decision, Allowed):
            history_id = uuid7()
            record = current[customer_id] = _record_move(call, chosen, decision, status.version, backdated=backdated)
        outcomes.append(Outcome(chosen, decision, record, before, history_id))
    return outcomes


def _record_move(call: Call, change: Change, decision: Allowed, version: int, *, backdated: bool) -> StatusRecord:
    entered_at = change.effective_at or call.now
    # By place: by name it takes twice as long.
    return StatusRecord(
        change.customer_id,
        decision.to_stage,
        entered_at,
        entered_at if backdated else call.now,
        call.actor.name,
        call.actor.kind,
        call.source,
        decision.reason_code or "",
        version + 1,
    )


def _as_status(customer_id: UUID, record: StatusRecord | None) -> Status:
    if record is None:
        return Status(customer_id, None, 0)
    return Status(customer_id, record.stage, record.version, record.stage_entered_at, record.updated_at)


def _writes_before(call: Call, outcomes: Iterable[Outcome]) -> bool:
    """Whether something is written before the moves are: lanes of effects, keys of notes."""
    return any(
        (call.starts_effects and outcome.effects) or outcome.change.note for outcome in outcomes if outcome.moved
    )


def _plan(call: Call, outcomes: Sequence[Outcome]) -> Mapping[UUID, Sequence[Started]]:
    """What the moves start, by their history rows: nothing unless the call says so."""
    if not call.starts_effects:
        return {}
    moves = [
        Moved(
            outcome.history_id,
            outcome.change.customer_id,
            outcome.effects,
            (call.actor.name, outcome.change.on_behalf_of or ""),
        )
        for outcome in outcomes
        if outcome.history_id is not None
    ]
    started = plan_effects(moves, tenant_id=call.tenant.id, now=call.now)
    return started if call.mute_reason is None else mute_started(call, started)


def _write(
    call: Call,
    outcomes: Sequence[Outcome],
    write: Callable[..., str],
    policy: Policy,
    started: Mapping[UUID, Sequence[Started]],
    budget: Budget | None = None,
) -> None:
    """Write status, history and outbox of all moves, and what they start; the first statement takes the budget."""
    tenant = call.tenant
    parameters = {
        "tenant_id": tenant.id,
        "now": call.now,
        "changed_by": call.actor.name,
        "actor_kind": call.actor.kind,
        "source": call.source,
        "configuration_version": policy.version,
        "request_id": call.request_id or uuid7(),
        "headers": trace_headers(),
    }
    moves = sum(outcome.moved for outcome in outcomes)
    taking = budget.ask(moves) if budget is not None else None
    for chunk in _chunks(outcomes):
        effects = as_columns(
            row for outcome in chunk if outcome.history_id for row in started.get(outcome.history_id, ())
        )
        values = {**parameters, **_columns(chunk, tenant), **effects}
        if budget is not None and taking is not None:
            ((count, *answer),) = fetch_prepared(write(takes=True), {**values, **taking}, using="default")
            budget.settle(moves, *answer)
            taking = None
        else:
            ((count,),) = fetch_prepared(write(), values, using="default")
        if count != len(chunk):
            raise RuntimeError(f"Of {len(chunk)} rows that are locked {count} could be written.")
    copies.refresh_statuses(tenant.id, _last_records(outcomes), configuration=policy.version)
    notify_relay_after_commit()


def _chunks(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    """The moves of each statement: a customer once, sorted by customer; what it does next is for a later statement."""
    waves: list[list[Outcome]] = []
    seen: dict[UUID, int] = {}
    for outcome in outcomes:
        if outcome.moved:
            turn = seen.get(outcome.change.customer_id, 0)
            seen[outcome.change.customer_id] = turn + 1
            if turn == len(waves):
                waves.append([])
            waves[turn].append(outcome)
    for wave in waves:
        wave.sort(key=lambda outcome: outcome.change.customer_id.int)
        for start in range(0, len(wave), CHUNK):
            yield wave[start : start + CHUNK]


def _columns(chunk: Sequence[Outcome], tenant: TenantRef) -> dict[str, Any]:
    # Turned over at once: asked one by one, ten thousand changes for a dozen values each take as long as their judging.
    asked = dict(zip(Change._fields, zip(*(outcome.change for outcome in chunk), strict=True), strict=True))
    records = [outcome.record for outcome in chunk if outcome.record]

    def sparse(name: str) -> str:
        return sparse_text_array([str(value) if value else None for value in asked[name]]) if any(asked[name]) else "{}"

    return {
        "customer_ids": uuid_array(asked["customer_id"]),
        "versions": plain_array([record.version - 1 for record in records]),
        "history_ids": uuid_array(outcome.history_id for outcome in chunk if outcome.history_id),
        "to_stages": text_array([record.stage for record in records]),
        "effective_at": sparse("effective_at"),
        "reason_codes": sparse_text_array([record.reason_code for record in records]),
        "on_behalf_of": sparse("on_behalf_of"),
        "request_ids": sparse("request_id"),
        "event_ids": sparse("event_id"),
        "notes": _encrypt_notes(chunk, tenant),
        "depths": sparse("depth"),
    }


def _encrypt_notes(chunk: Sequence[Outcome], tenant: TenantRef) -> str:
    with_notes = [outcome for outcome in chunk if outcome.change.note]
    if not with_notes:
        return "{}"
    keys = ensure_keys(tenant.id, [outcome.change.customer_id for outcome in with_notes])
    return text_array(
        "\\x"
        + cipher.encrypt(
            keys[outcome.change.customer_id],
            outcome.change.note,
            bound_to=cipher.binding("customer_lifecycle_history", "note", outcome.history_id, tenant.id),
        ).hex()
        if outcome.change.note
        else None
        for outcome in chunk
    )


def _last_records(outcomes: Iterable[Outcome]) -> list[StatusRecord]:
    last = {outcome.change.customer_id: outcome.record for outcome in outcomes if outcome.moved and outcome.record}
    return list(last.values())
