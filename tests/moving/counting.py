"""What both servers, the topic and the clients say afterwards, compared: nothing lost, doubled or out of order."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from tests.moving.load import Outcomes
from tests.moving.world import World, ask

TOPIC = "audit.lifecycle.updated"
# A broker on a busy machine is late, and not away.
ANSWER_SECONDS = 60
TENANT_TABLES = """
SELECT table_name, column_name FROM information_schema.columns
 WHERE table_schema = 'public' AND (column_name = 'tenant_id' OR (table_name = 'tenants_tenant' AND column_name = 'id'))
   AND table_name NOT IN ('tenants_home', 'audit_departure')
"""


def count_changes(world: World, server: str, tenant_id: UUID, outcomes: Outcomes, changed_by: str) -> Iterator[str]:
    """Every confirmed change is in the history where the tenant lives, and nothing that no one asked for."""
    rows = ask(
        world.address(server),
        "SELECT customer_id::text, sequence, to_stage FROM customer_lifecycle_history"
        " WHERE tenant_id = %s AND changed_by = %s AND source = 'API'",
        [tenant_id, changed_by],
    )
    found = {(customer, sequence): stage for customer, sequence, stage in rows}
    lost = [key for key, stage in outcomes.confirmed.items() if found.get(key) != stage]
    if lost:
        yield f"{len(lost)} confirmed changes are lost, the first is {lost[0]}"
    unknown = sum(count for what, count in outcomes.answers.items() if what.startswith(("PATCH 0", "PATCH 5")))
    more = len(found) - outcomes.rows_before - len(outcomes.confirmed)
    if more > unknown:
        yield f"{more} changes more than were confirmed, and only {unknown} whose end was not known"
    yield from outcomes.stale[:3]


def count_events(world: World, server: str, tenant_id: UUID, outcomes: Outcomes) -> Iterator[str]:
    """Every event was dealt with once, and the last of each customer is what is known of them."""
    rows = ask(
        world.address(server),
        "SELECT event_id, count(*) FROM lifecycle_inboxevent WHERE tenant_id = %s GROUP BY 1",
        [tenant_id],
    )
    seen = Counter(dict(rows))
    lost = [event_id for event_id in outcomes.events if not seen[event_id]]
    doubled = [event_id for event_id in outcomes.events if seen[event_id] > 1]
    if lost:
        yield f"{len(lost)} of {len(outcomes.events)} events are lost; {_trace(world, server, lost[0])}"
    if doubled:
        yield f"{len(doubled)} events were dealt with twice"
    last: dict[str, int] = {}
    for external_id, number in outcomes.events.values():
        last[external_id] = max(number, last.get(external_id, 0))
    known = dict(
        ask(
            world.address(server),
            "SELECT external_id, segment FROM lifecycle_customer WHERE tenant_id = %s",
            [tenant_id],
        )
    )
    wrong = [one for one, number in last.items() if known.get(one) != f"n{number}"]
    if wrong:
        yield f"{len(wrong)} customers do not have the last that was said of them, the first is {wrong[0]}"
    dead = ask(world.address(server), "SELECT count(*) FROM lifecycle_deadletter WHERE tenant_id = %s", [tenant_id])
    if dead[0][0]:
        yield f"{dead[0][0]} dead letters"


def _trace(world: World, server: str, event_id: str) -> str:
    """Where a lost event lies in the broker's log, and when those beside it were received."""
    logs: dict[int, list[tuple[int, str]]] = {}
    for raw in read_raw(world.env["KAFKA_BOOTSTRAP_SERVERS"], "customer.updated"):
        logs.setdefault(raw.partition(), []).append((raw.offset(), json.loads(raw.value())["id"]))
    for number, log in logs.items():
        for at, (offset, id_) in enumerate(log):
            if id_ == event_id:
                beside = dict(log[max(0, at - 3) : at + 4])
                rows = ask(
                    world.address(server),
                    "SELECT event_id, received_at::text FROM lifecycle_inboxevent WHERE event_id = ANY(%s)",
                    [list(beside.values())],
                )
                received = {place: dict(rows).get(one) for place, one in beside.items()}
                return f"the broker has the first at {offset} of partition {number}; received: {received}"
    return f"the broker does not have the first, {event_id}, which it had confirmed"


def count_effects(world: World, server: str, tenant_id: UUID, *, crashed: bool) -> Iterator[str]:
    """Every alert that a change started was delivered once: each is one notification.

    ``crashed``: workers died, so that some do not know whether they had been delivered already; none was twice.
    """
    (row,) = ask(
        world.address(server),
        "SELECT count(*), count(*) FILTER (WHERE state IN ('done', 'suppressed', 'held')),"
        "       count(*) FILTER (WHERE may_be_twice)"
        "  FROM lifecycle_effect WHERE tenant_id = %s AND kind = 'alert'",
        [tenant_id],
    )
    planned, done, twice = row
    if not planned:
        yield "no change started an alert: the effects prove nothing"
    if done != planned:
        yield f"{planned - done} of {planned} alerts were not delivered"
    if twice and not crashed:
        yield f"{twice} alerts may have been delivered twice"
    (notified,) = ask(
        world.address(server),
        "SELECT count(*), count(DISTINCT effect_id) FROM lifecycle_notification WHERE tenant_id = %s",
        [tenant_id],
    )
    if notified[0] != notified[1]:
        yield f"{notified[0] - notified[1]} notifications are doubled"


def count_published(world: World, servers: dict[UUID, str], *, crashed: bool) -> Iterator[str]:
    """Every history row of both tenants was published, and those of a customer first came in their order.

    ``crashed``: relays and servers died, after which what was not marked as published is published again.
    """
    history = {
        tenant_id: [
            id_
            for (id_,) in ask(
                world.address(server),
                "SELECT id::text FROM customer_lifecycle_history WHERE tenant_id = %s",
                [tenant_id],
            )
        ]
        for tenant_id, server in servers.items()
    }
    published: Counter[str] = Counter()
    last: dict[str, int] = {}
    left = {id_ for ids in history.values() for id_ in ids}
    for message in read_topic(world.env["KAFKA_BOOTSTRAP_SERVERS"], is_whole=lambda: not left):
        data = message["data"]
        published[data["id"]] += 1
        left.discard(data["id"])
        if published[data["id"]] == 1:
            if data["sequence"] <= last.get(data["customer_id"], 0):
                yield f"customer {data['customer_id']}: {data['sequence']} after {last[data['customer_id']]}"
            last[data["customer_id"]] = data["sequence"]
    for tenant_id, server in servers.items():
        lost = [id_ for id_ in history[tenant_id] if not published[id_]]
        if lost:
            known = ask(
                world.address(server),
                "SELECT h.customer_id, h.sequence, h.recorded_at, o.published_at FROM customer_lifecycle_history h"
                " LEFT JOIN audit_outbox o ON o.tenant_id = h.tenant_id AND o.history_id = h.id WHERE h.id = %s",
                [lost[0]],
            )
            yield f"{len(lost)} of {len(history[tenant_id])} changes were not published, the first is {known}"
    doubled = sum(count - 1 for count in published.values())
    if doubled and not crashed:
        yield f"{doubled} messages were published twice, and no relay was killed"


def read_topic(
    brokers: str, topic: str = TOPIC, *, is_whole: Callable[[], bool] = lambda: True
) -> Iterator[dict[str, Any]]:
    """The document of every message of a topic, in order for each partition. ``is_whole`` as in ``read_raw``."""
    for message in read_raw(brokers, topic, is_whole=is_whole):
        yield json.loads(message.value())


def read_raw(brokers: str, topic: str, *, is_whole: Callable[[], bool] = lambda: True) -> Iterator[Any]:
    """Every message of a topic, in order for each partition.

    The embedded broker does not always say where a log ends: what it says is the least, and silence is the end. Where
    the machine is busy there is silence before it, too: until ``is_whole``, by what was read so far, it is waited for.
    """
    settings = {"bootstrap.servers": brokers, "group.id": "counting", "enable.auto.commit": False}
    settings["enable.partition.eof"] = True
    consumer = Consumer(settings)
    try:
        numbers = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].partitions
        places = [TopicPartition(topic, number) for number in numbers]
        ends = {one.partition: consumer.get_watermark_offsets(one, timeout=ANSWER_SECONDS)[1] for one in places}
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
        quiet_at, at = time.monotonic() + 3, dict.fromkeys(numbers, 0)
        while time.monotonic() < quiet_at or any(at[number] < end for number, end in ends.items()) or not is_whole():
            for message in consumer.consume(1000, 0.2):
                if (error := message.error()) is None:
                    at[message.partition()] = message.offset() + 1
                    quiet_at = time.monotonic() + 2
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    # Behind the marks of transactions, which have offsets and are no messages.
                    at[message.partition()] = message.offset()
            if time.monotonic() > quiet_at + 30:
                if all(at[number] >= end for number, end in ends.items()):
                    # What is not there by now is lost.
                    return
                raise RuntimeError(f"{topic} cannot be read beyond {at} of {ends}")
    finally:
        consumer.close()


def count_left(world: World, server: str, tenant_id: UUID) -> Iterator[str]:
    """Nothing of the tenant is left where it does not live, nor of what moved it."""
    for table, column in ask(world.address(server), TENANT_TABLES):
        (count,) = ask(world.address(server), f'SELECT count(*) FROM "{table}" WHERE {column} = %s', [tenant_id])[0]
        if count:
            yield f"{count} rows of {table} are left on {server}"
    for what, query in (
        ("triggers", "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'moving%%'"),
        ("policies", "SELECT count(*) FROM pg_policy WHERE polname LIKE 'moving%%'"),
        ("slots", "SELECT count(*) FROM pg_replication_slots"),
        ("publications", "SELECT count(*) FROM pg_publication"),
        ("subscriptions", "SELECT count(*) FROM pg_subscription"),
    ):
        for name in ("main", "b"):
            (count,) = ask(world.address(name), query.replace("%%", "%"))[0]
            if count:
                yield f"{count} {what} are left on {name}"


def await_quiet(world: World, servers: dict[UUID, str], outcomes: dict[UUID, Outcomes], *, seconds: float = 60) -> None:
    """Until everything that was sent or promised has been dealt with, or for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        open_ = 0
        for tenant_id, server in servers.items():
            address = world.address(server)
            (inbox,) = ask(
                address, "SELECT count(DISTINCT event_id) FROM lifecycle_inboxevent WHERE tenant_id = %s", [tenant_id]
            )[0]
            (waits,) = ask(
                address,
                "SELECT (SELECT count(*) FROM audit_outbox WHERE tenant_id = %(t)s AND published_at IS NULL)"
                " + (SELECT count(*) FROM lifecycle_effect WHERE tenant_id = %(t)s AND kind = 'alert'"
                "      AND state IN ('due', 'sending'))",
                {"t": tenant_id},
            )[0]
            open_ += waits + max(0, len(outcomes[tenant_id].events) - inbox)
        if not open_:
            return
        time.sleep(0.5)
