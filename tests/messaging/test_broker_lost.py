"""A broker that loses everything: topics, offsets and the log are gone, and it comes back empty on the same address."""

import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from audit.models import OutboxMessage
from lifecycle.messaging import consumer as consumer_module
from lifecycle.messaging import lanes
from lifecycle.messaging.metrics import CONSUMER
from lifecycle.messaging.relay import Relay
from lifecycle.services.events import outbox
from local.processes import find_free_port
from local.tansu import answers_kafka, find_program
from tenants.context import tenant_context
from tests.messaging.kafka import PATIENCE, Broker, await_that, consume_all, working
from tests.messaging.mock_cluster import OFFSET_FETCH, mock_cluster
from tests.messaging.relay.conftest import empty_outbox
from tests.messaging.relay.relaying import LIFECYCLE, ids_of, relaying
from tests.messaging.speaking import Speaker

__all__ = ["empty_outbox"]

pytestmark = pytest.mark.own_broker


class Perishable:
    """A broker of one's own, which keeps everything in memory."""

    def __init__(self) -> None:
        self.port = find_free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        address = f"tcp://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [find_program(), "broker", "--listener-url", address, "--advertised-listener-url", address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await_that(lambda: answers_kafka("127.0.0.1", self.port))

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def perishable(settings: Any) -> Iterator[Perishable]:
    """Everything of this test goes to a broker that can be killed."""
    broker = Perishable()
    settings.KAFKA_BOOTSTRAP_SERVERS = f"127.0.0.1:{broker.port}"
    yield broker
    broker.kill()


def test_a_consumer_goes_on_with_a_broker_that_has_forgotten_everything(
    acme: Speaker, perishable: Perishable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "LOST_LOG_SECONDS", 1.0)
    broker = Broker()
    broker.make_topics()
    with working(broker):
        for number in range(20):
            broker.send(acme.document("customer.created", f"c{number}", name="A"))
        broker.flush()
        await_that(lambda: len(acme.inbox()) == 20)
        perishable.kill()
        time.sleep(1)
        perishable.start()
        # Fewer messages than the old log had: the position that the consumer remembers lies beyond its end.
        again = Broker()
        again.prefix = broker.prefix
        await_that(lambda: set(broker.topics) <= set(again.producer.list_topics(timeout=PATIENCE).topics))
        for number in range(5):
            again.send(acme.document("customer.created", f"n{number}", name="A"))
        again.flush()
        await_that(lambda: len(acme.inbox()) == 25)


def test_a_consumer_that_is_in_no_group_is_not_taken_for_one_that_has_nothing_to_do(
    acme: Speaker, perishable: Perishable, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its alarm is about when it last went well. No round goes well while it could not hear of anything."""
    monkeypatch.setattr(consumer_module, "APART_SECONDS", 0.5)
    settings.KAFKA_CONFIG = {"statistics.interval.ms": 200}

    def went_well_at() -> float:
        return CONSUMER.get_sample_value("customer360_consumer_last_success_timestamp") or 0.0

    broker = Broker()
    broker.make_topics()
    with capture_logs() as logs, working(broker) as worker:
        positions = worker.consumer.positions
        await_that(lambda: positions._said_at and positions.assigned and not positions.seconds_apart)
        perishable.kill()
        await_that(lambda: positions.seconds_apart > 1)
        stood_at = went_well_at()
        await_that(lambda: positions.seconds_apart > 2)
        assert went_well_at() == stood_at
        perishable.start()
        await_that(lambda: not positions.seconds_apart)
        await_that(lambda: went_well_at() > stood_at)
    said = [entry["seconds"] for entry in logs if entry["event"] == "the group does not come together"]
    assert said, "it was not said"


def test_a_relay_goes_on_with_a_broker_that_has_forgotten_everything_and_can_fill_it_again(
    acme: Speaker, perishable: Perishable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "PATIENCE_SECONDS", 3.0)
    broker = Broker()
    with relaying(broker) as relay:
        acme.hear(*[acme.created(f"c{number}") for number in range(20)])
        await_that(lambda: relay.published == 20)
        perishable.kill()
        acme.hear(*[acme.created(f"d{number}") for number in range(10)])
        assert outbox.measure()[0] == 10
        perishable.start()
        await_that(lambda: outbox.measure()[0] == 0)
    with tenant_context(acme.tenant.id):
        everything = [str(row.history_id) for row in OutboxMessage.objects.order_by("id")]
    again = Broker()
    again.prefix = broker.prefix
    assert set(ids_of(again.read(LIFECYCLE, 10))) == set(everything[20:])
    with tenant_context(acme.tenant.id):
        oldest = OutboxMessage.objects.order_by("id").values_list("created_at", flat=True)[0]
    assert outbox.republish(since=oldest) >= 30
    with relaying(again):
        await_that(lambda: outbox.measure()[0] == 0)
    assert set(ids_of(again.read(LIFECYCLE, 40))) >= set(everything)
    assert isinstance(relay, Relay)


@pytest.mark.parametrize(
    ("once", "said_every"),
    [(False, 200), (True, 200), (True, 2000)],
    ids=["in the long run", "once", "once, while the library has said nothing of it yet"],
)
def test_a_partition_that_the_client_library_holds_and_never_reads_is_read_after_a_while(
    acme: Speaker, settings: Any, monkeypatch: pytest.MonkeyPatch, once: bool, said_every: int
) -> None:
    """So it was when the coordinator had just moved: the group was content, and the messages waited for ever."""
    monkeypatch.setattr(consumer_module, "UNREAD_SECONDS", 0.5)
    monkeypatch.setattr(consumer_module, "QUIET_SECONDS", 1.0)
    with mock_cluster() as cluster:
        settings.KAFKA_BOOTSTRAP_SERVERS = cluster.servers
        settings.KAFKA_CONFIG = {"statistics.interval.ms": said_every}
        broker = Broker()
        for topic in broker.topics:
            cluster.make(topic)
        for number in range(5):
            broker.send(acme.document("customer.created", f"c{number}", name="A"))
        broker.flush()
        cluster.refuse_once(OFFSET_FETCH, KafkaError.NOT_COORDINATOR)
        if once:
            assert len(consume_all(broker)) == 5
        else:
            with working(broker):
                await_that(lambda: len(acme.inbox()) == 5)
    assert len(acme.inbox()) == 5
