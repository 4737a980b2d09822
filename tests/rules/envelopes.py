"""A good event, and what is read of one as a message brings it."""

from typing import Any

from lifecycle.rules.envelopes import Event, Invalid, read_event
from tests.messaging.speaking import as_message

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/crm",
    "type": "customer.created",
    "time": "2026-03-02T13:30:00.25+01:00",
    "tenantid": "acme",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "data": {"external_id": "c1", "name": "Acme"},
}


def read(document: Any, *, key: bytes | None = b"c1", **options: Any) -> Event | Invalid:
    return read_event(as_message(document, topic="t", key=key, **options))


def code(document: Any, **options: Any) -> str:
    found = read(document, **options)
    return found.code if isinstance(found, Invalid) else "valid"
