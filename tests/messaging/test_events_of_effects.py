"""An effect of kind event, from the change that starts it to the topic that other systems read."""

from typing import Any

import orjson

from lifecycle.models import EffectRun
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.effects.alerts import run_all
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.messaging.kafka import Broker, await_that
from tests.messaging.relay.conftest import broker, empty_outbox
from tests.messaging.relay.relaying import make_relay

__all__ = ["broker", "empty_outbox"]

TOPIC = "renewal.campaign.requested"
EFFECT = {"name": "Campaign", "kind": "event", "topic": TOPIC, "template": "spring", "on": "enter", "stages": ["Late"]}


def test_a_change_that_starts_an_event_arrives_in_its_topic(broker: Broker) -> None:
    tenant = TenantFactory(configuration={"stages": ["Early", "Late"], "effects": [EFFECT]})
    customer = CustomerFactory(tenant=tenant, external_id="C-7", stage="Early")
    call = Call(tenant, system_actor("tests"), "API", utc_now(), starts_effects=True)
    with tenant_context(tenant.id):
        apply(call, [Change(customer.id, "Late")])
    run_all()
    make_relay(broker, once=True).run()

    def arrived() -> list[Any]:
        """The effects of other tests that still wait are run as well, and what they start goes there too."""
        return [one for one in broker.read(TOPIC, 1) if one.key() == str(customer.id).encode()]

    (message,) = await_that(arrived)
    event = orjson.loads(message.value())
    with tenant_context(tenant.id):
        (run,) = EffectRun.objects.filter(tenant_id=tenant.id)
    assert run.state == "done"
    assert dict(message.headers())["content-type"] == b"application/cloudevents+json; charset=UTF-8"
    assert (event["id"], event["type"], event["tenantid"]) == (str(run.id), TOPIC, tenant.slug)
    data = event["data"]
    assert (data["external_id"], data["effect"], data["template"]) == ("C-7", "Campaign", "spring")
    assert (data["from_stage"], data["to_stage"], data["sequence"]) == ("Early", "Late", 2)
