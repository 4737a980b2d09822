"""Only on Apache Kafka (``make kafka-test``): without its brokers there is nothing to collect here."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections

from tenants.actors import TenantRef
from tests.factories import TenantFactory
from tests.kafka.brokers import Brokers
from tests.messaging.kafka import Broker
from tests.messaging.speaking import RULES, Speaker

collect_ignore_glob = [] if "KAFKA_CLUSTER" in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def all_brokers() -> Brokers:
    """One for the run: it knows which were started again."""
    return Brokers(Path(os.environ["KAFKA_CLUSTER"]))


@pytest.fixture
def brokers(all_brokers: Brokers) -> Iterator[Brokers]:
    """The three of them, all there before and after the test."""
    all_brokers.make_whole()
    yield all_brokers
    all_brokers.make_whole()


@pytest.fixture
def acme(db: None) -> Speaker:
    """The modules of a fresh tenant with event rules."""
    tenant: TenantRef = TenantFactory(configuration=RULES)
    return Speaker(tenant)


@pytest.fixture
def broker(db: None, brokers: Brokers) -> Broker:
    """Topics of this test's own, and nothing that other tests have left to publish."""
    connections["relay"].close()
    with connections["relay"].cursor() as cursor:
        cursor.execute("UPDATE audit_outbox SET published_at = clock_timestamp() WHERE published_at IS NULL")
    return Broker()
