"""A person is planted wherever the product keeps or writes anything, and erased; then all of it is searched.

The search is that of somebody who holds every key: it reads the bytes of every table (the catalogue says which there
are), every key and value in Valkey, what the processes log, and the topics that the product writes, and it opens
whatever the keys that are left can open. Before the erasure it finds the person in every place named below, so that a
place in which it would find no one is noticed.
"""

import base64
import csv
import datetime as dt
import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import orjson
import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django_redis import get_redis_connection

from audit.services.message_encryption import decrypt_message
from lifecycle.models import NO_TENANT
from lifecycle.services.customers.profiles import PROFILE_KEY
from lifecycle.services.imports.uploads import store_upload
from storage import cipher
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.conftest import make_people
from tests.factories import TenantFactory, utc_now
from tests.messaging.kafka import Broker, start_command
from tests.messaging.speaking import RULES, Speaker

OPERATOR = system_actor("tests")
TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
# Where the person is planted. The test fails if the search does not find them there before.
PLANTED = {
    "table lifecycle_customer",
    "table lifecycle_contact",
    "table lifecycle_deadletter",
    "table lifecycle_parkedevent",
    "table lifecycle_importpart",
    "table lifecycle_idempotentrequest",
    "table audit_former_name",
    "table audit_outbox",
    "table audit_refused_attempt",
    "table customer_lifecycle_history",
    "valkey figures",
    "valkey profile",
}


class Person:
    """Somebody with a name, an address and so on that no one else in the world has."""

    def __init__(self) -> None:
        mark = uuid4().hex
        digits = str(int(mark[:8], 16)).zfill(10)
        self.contact = {
            "name": f"Zora Quetzal-{mark}",
            "email": f"zora.{mark}@quetzal.example",
            "phone": f"+49 170 {digits}",
        }
        self.company = f"Quetzal {mark} Ltd"
        self.note = f"She said, {mark}, that she is leaving"
        # Of the customer, and no one's name: it stays.
        self.customer = f"c-{uuid4().hex}"
        self.words = [*self.contact.values(), self.company, self.note, mark]

    def is_in(self, raw: bytes) -> bool:
        """Whether any of it stands in the bytes: as it is, as JSON writes it, in hex, in base64, in UTF-16."""
        lowered = raw.lower()
        return any(form.lower() in lowered for word in self.words for form in self._forms(word))

    @staticmethod
    def _forms(word: str) -> Iterator[bytes]:
        plain = word.encode()
        yield from (plain, json.dumps(word)[1:-1].encode(), plain.hex().encode(), word.encode("utf-16-le"))
        for shift in range(3):
            yield base64.b64encode(b"\0" * shift + plain)[4:-4]


class Search:
    """Everything that is kept, opened as far as the keys go."""

    def __init__(self, tenant: TenantRef) -> None:
        self.tenant = tenant
        name = connections["default"].settings_dict["NAME"]
        self.admin = psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True)
        rows = self.admin.execute(
            "SELECT subject_id, wrapped FROM audit_data_key WHERE tenant_id = %s", [tenant.id]
        ).fetchall()
        self.keys = [cipher.unwrap(wrapped, tenant_id=tenant.id, subject_id=subject) for subject, wrapped in rows]

    def find(self, person: Person) -> set[str]:
        """The places in which the person stands."""
        places = {place for place, raw in (*self._walk_tables(), *self._walk_valkey()) if person.is_in(raw)}
        self.admin.close()
        return places

    def _walk_tables(self) -> Iterator[tuple[str, bytes]]:
        tables = [table for (table,) in self.admin.execute(TABLES).fetchall()]
        assert len(tables) > 30
        for table in tables:
            with self.admin.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                for row in cursor.execute(f"SELECT * FROM {table}"):
                    if row.get("tenant_id", self.tenant.id) in (self.tenant.id, NO_TENANT, None):
                        yield from ((f"table {table}", raw) for raw in self._open_row(table, row))

    def _open_row(self, table: str, row: dict[str, Any]) -> Iterator[bytes]:
        yield orjson.dumps(row, default=lambda value: bytes(value).hex() if isinstance(value, bytes) else str(value))
        for header in row.get("headers") or ():
            if isinstance(header, list) and header[1]:
                yield base64.b64decode(header[1])
        for column, value in row.items():
            if isinstance(value, bytes):
                yield value
                yield from self._open(table, column, row, value)

    def _open(self, table: str, column: str, row: dict[str, Any], value: bytes) -> Iterator[bytes]:
        """With every key that there is."""
        ids = [one for one in row.values() if isinstance(one, UUID)]
        if "principal" in row:
            ids.append(uuid5(NAMESPACE_URL, f"{row['principal']}|{row['key']}"))
        tenant_id = row.get("tenant_id") or NO_TENANT
        attempts = [lambda one=one: decrypt_message(value, tenant_id=tenant_id, row_id=one) for one in ids]
        for key in self.keys:
            bound_to = cipher.binding(table, column, row.get("id"), tenant_id)
            attempts.append(lambda key=key, bound_to=bound_to: cipher.decrypt_bytes(key, value, bound_to=bound_to))
        for attempt in attempts:
            try:
                yield attempt()
            except (cipher.Undecryptable, ValueError):
                continue

    def _walk_valkey(self) -> Iterator[tuple[str, bytes]]:
        client = get_redis_connection("default")
        readers = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": client.smembers,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            # It has ended since the key was named.
            b"none": lambda _: b"",
        }
        for key in client.scan_iter("*", count=1000):
            kept = readers[client.type(key)](key)
            place = f"valkey {key.rsplit(b':', 1)[-1].decode(errors='replace')}"
            yield place, key
            yield place, kept if isinstance(kept, bytes) else repr(kept).encode()
            parts = key.split(b":")
            if isinstance(kept, bytes) and parts[-1] == b"profile":
                bound_to = f"{PROFILE_KEY}|{parts[1].decode()}|{parts[2].decode()}".encode()
                for start in range(len(kept)):
                    if kept[start : start + 1] == cipher.VALUE:
                        try:
                            opened = cipher.decrypt_bytes(
                                cipher.derive_key(PROFILE_KEY), kept[start:], bound_to=bound_to
                            )
                        except cipher.Undecryptable:
                            continue
                        yield place, opened


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
    """A note, a refused attempt that names the person, answers that are kept, and everything cached."""
    manager = api_client(people.account_manager)
    customer = speaker.customer(person.customer)
    address = f"/api/v1/customers/{customer.id}"
    key = {"Idempotency-Key": uuid4().hex}
    moved = manager.patch(f"{address}/lifecycle", {"stage": "Onboarded", "note": person.note}, headers=key)
    assert moved.status_code == 200, moved.content
    assert manager.patch(f"{address}/lifecycle", {"stage": person.contact["name"]}).status_code == 400
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
    speaker = Speaker(TenantFactory(configuration=RULES))
    tenant = speaker.tenant
    people = make_people(tenant)
    broker.make_topics()
    with connections["relay"].cursor() as cursor:
        # What other tests have left to publish.
        cursor.execute("UPDATE audit_outbox SET published_at = clock_timestamp() WHERE published_at IS NULL")
    connections["relay"].close()
    renewing = {"currency": "EUR", "arr": "100", "renewal_on": (utc_now() + dt.timedelta(days=20)).date().isoformat()}
    broker.send(speaker.document("customer.created", person.customer, name=person.company, contacts=[person.contact]))
    broker.send(speaker.document("customer.updated", person.customer, source="/billing", billing=renewing))
    broker.send(speaker.document("customer.updated", person.customer, name=f"{person.company}, formerly"))
    broker.flush()
    logs = [consume(broker)]
    dead = plant_messages(speaker, broker, person)
    logs.append(consume(broker))
    customer = use_api(speaker, people, api_client, person)
    open_home(page_client, people, person, customer)
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


def test_valkey_writes_nothing_to_disk(db: None) -> None:
    client = get_redis_connection("default")
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("appendonly") == {"appendonly": "no"}
