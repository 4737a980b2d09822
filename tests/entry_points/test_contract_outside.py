"""The contract beside the API: messages in and out, tables, the configuration's JSON, commands, targets, logins."""

import argparse
import datetime as dt
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import get_commands, load_command_class
from django.db import connection

from lifecycle.messaging.announcements import announce
from lifecycle.rules.envelopes import Event, Message, read_event
from lifecycle.services.demo.scenarios import PASSWORD, SCENARIOS
from lifecycle.services.events.outbox import HISTORY_COLUMNS, Pending
from tenants.rules.configuration.document import parse_configuration
from tests.factories import CONTRACT_EXAMPLE

ROOT = Path(__file__).parents[2]
PROFILE = {
    "external_id": "c1",
    "name": "Nimbus",
    "industry": "Retail",
    "segment": "SMB",
    "owner": "ann@acme.example",
    "contacts": [{"name": "Ann", "email": "ann@nimbus.example", "phone": "+44 20 7946 0000", "role": "CFO"}],
}
FIGURES = {
    "/billing": {
        "billing": {"currency": "EUR", "arr": 12000, "mrr": 1000, "balance_overdue": 0, "renewal_on": "2027-01-31"}
    },
    "/support": {"support": {"open_issues": 2, "csat": 4.5}},
}
RENEWED = {
    "external_id": "c1",
    "contract_id": "K-1",
    "signed_at": "2026-01-02T10:00:00Z",
    "starts_on": "2026-02-01",
    "ends_on": "2027-01-31",
    "arr": 12000,
}
CLOSED = {
    "external_id": "c1",
    "issue_id": "S-1",
    "severity": "high",
    "opened_at": "2026-01-01T10:00:00Z",
    "closed_at": "2026-01-02T10:00:00Z",
    "csat": 4,
    "open_issues": 1,
}
EVENTS_IN = [
    ("customer.created", "/crm", PROFILE),
    ("customer.updated", "/crm", PROFILE),
    *(("customer.updated", source, {"external_id": "c1", **part}) for source, part in FIGURES.items()),
    ("contract.renewed", "/billing", RENEWED),
    ("support.issue.closed", "/support", CLOSED),
]
COMMANDS = (
    *("consume_events", "relay_events", "run_effects", "load_demo", "import_customers", "seal_audit", "verify_audit"),
    *("export_audit", "dead_letters", "rebuild_facts", "forecast_churn"),
)
TARGETS = ("demo", "test", "check", "bench", "kafka-test")
LOGINS = {
    *(f"{who}@acme.example" for who in ("viewer", "manager", "admin", "workflow")),
    *(f"{who}@globex.example" for who in ("manager", "admin")),
}
TABLES = {
    "customer_lifecycle_status": (
        "id customer_id tenant_id stage stage_entered_at updated_by updated_at reason_code actor_kind"
    ),
    "customer_lifecycle_history": "id customer_id from_stage to_stage changed_at changed_by reason_code source",
}


@pytest.mark.parametrize("is_binary", [False, True], ids=["structured", "binary"])
@pytest.mark.parametrize(("name", "source", "data"), EVENTS_IN)
def test_an_event_with_every_key_of_the_contract_is_understood(name, source, data, is_binary):
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": "e-1",
        "source": source,
        "type": name,
        "time": "2026-01-02T10:00:00Z",
        "tenantid": "acme",
    }
    if is_binary:
        headers = tuple((f"ce_{key}", value.encode()) for key, value in envelope.items())
        message = Message(name, 0, 1, b"c1", orjson.dumps(data), (*headers, ("content-type", b"application/json")))
    else:
        message = Message(name, 0, 1, b"c1", orjson.dumps({**envelope, "data": data}))
    event = read_event(message)
    assert isinstance(event, Event), event
    assert (event.type, event.source, event.tenant, event.external_id, event.rejected) == (
        name,
        source,
        "acme",
        "c1",
        (),
    )
    assert event.data.keys() == data.keys()


def test_an_event_out_is_a_history_row_with_tenant_sequence_and_version():
    row = {column: f"<{column}>" for column in HISTORY_COLUMNS}
    now = dt.datetime.now(dt.UTC)
    value, headers = announce(
        Pending(1, now, None, "audit.lifecycle.updated", b"c1", None, (), now, row), tenant="acme"
    )
    event = orjson.loads(value or b"")
    assert (event["specversion"], event["type"], event["id"]) == ("1.0", "audit.lifecycle.updated", "<id>")
    wanted = f"{TABLES['customer_lifecycle_history']} tenant sequence configuration_version"
    assert set(wanted.split()) <= event["data"].keys() and event["data"]["tenant"] == "acme"
    assert dict(headers)["content-type"].startswith(b"application/cloudevents+json")


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_the_columns_of_the_contract(db, table):
    with connection.cursor() as cursor:
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
        assert set(TABLES[table].split()) <= {name for (name,) in cursor.fetchall()}


def test_the_configuration_of_the_contract_is_valid_as_it_is():
    assert parse_configuration(CONTRACT_EXAMPLE).stages[0] == "Prospect"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_the_contract_is_there(name):
    command = load_command_class(get_commands()[name], name)
    assert command.help
    if name == "dead_letters":
        parser = command.create_parser("manage.py", name)
        verbs = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
        assert set(verbs.choices) == {"list", "show", "replay", "discard"}


def test_what_make_does_is_what_the_contract_says():
    targets = {line.partition(":")[0] for line in (ROOT / "Makefile").read_text().splitlines()}
    assert set(TARGETS) <= targets
    variables = (ROOT / ".env.example").read_text()
    assert all(f"{name}=" in variables for name in ("DATABASE_URL", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS"))


def test_the_logins_of_the_demo_are_those_of_the_contract():
    people = {login.username for scenario in SCENARIOS for login in scenario.people}
    assert PASSWORD == "demo" and people >= LOGINS
    assert {scenario.slug for scenario in SCENARIOS} == {"acme", "globex"}
