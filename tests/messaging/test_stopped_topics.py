"""A topic that may not be written holds up its own messages alone, loses none, and says what is to be done."""

from collections.abc import Iterator
from typing import Any

import orjson
import psycopg
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from django.core.management import CommandError, call_command
from django.db import connections

from audit.models import OutboxMessage
from lifecycle.messaging import lanes, metrics
from lifecycle.services.events import outbox
from tenants.context import tenant_context
from tests.messaging.kafka import PATIENCE, Broker, await_that
from tests.messaging.mock_cluster import PRODUCE, MockCluster, mock_cluster
from tests.messaging.relay.relaying import DEAD_LETTERS, LIFECYCLE, make_relay, pending, relaying
from tests.messaging.speaking import Speaker
from tests.plans import count_rows_read

pytestmark = pytest.mark.own_broker

THIRD = "audit.seal"


@pytest.fixture
def cluster(db: None, settings: Any) -> Iterator[MockCluster]:
    """librdkafka's mock cluster, and nothing that other tests have left to publish."""
    connections["relay"].close()
    with connections["relay"].cursor() as cursor:
        cursor.execute("UPDATE audit_outbox SET published_at = clock_timestamp() WHERE published_at IS NULL")
    with mock_cluster() as cluster:
        settings.KAFKA_BOOTSTRAP_SERVERS = cluster.servers
        yield cluster


@pytest.fixture
def broker(cluster: MockCluster) -> Broker:
    broker = Broker()
    for name in (LIFECYCLE, DEAD_LETTERS, THIRD):
        cluster.make(broker.topic(name))
    return broker


def read_all(broker: Broker, name: str) -> list[Any]:
    """Every message of a topic of one partition, once as many have come as the broker says there are."""
    consumer = Consumer({**broker.servers, "group.id": "reader"})
    try:
        place = TopicPartition(broker.topic(name), 0, OFFSET_BEGINNING)
        _, end = consumer.get_watermark_offsets(place, timeout=PATIENCE)
        consumer.assign([place])
        messages: list[Any] = []
        while len(messages) < end:
            messages += [message for message in consumer.consume(100, 0.2) if message.error() is None]
        return messages
    finally:
        consumer.close()


def tell(acme: Speaker, number: int) -> None:
    """A change, a dead letter and a message of a third topic."""
    acme.hear(acme.created(f"c{number}"))
    acme.hear(acme.renewed(f"d{number}", contract_id=number))
    with tenant_context(acme.tenant.id):
        OutboxMessage.objects.create(
            tenant_id=acme.tenant.id, topic=THIRD, key=b"k", payload=b"%d" % number, created_at="2026-03-01T00:00:00Z"
        )


def waiting() -> dict[str, int]:
    counts: dict[str, int] = {}
    with connections["relay"].cursor() as cursor:
        cursor.execute("SELECT topic, count(*) FROM audit_outbox WHERE published_at IS NULL GROUP BY topic")
        counts.update(cursor.fetchall())
    connections["relay"].close()
    return counts


@pytest.mark.parametrize("stopped", [DEAD_LETTERS, LIFECYCLE, THIRD])
@pytest.mark.parametrize(
    "error", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION]
)
def test_the_others_go_on_and_what_was_held_goes_out_in_order(
    acme: Speaker,
    cluster: MockCluster,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stopped: str,
    error: int,
) -> None:
    monkeypatch.setattr(lanes, "LONGEST_DELAY", 0.5)
    monkeypatch.setattr(lanes, "PATIENCE_SECONDS", 2.0)
    # Said once in so long, which is longer than a busy machine needs for this.
    monkeypatch.setattr(lanes, "COMPLAIN_SECONDS", 3600.0)

    def complaints() -> int:
        """About this topic. On a busy machine another may have had no acknowledgement for a moment."""
        said = [str(record.msg) for record in caplog.records]
        return sum("topic is stopped" in one and broker.topic(stopped) in one for one in said)

    cluster.refuse(broker.topic(stopped), error)
    for number in range(3):
        tell(acme, number)
    with relaying(broker) as relay:
        await_that(lambda: relay.published >= 6)
        for number in range(3, 6):
            tell(acme, number)
        await_that(lambda: relay.published >= 12)
        assert waiting() == {stopped: 6}
        await_that(complaints)
        assert metrics.RELAY.get_sample_value("customer360_relay_topic_stopped", {"topic": stopped}) == 1
        cluster.allow(broker.topic(stopped))
        await_that(lambda: relay.published >= 18)
    assert waiting() == {}
    assert metrics.RELAY.get_sample_value("customer360_relay_topic_stopped", {"topic": stopped}) == 0
    seen = list(dict.fromkeys(orjson.loads(one.value())["id"] for one in read_all(broker, LIFECYCLE)))
    with tenant_context(acme.tenant.id):
        rows = OutboxMessage.objects.filter(topic=LIFECYCLE).order_by("id")
        assert seen == [str(row.history_id) for row in rows]
    numbers = list(dict.fromkeys(one.value() for one in read_all(broker, THIRD)))
    assert numbers == [b"%d" % number for number in range(6)]
    assert len({dict(one.headers())["dead-letter-id"] for one in read_all(broker, DEAD_LETTERS)}) == 6
    assert complaints() == 1, "said once, not at each try"


def test_once_ends_and_says_which_topic_is_stopped(
    acme: Speaker, cluster: MockCluster, broker: Broker, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(lanes, "LONGEST_DELAY", 0.2)
    settings.KAFKA_TOPIC_PREFIX = broker.prefix
    cluster.refuse(broker.topic(DEAD_LETTERS))
    tell(acme, 1)
    with pytest.raises(CommandError, match=rf"^Nothing could be published to {broker.topic(DEAD_LETTERS)}; "):
        call_command("relay_events", "--once")
    assert waiting() == {DEAD_LETTERS: 1}
    cluster.allow(broker.topic(DEAD_LETTERS))
    call_command("relay_events", "--once")
    assert waiting() == {}


def test_a_change_too_large_for_its_topic_is_neither_cut_short_nor_skipped(
    acme: Speaker, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead letter without its bytes is a dead letter still; a change without its bytes would be nothing."""
    from lifecycle.messaging import relay as relay_module

    monkeypatch.setattr(lanes, "LONGEST_DELAY", 0.2)
    inner = relay_module.make_producer
    monkeypatch.setattr(relay_module, "make_producer", lambda **o: inner(**o, **{"message.max.bytes": 1000}))
    acme.hear(acme.created("x" * 140, id="e" * 250))
    with tenant_context(acme.tenant.id):
        OutboxMessage.objects.create(
            tenant_id=acme.tenant.id, topic=THIRD, key=b"k", payload=b"z" * 2000, created_at="2026-03-01T00:00:00Z"
        )
        OutboxMessage.objects.create(
            tenant_id=acme.tenant.id, topic=THIRD, key=b"k", payload=b"small", created_at="2026-03-01T00:00:00Z"
        )
    with pytest.raises(relay_module.TopicsStopped):
        make_relay(broker, once=True).run()
    assert waiting()[THIRD] == 2, "what comes after it waits for it"
    monkeypatch.setattr(relay_module, "make_producer", inner)
    make_relay(broker, once=True).run()
    assert [len(message.value()) for message in read_all(broker, THIRD)] == [2000, 5]
    assert pending() == 0


def test_a_batch_that_is_too_large_is_sent_again_one_by_one_and_no_dead_letter_loses_its_bytes(
    acme: Speaker, cluster: MockCluster, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """A topic's limit holds for a batch: that it is refused says nothing about the messages in it."""
    acme.hear(*[acme.renewed(f"d{number}", contract_id=5) for number in range(6)])
    cluster.refuse_once(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    make_relay(broker, once=True).run()
    assert waiting() == {}
    sent = read_all(broker, DEAD_LETTERS)
    assert [orjson.loads(one.value())["data"]["external_id"] for one in sent] == [f"d{number}" for number in range(6)]
    assert "sending its messages one by one" in caplog.text
    assert "topic is stopped" not in caplog.text


@pytest.mark.parametrize("analyzed", ["before the backlog came", "with the backlog"])
def test_a_stopped_topic_with_a_long_backlog_is_passed_over_by_index(
    superuser: psycopg.Connection[Any], analyzed: str
) -> None:
    """Whatever the planner's statistics say: autovacuum gathers them when it pleases."""
    with superuser.cursor() as cursor:
        cursor.execute("UPDATE audit_outbox SET published_at = clock_timestamp() WHERE published_at IS NULL")
        if analyzed == "before the backlog came":
            cursor.execute("ANALYZE audit_outbox")
        for topic, published, rows in ((LIFECYCLE, True, 1000), (THIRD, False, 30_000), (LIFECYCLE, False, 5)):
            cursor.execute(
                "INSERT INTO audit_outbox (topic, key, payload, created_at, published_at)"
                " SELECT %s, 'k', 'p', now(), CASE WHEN %s THEN now() END FROM generate_series(1, %s)",
                [topic, published, rows],
            )
        if analyzed == "with the backlog":
            cursor.execute("ANALYZE audit_outbox")
        act_as_relay(cursor)
        values = {"skip": "{}", "held": [THIRD], "limit": 500}
        assert count_rows_read(cursor, outbox.PENDING, values, of="p") == 5
        assert count_rows_read(cursor, outbox.MEASURE, None, of="p") == 2, "the oldest of each topic"


def act_as_relay(cursor: psycopg.Cursor[Any]) -> None:
    """As a session that the relay begins: with what its role sets."""
    cursor.execute("SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = 'c360_relay'")
    for (setting,) in cursor.fetchall():
        name, _, value = setting.partition("=")
        cursor.execute("SELECT set_config(%s, %s, true) WHERE %s <> 'transaction_timeout'", [name, value, name])
    cursor.execute("SET LOCAL ROLE c360_relay")
