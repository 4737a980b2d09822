"""What an operator does about dead letters: look, replay after a fix, or discard with a reason. All of it is logged."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from audit import cipher
from audit.services.administration import record_administration
from audit.services.sealing import reseal, unseal
from lifecycle.models import DeadLetter
from lifecycle.rules.envelopes import Message, receive
from lifecycle.services.events import CONSUMER, DEAD, DUPLICATE, PARKED, process_events
from lifecycle.services.inbox import decode_headers
from tenants.actors import Actor
from tenants.context import tenant_context
from tenants.services.directory import PLATFORM, find_tenants

# What is told of a replayed message whose customer is not there.
WAITS: Final = "waits for its customer again, and will be dead again if no customer.created comes: send that first."
LONGEST_REASON: Final = 500
RESEAL_BATCH: Final = 500


class LetterRefused(Exception):
    """The operator's wish cannot be fulfilled; the sentence says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one replay. When it is dead again, ``code`` and ``sentence`` are the new ones."""

    letter_id: UUID
    outcome: str
    code: str = ""
    sentence: str = ""

    @property
    def is_resolved(self) -> bool:
        """Whether nothing is left to do."""
        return self.outcome != DEAD

    @property
    def waits(self) -> bool:
        """Whether the message was parked: its customer is not there yet, and without it the message dies once more."""
        return self.outcome == PARKED


def find_letters(
    *,
    state: str | None = DeadLetter.State.OPEN,
    tenant: str | None = None,
    event_type: str | None = None,
    code: str | None = None,
    since: dt.datetime | None = None,
) -> QuerySet[DeadLetter]:
    """Dead letters of all tenants, in the order in which they died; ``tenant`` is the slug as the message wrote it."""
    wanted: dict[str, Any] = {
        "state": state,
        "tenant_slug": tenant,
        "type": event_type,
        "code": code,
        "died_at__gte": since,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    return DeadLetter.objects.using(PLATFORM).filter(**given).order_by("id")


def open_message(letter: DeadLetter) -> Message:
    """The message as it came. Raises LetterRefused when its bytes were given up with its resolution."""
    if letter.state != DeadLetter.State.OPEN:
        raise LetterRefused("already_resolved", f"This letter is {letter.state} already; its bytes were not kept.")
    value = None
    if letter.value is not None:
        value = unseal(letter.value, tenant_id=letter.tenant_id, row_id=letter.id)
    return Message(
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        key=None if letter.key is None else bytes(letter.key),
        value=value,
        headers=decode_headers(letter.headers),
    )


def replay_letters(letters: Iterable[DeadLetter], *, actor: Actor, now: dt.datetime) -> Iterator[Replayed]:
    """Send letters through the consumer's own path, one transaction each, in the order given.

    Twice is once: what has been applied meanwhile is a duplicate and resolves the letter. A letter that dies again
    stays open with the new reason and one attempt more; it is not published a second time.
    """
    for letter in letters:
        yield _replay(letter, actor=actor, now=now)


def discard_letters(letters: Iterable[DeadLetter], *, reason: str, actor: Actor, now: dt.datetime) -> int:
    """Give letters up: their bytes are destroyed, the facts and the reason stay. How many were open.

    Raises LetterRefused without a reason.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise LetterRefused("reason_required", f"Say why, in up to {LONGEST_REASON} characters.")
    count = 0
    for letter in letters:
        with transaction.atomic(), tenant_context(letter.tenant_id):
            locked = _lock(letter)
            if locked is None:
                continue
            _resolve(locked, DeadLetter.State.DISCARDED, reason=reason, actor=actor, now=now)
            count += 1
    return count


def forget_letters(*, before: dt.datetime) -> int:
    """Delete letters that were resolved before then. The administration log keeps the deed. How many."""
    old = DeadLetter.objects.using(PLATFORM).filter(resolved_at__lt=before)
    total = 0
    for tenant_id in sorted(old.values_list("tenant_id", flat=True).distinct()):
        with transaction.atomic(), tenant_context(tenant_id):
            count, _ = DeadLetter.objects.filter(tenant_id=tenant_id, resolved_at__lt=before).delete()
            total += count
    return total


def reseal_letters() -> int:
    """Bring letters whose bytes lie under an older master key under the newest; some at a time. How many."""
    newest = cipher.newest_master_key_id().to_bytes(2, "big")
    old = DeadLetter.objects.using(PLATFORM).extra(where=["substring(value FROM 2 FOR 2) <> %s"], params=[newest])
    count = 0
    for letter in old.order_by("id")[:RESEAL_BATCH]:
        with transaction.atomic(), tenant_context(letter.tenant_id):
            locked = _lock(letter)
            if locked is not None and locked.value is not None:
                value = reseal(locked.value, tenant_id=locked.tenant_id, row_id=locked.id)
                if value is not None:
                    DeadLetter.objects.filter(id=locked.id).update(value=value)
                    count += 1
    return count


def _replay(letter: DeadLetter, *, actor: Actor, now: dt.datetime) -> Replayed:
    with transaction.atomic():
        with tenant_context(letter.tenant_id):
            locked = _lock(letter)
            if locked is None:
                return Replayed(letter.id, DUPLICATE)
            received = receive(open_message(locked))
        slug = received.event.tenant
        tenants = find_tenants({slug}) if slug else {}
        result = process_events([received], tenants=tenants, actor=CONSUMER, now=now, replaying=True)[0]
        refusal = result.refusal
        with tenant_context(locked.tenant_id):
            if refusal is None:
                _resolve(locked, DeadLetter.State.REPLAYED, reason=result.outcome, actor=actor, now=now)
                return Replayed(letter.id, result.outcome)
            locked.code, locked.sentence = refusal.code, refusal.sentence[:1000]
            locked.attempts += 1
            locked.save(update_fields=["code", "sentence", "attempts"])
    return Replayed(letter.id, DEAD, refusal.code, refusal.sentence)


def _lock(letter: DeadLetter) -> DeadLetter | None:
    """The letter's row, locked, if nobody has resolved it meanwhile."""
    return (
        DeadLetter.objects.select_for_update()
        .filter(tenant_id=letter.tenant_id, id=letter.id, state=DeadLetter.State.OPEN)
        .first()
    )


def _resolve(letter: DeadLetter, state: str, *, reason: str, actor: Actor, now: dt.datetime) -> None:
    letter.state, letter.resolved_at, letter.resolved_by, letter.reason = state, now, actor.name, reason
    letter.value = None
    letter.save(update_fields=["state", "resolved_at", "resolved_by", "reason", "value"])
    record_administration(
        tenant_id=letter.tenant_id,
        actor=actor.name,
        actor_kind=actor.kind,
        action="discard_dead_letter" if state == DeadLetter.State.DISCARDED else "replay_dead_letter",
        subject=str(letter.id),
        reason=reason,
        detail={
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "type": letter.type,
            "code": letter.code,
        },
        now=now,
    )
