"""A person is planted wherever the product keeps or writes anything, and erased; then all of it is searched.

The search is that of somebody who holds every key: it reads the bytes of every table (the catalogue says which there
are), every key and value in Valkey, what the processes log, and the topics that the product writes, and it opens
whatever the keys that are left can open. Before the erasure it finds the person in every place named below, so that a
place in which it would find no one is noticed.
"""

import csv
import datetime as dt
import io
import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connections
from django_redis import get_redis_connection

from lifecycle.models import EffectRun, FigureChange, RiskFiring
from lifecycle.services.imports.uploads import store_upload
from lifecycle.services.risk.proposals import dismiss_proposal
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.conftest import make_people
from tests.effects.alerts import run_all
from tests.factories import TenantFactory, utc_now
from tests.messaging.kafka import Broker, leave_nothing_waiting, start_command
from tests.messaging.searching import Person, Search
from tests.messaging.speaking import RULES, Speaker

OPERATOR = system_actor("tests")
# Where the person is planted. The test fails if the search does not find them there before.
PLANTED = {
    "table lifecycle_customer",
    "table lifecycle_contact",
    "table lifecycle_deadletter",
    "table lifecycle_parkedevent",
    "table lifecycle_importpart",
    "table lifecycle_idempotentrequest",
    "table lifecycle_note",
    "table lifecycle_noteversion",
    "table lifecycle_task",
    "table lifecycle_snooze",
    "table lifecycle_notification",
    "table lifecycle_effect",
    "table lifecycle_figurechange",
    "table lifecycle_risk_firing",
    "table audit_former_name",
    "table audit_outbox",
    "table audit_refused_attempt",
    "table customer_lifecycle_history",
    "valkey figures",
    "valkey profile",
}
# What is kept of a customer without anyone's words or names: figures, stages, times and counts.
WITHOUT_WORDS = {
    "table customer_lifecycle_status",
    "table lifecycle_billingfigures",
    "table lifecycle_bulkchangeitem",
    "table lifecycle_forecast",
    "table lifecycle_insight_state",
    "table lifecycle_risk_episode",
    "table lifecycle_risk_state",
    "table lifecycle_stay",
    "table lifecycle_supportfigures",
}
WELCOME = {
    "name": "Welcome",
    "on": "enter",
    "stages": ["Onboarded"],
    "kind": "alert",
    "to": ["owner"],
    "subject": "{{ customer.name }} has signed",
    "body": "Say hello to {{ customer.name }}.",
}


def run(broker: Broker, *arguments: str) -> str:
    """A command as production runs it; what it writes, which is its log."""
    process = start_command(*arguments, KAFKA_TOPIC_PREFIX=broker.prefix, LOG_FORMAT="ecs", LOG_LEVEL="DEBUG")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output[-3000:]
    return output


def consume(broker: Broker) -> str:
    return run(broker, "consume_events", "--once", "--topics", *broker.topics, "--group", broker.group)


def plant_messages(speaker: Speaker, broker: Broker, person: Person) -> int:
    """Messages about the customer that cannot be applied, and one that waits; how many of them die."""
    own = person.customer.encode()
    valid = speaker.document(
        "customer.updated", person.customer, minutes=1, name=person.company, contacts=[person.contact]
    )
    headers = {"headers": [("x-contact", person.contact["email"].encode()), ("x-none", None)]}
    dead: list[tuple[Any, bytes | None]] = [
        ({**valid, "type": "nonsense"}, own),
        ({**valid, "type": "nonsense"}, b'"%b"' % own),
        (valid, person.contact["email"].encode()),
        ({**valid, "tenantid": f"{speaker.tenant.slug}-misspelt"}, own),
        ({**valid, "tenantid": speaker.tenant.slug.upper()}, own),
        (f"{person.contact['name']} called".encode(), None),
        (b'{"external_id": "%b", "note": "%b' % (own, person.note.encode()), None),
        (orjson.dumps(valid)[:-2], own),
    ]
    for document, key in dead:
        value = document if isinstance(document, bytes) else orjson.dumps(document)
        broker.send(value, topic="customer.updated", key=key, **headers)
    # A key of its own is taken where it is missing.
    broker.send(orjson.dumps(valid), topic="customer.updated", key=None, **headers)
    broker.send(speaker.document("customer.updated", f"{person.customer}-9", contacts=[person.contact]), **headers)
    broker.flush()
    return len(dead) + 1


def use_api(speaker: Speaker, people: Any, api_client: Any, person: Person) -> Any:
    """Words about the person wherever people write them, a refused attempt that names them, and everything cached."""
    manager = api_client(people.account_manager)
    customer = speaker.customer(person.customer)
    address = f"/api/v1/customers/{customer.id}"
    key = {"Idempotency-Key": uuid4().hex}
    moved = manager.patch(f"{address}/lifecycle", {"stage": "Onboarded", "note": person.note}, headers=key)
    assert moved.status_code == 200, moved.content
    assert manager.patch(f"{address}/lifecycle", {"stage": person.contact["name"]}).status_code == 400
    note = manager.post(f"{address}/notes", {"text": person.note}).json()
    edited = manager.patch(f"{address}/notes/{note['id']}", {"text": f"{person.note} soon"})
    assert edited.status_code == 200, edited.content
    assert manager.post(f"{address}/tasks", {"title": person.note}).status_code == 201
    pinned = manager.put(f"{address}/pins/segment", {"value": "Large", "reason": person.note})
    assert pinned.status_code == 200, pinned.content
    for path in ("", "/lifecycle", "/lifecycle/summary", "/lifecycle/history"):
        assert manager.get(f"{address}{path}").status_code == 200
    assert manager.get("/api/v1/customers", {"search": person.contact["email"]}).json()["results"]
    return customer


def open_home(page_client: Any, people: Any, person: Person, customer: Any) -> None:
    """The first page, whose short lists are kept for everyone: the person's company comes to its renewal."""
    for _ in range(2):
        shown = page_client(people.viewer).get("/").content.decode()
        assert person.company in shown[shown.index("Renewals due soon") :]
    client = get_redis_connection("default")
    kept = b"".join(client.get(key) for key in client.scan_iter(f"c360:{customer.tenant_id}:totals:*"))
    assert str(customer.id).encode() in kept


def put_aside(page_client: Any, people: Any, person: Person, customer: Any) -> None:
    sent = {"customer": [str(customer.id)], "reason": person.note, "until": ""}
    assert page_client(people.account_manager).post("/snooze", sent).status_code in (200, 302)


def notify_owner(tenant: TenantRef) -> None:
    run_all()
    with tenant_context(tenant.id):
        assert list(EffectRun.objects.filter(effect="Welcome").values_list("state", flat=True)) == ["done"]


def plant_rows(tenant: TenantRef, customer: Any, person: Person) -> None:
    """What an endpoint answered, who owned the customer before, and why a proposal was dismissed."""
    of_customer = {"tenant_id": tenant.id, "customer_id": customer.id}
    with tenant_context(tenant.id):
        EffectRun.objects.filter(**of_customer).update(last_attempt={"answer": person.note})
        past = {"effective_at": utc_now(), "recorded_at": utc_now(), "source": "/crm"}
        FigureChange.objects.create(**of_customer, **past, figures={"owner": person.contact["name"]})
        fired = {name: utc_now() for name in ("since", "fired_at", "created_at")}
        judged = {"rule": "Quiet", "configuration_version": 1, "from_stage": "Onboarded", "to_stage": "At-Risk"}
        proposal = RiskFiring.objects.create(**of_customer, **fired, **judged, state="open")
        arguments = {"tenant": tenant, "actor": OPERATOR, "now": utc_now()}
        dismiss_proposal(proposal.id, customer.id, reason=person.note, **arguments)


def plant_answer(tenant: TenantRef, customer: Any, person: Person) -> None:
    """An answer that names the person: none of today's does, and one of tomorrow's may."""
    from lifecycle.services.transitions.idempotency import KeptResponse, claim_key, keep_answer

    with tenant_context(tenant.id):
        for key, customer_ids in (("filed", [customer.id]), ("not filed", None)):
            claim = claim_key(key, principal="p", fingerprint=b"f", tenant=tenant, now=utc_now())
            keep_answer(claim, KeptResponse(200, {}, orjson.dumps(person.contact)), customer_ids=customer_ids)


def plant_upload(tenant: TenantRef, person: Person) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows(
        [
            ["external_id", "name", "contact_name", "contact_email"],
            [person.customer, person.company, *list(person.contact.values())[:2]],
        ]
    )
    raw = text.getvalue().encode()
    with tenant_context(tenant.id):
        store_upload(
            io.BytesIO(raw), name="people.csv", size=len(raw), kind="csv", tenant=tenant, actor=OPERATOR, now=utc_now()
        )


def read_topics(broker: Broker, counts: dict[str, int]) -> dict[str, list[bytes]]:
    """Keys, values and headers of the topics."""
    found: dict[str, list[bytes]] = {}
    for name, count in counts.items():
        messages = broker.read(name, count) if count else []
        assert len(messages) == count, name
        found[name] = [
            part
            for message in messages
            for part in (message.key(), message.value(), *(value for _, value in message.headers() or ()))
            if part is not None
        ]
    return found


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What this process logs, line by line."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    processor = Keep()
    processor.setFormatter(logging.getLogger().handlers[0].formatter if logging.getLogger().handlers else None)
    logging.getLogger().addHandler(processor)
    yield lines
    logging.getLogger().removeHandler(processor)


def test_no_one_who_is_erased_is_found_anywhere(db: None, api_client: Any, page_client: Any, logged: list[str]) -> None:
    broker, person = Broker(), Person()
    speaker = Speaker(TenantFactory(configuration={**RULES, "effects": [WELCOME]}))
    tenant = speaker.tenant
    people = make_people(tenant)
    broker.make_topics()
    leave_nothing_waiting()
    with connections["relay"].cursor() as cursor:
        # What other tests have left to publish.
        cursor.execute("UPDATE audit_outbox SET published_at = clock_timestamp() WHERE published_at IS NULL")
    connections["relay"].close()
    renewing = {"currency": "EUR", "arr": "100", "renewal_on": (utc_now() + dt.timedelta(days=20)).date().isoformat()}
    known = {"name": person.company, "contacts": [person.contact], "owner": people.viewer.username}
    broker.send(speaker.document("customer.created", person.customer, **known))
    broker.send(speaker.document("customer.updated", person.customer, source="/billing", billing=renewing))
    broker.send(speaker.document("customer.updated", person.customer, name=f"{person.company}, formerly"))
    broker.flush()
    logs = [consume(broker)]
    dead = plant_messages(speaker, broker, person)
    logs.append(consume(broker))
    customer = use_api(speaker, people, api_client, person)
    open_home(page_client, people, person, customer)
    put_aside(page_client, people, person, customer)
    notify_owner(tenant)
    plant_rows(tenant, customer, person)
    plant_answer(tenant, customer, person)
    plant_upload(tenant, person)
    found = Search(tenant).find(person)
    assert PLANTED - found == set()

    admin = api_client(people.tenant_admin)
    exported = admin.post(f"/api/v1/customers/{customer.id}/export", {"reason": "Asked"}).json()
    assert (len(exported["dead_letters"]), exported["withheld_messages"]) == (dead, 0)
    erased = admin.post(f"/api/v1/customers/{customer.id}/erase", {"reason": "Asked", "company": True}).json()
    counts = [erased[name] for name in ("contacts", "messages", "answers", "uploads")]
    # Two answers that name the person, and that to the change.
    assert counts == [1, dead, 3, 1]
    logs.append(run(broker, "erase_customer", f"{person.customer}-9", "--tenant", tenant.slug, "--reason", "Asked"))
    assert Search(tenant).find(person) == set()

    # Neither is anything sent that was to be sent, nor kept what comes later.
    valid = speaker.document("customer.updated", person.customer, name=person.company, contacts=[person.contact])
    later = {
        "topic": "customer.updated",
        "key": person.customer.encode(),
        "headers": [("x-contact", person.contact["email"].encode())],
    }
    broker.send(orjson.dumps({**valid, "type": "nonsense"}), **later)
    broker.send(orjson.dumps({**valid, "source": "/billing"}), **later)
    broker.send(speaker.document("customer.created", person.customer, name=person.company, contacts=[person.contact]))
    broker.flush()
    logs.append(consume(broker))
    logs.append(run(broker, "relay_events", "--once"))
    assert Search(tenant).find(person) == set()
    topics = read_topics(broker, {"lifecycle.dead-letter": 2, "audit.lifecycle.updated": 2, "customer.created": 2})
    assert [name for name, parts in topics.items() if any(map(person.is_in, parts))] == ["customer.created"], (
        "what a module has written stays in its own topic, and nowhere else"
    )
    for address in ("", f"/{customer.id}", f"/{customer.id}/lifecycle/summary", f"/{customer.id}/lifecycle/history"):
        answer = admin.get(f"/api/v1/customers{address}")
        assert answer.status_code == 200 and not person.is_in(answer.content), address
    page = page_client(people.account_manager)
    assert person.customer in page.get("/customers").content.decode()
    for word in person.words:
        assert admin.get("/api/v1/customers", {"search": word}).json()["results"] == []
        assert person.customer not in page.get("/customers", {"search": word}).content.decode()
    assert len(logs) == 5 and len(logged) >= 2
    assert [line for line in (*"".join(logs).splitlines(), *logged) if person.is_in(line.encode())] == []


def test_the_person_is_planted_in_every_table_that_could_name_them(db: None) -> None:
    """A table that is added is planted above, or said to hold no words."""
    tables = Search(TenantFactory()).list_tables_of_customers()
    assert WITHOUT_WORDS - tables == set() == WITHOUT_WORDS & PLANTED
    assert tables - PLANTED - WITHOUT_WORDS == set()


def test_valkey_writes_nothing_to_disk(db: None) -> None:
    client = get_redis_connection("default")
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("appendonly") == {"appendonly": "no"}
