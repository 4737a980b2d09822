"""Two at-risk rules, and what was reported of customers over a year."""

import datetime as dt

from lifecycle.rules.transitions import Change
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, apply, place
from tenants.actors import system_actor
from tests.factories import MINIMAL

ACTOR = system_actor("tests")
START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
NOW = START + dt.timedelta(days=300)
OVERDUE = {
    "name": "Overdue",
    "when": [{"field": "billing.overdue_percent", "op": "gt", "value": 10}],
    "for_days": 14,
    "action": "propose",
    "to": "At-Risk",
}
ISSUES = {
    "name": "Issues",
    "when": [{"field": "support.open_issues", "op": "ge", "value": 5}],
    "stages": ["Active"],
    "action": "move",
    "to": "At-Risk",
    "reason_code": "Many issues",
}
DOCUMENT = {**MINIMAL, "risk_rules": [OVERDUE, ISSUES]}


def at(days):
    return START + dt.timedelta(days=days)


def report(tenant, customer, days, now=NOW, **facts):
    fact = CustomerFacts(customer.external_id, "/tests", at(days), **facts)
    record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=now, create=False)


def move(tenant, customer, days, stage, *, first=False):
    change = Change(customer_id=customer.id, stage=stage, reason_code="So", effective_at=at(days))
    (outcome,) = (place if first else apply)(Call(tenant, ACTOR, "Import", NOW), [change], backdated=True)
    assert outcome.moved, outcome


OWNERS = {"ann": "amy", "bob": "amy", "cyd": "ben", "dan": ""}
