"""Brokers that ask who somebody is: a password (SASL_SSL, SCRAM) or a certificate (SSL), and rights on each topic."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from lifecycle.messaging import lanes
from lifecycle.messaging.clients import ensure_topics
from local.kafka.certificates import make_authority
from tests.kafka.brokers import Brokers
from tests.messaging.kafka import Broker, await_that, consume_all, working
from tests.messaging.relay.relaying import DEAD_LETTERS, LIFECYCLE, make_relay, relaying
from tests.messaging.speaking import Speaker, outcomes
from tests.messaging.test_stopped_topics import waiting

CREATED, UPDATED = "customer.created", "customer.updated"
Join = Callable[..., str]


@pytest.fixture(params=["SASL_SSL", "SSL"], ids=["a password", "a certificate"])
def join(request: pytest.FixtureRequest, brokers: Brokers, broker: Broker, settings: Any) -> Join:
    """Have the product be somebody who may do everything with the test's topics and groups; their name.

    Make the topics after it, and after what is denied: no broker leads a topic before it has read what came before it.
    """

    def begin(name: str) -> str:
        user = f"{name}-{broker.prefix.strip('.')}"
        settings.KAFKA_CONFIG = brokers.add_user(user) if request.param == "SASL_SSL" else brokers.certify(user)
        settings.KAFKA_BOOTSTRAP_SERVERS = brokers.servers[request.param]
        brokers.allow(user, "READ", "WRITE", "DESCRIBE", topic=broker.prefix, prefixed=True)
        brokers.allow(user, "READ", group=broker.prefix, prefixed=True)
        return user

    return begin


def speak_of(acme: Speaker, number: int) -> None:
    """One change of a stage and one dead letter."""
    acme.hear(acme.created(f"c{number}"), acme.renewed(f"d{number}", contract_id=5))


def test_a_relay_that_may_not_write_one_topic_writes_the_other(
    acme: Speaker, broker: Broker, brokers: Brokers, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "LONGEST_DELAY", 0.5)
    user = join("relay")
    brokers.deny(user, "WRITE", topic=broker.topic(DEAD_LETTERS))
    broker.make_topics(names=[LIFECYCLE, DEAD_LETTERS])
    with relaying(broker) as relay:
        for number in range(3):
            speak_of(acme, number)
        await_that(lambda: relay.published == 3)
        assert waiting() == {DEAD_LETTERS: 3}
        brokers.allow_again(user, topic=broker.topic(DEAD_LETTERS))
        await_that(lambda: relay.published == 6)
    assert len(broker.read(LIFECYCLE, 3)) == 3
    assert len(broker.read(DEAD_LETTERS, 3)) == 3


def test_a_consumer_that_may_not_read_one_topic_reads_the_other(
    acme: Speaker, broker: Broker, brokers: Brokers, join: Join
) -> None:
    user = join("consumer")
    brokers.deny(user, "READ", topic=broker.topic(UPDATED))
    broker.make_topics(names=[CREATED, UPDATED])
    broker.send(acme.document(CREATED, "c1", id="created", name="A"))
    broker.send(acme.document(UPDATED, "c1", id="updated", minutes=1, name="B"))
    broker.flush()
    with working(broker, topics=[broker.topic(CREATED), broker.topic(UPDATED)]):
        await_that(lambda: acme.inbox() == {"created": "applied"})
        broker.send(acme.document(CREATED, "c2", id="second", name="A"))
        broker.flush()
        await_that(lambda: acme.inbox() == {"created": "applied", "second": "applied"})
        brokers.allow_again(user, topic=broker.topic(UPDATED))
        await_that(lambda: set(acme.inbox()) == {"created", "second", "updated"})
    assert acme.customer("c1").name == "B"


def test_everything_goes_through_with_the_consumer_protocol_as_well(
    acme: Speaker, broker: Broker, join: Join, settings: Any
) -> None:
    join("both")
    broker.make_topics(names=[CREATED])
    settings.KAFKA_CONFIG |= {"group.protocol": "consumer"}
    broker.send(acme.document(CREATED, "c1", name="A"))
    broker.flush()
    assert outcomes(consume_all(broker, topics=[broker.topic(CREATED)])) == ["applied"]
    broker.make_topics(names=[LIFECYCLE, DEAD_LETTERS])
    make_relay(broker, once=True).run()
    assert len(broker.read(LIFECYCLE, 1)) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [("password", KafkaError._TRANSPORT), ("authority", KafkaError._TRANSPORT), ("rights", None)],
)
def test_who_cannot_be_known_is_refused_and_who_may_nothing_makes_nothing(
    broker: Broker, brokers: Brokers, settings: Any, tmp_path: Any, error: str, code: int | None
) -> None:
    user = f"rightless-{broker.prefix.strip('.')}"
    settings.KAFKA_CONFIG = brokers.add_user(user)
    settings.KAFKA_BOOTSTRAP_SERVERS = brokers.servers["SASL_SSL"]
    if error == "password":
        settings.KAFKA_CONFIG["sasl.password"] = "wrong"
    if error == "authority":
        settings.KAFKA_CONFIG["ssl.ca.location"] = str(make_authority(tmp_path).certificate)
    if code is None:
        assert ensure_topics([broker.topic(CREATED)], timeout=30) == []
    else:
        with pytest.raises(KafkaException) as refusal:
            ensure_topics([broker.topic(CREATED)], timeout=2)
        assert refusal.value.args[0].code() == code
    assert broker.topic(CREATED) not in brokers.admin.list_topics(timeout=60).topics
