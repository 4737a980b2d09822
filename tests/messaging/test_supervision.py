"""A consumer is a process that may die: of its client library, of a kill, of its parent's end."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.test import override_settings

from tests.forking import run_bare
from tests.messaging.kafka import ENDS_WITHIN, PATIENCE, Broker, await_that, end_command, start_command
from tests.messaging.speaking import Speaker

SESSION_MS = 6000


@pytest.fixture
def broker(acme: Speaker) -> Broker:
    broker = Broker()
    broker.make_topics()
    return broker


def find_children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def child_of(process: "subprocess.Popen[str]") -> int:
    (child,) = await_that(lambda: find_children(process.pid))
    return int(child)


@contextmanager
def consuming(broker: Broker, *options: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
    process = start_command(
        *("consume_events", "--topics", *broker.topics, "--group", broker.group, *options),
        **{"KAFKA_SESSION_TIMEOUT_MS": str(SESSION_MS), **env},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            end_command(process)


def tell(broker: Broker, acme: Speaker, name: str) -> None:
    broker.send(acme.document("customer.created", name, id=name, name=name))
    broker.flush()


def await_published(broker: Broker, acme: Speaker, name: str, *, seconds: float = PATIENCE) -> None:
    """Send an event and wait until it is applied."""
    tell(broker, acme, name)
    await_that(lambda: name in acme.inbox(), seconds=seconds)


def test_a_child_that_dies_of_its_library_is_started_again(acme: Speaker, broker: Broker, tmp_path: Path) -> None:
    health = tmp_path / "healthy"
    with consuming(broker, "--health-file", str(health)) as process:
        await_published(broker, acme, "before")
        os.kill(child_of(process), signal.SIGSEGV)
        await_published(broker, acme, "after")
        await_that(health.exists)
        status, output, seconds = end_command(process)
    assert (status, seconds < ENDS_WITHIN) == (0, True), output
    assert "process died, starting it again" in output
    assert "SIGSEGV" in output
    assert not health.exists()


def test_a_topic_that_is_deleted_while_it_is_consumed_ends_nothing(acme: Speaker, broker: Broker) -> None:
    """The client library ends the process that holds it: the next one makes the topic and goes on."""
    admin = AdminClient({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS})
    with consuming(broker) as process:
        await_published(broker, acme, "before")
        for future in admin.delete_topics([broker.topic("customer.created")]).values():
            future.result()
        await_that(lambda: broker.topic("customer.created") in admin.list_topics(timeout=PATIENCE).topics)
        await_published(broker, acme, "after")
        assert process.poll() is None
        status, output, _ = end_command(process)
    assert status == 0, output


def test_two_kills_leave_nothing_unconsumed_for_long(acme: Speaker, broker: Broker) -> None:
    """Of the child each time, which cannot leave the group then. With a session of 45 s it was 82 s."""
    with consuming(broker) as process:
        await_published(broker, acme, "before")
        for _ in range(2):
            killed = child_of(process)
            os.kill(killed, signal.SIGKILL)
            await_that(lambda killed=killed: find_children(process.pid) not in ([], [killed]))
            time.sleep(1.0)
        await_published(broker, acme, "after", seconds=2 * SESSION_MS / 1000 + 60)
        status, output, _ = end_command(process)
    assert status == 0, output


def test_the_child_ends_with_its_parent_and_leaves_the_group_in_order(acme: Speaker, broker: Broker) -> None:
    with consuming(broker) as process:
        await_published(broker, acme, "before")
        child = child_of(process)
        process.kill()
        process.wait()
        await_that(lambda: not is_alive(child))
    with consuming(broker) as process:
        await_published(broker, acme, "after")


def test_a_child_that_dies_again_and_again_ends_the_command_with_a_clear_line(acme: Speaker, broker: Broker) -> None:
    process = start_command("consume_events", "--topics", f"{uuid4().hex}", "--group", broker.group)
    killed: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        for child in find_children(process.pid):
            if child not in killed:
                killed.add(child)
                os.kill(child, signal.SIGSEGV)
        time.sleep(0.05)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, output
    assert len(killed) == 5
    assert "consume_events died 5 times in a row, each within 60 s of its start, the last time of SIGSEGV" in output
    assert "Traceback" not in output


ASKED_EARLY = """
import os, signal, time
from lifecycle.management import supervision

fork = os.fork

def fork_slowly():
    child = fork()
    if not child:
        # The parent is asked to stop, and asks in its turn, before the child has come any further.
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(3)
    return child

supervision.os.fork = fork_slowly
print("ended with", supervision.supervise(lambda: time.sleep(60), what="sleep"))
"""


def test_a_child_that_is_asked_to_stop_before_it_has_begun_does_not_begin() -> None:
    run = run_bare({"PATH": os.environ["PATH"]}, "-c", ASKED_EARLY)
    # And not by SIGKILL, when its time is over.
    assert (run.returncode, run.stdout) == (0, "ended with 0\n"), run.stderr


def test_what_the_child_refuses_is_refused_by_the_command(acme: Speaker, broker: Broker, tmp_path: Path) -> None:
    process = start_command("consume_events", "--health-file", str(tmp_path / "nothing" / "x"))
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "cannot be written" in output
    assert "starting it again" not in output


def test_production_waits_ten_seconds_for_a_consumer_that_was_killed() -> None:
    from lifecycle.messaging.clients import consumer_config

    example = (Path(settings.BASE_DIR) / ".env.example").read_text()
    assert "KAFKA_SESSION_TIMEOUT_MS=10000" in example
    config = consumer_config("g")
    assert config["heartbeat.interval.ms"] * 3 <= config["session.timeout.ms"]
    assert config["max.poll.interval.ms"] >= 10_000


@pytest.mark.parametrize("milliseconds", [1_000, 10_000, 300_001, 3_600_000])
def test_a_consumer_is_made_with_each_session_that_the_settings_allow(milliseconds: int) -> None:
    from lifecycle.messaging.clients import consumer_config, make_consumer

    with override_settings(KAFKA_SESSION_TIMEOUT_MS=milliseconds, KAFKA_CONFIG={}):
        make_consumer(consumer_config("g")).close()
