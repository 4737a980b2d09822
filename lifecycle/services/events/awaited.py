"""Customers' data that a caller brings and waits for: judged as an event is, and answered at once.

The same path as an event from Kafka: the inbox takes each once, a source writes its own parts only, the newest field
wins, the rules may move the customer. What differs: no dead letter is stored, because the sender reads the refusal and
may send it again; the changes are the caller's own, in history, in the administration log and in their budget [SEC-5].
"""

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from audit.services.administration import record_administration
from lifecycle.models import Customer
from lifecycle.rules.envelopes import Event, Message, Received
from lifecycle.rules.event_types import UPDATED
from lifecycle.services.events import inbox
from lifecycle.services.events.dead_letters import Refusal
from lifecycle.services.events.tenant_batches import CREATED, DUPLICATE, PARKED, TOLERANCE, Result, TenantBatch
from lifecycle.services.transitions.apply import Budget, Call
from tenants.actors import TenantRef

# Where a message would say from which topic it is.
TOPIC: Final = "api"


@dataclass(frozen=True, slots=True)
class CustomerData:
    """What a source says of a customer at a time. ``data`` fits the schema of customer.updated, each value read.

    ``id``: the sender's name of this message, '' for one that is made of what it says.
    """

    external_id: str
    source: str
    time: dt.datetime
    data: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one CustomerData. ``outcome`` is one of the inbox's, or ``duplicate``.

    ``refusal``: of the message, and nothing was saved. ``move_refusal``: of the move that a rule asked for; what the
    message says was saved. ``stale``, ``outranked`` and ``rejected`` name fields that were not written
    (``customers.facts.Recorded``).
    """

    external_id: str
    outcome: str
    customer_id: UUID | None = None
    created: bool = False
    changed: bool = False
    moved: bool = False
    stale: tuple[str, ...] = ()
    outranked: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    refusal: Refusal | None = None
    move_refusal: Refusal | None = None


def write_customers(items: Sequence[CustomerData], *, call: Call, budget: Budget) -> list[Written]:
    """Write what the caller says of customers, those that are unknown made; one Written an item, in their order.

    Call inside the tenant's context, in one transaction: the number of statements does not depend on the number of
    items. Each customer that was changed is taken from the budget; raises what ``budget.take`` raises.
    """
    if not items:
        return []
    if call.tenant.is_sandbox:
        # Before it is asked who is known: a reset that was at work then would leave changes of customers that are gone.
        inbox.await_reset(call.tenant.id)
    known, _, _ = inbox.find_known(call.tenant.id, {item.external_id for item in items})
    messages = []
    for place, item in enumerate(items):
        event_type = UPDATED if item.external_id in known else CREATED
        if item.time <= call.now + TOLERANCE:
            # One that is refused makes no one: that is for the next.
            known.add(item.external_id)
        messages.append(_as_message(item, event_type, call.tenant, place))
    work = TenantBatch(call.tenant, actor=call.actor, now=call.now, source=call.source)
    work.take(messages, replaying=False, awaited=True)
    # Replaying: those that are refused are answered, and need no dead letter.
    results = {id(result.received): result for result in work.finish(replaying=True) if not result.released}
    judged = [results[id(message)] for message in messages]
    written = [_as_written(item, result) for item, result in zip(items, judged, strict=True)]
    written = _name_duplicates(written, call.tenant)
    changed = {one.customer_id for one in written if one.changed or one.moved}
    if changed:
        # Once the rows are locked, as ``apply`` does.
        budget.take(len(changed))
        _record(items, written, call)
    return written


def _as_message(item: CustomerData, event_type: str, tenant: TenantRef, place: int) -> Received:
    data = {"external_id": item.external_id, **item.data}
    event_id = item.id or _make_id(item, tenant)
    event = Event(event_id, item.source, event_type, item.time, tenant.slug, item.external_id, data)
    # Its place keeps those that are refused apart: two about one customer would be one and its duplicate.
    return Received(Message(TOPIC, 0, place, item.external_id.encode(), None), event)


def _make_id(item: CustomerData, tenant: TenantRef) -> str:
    """The id of a message that names none: the same for the same words, and a secret key keeps them unguessable."""
    said = [str(tenant.id), item.external_id, item.source, item.time.isoformat(), item.data]
    text = json.dumps(said, sort_keys=True, default=str).encode()
    return "api:" + hmac.digest(settings.INDEX_KEY, b"customer-data|" + text, hashlib.sha256).hex()[:32]


def _as_written(item: CustomerData, result: Result) -> Written:
    if result.outcome == PARKED:
        # Every customer that is unknown is made: this would wait for one that was.
        raise RuntimeError("A customer that was known is not there any more.")
    recorded = result.recorded
    if recorded is None:
        return Written(item.external_id, result.outcome, refusal=result.refusal)
    return Written(
        item.external_id,
        result.outcome,
        recorded.customer_id,
        recorded.created,
        recorded.changed or result.moved,
        result.moved,
        recorded.stale,
        recorded.outranked,
        recorded.rejected,
        move_refusal=result.refusal,
    )


def _name_duplicates(written: Sequence[Written], tenant: TenantRef) -> list[Written]:
    """The same with the ids of those customers that nothing was done to, as it had been done before."""
    names = {one.external_id for one in written if one.outcome == DUPLICATE}
    if not names:
        return list(written)
    found = Customer.objects.filter(tenant_id=tenant.id, external_id__in=names).values_list("external_id", "id")
    ids = dict(found)
    return [
        Written(one.external_id, one.outcome, ids.get(one.external_id)) if one.outcome == DUPLICATE else one
        for one in written
    ]


def _record(items: Sequence[CustomerData], written: Sequence[Written], call: Call) -> None:
    """Who wrote about which customers, and for which sources: one entry a request, without what was written."""
    created = sorted({str(one.customer_id) for one in written if one.created})
    changed = sorted({str(one.customer_id) for one in written if one.changed} - set(created))
    sources = sorted({item.source for item, one in zip(items, written, strict=True) if one.changed})
    record_administration(
        "write_customers",
        (created + changed)[0] if len(created + changed) == 1 else "",
        tenant_id=call.tenant.id,
        actor=call.actor,
        detail={"sources": sources, "created": created, "changed": changed},
        request_id=call.request_id,
        now=call.now,
    )
