"""What an event says of its customer, part by part: only the fields it brings."""

from collections.abc import Mapping
from typing import Any, Final

from lifecycle.rules.envelopes import Event
from lifecycle.rules.schemas import parse_time
from lifecycle.services.customers.recording import COMPANY_FIELDS, ContactFacts, CustomerFacts

_BILLING_FIELDS: Final = ("currency", "arr", "mrr", "balance_overdue", "renewal_on")
# Field of the data -> column, for the types that do not write columns by their names.
_CONTRACT: Final = {"contract_id": "contract_id", "starts_on": "contract_starts_on", "arr": "arr"}
_ISSUE: Final = {"issue_id": "last_issue_id", "severity": "last_issue_severity"}


def to_facts(event: Event) -> CustomerFacts:
    """The facts of a valid event."""
    data = event.data
    company: Mapping[str, Any] = {}
    contacts = None
    billing: Mapping[str, Any] = {}
    support: Mapping[str, Any] = {}
    if event.type == "contract.renewed":
        billing = _contract_facts(data)
    elif event.type == "support.issue.closed":
        support = _issue_facts(data)
    else:
        company = {name: data[name] for name in COMPANY_FIELDS if name in data}
        given = data.get("billing", {})
        billing = {name: given[name] for name in _BILLING_FIELDS if name in given}
        support = _scores(data.get("support", {}))
        if "contacts" in data:
            contacts = [_contact(person) for person in data["contacts"]]
    return CustomerFacts(
        external_id=event.external_id,
        source=event.source,
        occurred_at=event.time,
        event_id=event.id,
        company=company,
        contacts=contacts,
        billing=billing,
        support=support,
    )


def _contract_facts(data: Mapping[str, Any]) -> dict[str, Any]:
    facts = {column: data[name] for name, column in _CONTRACT.items() if name in data}
    if "ends_on" in data:
        # A contract is to be renewed when it ends.
        facts["contract_ends_on"] = facts["renewal_on"] = data["ends_on"]
    return facts


def _issue_facts(data: Mapping[str, Any]) -> dict[str, Any]:
    facts = {column: data[name] for name, column in _ISSUE.items() if name in data}
    if "closed_at" in data:
        closed_at = data["closed_at"]
        facts["last_issue_closed_at"] = parse_time(closed_at) if closed_at else None
    return facts | _scores(data)


def _scores(data: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name in ("open_issues", "csat"):
        if name in data:
            facts[name] = data[name]
    return facts


def _contact(person: Mapping[str, Any]) -> ContactFacts:
    return ContactFacts(person["name"], person.get("email"), person.get("phone"), person.get("role") or "")
