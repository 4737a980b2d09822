"""The plan of a move: its steps in their order, each of which may be done again, and what is recorded between them.

Killed anywhere, the next command goes on with the step that was not recorded as done. Between ``fence`` and ``switch``
the tenant is read-only; what goes wrong there lifts the fence, and one whose command has died opens by itself.
``switch`` is one statement in the directory, which is refused when that is near: before it the source has the tenant,
after it the target, and nothing goes back.
"""

import datetime as dt
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from audit.services.administration import record_administration
from lifecycle.services.effects.queue import recover_lapsed_of
from lifecycle.services.moving import replication
from lifecycle.services.moving.checking import MOST_SKEW_SECONDS, check_sides
from lifecycle.services.moving.companions import copy_companions, copy_super_admins, delete_companions, release_mail
from lifecycle.services.moving.comparing import compare_rows, verify_on
from lifecycle.services.moving.fences import fence, is_fenced, lift_fence, lift_quiet, quiet, show_people, wait_until
from lifecycle.services.moving.leaving import delete_rows, let_depart, note_deleted
from lifecycle.services.moving.moves import Move
from lifecycle.services.moving.sides import MoveRefused
from storage.servers import MAIN, on_server
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.homes import LIFETIME_SECONDS, forget_homes

# Longer than any process believes an old copy of the directory, and than any request of the application may take.
SETTLED_AFTER: Final = dt.timedelta(seconds=60 + 5 * LIFETIME_SECONDS)
# A delivery that was handed over ends within this time, or its lease does.
DELIVERIES_SECONDS: Final = 150.0
# The fence opens by itself so long after the last moment of the switch: more than the clocks of two servers differ.
MARGIN: Final = dt.timedelta(seconds=MOST_SKEW_SECONDS + 3)
_DELIVERING: Final = "SELECT count(*) FROM lifecycle_effect WHERE tenant_id = %s AND state = 'sending'"
COPY_LOOK_SECONDS: Final = 0.2
COPY_REPORT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """For how long the tenant may be read-only, what verifies seals, and how long old rows are kept at least."""

    pause_seconds: float = 30.0
    public_keys: Collection[bytes] = ()
    settled_after: dt.timedelta = SETTLED_AFTER


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``do`` may be done again. Its name is what the directory records."""

    name: str
    do: Callable[[Move, Limits], object]


def check(move: Move, _: Limits) -> None:
    """Both servers are fit for it, and the target knows the super admins."""
    check_sides(move.source, move.target, move.tenant, directory=move.directory)
    if move.target.name != MAIN:
        copy_super_admins(move.directory, move.target)


def copy(move: Move, _: Limits) -> None:
    """Every row is copied, and what changes follows."""
    # Or the workers of the target would begin with what they find there. Replication itself is stopped by no fence.
    quiet(move.target, move.tenant.id, entirely=True)
    fence(move.target, move.tenant.id)
    replication.publish(move.source, move.tenant.id)
    replication.subscribe(move.source, move.target, move.tenant.id)
    reported_at = time.monotonic()
    while True:
        ready, tables = replication.count_copied(move.target, move.tenant.id)
        if ready == tables:
            replication.follow(move.target, move.tenant.id)
            return
        if time.monotonic() - reported_at > COPY_REPORT_SECONDS:
            reported_at = time.monotonic()
            move.report(f"{ready} of {tables} tables are copied")
            _refuse_lost(move)
        time.sleep(COPY_LOOK_SECONDS)


def _refuse_lost(move: Move) -> None:
    if lost := replication.find_lost(move.source, move.target, move.tenant.id):
        raise MoveRefused(
            f"The copy of {', '.join(lost)} cannot come to its end: what server {move.source.name} kept for it is gone."
            " Nothing was changed for the tenant. Take the copy back with --abort, and begin again."
        )


def calm(move: Move, _: Limits) -> None:
    """Workers begin nothing new, what they have begun has ended, and the target is close behind."""
    quiet(move.source, move.tenant.id)
    wait_until(
        lambda: _is_delivered(move),
        seconds=DELIVERIES_SECONDS,
        what="effects of the tenant were still being delivered",
    )
    replication.await_caught_up(move.source, move.target, move.tenant.id, seconds=3600)


def _is_delivered(move: Move) -> bool:
    """What a worker that has died was holding no other worker takes back: to them the tenant's work is hidden."""
    with on_server(move.source.name):
        recover_lapsed_of(move.tenant.id)
    return not move.source.ask_one(_DELIVERING, [move.tenant.id])


def close(move: Move, limits: Limits) -> None:
    """The tenant is read-only from here on."""
    move.fenced_at = move.fenced_at or move.clock()
    move.note("calm", fenced_at=move.fenced_at)
    now: dt.datetime = move.source.ask_one("SELECT clock_timestamp()")
    move.open_again_at = now + dt.timedelta(seconds=limits.pause_seconds) + MARGIN
    fence(move.source, move.tenant.id, until=move.open_again_at)
    # A worker may have found work before that was hidden, and begun with it when it was calm already. Behind the fence
    # it could not write what becomes of it, and the target would deliver it a second time.
    if move.source.ask_one(_DELIVERING, [move.tenant.id]):
        raise MoveRefused("Effects of the tenant were being delivered as it became read-only.")


def drain(move: Move, limits: Limits) -> None:
    """What was promised to Kafka is published, by the source's relay."""
    query = "SELECT count(*) FROM audit_outbox WHERE tenant_id = %s AND published_at IS NULL"
    wait_until(
        lambda: not move.source.ask_one(query, [move.tenant.id]),
        seconds=limits.pause_seconds,
        what=f"the outbox of server {move.source.name} still held messages of the tenant: does its relay run?",
        pause=0.02,
    )


def compare(move: Move, limits: Limits) -> None:
    """The target has every row, and each is the same."""
    replication.await_caught_up(move.source, move.target, move.tenant.id, seconds=limits.pause_seconds)
    copy_companions(move.source, move.target, move.tenant.id)
    move.facts["compared"] = compare_rows(move.source, move.target, move.tenant.id)


def switch(move: Move, _: Limits) -> None:
    """The tenant lives on the target."""
    if move.open_again_at is None or not is_fenced(move.source, move.tenant.id):
        raise MoveRefused("The tenant is not read-only any more: someone has lifted the fence.")
    replication.set_sequences(move.source, move.target)
    show_people(move.target, move.tenant.id)
    move.switch(until=move.open_again_at - MARGIN)


def welcome(move: Move, limits: Limits) -> None:
    """The tenant can be written on the target, whose workers see it; never again on the source."""
    fence(move.source, move.tenant.id)
    # The fence before may have opened by itself since the switch: what was written then comes first, and its numbers.
    replication.await_caught_up(move.source, move.target, move.tenant.id, seconds=limits.pause_seconds)
    replication.set_sequences(move.source, move.target)
    lift_fence(move.target, move.tenant.id)
    lift_quiet(move.target, move.tenant.id)
    release_mail(move.target, move.tenant.id)


def verify(move: Move, limits: Limits) -> None:
    """Chains and seals hold on both servers, before anything is deleted."""
    replication.unsubscribe(move.target, move.tenant.id)
    replication.unpublish(move.source, move.tenant.id)
    found = {
        side.name: verify_on(side.name, move.tenant, public_keys=limits.public_keys)
        for side in (move.source, move.target)
    }
    here, there = found[move.source.name], found[move.target.name]
    # On the target people have been at work since.
    if there.customers < here.customers or there.rows < here.rows or there.seals < here.seals:
        raise MoveRefused(f"Server {move.target.name} has less history than {move.source.name}: {there} and {here}.")
    move.facts["verified"] = {"customers": here.customers, "rows": here.rows, "seals": here.seals}
    move.report(f"{here.customers:,} chains with {here.rows:,} rows and {here.seals:,} seals hold on both servers")


def record(move: Move, _: Limits) -> None:
    """The tenant's administration log says so."""
    query = "SELECT FROM audit_administration WHERE tenant_id = %s AND action = 'move_tenant' AND subject = %s"
    subject = f"{move.source.name} to {move.target.name}, {move.switched_at}"
    if move.target.ask(query, [move.tenant.id, subject]):
        return
    forget_homes()
    with on_server(move.target.name), tenant_context(move.tenant.id):
        record_administration(
            "move_tenant",
            subject,
            tenant_id=move.tenant.id,
            actor=system_actor("move_tenant"),
            detail={"from": move.source.name, "to": move.target.name, **move.facts.get("verified", {})},
            now=timezone.now(),
        )


def leave(move: Move, limits: Limits) -> None:
    """The old rows are deleted, once every process knows where the tenant lives."""
    wait = (move.switched_at or move.clock()) + limits.settled_after - move.clock()
    time.sleep(max(wait.total_seconds(), 0))
    if replication.is_followed(move.source, move.target, move.tenant.id):
        raise MoveRefused("The target still follows the source: deleting here would delete there.")
    let_depart(move.source, move.tenant, to=move.target.name, compared=move.facts["compared"])
    delete_companions(move.source, move.tenant.id)
    count = delete_rows(move.source, move.tenant, deleted=lambda _: None)
    note_deleted(move.source, move.tenant.id)
    move.report(f"{count:,} old rows deleted on server {move.source.name}")


def finish(move: Move, _: Limits) -> None:
    """Nothing of the move is left on the source."""
    lift_quiet(move.source, move.tenant.id)
    lift_fence(move.source, move.tenant.id)


PLAN: Final = (
    Step("check", check),
    Step("copy", copy),
    Step("calm", calm),
    Step("fence", close),
    Step("drain", drain),
    Step("compare", compare),
    Step("switch", switch),
    Step("welcome", welcome),
    Step("verify", verify),
    Step("record", record),
    Step("leave", leave),
    Step("finish", finish),
)
NAMES: Final = tuple(step.name for step in PLAN)
# Among the facts of a move that is being taken back.
TAKEN_BACK: Final = "taken_back"
# The tenant is read-only while these are done.
PAUSED: Final = ("fence", "drain", "compare", "switch")


def run_move(move: Move, limits: Limits) -> None:
    """Go on with the first step that is not done, to the end. Raises MoveRefused, and what a server raises."""
    if TAKEN_BACK in move.facts:
        raise MoveRefused(
            f"{move.tenant.slug} is being taken back: part of its copy on server {move.target.name} may be gone. It can"
            f" be written on server {move.source.name}, and nothing was changed now: finish that with --abort."
        )
    # What was found behind a fence counts for nothing once it may have been open: all of that is done again.
    done = "calm" if move.step in PAUSED and move.step != "switch" else move.step
    replication.resume(move.target, move.tenant.id)
    for step in PLAN[NAMES.index(done) + 1 if done else 0 :]:
        move.report(f"{step.name}: {(step.do.__doc__ or '').strip()}")
        try:
            step.do(move, limits)
        except Exception:
            if step.name in PAUSED and not _is_switched(move):
                _reopen(move)
            raise
        if step.name != "switch":
            move.note(step.name)
    move.note("", moving_to="", finished_at=move.clock())


def abort_move(move: Move) -> None:
    """Take a move back: the tenant stays where it is, and its copy goes. Raises MoveRefused after the switch."""
    if _is_switched(move):
        raise MoveRefused(f"{move.tenant.slug} lives on server {move.target.name} already: finish the move instead.")
    lift_fence(move.source, move.tenant.id)
    # From here on the move cannot be gone on with, wherever this ends.
    move.facts[TAKEN_BACK] = True
    move.note(move.step, fenced_at=None)
    lift_quiet(move.source, move.tenant.id)
    release_mail(move.source, move.tenant.id)
    move.report("the tenant works again as before; ending the copying")
    replication.unsubscribe(move.target, move.tenant.id)
    replication.unpublish(move.source, move.tenant.id)
    move.report("deleting the copy")
    let_depart(move.target, move.tenant, to="", compared={})
    delete_companions(move.target, move.tenant.id)
    delete_rows(move.target, move.tenant, deleted=lambda _: None)
    note_deleted(move.target, move.tenant.id)
    lift_fence(move.target, move.tenant.id)
    lift_quiet(move.target, move.tenant.id)
    move.note("", moving_to="", fenced_at=None)


def _is_switched(move: Move) -> bool:
    return bool(
        move.directory.ask(
            "SELECT FROM tenants_home WHERE tenant_id = %s AND server = %s", [move.tenant.id, move.target.name]
        )
    )


def _reopen(move: Move) -> None:
    """Before the switch: the tenant may be written again, and the next command begins with being calm."""
    lift_fence(move.source, move.tenant.id)
    # Before workers see anything again: a command that ends between the two would have the next one fence a tenant
    # whose effects are being delivered, and what became of those could not be written any more.
    move.fenced_at = None
    move.note("copy", fenced_at=None)
    lift_quiet(move.source, move.tenant.id)
    release_mail(move.source, move.tenant.id)
    quiet(move.target, move.tenant.id, entirely=True)
    move.report("the tenant can be written again; run the command again to go on")
