"""A relay that runs, what waits for it, and what came out."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
from django.db import connections

from lifecycle.messaging.process import HealthFile, Progress
from lifecycle.messaging.relay import Relay
from lifecycle.rules.transitions import Change
from lifecycle.services.events import outbox
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.messaging.kafka import PATIENCE, Broker, Flag, Quiet
from tests.messaging.speaking import Speaker

LIFECYCLE = "audit.lifecycle.updated"
DEAD_LETTERS = "lifecycle.dead-letter"


def make_relay(broker: Broker, **options: Any) -> Relay:
    progress = Progress("messages", output=Quiet(), describe=str)
    return Relay(
        **{"stop": Flag(), "health": HealthFile(None), "progress": progress, "prefix": broker.prefix, **options}
    )


@contextmanager
def relaying(broker: Broker) -> Iterator[Relay]:
    """A relay at work in a thread of its own."""
    import threading

    relay = make_relay(broker)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            relay.run()
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.stop.set()  # type: ignore[attr-defined]
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert failures == []


def move(acme: Speaker, customer_id: UUID, stage: str, **options: Any) -> None:
    with tenant_context(acme.tenant.id):
        change = Change(customer_id, stage, **options)
        (outcome,) = apply(Call(acme.tenant, system_actor("tests"), "API", dt.datetime.now(dt.UTC)), [change])
        assert outcome.moved


def pending() -> int:
    return outbox.measure()[0]


def ids_of(messages: list[Any]) -> list[str]:
    return [orjson.loads(message.value())["id"] for message in messages]
