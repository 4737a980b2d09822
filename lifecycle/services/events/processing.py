"""What the events of a batch do: claimed once, recorded in the customers, judged by the tenant's rules, or rejected.

No Kafka here: the consumer, a replay of dead letters and the release of parked events all come through
``process_events``. One transaction a batch, whatever the number of tenants in it.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from django.db import transaction

from lifecycle.models import NO_TENANT, DeadLetter, ParkedEvent
from lifecycle.rules.envelopes import Received, log_identity
from lifecycle.services.events import inbox
from lifecycle.services.events.dead_letters import Refusal, store_dead_letters
from lifecycle.services.events.parked import sweep_parked
from lifecycle.services.events.tenant_batches import APPLIED, DEAD, DUPLICATE, NOOP, PARKED, STALE, Result, TenantBatch
from tenants.actors import Actor, TenantRef, system_actor
from tenants.context import tenant_context

__all__ = [
    "APPLIED",
    "CONSUMER",
    "DEAD",
    "DUPLICATE",
    "NOOP",
    "PARKED",
    "STALE",
    "Result",
    "count_waiting",
    "process_events",
    "store_dead_letter",
    "sweep_parked",
]

# The actor of what events change, whether they are read from Kafka or again from a dead letter.
CONSUMER: Final = system_actor("consume_events")


def process_events(
    batch: Sequence[Received],
    *,
    tenants: Mapping[str, TenantRef],
    actor: Actor,
    now: dt.datetime,
    replaying: bool = False,
    releases_parked: bool = True,
    starts_effects: bool = False,
    dry_run: bool = False,
) -> list[Result]:
    """Deal with a batch in one transaction; one Result a message in the batch's order, then those it released.

    ``tenants`` are the tenants that the batch names, as far as they exist. Twice is once: what was dealt with before
    is a duplicate. With ``replaying`` what was recorded as dead may be dealt with again, and what fails again is
    reported but not stored a second time; its moves start nothing, unless ``starts_effects``. Without
    ``releases_parked`` what waits for a customer is left to the sweep, which finds out which of them fails. With
    ``dry_run`` everything is judged and nothing is kept. Raises what the database raises; then nothing was done.
    """
    by_tenant: dict[UUID, list[Received]] = defaultdict(list)
    for received in batch:
        tenant = tenants.get(received.event.tenant)
        by_tenant[tenant.id if tenant else NO_TENANT].append(received)
    results: dict[int, Result] = {}
    released: list[Result] = []
    with transaction.atomic():
        # In one order everywhere, so that two batches with the same tenants cannot deadlock.
        for tenant_id in sorted(by_tenant):
            with tenant_context(tenant_id):
                messages = by_tenant[tenant_id]
                tenant = tenants.get(messages[0].event.tenant)
                work = TenantBatch(tenant, actor=actor, now=now, releases_parked=releases_parked)
                work.take(messages, replaying=replaying, starts_effects=starts_effects or not replaying)
                for result in work.finish(replaying=replaying):
                    if result.released:
                        released.append(result)
                    else:
                        results[id(result.received)] = result
        if dry_run:
            transaction.set_rollback(True)
    return [results[id(received)] for received in batch] + released


def store_dead_letter(
    received: Received,
    refusal: Refusal,
    *,
    tenant: TenantRef | None,
    attempts: int,
    now: dt.datetime,
    dry_run: bool = False,
) -> Result:
    """Make a dead letter of a message that fails for no known reason, unless it was dealt with before."""
    tenant_id = tenant.id if tenant else NO_TENANT
    identity = log_identity(received.message)
    with transaction.atomic(), tenant_context(tenant_id):
        if not inbox.claim(tenant_id, {identity: received.event.type}, now=now):
            return Result(received, tenant_id, DUPLICATE)
        store_dead_letters(tenant_id, [(received, refusal)], attempts=attempts, now=now)
        inbox.settle(tenant_id, {identity: DEAD})
        if dry_run:
            transaction.set_rollback(True)
    return Result(received, tenant_id, DEAD, refusal=refusal)


def count_waiting() -> tuple[int, int]:
    """How many events are parked, and how many dead letters are open, over all tenants. Two statements."""
    parked = ParkedEvent.objects.using("platform").count()
    return parked, DeadLetter.objects.using("platform").filter(state=DeadLetter.State.OPEN).count()
