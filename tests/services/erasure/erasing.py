"""A tenant whose customers are erased and exported, and messages that died about them."""

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson

from lifecycle.models import Customer, DeadLetter
from lifecycle.rules.envelopes import Message, receive
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.exports import export_customer
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import TenantFactory, utc_now
from tests.messaging.speaking import RULES, Speaker, as_message, outcomes

ACTOR = system_actor("tests")
ZORA = {"name": "Zora Canary-Quetzal", "email": "zora.canary@quetzal.example", "phone": "+49 170 5550199"}


class Acme(Speaker):
    """A tenant whose customer ``c1`` has an id that no other test's messages have."""

    def __init__(self) -> None:
        super().__init__(TenantFactory(configuration=RULES))
        self.own = f"c-{uuid4().hex}"

    def document(self, event_type: str, external_id: str = "c1", **options: Any) -> dict[str, Any]:
        return super().document(event_type, self.own if external_id == "c1" else external_id, **options)

    def customer(self, external_id: str = "c1") -> Customer:
        return super().customer(self.own if external_id == "c1" else external_id)

    def stages(self, external_id: str = "c1") -> list[str]:
        return super().stages(self.own if external_id == "c1" else external_id)


def erase(speaker: Acme, external_id: str = "c1", **options: Any) -> Any:
    with tenant_context(speaker.tenant.id):
        return erase_customer(
            speaker.own if external_id == "c1" else external_id,
            **{"tenant": speaker.tenant, "actor": ACTOR, "reason": "Asked", "now": utc_now(), **options},
        )


def export(speaker: Acme, external_id: str = "c1") -> Any:
    with tenant_context(speaker.tenant.id):
        own = speaker.own if external_id == "c1" else external_id
        exported = export_customer(own, tenant=speaker.tenant, actor=ACTOR, now=utc_now())
    return json.loads(orjson.dumps(exported, default=str))


def kill(speaker: Speaker, message: Message) -> DeadLetter:
    """The dead letter that becomes of a message."""
    (result,) = speaker.hear(receive(message))
    assert result.outcome == "dead", outcomes([result])
    with tenant_context(result.tenant_id):
        return DeadLetter.objects.get(topic=message.topic, partition=message.partition, offset=message.offset)


def dead_messages(speaker: Acme) -> dict[str, Message]:
    """Messages about c1 that cannot be applied, by what is wrong with them."""
    valid = speaker.document("customer.updated", contacts=[ZORA])
    broken = {**valid, "type": "nonsense"}
    slug, own = speaker.tenant.slug, speaker.own

    def raw(value: bytes, key: bytes | None = None) -> Message:
        return replace(as_message(value, topic="customer.updated"), key=key)

    return {
        "no key": raw(orjson.dumps(valid)),
        "another key": as_message(valid, topic="customer.updated", key=b"someone-else"),
        "a quoted key": as_message(broken, topic="customer.updated", key=f'"{own}"'.encode()),
        "a key in JSON": as_message(broken, topic="customer.updated", key=orjson.dumps({"id": own})),
        "an unknown type": as_message(broken, topic="customer.updated"),
        "a bare customer id": as_message(
            {**broken, "data": {"customer_id": str(speaker.customer().id), **ZORA}}, topic="x", key=b"k"
        ),
        "an unknown tenant": as_message({**valid, "tenantid": f"not-{slug}"}, topic="customer.updated"),
        "a quoted tenant": as_message({**valid, "tenantid": f'"{slug}"'}, topic="customer.updated"),
        "no tenant": as_message({**valid, "tenantid": None}, topic="customer.updated", key=b"k"),
        "no JSON, with a key": raw(b"Zora wants out", own.encode()),
        "no JSON, with an id": raw(f'{{"external_id": "{own}", "name": "Zora'.encode()),
        "no JSON, with the person": raw(f"{ZORA['email']} called".encode()),
        "the person in a header": as_message(
            broken, topic="customer.updated", headers=[("x-contact", ZORA["email"].encode())]
        ),
    }
