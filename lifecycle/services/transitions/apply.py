"""The one verb: move customers from stage to stage.

``apply`` is the only code that changes where a customer stands. One PATCH is a batch of one; an event batch, a bulk
call, an import and a configuration's mapping are batches of many. Its order never varies: lock (in id order), look,
decide, write, record, announce, all in the caller's transaction; the network comes after the commit.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from audit.services.bell import wake_relay_after_commit
from audit.services.chain import EPOCH, MICROSECOND
from audit.services.keys import ensure_keys
from audit.services.recording import trace_headers
from lifecycle.rules.transitions import Allowed, Change, Refused, Status, decide
from lifecycle.services.cache import copies
from lifecycle.services.transitions import statements
from lifecycle.services.transitions.outcomes import NOT_FOUND, Budget, ConfigurationKeepsChanging, Outcome, StatusRecord
from storage import cipher
from storage.cursors import plain_array, prepared_cursor, sparse_text_array, text_array
from tenants.actors import Actor, TenantRef
from tenants.roles import UPDATE_LIFECYCLE
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.policies import hold_live_policy, policy_of_version

__all__ = ["NOT_FOUND", "Budget", "ConfigurationKeepsChanging", "Outcome", "StatusRecord", "apply", "place"]

# Rows of one writing statement: above it the plan spills to disk and memory is no longer bounded.
CHUNK = 10_000
# How often a batch is judged anew because a configuration was published between lock and write.
JUDGEMENTS = 5


def apply(
    changes: Sequence[Change],
    *,
    tenant: TenantRef,
    actor: Actor,
    source: str,
    now: dt.datetime,
    budget: Budget | None = None,
    request_id: UUID | None = None,
    dry_run: bool = False,
    backdated: bool = False,
) -> list[Outcome]:
    """Move 1..N customers; one Outcome a change, in the order given. Refusals are values, never exceptions.

    Call inside ``tenant_context(tenant.id)``; nothing is committed here. Several changes of one customer are judged
    one after the other. Two statements for any number of distinct customers up to 10,000 (a third for the policy the
    first time a version is seen, more only when there are notes). With ``dry_run`` the rows are locked and judged and
    nothing is written. ``backdated`` loads what happened elsewhere: each change is dated by its ``effective_at``, and
    only the database's ``recorded_at`` says when it came here. Raises
    what ``budget.take`` raises, before anything is written.
    """
    statement = statements.MOVE_BACKDATED if backdated else statements.MOVE
    for _ in range(JUDGEMENTS):
        statuses, version = _lock(changes, tenant=tenant)
        policy = policy_of_version(tenant.id, version) if version else None
        outcomes = _judge(changes, policy, statuses, actor=actor, source=source, now=now, backdated=backdated)
        moves = sum(outcome.moved for outcome in outcomes)
        if dry_run:
            return [outcome._replace(history_id=None) for outcome in outcomes]
        if not moves or policy is None:
            return outcomes
        # Once the rows are locked and judged: taken before, the budget's lock and theirs could cross.
        if budget is not None:
            budget.take(moves)
        if _write(outcomes, statement, policy, tenant, actor, source, now, request_id):
            return outcomes
        # What is judged again may be fewer, or nothing. A rollback needs no giving back.
        if budget is not None:
            budget.give_back(moves)
    raise ConfigurationKeepsChanging("The configuration keeps changing: try again in a moment.")


def place(
    changes: Sequence[Change],
    *,
    tenant: TenantRef,
    actor: Actor,
    source: str,
    now: dt.datetime,
    request_id: UUID | None = None,
    backdated: bool = False,
) -> list[Outcome]:
    """Give new customers, which stand in no stage yet, their first one; one Outcome a change.

    The customers must exist and have no status row, and each may be named once. Otherwise as ``apply``.
    """
    statement = statements.PLACE_BACKDATED if backdated else statements.PLACE
    for _ in range(JUDGEMENTS):
        policy = hold_live_policy(tenant.id)
        outcomes = _judge(changes, policy, None, actor=actor, source=source, now=now, backdated=backdated)
        if not any(outcome.moved for outcome in outcomes) or _write(
            outcomes, statement, policy, tenant, actor, source, now, request_id
        ):
            return outcomes
    raise ConfigurationKeepsChanging("The configuration keeps changing: try again in a moment.")


def _lock(changes: Sequence[Change], *, tenant: TenantRef) -> tuple[dict[UUID, StatusRecord], int]:
    """Lock the customers' status rows in id order: the rows as they are now, and the live configuration's number."""
    ids = {str(change.customer_id): change.customer_id for change in changes}
    with prepared_cursor("default") as cursor:
        cursor.execute(statements.LOCK, {"tenant_id": tenant.id, "customer_ids": plain_array(sorted(ids))})
        rows = cursor.fetchall()
    if not rows:
        return {}, 0
    statuses = {
        # The ids come as texts and are known: making ten thousand of them anew would cost more than judging them.
        (id_ := ids[text]): StatusRecord(
            id_, stage, EPOCH + entered * MICROSECOND, EPOCH + updated * MICROSECOND, *rest
        )
        for text, stage, entered, updated, *rest, _ in rows
    }
    return statuses, rows[0][-1]


def _judge(
    changes: Sequence[Change],
    policy: Policy | None,
    statuses: dict[UUID, StatusRecord] | None,
    *,
    actor: Actor,
    source: str,
    now: dt.datetime,
    backdated: bool,
) -> list[Outcome]:
    """Decide each change on the status its predecessors in the batch leave behind. ``None``: all are new.

    Every move has the id of its history row: time-ordered, so a customer's rows sort as they happened.
    """
    may_update = actor.may(UPDATE_LIFECYCLE)
    current = dict(statuses) if statuses is not None else {}
    outcomes = []
    for change in changes:
        record = current.get(change.customer_id)
        if policy is None or (record is None and statuses is not None):
            outcomes.append(Outcome(change, Refused(code="not_found", sentence=NOT_FOUND), None))
            continue
        decision = decide(policy, _as_status(change.customer_id, record), change, may_update=may_update)
        before, history_id = record.stage if record else None, None
        if isinstance(decision, Allowed):
            history_id = uuid7()
            entered_at = change.effective_at or now
            record = current[change.customer_id] = StatusRecord(
                customer_id=change.customer_id,
                stage=decision.to_stage,
                stage_entered_at=entered_at,
                updated_at=entered_at if backdated else now,
                updated_by=actor.name,
                actor_kind=actor.kind,
                source=source,
                reason_code=decision.reason_code or "",
                version=record.version + 1 if record else 1,
            )
        outcomes.append(Outcome(change, decision, record, before, history_id))
    return outcomes


def _as_status(customer_id: UUID, record: StatusRecord | None) -> Status:
    if record is None:
        return Status(customer_id, None, 0)
    return Status(customer_id, record.stage, record.version, record.stage_entered_at, record.updated_at)


def _write(
    outcomes: Sequence[Outcome],
    statement: str,
    policy: Policy,
    tenant: TenantRef,
    actor: Actor,
    source: str,
    now: dt.datetime,
    request_id: UUID | None,
) -> bool:
    """Write status, history and outbox of all moves. False, with nothing written, when the configuration changed."""
    parameters = {
        "tenant_id": tenant.id,
        "now": now,
        "changed_by": actor.name,
        "actor_kind": actor.kind,
        "source": source,
        "configuration_version": policy.version,
        "request_id": request_id or uuid7(),
        "headers": trace_headers(),
    }
    written = 0
    with prepared_cursor("default") as cursor:
        for wave in _waves(outcomes):
            for start in range(0, len(wave), CHUNK):
                chunk = wave[start : start + CHUNK]
                cursor.execute(statement, {**parameters, **_columns(chunk, tenant)})
                count = cursor.fetchone()[0]
                if count == 0 and written == 0:
                    return False
                if count != len(chunk):
                    raise ConfigurationKeepsChanging("The configuration changed in the middle of the batch: try again.")
                written += count
    copies.refresh_statuses(tenant.id, _last_records(outcomes))
    wake_relay_after_commit()
    return True


def _waves(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    """Split moves so that each customer stands once in a wave, sorted by customer: the first moves, the second..."""
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
        yield wave


def _columns(chunk: Sequence[Outcome], tenant: TenantRef) -> dict[str, Any]:
    changes = [outcome.change for outcome in chunk]

    def sparse(read: Callable[[Change], Any]) -> str:
        return sparse_text_array([str(value) if (value := read(change)) else None for change in changes])

    return {
        "customer_ids": plain_array(change.customer_id for change in changes),
        "versions": plain_array(outcome.record.version - 1 for outcome in chunk if outcome.record),
        "history_ids": plain_array(outcome.history_id for outcome in chunk),
        "to_stages": text_array([outcome.record.stage for outcome in chunk if outcome.record]),
        "effective_at": sparse(lambda change: change.effective_at),
        "reason_codes": sparse_text_array([outcome.record.reason_code for outcome in chunk if outcome.record]),
        "on_behalf_of": sparse(lambda change: change.on_behalf_of),
        "request_ids": sparse(lambda change: change.request_id),
        "event_ids": sparse(lambda change: change.event_id),
        "notes": _encrypt_notes(chunk, tenant),
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
