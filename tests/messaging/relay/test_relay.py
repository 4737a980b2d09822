"""The relay on a real broker: everything goes out, in order, at least once, whatever is killed or away."""

import datetime as dt
import itertools
import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

import orjson
import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections

from lifecycle.messaging import lanes
from lifecycle.messaging import relay as relay_module
from lifecycle.models.customers import Customer
from lifecycle.rules.schemas import load_schema
from lifecycle.rules.transitions import Change
from lifecycle.services.customers.summaries import read_summary
from lifecycle.services.events import outbox
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.messaging.kafka import PATIENCE, Broker, await_that
from tests.messaging.relay.relaying import DEAD_LETTERS, LIFECYCLE, ids_of, make_relay, move, pending, relaying
from tests.messaging.speaking import Speaker
from tests.services import acts


def test_a_change_goes_out_with_the_trace_of_the_request_that_made_it(
    tenant: TenantRef, customer: Customer, api_client: Any, broker: Broker
) -> None:
    tool = api_client("service")
    one = tool.patch(f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "Onboarded"}, format="json")
    items = [{"customer_id": str(customer.id), "stage": "Active"}]
    many = tool.post("/api/v1/lifecycle/transitions", {"items": items}, format="json")
    assert (one.status_code, many.status_code) == (200, 200)
    with tenant_context(tenant.id):
        change = Change(customer.id, "Onboarded")
        apply(Call(tenant, system_actor("tests"), "API", dt.datetime.now(dt.UTC)), [change])
    make_relay(broker, once=True).run()
    sent = [dict(message.headers() or []) for message in broker.read(LIFECYCLE, 4)]
    assert [headers.get("traceparent", b"none").decode() for headers in sent] == [
        "none",
        one.headers["traceparent"],
        many.headers["traceparent"],
        "none",
    ]


def test_a_history_row_goes_out_as_a_cloud_event(acme: Speaker, broker: Broker) -> None:
    acme.hear(acme.created())
    customer = acme.customer()
    move(acme, customer.id, "Onboarded", reason_code="Kick-off", note="Ann is unhappy", on_behalf_of="u-1")
    make_relay(broker, once=True).run()
    first, second = broker.read(LIFECYCLE, 2)
    assert first.key() == second.key() == str(customer.id).encode()
    assert dict(second.headers() or []) == {"content-type": b"application/cloudevents+json; charset=UTF-8"}
    row = acme.history()[1]
    document = orjson.loads(second.value())
    data = document.pop("data")

    def stamp(timestamp: dt.datetime) -> str:
        return timestamp.isoformat().replace("+00:00", "Z")

    assert document == {
        "specversion": "1.0",
        "id": str(row.id),
        "source": "/customer360/lifecycle",
        "type": "audit.lifecycle.updated",
        "subject": str(customer.id),
        "time": stamp(row.changed_at),
        "datacontenttype": "application/json",
        "dataschema": "urn:customer360:schema:audit.lifecycle.updated:1",
        "tenantid": acme.tenant.slug,
    }
    assert data == {
        "id": str(row.id),
        "customer_id": str(customer.id),
        "tenant": acme.tenant.slug,
        "sequence": 2,
        "from_stage": "Prospect",
        "to_stage": "Onboarded",
        "changed_at": stamp(row.changed_at),
        "effective_at": stamp(row.effective_at),
        "recorded_at": stamp(row.recorded_at),
        "changed_by": "system:tests",
        "on_behalf_of": "u-1",
        "actor_kind": "system",
        "source": "API",
        "reason_code": "Kick-off",
        "request_id": str(row.request_id),
        "event_id": "",
        "configuration_version": 1,
    }
    assert set(data) == set(load_schema("audit.lifecycle.updated")["required"])
    assert b"unhappy" not in second.value()
    assert orjson.loads(first.value())["data"]["from_stage"] is None


def test_a_dead_letter_arrives_exactly_as_it_was_sent(acme: Speaker, broker: Broker) -> None:
    from lifecycle.rules.envelopes import receive
    from tests.messaging.speaking import as_message

    poison = [
        as_message(b"\x00\xff junk", topic="customer.updated", key=b"\xfe", headers=[("h", b"\x00"), ("n", None)]),
        as_message(b"x" * 900_000, topic="customer.updated", key=b"big"),
    ]
    acme.hear(*map(receive, poison))
    make_relay(broker, once=True).run()
    messages = {message.key(): message for message in broker.read(DEAD_LETTERS, 2)}
    for sent in poison:
        got = messages[sent.key]
        assert got.value() == sent.value
        headers = got.headers() or []
        assert tuple(headers[: len(sent.headers)]) == sent.headers
        assert dict(headers[len(sent.headers) :])["dead-letter-offset"] == str(sent.offset).encode()


def test_each_customers_changes_go_out_in_their_order(acme: Speaker, broker: Broker) -> None:
    names = [f"c{number}" for number in range(50)]
    acme.hear(*[acme.created(name) for name in names])
    for minute in range(1, 20):
        acme.hear(*[acme.renewed(name, minutes=minute) for name in names] if minute % 2 else [])
        acme.hear(*[acme.closed(name, minutes=minute + 0.5, csat=1) for name in names])
    expected = sum(len(acme.history(name)) for name in names)
    assert expected > 900
    make_relay(broker, once=True).run()
    messages = broker.read(LIFECYCLE, expected)
    assert len(messages) == expected, "published twice without any reason"
    sequences: dict[bytes, list[int]] = defaultdict(list)
    for message in messages:
        sequences[message.key()].append(orjson.loads(message.value())["data"]["sequence"])
    assert len(sequences) == 50
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())
    assert pending() == 0


def test_a_row_that_becomes_visible_late_is_published_all_the_same(acme: Speaker, broker: Broker) -> None:
    """Its id was given before those that were published in the meantime."""
    acme.hear(acme.created("c1"), acme.created("c2"))
    make_relay(broker, once=True).run()
    slow = psycopg.connect(
        **{
            k: v
            for k, v in connections["default"].get_connection_params().items()
            if k in ("host", "port", "dbname", "user", "password")
        }
    )
    slow.execute("SELECT set_config('app.tenant_id', %s, true)", [str(acme.tenant.id)])
    slow.execute(
        "INSERT INTO audit_outbox (tenant_id, topic, key, payload, created_at) VALUES (%s, %s, 'late', '1', now())",
        [acme.tenant.id, LIFECYCLE],
    )
    move(acme, acme.customer("c2").id, "Onboarded")
    with relaying(broker) as relay:
        await_that(lambda: relay.published == 1)
        slow.commit()
        await_that(lambda: relay.published == 2)
    slow.close()
    assert [message.key() for message in broker.read(LIFECYCLE, 4)].count(b"late") == 1


def test_one_relay_leads_and_another_takes_over(acme: Speaker, broker: Broker) -> None:
    with relaying(broker) as first:
        await_that(lambda: first._leads)
        with relaying(broker) as second:
            acme.hear(acme.created("c1"))
            await_that(lambda: first.published == 1)
            time.sleep(0.5)
            assert (second._leads, second.published) == (False, 0)
            first.stop.set()  # type: ignore[attr-defined]
            await_that(lambda: second._leads)
            acme.hear(acme.created("c2"))
            await_that(lambda: second.published == 1)
    assert len(broker.read(LIFECYCLE, 2)) == 2


def test_a_leader_that_lost_its_session_stops_leading(acme: Speaker, broker: Broker) -> None:
    with relaying(broker) as relay:
        await_that(lambda: relay._leads)
        with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'c360_relay' AND datname = %s",
                [connections["relay"].settings_dict["NAME"]],
            )
        connections["relay"].close()
        acme.hear(acme.created("c1"))
        await_that(lambda: relay.published == 1)
    assert len(broker.read(LIFECYCLE, 1)) == 1


def test_only_the_unbroken_prefix_is_marked(acme: Speaker, broker: Broker) -> None:
    """A gap is filled before what follows it counts: otherwise a customer's second change could be the only one."""
    acme.hear(*[acme.created(f"c{number}") for number in range(5)])
    relay = make_relay(broker)
    outbox.listen()
    assert relay._send() == 5
    lane = relay._lanes[LIFECYCLE]
    lane.flush(PATIENCE)
    lane.flights[2].delivered = False
    assert relay._mark() == 2
    assert pending() == 3
    lane.flights[0].delivered = True
    assert relay._mark() == 3
    assert pending() == 0


def test_what_was_not_marked_is_sent_again_by_the_next_relay(acme: Speaker, broker: Broker) -> None:
    """Killed between the acknowledgement and the mark."""
    acme.hear(acme.created("c1"), acme.created("c2"))
    relay = make_relay(broker)
    relay._send()
    relay._lanes[LIFECYCLE].flush(PATIENCE)
    connections["relay"].close()
    make_relay(broker, once=True).run()
    ids = ids_of(broker.read(LIFECYCLE, 4))
    assert len(ids) == 4
    assert len(set(ids)) == 2


def test_a_producer_that_makes_no_progress_is_replaced(
    acme: Speaker, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = relay_module.make_producer
    made: list[Any] = []

    def make(**options: Any) -> Any:
        # The first knows a broker that never answers; the second has all the time that a busy machine takes.
        monkeypatch.setattr(lanes, "PATIENCE_SECONDS", PATIENCE if made else 1.0)
        extra = {"bootstrap.servers": "127.0.0.1:1"} if not made else {}
        made.append(inner(**options, **extra))
        return made[-1]

    monkeypatch.setattr(relay_module, "make_producer", make)
    with relaying(broker) as relay:
        acme.hear(acme.created("c1"))
        await_that(lambda: relay.published == 1)
    assert len(made) == 2
    assert len(broker.read(LIFECYCLE, 1)) == 1


@pytest.mark.parametrize(("key", "value"), [(b"c1", None), (None, None), (b"c1", b""), (b"", b"\x00\xff")])
def test_a_message_without_key_or_value_dies_and_goes_out_as_it_came(
    acme: Speaker, broker: Broker, key: bytes | None, value: bytes | None
) -> None:
    from lifecycle.rules.envelopes import receive
    from tests.messaging.speaking import as_message

    message = as_message(b"", topic="customer.updated", headers=(("h", None),))
    acme.hear(receive(replace(message, key=key, value=value)))
    make_relay(broker, once=True).run()
    (dead_letter,) = broker.read(DEAD_LETTERS, 1)
    assert (dead_letter.key(), dead_letter.value()) == (key, value)
    headers = dict(dead_letter.headers() or [])
    assert headers["h"] is None
    assert headers["dead-letter-topic"] == b"customer.updated"
    assert "dead-letter-value-omitted" not in headers


def test_a_message_that_no_broker_takes_goes_out_without_its_value(
    acme: Speaker, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lifecycle.rules.envelopes import receive
    from tests.messaging.speaking import as_message

    inner = relay_module.make_producer
    monkeypatch.setattr(relay_module, "make_producer", lambda **o: inner(**o, **{"message.max.bytes": 5000}))
    acme.hear(receive(as_message(b"x" * 6000, topic="customer.updated", key=b"big")), acme.created("c1"))
    make_relay(broker, once=True).run()
    (dead_letter,) = broker.read(DEAD_LETTERS, 1)
    assert dead_letter.value() is None
    assert dict(dead_letter.headers() or [])["dead-letter-value-omitted"] == b"too large"
    assert len(broker.read(LIFECYCLE, 1)) == 1
    assert pending() == 0


@pytest.mark.parametrize("value", [b"{", None])
@pytest.mark.parametrize("name", ["", "h", "dead-letter-x", "dead-letter-value-omitted", "dead-letter-code"])
def test_a_message_too_large_in_key_or_headers_goes_out_as_its_error_alone(
    acme: Speaker, broker: Broker, monkeypatch: pytest.MonkeyPatch, name: str, value: bytes | None
) -> None:
    from lifecycle.rules.envelopes import receive
    from tests.messaging.speaking import as_message

    inner = relay_module.make_producer
    monkeypatch.setattr(relay_module, "make_producer", lambda **o: inner(**o, **{"message.max.bytes": 5000}))
    large = b"k" * 6000
    message = as_message(
        b"", topic="customer.updated", key=b"k" if name else large, headers=((name, large),) if name else ()
    )
    acme.hear(receive(replace(message, value=value)), acme.created("c1"))
    make_relay(broker, once=True).run()
    (dead_letter,) = broker.read(DEAD_LETTERS, 1)
    assert (dead_letter.key(), dead_letter.value()) == (None, None)
    headers = dict(dead_letter.headers() or [])
    assert (headers["dead-letter-value-omitted"], headers["dead-letter-code"]) == (b"too large", b"unreadable")
    assert {"h", "dead-letter-x"}.isdisjoint(headers)
    assert len(broker.read(LIFECYCLE, 1)) == 1
    assert pending() == 0


def stage_shown(tenant: TenantRef, customer: Customer) -> str:
    """The stage in the summary, from the cache where it has one."""
    summary = read_summary(customer.id, tenant=tenant, now=dt.datetime.now(dt.UTC))
    assert summary is not None
    return str(summary["stage"])


def move_and_die(tenant: TenantRef, customer: Customer, stage: str) -> None:
    """The process is killed right after its commit: nothing that was to follow it happens."""
    with tenant_context(tenant.id):
        acts.move(tenant, customer, stage)
        connection.run_on_commit.clear()


@pytest.mark.parametrize("takes", [True, False])
def test_a_move_whose_maker_was_killed_is_shown_within_a_second_whether_kafka_takes_it_or_not(
    tenant: TenantRef, customer: Customer, broker: Broker, monkeypatch: pytest.MonkeyPatch, takes: bool
) -> None:
    with relaying(broker) as relay:
        await_that(lambda: LIFECYCLE in relay._lanes)
        if not takes:
            monkeypatch.setattr(lanes.Lane, "takes", lambda _: False)
        seconds: list[float] = []
        for before, stage in itertools.pairwise(("Prospect", *("Onboarded", "Active") * 15)):
            if len(seconds) >= 3 and min(seconds) < 1.0:
                break
            await_that(lambda before=before: stage_shown(tenant, customer) == before)
            move_and_die(tenant, customer, stage)
            died_at = time.monotonic()
            # Nothing else would ever show it: a copy is good for a day.
            await_that(lambda stage=stage: stage_shown(tenant, customer) == stage)
            seconds.append(time.monotonic() - died_at)
    assert min(seconds) < 1.0, "one of so many times the machine has nothing else to do"
