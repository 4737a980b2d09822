"""``make kafka-test``: what is tested with the embedded broker, and what only this one can do, on Apache Kafka."""

import os
import sys
from collections.abc import Iterator, Sequence

from local import signals
from local.commands import TEST_SESSION_TIMEOUT_MS, run_in, started
from local.folders import open_throwaway
from local.guard import Guard
from local.kafka.cluster import Cluster
from local.kafka.jars import find_java, provide_jars
from local.services import Services
from local.trouble import CannotStart

# Tests that bring a broker of their own are left to ``make test``.
PYTEST = (sys.executable, "-m", "pytest", "-m", "not own_broker")
NO_TESTS = 5


def run_kafka_tests(guard: Guard, arguments: list[str]) -> int:
    """Pytest on throw-away services and three brokers; those tests, or the part that the arguments name."""
    os.environ.setdefault("KAFKA_SESSION_TIMEOUT_MS", TEST_SESSION_TIMEOUT_MS)
    folders = open_throwaway(guard, durable=False)
    cluster = Cluster(folders, guard)
    try:
        cluster.start()
        os.environ["KAFKA_BOOTSTRAP_SERVERS"] = cluster.servers
        # For the tests that stop brokers, and the mark that they may run.
        os.environ["KAFKA_CLUSTER"] = str(cluster.folder)
        with started(Services(folders, guard, given=os.environ, fast=True)) as services:
            statuses = [run_in(services, guard, command) for command in find_commands(arguments)]
    finally:
        signals.take()
        cluster.stop()
    ran = [status for status in statuses if status != NO_TESTS]
    return max(ran, default=NO_TESTS)


def fetch_kafka(guard: Guard, arguments: list[str]) -> int:
    """Have what the brokers need. Raises NotAvailable where there is no Java, no Maven or no registry."""
    if arguments:
        raise CannotStart("kafka-jars takes no arguments")
    find_java()
    provide_jars(guard)
    return 0


def find_commands(arguments: Sequence[str]) -> Iterator[list[str]]:
    """Side by side what leaves the brokers alone, and then one after the other what stops them."""
    if any(argument.startswith("tests") for argument in arguments):
        yield [*PYTEST, *arguments]
    else:
        yield [*PYTEST, "--numprocesses", "auto", *arguments, "tests/messaging"]
        yield [*PYTEST, *arguments, "tests/kafka"]
