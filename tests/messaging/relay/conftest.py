"""A broker to publish to, and an outbox in which only the test's own rows wait."""

import pytest
from django.db import connections

from tests.messaging.kafka import Broker


@pytest.fixture
def broker(db: None) -> Broker:
    """Topics of this test's own."""
    return Broker()


@pytest.fixture(autouse=True)
def empty_outbox(db: None) -> None:
    """What other tests have left to publish is nothing that this one wants to wait for. A session of one's own."""
    connections["relay"].close()
    with connections["relay"].cursor() as cursor:
        cursor.execute("UPDATE audit_outbox SET published_at = clock_timestamp() WHERE published_at IS NULL")
