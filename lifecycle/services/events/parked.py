"""Events whose wait for their customer is over: released, or dead when the customer was not created in time.

One row that fails must not stop those behind it, nor come back for ever: a batch that fails is halved down to the row
that causes it, and that row becomes a dead letter after a few tries.
"""

import datetime as dt
import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog
from django.db import transaction

from lifecycle.models import ParkedEvent
from lifecycle.rules import envelopes
from lifecycle.rules.envelopes import Received, receive
from lifecycle.services.events import inbox
from lifecycle.services.events.dead_letters import UNDECRYPTABLE, refuse, store_dead_letters, store_unreadable
from lifecycle.services.events.inbox import Due
from lifecycle.services.events.tenant_batches import DEAD, Result, TenantBatch
from storage.cipher import MasterKeyMissing, Undecryptable
from storage.failures import concerns_every_tenant, describe, is_transient
from storage.servers import current_server
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.rules.messages import Message

log = structlog.get_logger(__name__)

BATCH: Final = 500
TRIES: Final = 3
# A sweep takes a consumer no longer than this from its messages; the next one goes on.
SWEEP_SECONDS: Final = 2.0
# What cannot be dealt with for a reason outside of the row (its master key is missing, another transaction holds the
# customer).
PUT_OFF_SECONDS: Final = 60.0
ALTERED: Final = Message("event_altered")
KEY_MISSING: Final = Message("event_key_missing")

# Parked row -> when this process looks at it again.
_put_off: dict[UUID, float] = {}
# A part that fails may take longer to do so than a sweep has (it waits for a lock): the next one goes on with as few
# rows of the tenant, or it would come to the same end each time. And with the tenant behind, by server.
_sizes: dict[UUID, int] = {}
_last: dict[str, UUID] = {}


def sweep_parked(*, actor: Actor, now: dt.datetime, seconds: float = SWEEP_SECONDS) -> list[Result]:
    """Release parked events whose customer was made by another entry point; give up those whose time limit is over.

    A few transactions for each tenant that has any; consumers that sweep at the same time share the work. Raises only
    when the database is away: a tenant or a row that fails leaves the others alone.
    """
    until = time.monotonic() + seconds
    results: list[Result] = []
    found = sorted(ParkedEvent.objects.using("platform").values_list("tenant_id", flat=True).distinct())
    place = bisect_right(found, _last.pop(current_server(), UUID(int=0)))
    for tenant_id in [*found[place:], *found[:place]]:
        if time.monotonic() >= until:
            break
        _last[current_server()] = tenant_id
        try:
            _sweep_tenant(tenant_id, results, actor=actor, now=now, until=until)
        except Exception as error:
            if concerns_every_tenant(error):
                raise
            log.error("parked events put off", tenant=str(tenant_id), error=describe(error))
    else:
        _last.pop(current_server(), None)
    return results


def _sweep_tenant(tenant_id: UUID, results: list[Result], *, actor: Actor, now: dt.datetime, until: float) -> None:
    with tenant_context(tenant_id):
        ids = inbox.find_due(tenant_id, now=now, skip=_find_put_off())
    size = _sizes.pop(tenant_id, BATCH)
    parts = deque(ids[first : first + size] for first in range(0, len(ids), size))
    tries: Counter[UUID] = Counter()
    while parts and time.monotonic() < until:
        part = parts.popleft()
        try:
            results += _release(tenant_id, part, actor=actor, now=now)
            size = min(2 * size, BATCH)
        except Exception as error:
            if concerns_every_tenant(error):
                raise
            if len(part) > 1:
                middle = len(part) // 2
                parts.extendleft([part[middle:], part[:middle]])
                size = middle
            elif is_transient(error) or (isinstance(error, MasterKeyMissing) and not _is_over(tenant_id, part[0], now)):
                _put_off[part[0]] = time.monotonic() + PUT_OFF_SECONDS
                log.error("parked event put off", tenant=str(tenant_id), row=str(part[0]), error=describe(error))
            else:
                tries[part[0]] += 1
                if tries[part[0]] < TRIES and not isinstance(error, Undecryptable):
                    parts.appendleft(part)
                else:
                    results += _give_up(tenant_id, part[0], error, attempts=tries[part[0]], now=now)
    if parts and size < BATCH:
        _sizes[tenant_id] = size


def _release(tenant_id: UUID, ids: Sequence[UUID], *, actor: Actor, now: dt.datetime) -> list[Result]:
    with transaction.atomic(), tenant_context(tenant_id):
        work = TenantBatch(TenantRef(tenant_id, ""), actor=actor, now=now)
        due = [(row.is_explained, receive(row.open(tenant_id))) for row in inbox.take_due(tenant_id, ids)]
        work.release(received for is_explained, received in due if is_explained)
        for is_explained, received in due:
            if not is_explained:
                work.expire(received)
        return work.finish()


def _give_up(tenant_id: UUID, row_id: UUID, error: Exception, *, attempts: int, now: dt.datetime) -> list[Result]:
    """Make a dead letter of a row that fails for good. What is unreadable in it is kept as it lies."""
    refusal = refuse("internal_error", Message("event_failed", {"error_class": type(error).__name__}))
    log.error("parked event failed", tenant=str(tenant_id), row=str(row_id), attempt=attempts, error=describe(error))
    with transaction.atomic(), tenant_context(tenant_id):
        for row in inbox.take_due(tenant_id, [row_id]):
            received = _receive(row, tenant_id)
            if received.message.value is None:
                refusal = refuse(UNDECRYPTABLE, KEY_MISSING if isinstance(error, MasterKeyMissing) else ALTERED)
                store_unreadable(tenant_id, row.id, row.encrypted, received, refusal, attempts=attempts, now=now)
            else:
                store_dead_letters(tenant_id, [(received, refusal)], attempts=attempts, now=now)
                inbox.settle(tenant_id, {(received.event.source, received.event.id): DEAD})
            return [Result(received, tenant_id, DEAD, refusal=refusal, released=True)]
    return []


def _receive(row: Due, tenant_id: UUID) -> Received:
    try:
        return receive(row.open(tenant_id))
    except Undecryptable:
        message = envelopes.Message(*row.place, row.key, None, row.open_headers())
        return Received(message, envelopes.Invalid(UNDECRYPTABLE, ALTERED))


def _is_over(tenant_id: UUID, row_id: UUID, now: dt.datetime) -> bool:
    """Whether the time limit of a parked event is over."""
    with tenant_context(tenant_id):
        return ParkedEvent.objects.filter(id=row_id, expires_at__lte=now).exists()


def _find_put_off() -> list[UUID]:
    now = time.monotonic()
    for row_id in [row_id for row_id, until in _put_off.items() if until <= now]:
        del _put_off[row_id]
    return list(_put_off)
