"""The relay as operators see it: woken, measured, ended, and made to publish again."""

import datetime as dt
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from audit.models import LifecycleHistory
from audit.services import relay_notification
from audit.services.relay_notification import notify_relay_after_commit
from lifecycle.management.commands.relay_events import parse_since
from lifecycle.messaging.metrics import RELAY
from lifecycle.services.events import outbox
from storage.database.silence import is_silent, name_places
from tenants.context import tenant_context
from tests.messaging.kafka import ENDS_WITHIN, PATIENCE, Broker, await_that, end_command, start_command
from tests.messaging.relay.relaying import LIFECYCLE, ids_of, make_relay, pending, relaying
from tests.messaging.speaking import Speaker


def test_an_operator_can_fill_a_topic_again(acme: Speaker, broker: Broker) -> None:
    acme.hear(acme.created("c1"))
    make_relay(broker, once=True).run()
    since = dt.datetime.now(dt.UTC)
    acme.hear(acme.created("c2"))
    acme.hear(acme.renewed("c2", minutes=1))
    make_relay(broker, once=True).run()
    broker.prefix = f"again.{broker.prefix}"
    assert outbox.republish(since=since) == 2
    assert outbox.republish(since=since) == 0, "what is pending already is not counted again"
    make_relay(broker, once=True).run()
    assert ids_of(broker.read(LIFECYCLE, 2)) == [str(row.id) for row in acme.history("c2")]


def test_a_day_may_be_named_in_several_ways() -> None:
    now = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
    assert parse_since("90m", now=now) == dt.datetime(2026, 3, 2, 10, 30, tzinfo=dt.UTC)
    assert parse_since("2h", now=now) == dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)
    assert parse_since("1d", now=now) == dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    assert parse_since("2026-03-01T00:00:00Z", now=now) == dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    no_timestamps = ("2026-13-45T00:00:00Z", "99999999999d", "9999999d", f"{'9' * 5000}m", "²h", "\udcff")
    for wrong in ("yesterday", "2026-03-01T00:00:00", "h", *no_timestamps):
        with pytest.raises(CommandError, match="--since takes"):
            parse_since(wrong, now=now)


def test_the_outbox_is_measured(acme: Speaker) -> None:
    assert outbox.measure() == (0, 0.0)
    acme.hear(acme.created("c1"), acme.created("c2"))
    time.sleep(0.3)
    count, age = outbox.measure()
    assert count == 2
    assert 0.3 <= age < 100


def test_a_commit_wakes_the_relay(acme: Speaker) -> None:
    outbox.listen()
    while outbox.wait_for_commit(0.05):
        pass
    relay_notification._notified_at.clear()
    acme.hear(acme.created("c1"))
    assert outbox.wait_for_commit(PATIENCE)
    assert not outbox.wait_for_commit(0.05)


def test_a_transaction_that_rolls_back_wakes_no_one(acme: Speaker) -> None:
    from django.db import transaction

    outbox.listen()
    while outbox.wait_for_commit(0.05):
        pass
    relay_notification._notified_at.clear()
    with transaction.atomic():
        notify_relay_after_commit()
        transaction.set_rollback(True)
    assert not outbox.wait_for_commit(0.1)


def test_a_burst_of_commits_rings_once(acme: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_notification, "QUIET_SECONDS", 3600.0)
    outbox.listen()
    while outbox.wait_for_commit(0.05):
        pass
    relay_notification._notified_at.clear()
    for _ in range(20):
        notify_relay_after_commit()
    assert outbox.wait_for_commit(PATIENCE)
    assert not outbox.wait_for_commit(0.2)


def test_the_first_commit_rings_also_when_the_machine_was_just_started(
    acme: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.listen()
    while outbox.wait_for_commit(0.05):
        pass
    relay_notification._notified_at.clear()
    monkeypatch.setattr(relay_notification, "time", SimpleNamespace(monotonic=lambda: 0.0))
    notify_relay_after_commit()
    assert outbox.wait_for_commit(PATIENCE)


def test_where_no_one_commits_the_server_is_not_taken_for_silent(settings: Any) -> None:
    outbox.listen()
    while outbox.wait_for_commit(0.05):
        pass
    settings.DATABASE_SILENT_SECONDS = 0.01
    assert not outbox.wait_for_commit(0.05)
    here = connections["relay"].settings_dict
    assert not is_silent(name_places(here["HOST"], here["PORT"]))


def test_a_bell_that_does_not_ring_breaks_nothing(acme: Speaker) -> None:
    relay_notification._notified_at.clear()
    connection.ensure_connection()
    connection.connection.close()
    relay_notification._notify("default")
    connection.close()
    assert acme.hear(acme.created("c1"))[0].outcome == "applied"


def test_the_relays_own_role_can_do_nothing_but_relay(acme: Speaker) -> None:
    acme.hear(acme.created("c1"))
    refused = [
        "DELETE FROM customer_lifecycle_history",
        "UPDATE customer_lifecycle_history SET to_stage = 'x'",
        "UPDATE audit_outbox SET payload = 'x'",
        "SELECT 1 FROM lifecycle_customer",
        "SELECT 1 FROM lifecycle_deadletter",
        "SELECT 1 FROM audit_data_key",
    ]
    for statement in refused:
        with connections["relay"].cursor() as cursor, pytest.raises(Exception, match="permission denied"):
            cursor.execute(statement)
    with tenant_context(acme.tenant.id):
        assert LifecycleHistory.objects.count() == 1


def test_metrics_say_who_leads_and_what_waits(acme: Speaker, broker: Broker) -> None:
    before = RELAY.get_sample_value("customer360_outbox_published_total", {"topic": LIFECYCLE}) or 0.0
    with relaying(broker) as relay:
        # Said a moment after it is so.
        await_that(lambda: RELAY.get_sample_value("customer360_relay_leading") == 1)
        acme.hear(acme.created("c1"))
        await_that(lambda: relay.published == 1)
    assert RELAY.get_sample_value("customer360_relay_leading") == 0
    assert RELAY.get_sample_value("customer360_outbox_published_total", {"topic": LIFECYCLE}) == before + 1


def test_sigterm_ends_the_command_with_status_0_and_lets_another_lead(acme: Speaker, broker: Broker) -> None:
    process = start_command("relay_events", KAFKA_TOPIC_PREFIX=broker.prefix)
    acme.hear(acme.created("c1"))
    await_that(lambda: pending() == 0)
    status, output, seconds = end_command(process)
    assert (status, seconds < ENDS_WITHIN) == (0, True), output
    assert outbox.acquire_leadership()
    outbox.release_leadership()
    assert len(broker.read(LIFECYCLE, 1)) == 1


def test_the_command_republishes_and_leaves(acme: Speaker, broker: Broker) -> None:
    began = dt.datetime.now(dt.UTC)
    acme.hear(acme.created("c1"))
    make_relay(broker, once=True).run()
    process = start_command(
        "relay_events",
        "--republish",
        "--since",
        began.isoformat(),
        "--topic",
        LIFECYCLE,
        KAFKA_TOPIC_PREFIX=f"again.{broker.prefix}",
    )
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert "messages written since" in output
    broker.prefix = f"again.{broker.prefix}"
    assert ids_of(broker.read(LIFECYCLE, 1)) == [str(row.id) for row in acme.history("c1")]


def test_republish_wants_a_time() -> None:
    process = start_command("relay_events", "--republish")
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "--republish and --since go together." in output


def test_a_command_that_cannot_begin_republishes_nothing(acme: Speaker, tmp_path: Path) -> None:
    acme.hear(acme.created("c1"))
    with connections["relay"].cursor() as cursor:
        cursor.execute("UPDATE audit_outbox SET published_at = clock_timestamp() WHERE published_at IS NULL")
    health = str(tmp_path / "nothing" / "x")
    with pytest.raises(CommandError, match=f"The health file {health} cannot be written"):
        call_command("relay_events", "--republish", "--since", "1h", "--health-file", health)
    assert pending() == 0
