"""The consumer on a real broker: batches, offsets, rebalances, ends, and a database that goes away."""

import re
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from structlog.testing import capture_logs

from lifecycle.management.arguments import read_port
from lifecycle.messaging import batch_processing
from lifecycle.messaging import consumer as consumer_module
from lifecycle.messaging.logs import as_message
from lifecycle.messaging.metrics import CONSUMER
from lifecycle.messaging.process import HealthFile, serve_metrics
from lifecycle.messaging.tailing import NoSuchTopic
from lifecycle.rules.envelopes import Invalid, receive
from lifecycle.services.events.processing import process_events
from tests.messaging.kafka import (
    ENDS_WITHIN,
    PATIENCE,
    Broker,
    Worker,
    await_that,
    consume_all,
    end_command,
    leave_nothing_waiting,
    start_command,
    working,
)
from tests.messaging.speaking import Speaker, outcomes


@pytest.fixture
def broker(db: None) -> Broker:
    """Topics of this test's own."""
    return Broker()


def send_story(broker: Broker, acme: Speaker, *customers: str) -> None:
    """For each customer: created, signed, put into a segment. However these interleave, it ends in Active."""
    for number, customer in enumerate(customers):
        broker.send(acme.document("customer.created", customer, name=f"Company {number}"))
        broker.send(acme.document("contract.renewed", customer, minutes=1, contract_id="K"))
        broker.send(acme.document("customer.updated", customer, minutes=2, segment="SMB"))
    broker.flush()


def test_an_event_becomes_a_customer_that_moves(acme: Speaker, broker: Broker) -> None:
    broker.make_topics()
    with working(broker):
        send_story(broker, acme, "c1")
        await_that(lambda: len(acme.inbox()) == 3)
        await_that(lambda: acme.stages() == ["Prospect", "Active"])
    assert broker.committed() == {
        (broker.topic("customer.created"), 0): 1,
        (broker.topic("contract.renewed"), 0): 1,
        (broker.topic("customer.updated"), 0): 1,
    }


def test_topics_that_do_not_exist_are_made(acme: Speaker, broker: Broker) -> None:
    with working(broker):
        await_that(lambda: set(broker.topics) <= set(broker.producer.list_topics(timeout=PATIENCE).topics))
        send_story(broker, acme, "c1")
        await_that(lambda: len(acme.inbox()) == 3)


def test_once_reads_everything_and_ends(acme: Speaker, broker: Broker) -> None:
    broker.make_topics(partitions=2)
    send_story(broker, acme, *[f"c{number}" for number in range(40)])
    results = consume_all(broker, batch_size=7)
    assert len(results) >= 120
    assert {acme.stage(f"c{number}") for number in range(40)} == {"Active"}
    assert sum(broker.committed().values()) == 120
    assert consume_all(broker) == []


def test_a_second_reading_from_the_beginning_changes_nothing(acme: Speaker, broker: Broker) -> None:
    broker.make_topics()
    send_story(broker, acme, "c1")
    consume_all(broker)
    assert outcomes(consume_all(broker, from_beginning=True)) == ["duplicate"] * 3
    assert acme.stages() == ["Prospect", "Active"]


def test_it_ends_after_as_many_events_as_were_asked_for(acme: Speaker, broker: Broker) -> None:
    broker.make_topics()
    for number in range(10):
        broker.send(acme.document("customer.created", f"c{number}", name="A"))
    broker.flush()
    assert len(consume_all(broker, max_events=4, batch_size=3)) == 4
    assert broker.committed() == {(broker.topic("customer.created"), 0): 4}


def test_a_dry_run_judges_what_waits_and_changes_nothing(acme: Speaker, broker: Broker) -> None:
    broker.make_topics()
    broker.send(acme.document("customer.created", "c0", name="A"))
    broker.flush()
    consume_all(broker)
    broker.send(acme.document("customer.created", "c1", name="A"))
    broker.send(acme.document("customer.created", "c\0", name="A"))
    broker.flush()
    assert outcomes(consume_all(broker, dry_run=True)) == ["applied", "dead:invalid_data"]
    assert broker.committed() == {(broker.topic("customer.created"), 0): 1}
    assert len(acme.inbox()) == 1
    assert outcomes(consume_all(broker)) == ["applied", "dead:invalid_data"]


def test_a_dry_run_makes_no_topics_and_says_which_are_not_there(acme: Speaker, broker: Broker) -> None:
    broker.make_topics(names=["customer.created"])
    broker.send(acme.document("customer.created", "c1", name="A"))
    broker.flush()
    topics = [broker.topic("customer.created"), broker.topic("misspelt")]
    with capture_logs() as logs:
        assert outcomes(consume_all(broker, dry_run=True, topics=topics)) == ["applied"]
    assert [entry["topic"] for entry in logs if "no such topic" in entry["event"]] == [topics[1]]
    with pytest.raises(NoSuchTopic, match=f"There is no topic {re.escape(topics[1])}: "):
        consume_all(broker, dry_run=True, topics=topics[1:])
    made = [name for name in broker.producer.list_topics(timeout=PATIENCE).topics if name.startswith(broker.prefix)]
    assert made == topics[:1]


def test_messages_that_are_no_events_are_passed_over_and_kept(acme: Speaker, broker: Broker) -> None:
    broker.make_topics()
    broker.send(None, topic="customer.created", key=b"x")
    broker.send(b"\xff\xfe", topic="customer.created", key=None, headers=[("a", b"\x00"), ("b", None)])
    broker.send(b"x" * 1_000_000, topic="customer.created", key=b"big")
    broker.send(acme.document("customer.created", "c1", name="A"))
    broker.flush()
    assert outcomes(consume_all(broker)) == ["dead:unreadable"] * 3 + ["applied"]


def test_what_is_away_is_waited_for_in_the_group(
    acme: Speaker, broker: Broker, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Longer than the session would live without polling: nothing is lost, skipped or read twice."""
    # Its heartbeats need a processor now and then: two seconds, as in other tests, may pass without one.
    settings.KAFKA_SESSION_TIMEOUT_MS = 6000
    broker.make_topics()
    until = [0.0]
    calls = [0]

    def unsteady(batch: Any, **options: Any) -> Any:
        calls[0] += 1
        if time.monotonic() < until[0]:
            raise OperationalError("the database is away")
        return process_events(batch, **options)

    monkeypatch.setattr(batch_processing, "process_events", unsteady)
    with working(broker, batch_size=2) as worker:
        send_story(broker, acme, "c1")
        await_that(lambda: len(acme.inbox()) == 3)
        assignments = worker.consumer.positions.assigned.copy()
        until[0] = time.monotonic() + 8
        send_story(broker, acme, "c2", "c3")
        await_that(lambda: len(acme.inbox()) == 9)
        assert time.monotonic() > until[0]
        assert worker.consumer.positions.assigned == assignments, "it has left its group in the meantime"
    assert [acme.stage(customer) for customer in ("c1", "c2", "c3")] == ["Active"] * 3
    assert calls[0] < 40, "it has tried too often"
    assert outcomes(worker.results).count("duplicate") == 0


def test_a_dead_connection_is_replaced(acme: Speaker, broker: Broker) -> None:
    """Each connection of the application is ended by the server, again and again."""
    broker.make_topics()
    with working(broker, batch_size=5):
        for round_ in range(5):
            send_story(broker, acme, *[f"c{round_}-{number}" for number in range(5)])
            with connections["owner"].cursor() as cursor:
                cursor.execute("SELECT 1")
            terminate_connections()
        await_that(lambda: len(acme.inbox()) == 75)
    assert {acme.stage(f"c{round_}-{number}") for round_ in range(5) for number in range(5)} == {"Active"}


def terminate_connections() -> None:
    import psycopg
    from django.conf import settings

    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('c360_app', 'c360_platform')"
            " AND backend_type = 'client backend' AND datname = %s",
            [connections["default"].settings_dict["NAME"]],
        )
    connections.close_all()


def test_consumers_of_one_group_share_the_partitions_and_apply_nothing_twice(acme: Speaker, broker: Broker) -> None:
    broker.make_topics(partitions=4)
    # Of every topic.
    partitions = 4 * len(broker.topics)
    customers = [f"c{number}" for number in range(60)]
    with working(broker, batch_size=5) as first:
        send_story(broker, acme, *customers[:20])
        await_that(lambda: len(first.consumer.positions.assigned) == partitions)
        with working(broker, batch_size=5) as second:
            send_story(broker, acme, *customers[20:40])
            await_that(
                lambda: (
                    len(first.consumer.positions.assigned) == len(second.consumer.positions.assigned) == partitions / 2
                )
            )
            assert first.consumer.positions.assigned.isdisjoint(second.consumer.positions.assigned)
            send_story(broker, acme, *customers[40:])
            await_that(lambda: len(acme.inbox()) == 180)
        await_that(lambda: len(first.consumer.positions.assigned) == partitions)
        broker.send(acme.document("customer.created", "last", name="A"))
        broker.flush()
        await_that(lambda: len(acme.inbox()) == 181)
    results = [*first.results, *second.results]
    effective = [result.received.event.id for result in results if result.outcome not in ("duplicate", "parked")]
    assert len(effective) == len(set(effective)) == 181
    assert {acme.stage(customer) for customer in customers} == {"Active"}
    for customer in customers:
        rows = acme.history(customer)
        assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
        assert len({row.event_id for row in rows}) == len(rows)


def test_marks_at_the_end_of_a_log_are_committed_once_and_only_with_nothing_in_hand(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of transactions, which have offsets and are no messages: the last message was at 0, the log ends at 4."""
    consumer = Worker(broker).consumer
    positions = consumer.positions
    place = (broker.topic("customer.created"), 0)
    commits: list[dict[Any, int]] = []

    def commit(partitions: Any, **options: Any) -> None:
        commits.append({partition: positions.to_commit.pop(partition) for partition in partitions})

    monkeypatch.setattr(consumer, "_commit", commit)
    positions.assigned, positions.ends, positions.to_commit = {place}, {place: 4}, {place: 1}
    consumer._backlog = [Mock()]
    consumer._idle()
    consumer._backlog = []
    consumer._idle()
    consumer._idle()
    assert commits == [{place: 1}, {place: 4}]
    consumer._let_go([place])
    positions.assigned, positions.ends, positions.committed = {place}, {place: 4}, {place: 4}
    consumer._idle()
    assert len(commits) == 2, "it is committed already"
    consumer._consumer.close()


def test_the_end_of_a_partition_that_was_let_go_in_the_same_poll_is_not_committed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before that end was left to the next consumer. Once it is ours again it is not done yet."""
    consumer = Worker(broker).consumer
    place = (broker.topic("customer.created"), 0)
    end = Mock(**{"topic.return_value": place[0], "partition.return_value": place[1], "offset.return_value": 7})
    end.error.return_value.code.return_value = KafkaError._PARTITION_EOF

    def consume(*_: Any) -> list[Any]:
        consumer._let_go([place])
        return [end]

    consumer.positions.assigned = {place}
    with monkeypatch.context() as patch:
        library = Mock(consume=consume)
        patch.setattr(consumer, "_consumer", library)
        assert consumer._poll_batch() == []
        consumer._idle()
    consumer.positions.assign([TopicPartition(*place)], added=True)
    assert consumer.positions.to_commit == {}
    consumer._consumer.close()


def test_a_partition_is_not_unread_because_no_one_listened_to_the_library(broker: Broker) -> None:
    """What it said before a long batch was so then; what it has said since waits until the batch is done."""
    consumer = Worker(broker).consumer
    positions, topic = consumer.positions, broker.topic("customer.created")

    def say(second: float, state: str) -> None:
        partitions = {"0": {"fetch_state": state, "consumer_lag": -1}}
        positions.note_statistics({"ts": second * 1e6, "topics": {topic: {"partitions": partitions}}})

    positions.assigned = {(topic, 0)}
    say(5, "offset-query")
    time.sleep(0.05)
    assert positions.take_unread(0.01) == [], "it has said so once"
    say(15.5, "active")
    say(20, "offset-query")
    assert positions.take_unread(10) == []
    say(30.5, "offset-query")
    assert positions.take_unread(10) == [(topic, 0)]
    assert positions.take_unread(10) == [], "the counting begins again"
    consumer._consumer.close()


def test_a_group_that_does_not_come_together_is_said_once_a_minute(broker: Broker) -> None:
    consumer = Worker(broker).consumer
    forming, steady = {"state": "up", "join_state": "wait-sync"}, {"state": "up", "join_state": "steady"}
    away = {"state": "query-coord", "join_state": "steady"}

    def hear(second: float, group: dict[str, str]) -> list[int]:
        consumer.positions.note_statistics({"ts": second * 1e6, "cgrp": group})
        with capture_logs() as logs:
            for _ in range(3):
                consumer._look_after_group()
        return [entry["seconds"] for entry in logs]

    assert [hear(second, forming) for second in (5, 60, 66, 120, 126)] == [[], [], [61], [], [121]]
    assert [hear(130, steady), hear(135, away), hear(190, away), hear(196, away)] == [[], [], [], [61]]
    consumer._consumer.close()


def test_a_log_has_not_ended_because_what_was_read_of_it_took_long(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``once``, of a broker that tells no end: one has to have listened for it, and more may have come by then."""
    now, topic = [1000.0], broker.topic("customer.created")
    raw = Mock(**{"topic.return_value": topic, "partition.return_value": 0, "offset.return_value": 0})
    raw.configure_mock(**{"key.return_value": b"c1", "value.return_value": b"{}", "headers.return_value": None})
    raw.configure_mock(**{"timestamp.return_value": (0, 0), "error.return_value": None})
    logged = [raw]

    def consume(_: int, seconds: float) -> list[Any]:
        if not logged:
            now[0] += seconds
        return [logged.pop()] if logged else []

    def take_a_minute(batch: batch_processing.Batch) -> None:
        now[0] += 60
        batch.finish()

    consumer = Worker(broker, once=True).consumer
    positions, place = consumer.positions, (topic, 0)
    positions.assigned, positions._fetched = {place}, {place}
    consumer._topic_ids._positions[place] = ""
    with monkeypatch.context() as patch:
        patch.setattr(consumer_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
        patch.setattr(consumer, "_consumer", Mock(consume=consume))
        patch.setattr(consumer.processor, "step", take_a_minute)
        consumer._work(consumer._poll_batch())
        assert (consumer.consumed, consumer._is_done()) == (1, False), "a batch took long"
        consumer._wait_polling(60)
        assert not consumer._is_done(), "the database was away, and nothing could come"
        began = now[0]
        while not consumer._is_done():
            assert consumer._poll_batch() == []
        assert 4.5 < now[0] - began < 5.5
    consumer._consumer.close()


def test_nothing_is_passed_over_when_several_write_to_a_partition_at_once(broker: Broker) -> None:
    """A broker that shows a message before the one that another producer wrote beside it would lose that one."""
    each = 1_500
    broker.make_topics(names=["customer.created"])
    topic = broker.topic("customer.created")
    reader = Consumer(broker.servers | {"group.id": broker.group, "enable.auto.commit": False, "fetch.wait.max.ms": 10})
    reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    # A request for each message, so that as many as possible are on their way at once.
    producers = [Producer(broker.servers | {"linger.ms": 0, "batch.num.messages": 1}) for _ in range(4)]

    def write(producer: Producer) -> None:
        for _ in range(each):
            producer.produce(topic, b"")
        producer.flush(PATIENCE)

    threads = [threading.Thread(target=write, args=(producer,)) for producer in producers]
    for thread in threads:
        thread.start()
    seen: set[int | None] = set()
    until = time.monotonic() + PATIENCE
    while len(seen) < 4 * each and time.monotonic() < until:
        read = [message.offset() for message in reader.consume(1_000, 0.1) if message.error() is None]
        seen.update(read)
        if not read and 4 * each - 1 in seen:
            # The last one has come, and what lies before it comes no more.
            break
    for thread in threads:
        thread.join()
    reader.close()
    assert sorted(set(range(4 * each)) - seen) == []


# --- the command --------------------------------------------------------------------------------------------------


def test_sigterm_ends_the_command_within_ten_seconds_with_status_0(
    acme: Speaker, broker: Broker, tmp_path: Path
) -> None:
    broker.make_topics()
    health = tmp_path / "healthy"
    process = start_command(
        "consume_events", "--topics", *broker.topics, "--group", broker.group, "--health-file", str(health)
    )
    send_story(broker, acme, "c1")
    await_that(lambda: len(acme.inbox()) == 3)
    first = health.stat().st_mtime
    await_that(lambda: health.stat().st_mtime > first)
    status, output, seconds = end_command(process)
    assert (status, seconds < ENDS_WITHIN) == (0, True), output
    assert not health.exists()
    assert "3 events" in output
    assert len(broker.committed()) == 3


def test_the_command_ends_with_once_and_says_what_it_did(acme: Speaker, broker: Broker) -> None:
    leave_nothing_waiting()
    broker.make_topics()
    send_story(broker, acme, "c1")
    broker.send(b"junk", topic="customer.updated", key=b"k")
    broker.flush()
    process = start_command("consume_events", "--once", "--topics", *broker.topics, "--group", broker.group)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert output.splitlines()[-1].startswith("4 events (")
    assert "applied 3 dead 1" in output.splitlines()[-1].replace("parked ", "")


def test_a_dry_run_of_a_topic_that_is_not_there_is_refused(broker: Broker) -> None:
    process = start_command("consume_events", "--dry-run", "--topics", broker.topic("misspelt"))
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, output
    assert f"There is no topic {broker.topic('misspelt')}: nothing has been sent to it yet" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("group", ["", " ", "a\udcff", "a\x00"])
def test_the_command_refuses_a_group_without_a_name(group: str) -> None:
    with pytest.raises(CommandError, match="argument --group: "):
        call_command("consume_events", "--group", group)


@pytest.mark.parametrize("command", ["consume_events", "relay_events", "move_customers"])
@pytest.mark.parametrize("port", ["99999", "65536", "-5", "²", "9" * 5000])
def test_a_port_is_a_port(command: str, port: str) -> None:
    with pytest.raises(CommandError, match=f"argument --metrics-port: {port[:80]}…? is not a port"):
        call_command(command, "--metrics-port", port)


@pytest.mark.parametrize("command", ["consume_events", "relay_events", "move_customers"])
def test_a_port_that_is_taken_is_refused(command: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"Metrics cannot be served on port {port}: Address already in use"):
            call_command(command, "--metrics-port", str(port))


def test_port_0_is_no_port() -> None:
    assert read_port("0") == 0
    serve_metrics(0, CONSUMER)
    assert read_port("65535") == 65_535


@pytest.mark.parametrize("command", ["consume_events", "relay_events", "move_customers"])
def test_a_health_file_that_cannot_be_is_refused(command: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for path in (tmp_path / "nothing" / "x", file / "x", tmp_path):
        with pytest.raises(CommandError, match=f"The health file {path} cannot be written: "):
            call_command(command, "--health-file", str(path))
    health = tmp_path / "health"
    HealthFile(str(health))
    assert not health.exists(), "nothing has turned yet"


def test_the_command_refuses_a_batch_of_nothing() -> None:
    process = start_command("consume_events", "--batch-size", "0")
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "0 is not a whole number from 1" in output


@pytest.mark.parametrize(
    "error",
    [SystemError("returned a result with an exception set"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")],
)
def test_headers_that_the_library_fails_on_make_a_message_unreadable_and_nothing_else(error: Exception) -> None:
    raw = Mock(**{"topic.return_value": "customer.updated", "partition.return_value": 2, "offset.return_value": 7})
    raw.configure_mock(**{"key.return_value": b"c1", "value.return_value": b"{}", "headers.side_effect": error})
    raw.configure_mock(**{"timestamp.return_value": (1, 1_772_452_800_250)})
    message = as_message(raw)
    assert message.sent_at == datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
    assert (message.topic, message.partition, message.offset) == ("customer.updated", 2, 7)
    assert (message.key, message.value, message.headers) == (b"c1", b"{}", ())
    event = receive(message).event
    assert isinstance(event, Invalid)
    assert event.code == "unreadable"


@pytest.mark.parametrize("milliseconds", [1_772_452_800_250_000, 2**63 - 1, -(2**62)])
def test_a_message_whose_time_no_calendar_has_is_read_like_any_other(milliseconds: int) -> None:
    """Its sender wrote microseconds: the consumer ended at it, and at the same one each time that it was started."""
    raw = Mock(**{"topic.return_value": "customer.updated", "partition.return_value": 2, "offset.return_value": 7})
    raw.configure_mock(**{"key.return_value": b"c1", "value.return_value": b"{}", "headers.return_value": None})
    raw.configure_mock(**{"timestamp.return_value": (1, milliseconds)})
    message = as_message(raw)
    assert (message.sent_at, message.offset, message.value) == (None, 7, b"{}")


def test_events_of_a_year_that_there_is_not_are_read_and_what_is_behind_them(acme: Speaker, broker: Broker) -> None:
    """With a broker. Apache Kafka refuses a time to come where a topic does not allow it, as this one does."""
    topic = NewTopic(broker.topic("customer.created"), 1, -1, config={"message.timestamp.after.max.ms": str(2**63 - 1)})
    broker.admin.create_topics([topic])[topic.topic].result()
    for name, sent_at in (("c1", 1_772_452_800_250_000), ("c2", 2**62), ("c3", 1_772_452_800_250)):
        broker.send(acme.document("customer.created", name, name="A"), timestamp=sent_at)
    broker.flush()
    written = [message.timestamp()[1] for message in broker.read("customer.created", 3)]
    assert written == [1_772_452_800_250_000, 2**62, 1_772_452_800_250]
    read = consume_all(broker, topics=[topic.topic])
    assert [(one.received.message.offset, one.outcome) for one in read] == [
        (0, "applied"),
        (1, "applied"),
        (2, "applied"),
    ]
