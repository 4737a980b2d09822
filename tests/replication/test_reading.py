"""Lists, figures and files from a replica: never less than the reader has written, never older than is allowed."""

import csv
import io
import os
import signal
import threading
import time

import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings

from audit.models import AdministrationEntry
from lifecycle.models.customers import Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.lists import exports
from lifecycle.services.transitions.apply import Call, apply
from storage import redis, replica
from storage.database import base
from storage.database.base import REPLICA_SECONDS
from storage.database.routing import REPLICA, on_primary, reading_from
from tenants.actors import system_actor
from tenants.checks import check_databases
from tenants.context import tenant_context
from tenants.reading import read_from_replica
from tests.api.test_round_trips import Trips, trips  # noqa: F401
from tests.factories import CustomerFactory, utc_now
from tests.replication.conftest import PASSWORD, PATIENCE
from tests.web.test_moving import submit

LIST = "/api/v1/customers"
PAGES = ("/", "/customers", "/board", "/insight", "/insight/forecast", "/customers/as-of", "/board/as-of")


def names(client, **query):
    response = client.get(LIST, query)
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


def move(client, customer, stage):
    response = client.patch(f"{LIST}/{customer.id}/lifecycle", {"stage": stage})
    assert response.status_code == 200, response.content


@pytest.fixture
def read_by(pair):
    """What was read from which server since the last look, and why not from the replica."""

    def values():
        return {
            sample.labels.get("server") or sample.labels["reason"]: sample.value
            for metric in (replica.reads, replica.fallbacks)
            for family in metric.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }

    seen = values()

    def look():
        nonlocal seen
        now = values()
        found = {name: int(value - seen.get(name, 0)) for name, value in now.items() if value != seen.get(name, 0)}
        seen = now
        return found

    return look


@pytest.mark.parametrize("address", PAGES)
def test_a_page_of_many_customers_is_read_from_the_replica(pair, page_client, customer, read_by, address):
    client = page_client("account_manager")
    pair.await_replayed()
    assert client.get(address).status_code == 200
    assert read_by() == {"replica": 1}


def record_at_risk(tenant, customer):
    """With somebody to call."""
    zoe = ContactFacts(name="Zoë Beispiel", phone="+49 30 123456")
    facts, by = CustomerFacts(customer.external_id, "/crm", utc_now(), contacts=[zoe]), system_actor("tests")
    with tenant_context(tenant.id):
        record_customers([facts], tenant=tenant, actor=by, source="Import", now=utc_now(), create=False)
        apply(Call(tenant, by, "API", utc_now()), [Change(customer.id, "At-Risk", "Low Engagement")])


def test_whose_contacts_the_first_page_shows_is_recorded_on_the_primary(pair, page_client, tenant, customer, read_by):
    record_at_risk(tenant, customer)
    client = page_client("account_manager")
    pair.await_replayed()
    assert "+49 30 123456" in client.get("/").content.decode()
    assert read_by() == {"replica": 1}
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="reveal_contacts")
    assert (entry.subject, entry.detail["place"]) == (str(customer.id), "home")


@pytest.mark.direct
def test_a_primary_that_takes_no_writes_is_no_fault_of_the_replica(pair, page_client, tenant, customer, read_by):
    record_at_risk(tenant, customer)
    client = page_client("account_manager")
    pair.await_replayed()
    with connections["default"].cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        shown = client.get("/").content.decode()
    finally:
        connections["default"].close()
    assert "Zoë Beispiel" in shown
    assert "••• 56" in shown
    assert "123456" not in shown
    assert read_by() == {"replica": 1}


@pytest.mark.direct
def test_a_list_of_the_api_costs_the_primary_nothing_and_no_trip_more(pair, api_client, customer, read_by, trips):  # noqa: F811
    client = api_client("viewer")
    pair.await_replayed()
    assert names(client) == [customer.name]
    with trips.counting() as of_primary:
        assert names(client) == [customer.name]
    assert of_primary.sent == "RR"
    assert read_by() == {"replica": 2}

    with trips.counting() as counted:
        trips.link.untrace()
        trips.link = connections[REPLICA].connection.pgconn
        trips.link.trace(trips.written.fileno())
        assert names(client) == [customer.name]
    # The membership, and what the person has written; then what opens the transaction and says how far the replica is,
    # the configuration, the page, the end: what it is on the primary.
    assert counted.sent == "RRPPPP"


@pytest.mark.direct
def test_a_commit_says_where_the_log_is_without_a_trip_of_its_own(pair, tenant, customer, trips):  # noqa: F811
    with tenant_context(tenant.id):
        Customer.objects.filter(id=customer.id).update(owner="a")
    before = replica.committed_at()
    with trips.counting() as counted, tenant_context(tenant.id):
        Customer.objects.filter(id=customer.id).update(owner="b")
    assert counted.sent == "PPP"
    # Where a commit ends with a page of the log, the next record begins behind the head of another one, which is not
    # there yet: by that measure alone the position is no later than the log is now.
    now = pair.ask(pair.primary, "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
    assert before < replica.committed_at() <= now


def test_people_see_their_own_changes_at_once_and_others_within_the_lag(pair, api_client, customer, read_by, clock):
    manager, viewer = api_client("account_manager"), api_client("viewer")
    assert names(manager, stage="Prospect") == [customer.name]
    with override_settings(DATABASE_REPLICA_LAG_SECONDS=3), pair.paused():
        # Where the log is now is known to be replayed.
        assert names(viewer, stage="Prospect") == [customer.name]
        read_by()
        move(manager, customer, "Onboarded")
        assert names(manager, stage="Onboarded") == [customer.name]
        assert names(manager, stage="Prospect") == []
        assert read_by() == {"primary": 2, "not_yet": 2}
        # Somebody else reads what is a moment old,
        assert names(viewer, stage="Prospect") == [customer.name]
        assert read_by() == {"replica": 1}
        # and nothing that is older than is allowed.
        clock.move(1)
        assert names(viewer, stage="Prospect") == [customer.name]
        clock.move(2.5)
        assert names(viewer, stage="Prospect") == []
        assert replica.off._value.get() == 1
        assert replica.lag._value.get() == 2.5
    pair.await_replayed()
    clock.move(replica.PAUSE_SECONDS)
    read_by()
    assert names(manager, stage="Onboarded") == names(viewer, stage="Onboarded") == [customer.name]
    assert read_by() == {"replica": 2}
    assert replica.off._value.get() == 0


def test_a_change_on_a_page_is_shown_by_the_next_one(pair, page_client, customer, read_by):
    client = page_client("account_manager")
    assert customer.name in client.get("/customers?stage=Prospect").content.decode()
    with pair.paused():
        client.get("/customers")
        assert submit(client, customer, "Onboarded").status_code == 200
        read_by()
        assert customer.name in client.get("/customers?stage=Onboarded").content.decode()
        assert read_by() == {"primary": 1, "not_yet": 1}


def test_an_open_page_that_hears_of_a_change_shows_it(pair, page_client, api_client, customer, read_by):
    client = page_client("viewer")
    client.get("/customers")
    heard = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TRIGGER": "results"}
    with pair.paused():
        client.get("/customers")
        move(api_client("account_manager"), customer, "Onboarded")
        read_by()
        assert customer.name in client.get("/customers?stage=Onboarded", **heard).content.decode()
        assert read_by() == {"primary": 1, "not_yet": 1}
    pair.await_replayed()
    assert customer.name in client.get("/customers?stage=Onboarded", **heard).content.decode()
    assert read_by() == {"replica": 1}


def test_no_row_of_another_tenant_is_shown_by_the_replica(
    pair, tenant, other_tenant, customer, other_customer, api_client, other_users
):
    pair.await_replayed()
    assert names(api_client("viewer")) == [customer.name]
    assert names(api_client(other_users.viewer)) == [other_customer.name]
    with reading_from(REPLICA):
        assert Customer.objects.count() == 0
        with tenant_context(tenant.id):
            assert list(Customer.objects.values_list("id", flat=True)) == [customer.id]
            with on_primary(), tenant_context(other_tenant.id):
                assert list(Customer.objects.values_list("id", flat=True)) == [other_customer.id]
            assert list(Customer.objects.values_list("id", flat=True)) == [customer.id]
        assert Customer.objects.count() == 0


def test_an_answer_that_was_on_its_way_does_not_say_that_a_lost_replica_is_read_again(monkeypatch):
    monkeypatch.setattr(replica, "_is_reached", lambda: False)
    switch = replica._Switch()
    for leave in (switch.stop, switch.pause):
        leave("away")
        switch.note_answer()
        assert (switch.is_on(), switch.reason, replica.off._value.get()) == (False, "away", 1)
    switch.end()
    deadline = time.monotonic() + PATIENCE
    while not switch.is_on():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    switch.note_answer()
    assert (switch.reason, replica.off._value.get()) == ("", 0)


def test_a_killed_replica_is_an_error_to_no_one_and_comes_back_by_itself(
    pair, api_client, customer, in_threads, read_by
):
    client = api_client("viewer")
    pair.await_replayed()
    assert names(client) == [customer.name]
    read_by()
    is_killed = threading.Event()

    def read_on(number):
        mine = api_client("viewer")
        for turn in range(12):
            if turn == 4 and number == 0:
                pair.kill_standby()
                is_killed.set()
            if turn == 8:
                assert is_killed.wait(60)
            assert names(mine) == [customer.name]
        return 12

    try:
        assert in_threads(4, read_on) == [12] * 4
        found = read_by()
        assert found["replica"] >= 4
        # At least what each has read since; each thread may have found it away once.
        assert found["primary"] >= 16
        assert found["replica"] + found["primary"] == 48
        assert 1 <= found["away"] <= 4
        assert replica.off._value.get() == 1
    finally:
        pair.start_standby()
    # A pooler does not look at once.
    deadline = time.monotonic() + PATIENCE
    while "replica" not in read_by():
        assert time.monotonic() < deadline
        time.sleep(0.2)
        assert names(client) == [customer.name]
    assert replica.off._value.get() == 0


@pytest.mark.parametrize("kind", ["contacts", "rows"])
def test_an_export_that_runs_when_the_replica_is_killed_is_whole(
    pair, page_client, tenant, users, customer, monkeypatch, read_by, kind
):
    for number in range(3):
        CustomerFactory(tenant=tenant, name=f"Customer {number}")
    monkeypatch.setattr("lifecycle.queries.listing.ROWS_AT_ONCE", 1)
    monkeypatch.setattr("lifecycle.services.lists.contact_columns.ROWS_AT_ONCE", 1)
    pair.await_replayed()
    in_turns, killed = exports._in_turns, []

    def kill_after_two(rows):
        for number, row in enumerate(in_turns(rows)):
            yield row
            if number == 1 and not killed:
                killed.append(number)
                pair.kill_standby()

    monkeypatch.setattr(exports, "_in_turns", kill_after_two)
    try:
        view = {"columns": "customer", "ordering": "name"} | ({"contacts": "1"} if kind == "contacts" else {})
        response = page_client("account_manager").get("/customers/export.csv", view)
        text = b"".join(response.streaming_content).decode("utf-8-sig")
    finally:
        pair.start_standby()
    assert killed == [1]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(row["name"] for row in rows) == sorted([customer.name, "Customer 0", "Customer 1", "Customer 2"])
    assert read_by() == {"primary": 1, "away": 1}
    with tenant_context(tenant.id):
        (entry,) = AdministrationEntry.objects.filter(tenant_id=tenant.id, action="export_customers")
    assert entry.detail["rows"] == 4


@pytest.mark.direct
def test_what_the_replica_cancels_for_its_replay_is_read_from_the_primary(pair, tenant, customer, users, read_by):
    # What another test's replica kept open ends first.
    pair.await_replayed()
    asked = []

    def read():
        with connections["default"].chunked_cursor() as cursor:
            cursor.execute("SELECT id FROM lifecycle_customer, generate_series(1, 10000)")
            first = cursor.fetchone()
            asked.append(connections["default"].alias)
            if connections["default"].alias == REPLICA:
                with pair.admin(pair.primary) as admin:
                    # What other tests have left is in the table too, and may have no room for a letter more.
                    admin.execute("UPDATE lifecycle_customer SET owner = owner || 'x' WHERE id = %s", [customer.id])
                    admin.execute("VACUUM (FREEZE) lifecycle_customer")
                pair.await_replayed()
            return first, sum(1 for _ in iter(cursor.fetchone, None))

    (first, rest) = read_from_replica(read, tenant_id=tenant.id, reader="someone")
    assert (first, rest) == ((customer.id,), 9999)
    assert asked == [REPLICA, "default"]
    assert read_by() == {"primary": 1, "conflict": 1}


def test_what_is_written_by_mistake_is_written_on_the_primary(pair, tenant, customer, read_by):
    pair.await_replayed()

    def write():
        return Customer.objects.filter(id=customer.id).update(owner="Ann")

    assert read_from_replica(write, tenant_id=tenant.id, reader="somebody") == 1
    assert read_by() == {"primary": 1, "write": 1}
    with tenant_context(tenant.id):
        assert Customer.objects.get(id=customer.id).owner == "Ann"


def test_without_redis_no_one_knows_who_wrote_what_and_the_primary_answers(
    pair, api_client, customer, monkeypatch, read_by
):
    client = api_client("viewer")
    pair.await_replayed()
    assert names(client) == [customer.name]
    assert read_by() == {"replica": 1}
    monkeypatch.setattr(redis, "_away_until", time.monotonic() + 60)
    assert names(client) == [customer.name]
    assert read_by() == {"primary": 1}
    # Nor for a while after it may have lost what it had.
    monkeypatch.setattr(redis, "_away_until", 0.0)
    monkeypatch.setattr(replica, "DOUBT_SECONDS", 3600.0)
    assert names(client) == [customer.name]
    assert read_by() == {"primary": 1}


@pytest.mark.direct
def test_a_replica_that_hangs_costs_one_reader_a_second(pair, api_client, customer, monkeypatch, read_by):
    # After a second it is tried again, and answers on another connection: a busy machine takes longer for two lists.
    monkeypatch.setattr(replica, "TRY_SECONDS", 3600.0)
    client = api_client("viewer")
    pair.await_replayed()
    assert names(client) == [customer.name]
    # The tests wait for longer (conftest.py), by the same constant: every connection takes it when it is made.
    opened = connections[REPLICA].connection
    assert (opened.opening_seconds, REPLICA_SECONDS) == (base.REPLICA_SECONDS, 1.0)
    opened.opening_seconds = REPLICA_SECONDS
    backend = connections[REPLICA].connection.info.backend_pid
    os.kill(backend, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert names(client) == [customer.name]
        # A primary is waited for for a minute.
        assert 0.9 < time.monotonic() - began < settings.DATABASE_SILENT_SECONDS / 2
        assert read_by() == {"replica": 1, "away": 1, "primary": 1}
        # The next one does not ask it.
        assert names(client) == [customer.name]
        assert read_by() == {"primary": 1}
    finally:
        os.kill(backend, signal.SIGKILL)


def test_a_tenant_of_another_server_is_read_there(pair, api_client, customer, monkeypatch, read_by):
    pair.await_replayed()
    monkeypatch.setattr(replica, "current_server", lambda: "east")
    assert names(api_client("viewer")) == [customer.name]
    assert read_by() == {"primary": 1}


def test_a_super_admin_looks_at_the_primary(pair, api_client, users, customer, read_by):
    pair.await_replayed()
    assert names(api_client(users.super_admin)) == [customer.name]
    assert read_by() == {}


@pytest.mark.direct
def test_an_address_whose_role_is_not_bound_is_refused_at_the_start(pair):
    entry = connections.settings[REPLICA]
    bound = {"USER": entry["USER"], "PASSWORD": entry["PASSWORD"]}
    assert check_databases([REPLICA]) == []
    connections[REPLICA].close()
    entry |= {"USER": "postgres", "PASSWORD": PASSWORD}
    try:
        messages = [error.msg for error in check_databases([REPLICA])]
    finally:
        connections[REPLICA].close()
        entry |= bound
    sentence = "DATABASE_REPLICA_URL connects as a role that row-level security does not bind"
    assert messages[0] == f"{sentence}: it is a superuser."


def test_a_replica_that_was_promoted_is_none_any_more(pair, api_client, customer, read_by):
    """The last one: afterwards there is no replica."""
    client = api_client("viewer")
    pair.await_replayed()
    assert names(client) == [customer.name]
    read_by()
    assert pair.ask(pair.standby, "SELECT pg_promote()") is True
    assert names(client) == [customer.name]
    assert read_by() == {"primary": 1, "not_yet": 1}
    # It has another timeline, which is seen when it is connected to again.
    with pair.admin(pair.standby) as admin:
        admin.execute("CHECKPOINT")
    connections[REPLICA].close()
    assert names(client) == [customer.name]
    assert read_by() == {"primary": 1, "away": 1}
    assert replica._switch.reason == "the replica replays another history"
