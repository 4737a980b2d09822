"""The tenant's changes, followed by a program: none skipped, none twice, whenever each was committed."""

import datetime as dt
import threading
from contextlib import contextmanager

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from audit.models import FeedEntry
from audit.services import feed
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, utc_now
from tests.services.acts import move

FEED = "/api/v1/lifecycle/history"


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")


def read(client, after="", **parameters):
    answer = client.get(FEED, {**({"after": after} if after else {}), **parameters})
    assert answer.status_code == 200, answer.content
    return answer.json()


def follow(client, after="", limit=2):
    """Every change from there on, page by page, and where to go on."""
    changes = []
    while True:
        page = read(client, after, limit=limit)
        changes += page["results"]
        after = page["next_cursor"]
        if not page["has_more"]:
            return changes, after


def seen(changes):
    return [(change["customer_id"], change["sequence"]) for change in changes]


@contextmanager
def uncommitted(work):
    """The work done in another transaction, which is open until the block ends."""
    done, end, failures = threading.Event(), threading.Event(), []

    def run():
        try:
            with transaction.atomic():
                work()
                done.set()
                assert end.wait(120)
        except BaseException as error:
            failures.append(error)
        finally:
            done.set()
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert done.wait(120) and not failures, failures
        yield
    finally:
        end.set()
        thread.join(120)
    assert not failures, failures


def move_in(tenant, customer, stage):
    with tenant_context(tenant.id):
        move(tenant, customer, stage)


def test_every_change_comes_once_in_pages_with_a_cursor_that_lasts(manager, tenant):
    customers = [CustomerFactory(tenant=tenant) for _ in range(3)]
    for customer in customers:
        move_in(tenant, customer, "Active")
    changes, cursor = follow(manager)
    assert [change["position"] for change in changes] == [1, 2, 3, 4, 5, 6]
    assert seen(changes) == [
        *((str(customer.id), 1) for customer in customers),
        *((str(customer.id), 2) for customer in customers),
    ]
    last = changes[-1]
    assert (last["from_stage"], last["to_stage"], last["external_id"]) == (
        "Prospect",
        "Active",
        customers[2].external_id,
    )
    assert cursor == "6"
    assert read(manager, cursor) == {"results": [], "next_cursor": "6", "has_more": False, "total": None}
    move_in(tenant, customers[0], "Onboarded")
    assert seen(follow(manager, cursor)[0]) == [(str(customers[0].id), 3)]
    # Again from an old place: the same, in the same order.
    assert follow(manager, "2", limit=50)[0][:4] == changes[2:]


def test_a_change_that_is_committed_late_comes_late_and_is_not_skipped(manager, tenant):
    slow, fast = CustomerFactory(tenant=tenant), CustomerFactory(tenant=tenant)
    _, cursor = follow(manager)
    with uncommitted(lambda: move_in(tenant, slow, "Active")):
        # Its id is lower than that of what follows, and it is not there yet.
        move_in(tenant, fast, "Active")
        changes, cursor = follow(manager, cursor)
        assert seen(changes) == [(str(fast.id), 2)]
        assert follow(manager, cursor) == ([], cursor)
    changes, after = follow(manager, cursor)
    assert seen(changes) == [(str(slow.id), 2)]
    assert follow(manager, after) == ([], after)
    assert follow(manager, "2")[0] == follow(manager, "2", limit=50)[0]
    with tenant_context(tenant.id):
        positions = FeedEntry.objects.filter(tenant_id=tenant.id).order_by("position")
        assert list(positions.values_list("position", flat=True)) == [1, 2, 3, 4]


def test_readers_at_once_number_each_change_once(api_client, tenant, in_threads):
    customers = [CustomerFactory(tenant=tenant) for _ in range(6)]
    client = api_client("account_manager")

    def work(number):
        if number < 6:
            return move_in(tenant, customers[number], "Active")
        return follow(client)[0]

    for found in in_threads(10, work):
        assert not isinstance(found, Exception), found
    changes = follow(client)[0]
    assert [change["position"] for change in changes] == list(range(1, 13))
    assert sorted(seen(changes)) == sorted((str(one.id), n) for one in customers for n in (1, 2))


def test_what_a_very_long_transaction_brought_is_found_by_the_next_thorough_look(tenant):
    customer, other = CustomerFactory(tenant=tenant), CustomerFactory(tenant=tenant)
    now = utc_now()
    with tenant_context(tenant.id):
        feed.number_rows(tenant.id, now=now)
        assert feed.find_last_position(tenant.id) == 2
    move_in(tenant, customer, "Active")
    with tenant_context(tenant.id):
        # As if the row had been begun so long ago that the frequent look does not go back to it.
        feed.number_rows(tenant.id, now=now + feed.SELDOM / 2)
        assert feed.find_last_position(tenant.id) == 3
    move_in(tenant, customer, "Onboarded")
    move_in(tenant, other, "Active")
    with tenant_context(tenant.id):
        state = {"tenant_id": tenant.id}
        later = now + dt.timedelta(hours=1)
        _note_search(state, later)
        feed.number_rows(tenant.id, now=later + feed.SELDOM / 2)
        assert feed.find_last_position(tenant.id) == 3
        feed.number_rows(tenant.id, now=later + 2 * feed.SELDOM)
        assert feed.find_last_position(tenant.id) == 5


def _note_search(state, timestamp):
    from audit.models import FeedState

    FeedState.objects.filter(**state).update(searched_at=timestamp)


def test_a_customer_keeps_its_order_when_the_ids_of_its_rows_do_not(tenant, monkeypatch):
    """The clock of one host is ahead of the other's."""
    customer = CustomerFactory(tenant=tenant)
    from lifecycle.services.transitions import apply as verb

    ids = [feed.floor_of(utc_now() + dt.timedelta(minutes=minutes)) for minutes in (5, 1)]
    made = iter(ids)
    with monkeypatch.context() as patched:
        patched.setattr(verb, "uuid7", lambda: next(made))
        for stage in ("Active", "Onboarded"):
            call = Call(tenant, system_actor("tests"), "API", utc_now(), ids[0])
            with tenant_context(tenant.id):
                assert apply(call, [Change(customer.id, stage)])[0].moved
    with tenant_context(tenant.id):
        feed.number_rows(tenant.id, now=utc_now())
        assert [id_ for _, id_ in feed.read_positions(tenant.id, after=1, limit=9)] == ids


def test_a_long_history_is_gone_through_a_part_each_time(tenant, monkeypatch):
    customers = [CustomerFactory(tenant=tenant) for _ in range(5)]
    for customer in customers:
        move_in(tenant, customer, "Active")
    monkeypatch.setattr(feed, "MOST", 4)
    for count in (4, 8, 10, 10):
        with tenant_context(tenant.id):
            feed.number_rows(tenant.id, now=utc_now())
            assert feed.find_last_position(tenant.id) == count


def test_the_note_is_not_in_it_and_another_tenant_has_its_own(api_client, tenant, other_tenant, other_customer):
    customer = CustomerFactory(tenant=tenant)
    manager = api_client("account_manager")
    manager.patch(f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "Active", "note": "Ann is leaving"})
    changes = read(manager)["results"]
    assert [change["has_note"] for change in changes] == [False, True]
    assert "Ann" not in str(changes) and "note" not in changes[1]
    assert str(other_customer.id) not in str(changes)
    assert read(api_client("tenant_admin", tenant=tenant))["results"] == changes


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"after": "x"}, "after"),
        ({"after": "-1"}, "after"),
        ({"after": "9" * 19}, "after"),
        ({"after": "7"}, "after"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"cursor": "1"}, "cursor"),
    ],
)
def test_a_place_that_is_none_is_refused(manager, customer, query, parameter):
    answer = manager.get(FEED, query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [one["parameter"] for one in answer.json()["errors"]] == [parameter]


def test_a_viewer_sees_no_history(api_client):
    assert api_client("viewer").get(FEED).status_code == 403


def test_the_statements_do_not_grow_with_the_number_of_changes(api_client):
    counts = []
    for number in (1, 30):
        tenant = TenantFactory(configuration=MINIMAL)
        for _ in range(number):
            CustomerFactory(tenant=tenant)
        client = api_client("super_admin", tenant=tenant)
        client.get(FEED, {"after": "0"})
        with CaptureQueriesContext(connection) as statements:
            assert len(client.get(FEED, {"limit": 200}).json()["results"]) == number
        counts.append(len(statements))
    assert counts[0] == counts[1]
