"""What an operator does about dead letters: look, replay after a fix, or discard with a reason. All of it is logged."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit.services.administration import record_administration
from audit.services.message_encryption import rewrap_message
from lifecycle.models import DeadLetter
from lifecycle.rules.envelopes import Message, Received, receive
from lifecycle.sentences.events import keep_message
from lifecycle.services.events import inbox
from lifecycle.services.events.dead_letters import UNDECRYPTABLE, Refusal, refuse
from lifecycle.services.events.filing import read_message
from lifecycle.services.events.processing import CONSUMER, DEAD, PARKED, process_events
from lifecycle.services.events.replay_agreement import Agreement, MoreWouldStart, Starting
from storage import cipher
from storage.failures import concerns_every_tenant, describe, is_transient
from storage.servers import current_server
from tenants.actors import Actor
from tenants.context import tenant_context
from tenants.rules import messages
from tenants.services.directory import PLATFORM, at_home_on, find_tenants

log = structlog.get_logger(__name__)

# What is said of a replayed message whose customer is not there.
WAITS: Final = gettext_noop(
    "waits for its customer again, and fails again unless customer.created arrives: send that first."
)
# The outcome of one that had been replayed or discarded before.
RESOLVED: Final = "resolved"
LONGEST_REASON: Final = 500
REWRAP_BATCH: Final = 500


class DeadLetterRefused(Exception):
    """The operator's wish cannot be fulfilled; the sentence says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one replay. When it is dead again, ``code`` and ``sentence`` are the new ones.

    ``starting``: what its moves start, where the replay was asked to start it.
    """

    dead_letter_id: UUID
    outcome: str
    code: str = ""
    sentence: str = ""
    starting: tuple[Starting, ...] = ()

    @property
    def is_resolved(self) -> bool:
        """Whether nothing is left to do."""
        return self.outcome != DEAD

    @property
    def was_resolved(self) -> bool:
        """Whether someone had replayed or discarded it before: nothing was done about it now."""
        return self.outcome == RESOLVED

    @property
    def waits(self) -> bool:
        """Whether the message was parked: its customer is not there yet, and without it the message fails again."""
        return self.outcome == PARKED


def find_dead_letters(
    *,
    state: str | None = DeadLetter.State.OPEN,
    tenant: str | None = None,
    event_type: str | None = None,
    code: str | None = None,
    since: dt.datetime | None = None,
) -> QuerySet[DeadLetter]:
    """Dead letters of all tenants of the server at hand, the first to fail first; ``tenant`` is the slug as the message
    wrote it.
    """
    wanted: dict[str, Any] = {
        "state": state,
        "tenant_slug": tenant,
        "type": event_type,
        "code": code,
        "failed_at__gte": since,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    return at_home_on(current_server(), DeadLetter.objects.using(PLATFORM).filter(**given), "tenant_id").order_by("id")


def open_message(dead_letter: DeadLetter) -> Message:
    """The message as it came. Raises DeadLetterRefused when its bytes were given up or cannot be decrypted."""
    if dead_letter.state != DeadLetter.State.OPEN:
        raise DeadLetterRefused(
            "already_resolved",
            _("This dead letter is %(state)s already; its bytes were not kept.") % {"state": dead_letter.state},
        )
    try:
        return read_message(dead_letter)
    except cipher.MasterKeyMissing as error:
        raise DeadLetterRefused(
            UNDECRYPTABLE, _("Its bytes lie under a master key that is not in MASTER_KEYS: restore that key.")
        ) from error
    except cipher.Undecryptable as error:
        raise DeadLetterRefused(
            UNDECRYPTABLE, _("Its bytes were altered in the table: have the sender send it again, and discard it.")
        ) from error


def replay_dead_letters(
    dead_letters: Iterable[DeadLetter],
    *,
    actor: Actor,
    now: dt.datetime | None = None,
    starts_effects: bool = False,
    agreement: Agreement | None = None,
) -> Iterator[Replayed]:
    """Send dead letters through the consumer's own path, one transaction each, in the order given.

    ``now``: when they are replayed; without it each has its own time. Very many go on for long: dated from when that
    began, what they move would be moved before what people and events have changed in between.

    Twice is once: what has been applied in the meantime is a duplicate and resolves the dead letter; one that was
    resolved before is left as it is, and its outcome says so. A dead letter that
    fails again stays open with the new reason and one attempt more; it is not published a second time. A dead letter
    that fails leaves those behind it alone. Raises only when the database is away.

    What moves then starts nothing, unless ``starts_effects``; and no more than was agreed to (None: any number). The
    dead letter that would start more raises MoreWouldStart, and nothing was done about it.
    """
    run = _Run(actor, now, starts_effects, agreement)
    for dead_letter in dead_letters:
        yield _replay_alone(dead_letter, run)


def discard_dead_letters(dead_letters: Iterable[DeadLetter], *, reason: str, actor: Actor, now: dt.datetime) -> int:
    """Give dead letters up: their bytes are destroyed, the facts and the reason stay. How many were open.

    Raises DeadLetterRefused without a reason.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        sentence = _("Enter a reason, in at most %(most)s characters.")
        raise DeadLetterRefused("reason_required", sentence % {"most": LONGEST_REASON})
    count = 0
    for dead_letter in dead_letters:
        with transaction.atomic(), tenant_context(dead_letter.tenant_id):
            locked = _lock(dead_letter)
            if locked is None:
                continue
            _resolve(locked, DeadLetter.State.DISCARDED, reason=reason, actor=actor, now=now)
            count += 1
    return count


def rewrap_dead_letters() -> int:
    """Bring dead letters whose bytes lie under an older master key under the newest; some at a time. How many.

    A dead letter that cannot be decrypted stays as it is.
    """
    newest = cipher.newest_master_key_id().to_bytes(2, "big")
    old = DeadLetter.objects.using(PLATFORM).extra(where=["substring(value FROM 2 FOR 2) <> %s"], params=[newest])
    count, failed = 0, []
    for dead_letter in old.order_by("id").iterator(chunk_size=REWRAP_BATCH):
        with transaction.atomic(), tenant_context(dead_letter.tenant_id):
            locked = _lock(dead_letter)
            if locked is None or locked.value is None:
                continue
            try:
                value = rewrap_message(locked.value, tenant_id=locked.tenant_id, row_id=locked.id)
            except cipher.Undecryptable:
                failed.append(str(dead_letter.id))
                continue
            if value is not None:
                DeadLetter.objects.filter(id=locked.id).update(value=value)
                count += 1
        if count == REWRAP_BATCH:
            break
    if failed:
        log.error("dead letters cannot be decrypted", dead_letters=len(failed), first=failed[0])
    return count


@dataclass(frozen=True, slots=True)
class _Run:
    """Who replays some dead letters, and what that may start."""

    actor: Actor
    now: dt.datetime | None
    starts_effects: bool
    agreement: Agreement | None


def _replay_alone(dead_letter: DeadLetter, run: _Run) -> Replayed:
    try:
        try:
            return _replay(dead_letter, run)
        except (DeadLetterRefused, MoreWouldStart):
            raise
        except Exception as error:
            if is_transient(error):
                raise
            # It may be an event that waits for the same customer: the sweep finds out.
            return _replay(dead_letter, run, releases_parked=False)
    except MoreWouldStart:
        raise
    except DeadLetterRefused as refusal:
        return _note_failure(dead_letter, Refusal(refusal.code, str(refusal)))
    except Exception as error:
        if concerns_every_tenant(error):
            raise
        log.error("dead letter failed", dead_letter=str(dead_letter.id), error=describe(error))
        if is_transient(error):
            return Replayed(
                dead_letter.id, DEAD, "busy", _("Its customer is being changed by someone else: try again.")
            )
        reason = messages.Message("event_failed", {"error_class": type(error).__name__})
        return _note_failure(dead_letter, refuse("internal_error", reason))


def _note_failure(dead_letter: DeadLetter, refusal: Refusal) -> Replayed:
    with transaction.atomic(), tenant_context(dead_letter.tenant_id):
        locked = _lock(dead_letter)
        if locked is None:
            return Replayed(dead_letter.id, RESOLVED)
        if locked.code == UNDECRYPTABLE != refusal.code:
            # It can be read by now. Only its code, which is another from here on, says that the inbox has it as parked.
            _reopen(locked, receive(open_message(locked)))
        _fail(locked, refusal)
    return Replayed(dead_letter.id, DEAD, refusal.code, refusal.said)


def _fail(locked: DeadLetter, refusal: Refusal) -> None:
    locked.code, locked.sentence = refusal.code, refusal.sentence[:1000]
    locked.message = keep_message(refusal.message, refusal.code)
    locked.attempts += 1
    locked.save(update_fields=["code", "sentence", "message", "attempts"])


def _replay(dead_letter: DeadLetter, run: _Run, *, releases_parked: bool = True) -> Replayed:
    now = run.now or timezone.now()
    with transaction.atomic():
        with tenant_context(dead_letter.tenant_id):
            locked = _lock(dead_letter)
            if locked is None:
                return Replayed(dead_letter.id, RESOLVED)
            received = receive(open_message(locked))
            if locked.code == UNDECRYPTABLE:
                _reopen(locked, received)
        slug = received.event.tenant
        tenants = find_tenants({slug}) if slug else {}
        results = process_events(
            [received],
            tenants=tenants,
            actor=CONSUMER,
            now=now,
            replaying=True,
            releases_parked=releases_parked,
            starts_effects=run.starts_effects,
        )
        outcome, refusal = results[0].outcome, results[0].refusal
        # With what the customers start for whom something was parked.
        starting = [(one.tenant_id, effect) for one in results for effect in one.effects if run.starts_effects]
        with tenant_context(locked.tenant_id):
            if refusal is None:
                started = Counter(effect.name for _tenant_id, effect in starting)
                _resolve(locked, DeadLetter.State.REPLAYED, reason=outcome, actor=run.actor, now=now, started=started)
            else:
                _fail(locked, refusal)
        if run.agreement is not None:
            run.agreement.take(starting)
    if refusal is None:
        return Replayed(dead_letter.id, outcome, starting=tuple(starting))
    return Replayed(dead_letter.id, DEAD, refusal.code, refusal.said, tuple(starting))


def _reopen(locked: DeadLetter, received: Received) -> None:
    """Let a replay take what was parked until its bytes could not be read."""
    inbox.reopen(locked.tenant_id, (received.event.source, received.event.id))


def _lock(dead_letter: DeadLetter) -> DeadLetter | None:
    """The dead letter's row, locked, unless it was resolved in the meantime."""
    return (
        DeadLetter.objects.select_for_update()
        .filter(tenant_id=dead_letter.tenant_id, id=dead_letter.id, state=DeadLetter.State.OPEN)
        .first()
    )


def _resolve(
    dead_letter: DeadLetter,
    state: str,
    *,
    reason: str,
    actor: Actor,
    now: dt.datetime,
    started: Mapping[str, int] | None = None,
) -> None:
    dead_letter.state, dead_letter.resolved_at, dead_letter.resolved_by, dead_letter.reason = (
        state,
        now,
        actor.name,
        reason,
    )
    dead_letter.value = None
    dead_letter.save(update_fields=["state", "resolved_at", "resolved_by", "reason", "value"])
    record_administration(
        "discard_dead_letter" if state == DeadLetter.State.DISCARDED else "replay_dead_letter",
        dead_letter.id,
        tenant_id=dead_letter.tenant_id,
        actor=actor,
        reason=reason,
        detail={
            "topic": dead_letter.topic,
            "partition": dead_letter.partition,
            "offset": dead_letter.offset,
            "type": dead_letter.type,
            "code": dead_letter.code,
            **({"effects": dict(started)} if started else {}),
        },
        now=now,
    )
