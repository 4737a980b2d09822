"""What the modules of a tenant say, for tests: events, the messages they travel in, and what became of them."""

import datetime as dt
from collections.abc import Sequence
from itertools import count
from typing import Any
from uuid import uuid4

import orjson

from audit.models import LifecycleHistory, OutboxMessage
from lifecycle.models import Customer, CustomerLifecycleStatus, DeadLetter, InboxEvent, ParkedEvent
from lifecycle.rules.envelopes import Message, Received, receive
from lifecycle.services.events.processing import CONSUMER, Result, process_events
from tenants.actors import TenantRef
from tenants.context import tenant_context

SOURCES = {"contract.renewed": "/billing", "support.issue.closed": "/support"}
# The day on which the stories of these tests begin: long enough ago that nothing in them lies in the future.
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
_offsets = count(1)

# A full graph, and a rule for each kind of event that moves anybody.
RULES: dict[str, Any] = {
    "stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"],
    "transitions": {
        "Prospect": ["Onboarded", "Active"],
        "Onboarded": ["Active"],
        "Active": ["At-Risk", "Churned"],
        "At-Risk": ["Active", "Churned"],
    },
    "required_reason_codes": ["At-Risk", "Churned"],
    "reason_codes": {"At-Risk": ["Unhappy"]},
    "event_rules": [
        {"event": "contract.renewed", "from": ["Prospect", "At-Risk"], "to": "Active", "reason_code": "Signed"},
        {
            "event": "support.issue.closed",
            "from": ["Active"],
            "to": "At-Risk",
            "reason_code": "Unhappy",
            "when": [{"field": "csat", "op": "lt", "value": 2}],
        },
        {
            "event": "support.issue.closed",
            "from": ["At-Risk"],
            "to": "Active",
            "when": [{"field": "csat", "op": "ge", "value": 4}],
        },
        # Wrong on purpose: nothing leads from Churned to Active.
        {"event": "contract.renewed", "from": ["Churned"], "to": "Active"},
    ],
}


def at(minutes: float) -> dt.datetime:
    """So many minutes after noon."""
    return NOON + dt.timedelta(minutes=minutes)


class Speaker:
    """All modules of one tenant."""

    def __init__(self, tenant: TenantRef) -> None:
        self.tenant = tenant

    def document(
        self, event_type: str, external_id: str = "c1", *, minutes: float = 0, **options: Any
    ) -> dict[str, Any]:
        """A CloudEvent; ``id`` and ``source`` by option, everything else is its data."""
        event_id = options.pop("id", None) or uuid4().hex
        source = options.pop("source", None) or SOURCES.get(event_type, "/crm")
        return {
            "specversion": "1.0",
            "id": event_id,
            "source": source,
            "type": event_type,
            "time": at(minutes).isoformat(),
            "tenantid": self.tenant.slug,
            "data": {"external_id": external_id, **options},
        }

    def say(self, event_type: str, external_id: str = "c1", *, minutes: float = 0, **options: Any) -> Received:
        """The event as a message that was read."""
        document = self.document(event_type, external_id, minutes=minutes, **options)
        return receive(as_message(document, topic=event_type))

    def created(self, external_id: str = "c1", **options: Any) -> Received:
        return self.say("customer.created", external_id, **{"name": "Acme", **options})

    def updated(self, external_id: str = "c1", **options: Any) -> Received:
        return self.say("customer.updated", external_id, **options)

    def renewed(self, external_id: str = "c1", **options: Any) -> Received:
        return self.say("contract.renewed", external_id, **{"contract_id": "K1", **options})

    def closed(self, external_id: str = "c1", **options: Any) -> Received:
        return self.say("support.issue.closed", external_id, **{"issue_id": "S1", **options})

    def hear(self, *batch: Received, **options: Any) -> list[Result]:
        """Deal with a batch as the consumer does."""
        tenants = {self.tenant.slug: self.tenant}
        return process_events(
            batch, **{"tenants": tenants, "actor": CONSUMER, "now": dt.datetime.now(dt.UTC), **options}
        )

    def customer(self, external_id: str = "c1") -> Customer:
        with tenant_context(self.tenant.id):
            return Customer.objects.select_related("billing", "support", "status").get(external_id=external_id)

    def stage(self, external_id: str = "c1") -> str:
        with tenant_context(self.tenant.id):
            stage: str = CustomerLifecycleStatus.objects.get(customer__external_id=external_id).stage
            return stage

    def history(self, external_id: str = "c1") -> list[LifecycleHistory]:
        with tenant_context(self.tenant.id):
            customer = Customer.objects.get(external_id=external_id)
            return list(LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence"))

    def stages(self, external_id: str = "c1") -> list[str]:
        return [row.to_stage for row in self.history(external_id)]

    def inbox(self) -> dict[str, str]:
        """Event id -> outcome."""
        with tenant_context(self.tenant.id):
            return dict(InboxEvent.objects.values_list("event_id", "outcome"))

    def parked(self) -> list[ParkedEvent]:
        with tenant_context(self.tenant.id):
            return list(ParkedEvent.objects.order_by("id"))

    def dead_letters(self) -> list[DeadLetter]:
        with tenant_context(self.tenant.id):
            return list(DeadLetter.objects.order_by("id"))

    def outbox(self, topic: str) -> list[OutboxMessage]:
        with tenant_context(self.tenant.id):
            return list(OutboxMessage.objects.filter(topic=topic).order_by("id"))


def as_message(
    document: Any, *, topic: str, key: bytes | None = None, headers: Sequence[tuple[str, bytes | None]] = ()
) -> Message:
    """A message that lies somewhere in a log; keyed by external_id unless a key is given."""
    value = document if isinstance(document, bytes) else orjson.dumps(document)
    if key is None and isinstance(document, dict):
        key = document["data"]["external_id"].encode()
    return Message(topic, 0, next(_offsets), key, value, tuple(headers))


def outcomes(results: Sequence[Result]) -> list[str]:
    """``applied``, ``applied+moved``, ``dead:unknown_type`` ..., in order."""
    return [
        result.outcome + ("+moved" if result.moved else "") + (f":{result.refusal.code}" if result.refusal else "")
        for result in results
    ]
