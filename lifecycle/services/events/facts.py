"""What an event says of its customer, part by part: only the fields it brings."""

from collections.abc import Mapping
from typing import Any

from lifecycle.rules.envelopes import MOST_DEPTH, Event
from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.fields import BILLING, COMPANY, CONTACTS, SUPPORT
from lifecycle.services.customers.facts import ContactFacts, CustomerFacts


def to_facts(event: Event) -> CustomerFacts:
    """The facts of a valid event."""
    entry = EVENT_TYPES[event.type]
    written = entry.writes(event.data)
    people = written.get(CONTACTS)
    return CustomerFacts(
        external_id=event.external_id,
        source=event.source,
        occurred_at=event.time,
        event_id=event.id,
        company=written.get(COMPANY, {}),
        contacts=None if people is None else [_contact(person) for person in people],
        billing=written.get(BILLING, {}),
        support=written.get(SUPPORT, {}),
        only_of=entry.only_of,
        depth=min(event.depth + 1, MOST_DEPTH),
    )


def _contact(person: Mapping[str, Any]) -> ContactFacts:
    return ContactFacts(person["name"], person.get("email"), person.get("phone"), person.get("role") or "")
