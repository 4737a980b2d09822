"""Kafka clients as this product needs them. KAFKA_CONFIG is merged in last: security and whatever an operator knows."""

import logging
from collections.abc import Iterable
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from django.conf import settings

__all__ = [
    "KafkaException",
    "consumer_config",
    "ensure_topics",
    "make_admin",
    "make_consumer",
    "make_producer",
    "topic_name",
]

log = structlog.get_logger(__name__)

# Not to be set with the consumer protocol of KIP-848, where the broker decides about them.
_CLASSIC_ONLY = ("partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms")
# Less than the time in which a command must end.
REQUEST_SECONDS = 5.0
# A dead letter is a message as large as the broker took, and headers on top.
LARGEST_MESSAGE = 8 * 1024 * 1024


def topic_name(name: str) -> str:
    """The topic as this installation calls it."""
    return f"{settings.KAFKA_TOPIC_PREFIX}{name}"


def is_cooperative(config: dict[str, Any]) -> bool:
    """Whether partitions come and go one by one, or all at once."""
    return config.get("group.protocol") == "consumer" or "cooperative" in config["partition.assignment.strategy"]


def consumer_config(group: str, **extra: Any) -> dict[str, Any]:
    """Nothing is committed but by us, after the database; a log that was lost is read again from its start."""
    config = _base() | {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": settings.KAFKA_SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": min(3000, settings.KAFKA_SESSION_TIMEOUT_MS // 3),
        # How long a broker waits for a member that is gone in the middle of a rebalance. The loop polls far more often.
        # The library refuses one that is below the session's.
        "max.poll.interval.ms": max(
            min(300_000, 10 * settings.KAFKA_SESSION_TIMEOUT_MS), settings.KAFKA_SESSION_TIMEOUT_MS
        ),
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": 32 * 1024,
        "statistics.interval.ms": 5000,
        # How soon a topic that was deleted, or made, is noticed.
        "topic.metadata.refresh.interval.ms": 10_000,
    }
    config |= extra
    config |= settings.KAFKA_CONFIG
    if config.get("group.protocol") == "consumer":
        for name in _CLASSIC_ONLY:
            config.pop(name, None)
    return config


def make_consumer(config: dict[str, Any]) -> Consumer:
    """A consumer that logs through Python's logging."""
    return Consumer(config, logger=logging.getLogger("kafka"))


def make_producer(**extra: Any) -> Producer:
    """An idempotent producer that never gives up by itself: its user sees that it is stuck, and replaces it."""
    config = _base() | {
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": 0,
        "linger.ms": 5,
        "compression.type": "lz4",
        "message.max.bytes": LARGEST_MESSAGE,
        "partitioner": "murmur2_random",
        "queue.buffering.max.messages": 100_000,
    }
    return Producer(config | extra | settings.KAFKA_CONFIG, logger=logging.getLogger("kafka"))


def make_admin(**extra: Any) -> AdminClient:
    """A client that asks about topics and makes them."""
    return AdminClient(_base() | settings.KAFKA_CONFIG | extra, logger=logging.getLogger("kafka"))


def ensure_topics(names: Iterable[str], *, timeout: float = REQUEST_SECONDS) -> list[str]:
    """Make the topics that do not exist; those made. Raises KafkaException when the broker does not answer."""
    admin = make_admin()
    wanted = list(dict.fromkeys(names))
    existing = admin.list_topics(timeout=timeout).topics
    missing = [name for name in wanted if name not in existing]
    if not missing:
        return []
    futures = admin.create_topics(
        [NewTopic(name, settings.KAFKA_PARTITIONS, settings.KAFKA_REPLICATION_FACTOR) for name in missing],
        request_timeout=timeout,
    )
    made = []
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            # Another process was first, or topics are made by others here; whether it works shows when it is used.
            log.info("topic not made", topic=name, reason=str(error))
        else:
            made.append(name)
            log.info("topic made", topic=name, partitions=settings.KAFKA_PARTITIONS)
    return made


def _base() -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
        "client.id": "customer360",
        "reconnect.backoff.max.ms": 2000,
        "socket.connection.setup.timeout.ms": 5000,
        "log_level": 4,
    }
