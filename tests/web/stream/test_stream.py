"""The event stream: who may listen, what is announced, and what happens when Redis goes away."""

import asyncio
import contextlib
import datetime as dt
import time
from uuid import uuid4

import orjson
import pytest
import redis.asyncio
from django.conf import settings
from django.core import signing
from django.test import RequestFactory

from config import stream
from config.announcements import TENANT_REST_SECONDS
from lifecycle.services.cache.cache_keys import live_channel
from lifecycle.web.live import PERSON_ALONE, InvalidTicket, Ticket, read_ticket, stream_origin, stream_url
from tenants.services.accounts.session_news import SESSION_ID, announce_end
from tests.web.stream.listening import (
    CUSTOMER,
    CUSTOMER_PATH,
    PATIENCE,
    TENANT,
    Browser,
    announce,
    is_open,
    ticket_for,
    ticket_of,
)


async def announce_at_once(many):
    """All in one message to Redis: however slow the machine, nothing else happens in between."""
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    async with client.pipeline(transaction=True) as together:
        for versions in many:
            together.publish(live_channel(TENANT), orjson.dumps({"changed": versions}))
        await together.execute()
    await client.aclose()


def test_a_page_hears_of_the_notifications_of_its_own_person_alone(run):
    async def story():
        own = f"/live/customers/{PERSON_ALONE}"
        async with Browser(own, ticket_for(PERSON_ALONE)) as bell, Browser(CUSTOMER_PATH, ticket_for()) as page:
            for browser in (bell, page):
                await browser.until(is_open)
            await announce({}, bell=["user-2"])
            await announce({}, tenant=uuid4(), bell=["user-1"])
            await announce({str(CUSTOMER): 4}, bell=["user-2", "user-1"])
            for browser in (bell, page):
                await browser.until(lambda browser: b"event: bell" in browser.body)
        assert bell.body == b"retry: 1000\n\nevent: bell\ndata: 1\n\n"
        assert page.body == b"retry: 1000\n\nevent: changed\ndata: 4\n\nevent: bell\ndata: 1\n\n"

    run(story)


def test_an_open_page_hears_the_version_of_its_customer_and_of_no_other(run):
    async def story():
        async with Browser(CUSTOMER_PATH, ticket_for()) as page:
            await page.until(is_open)
            await announce({str(uuid4()): 3})
            await announce({str(CUSTOMER): 9}, tenant=uuid4())
            await announce({str(CUSTOMER): 4})
            await page.until(lambda page: b"data:" in page.body)
        assert page.body == b"retry: 1000\n\nevent: changed\ndata: 4\n\n"
        assert page.status == 200
        assert page.headers["content-type"] == "text/event-stream"
        assert page.headers["cache-control"] == "no-store"

    run(story)


def test_an_open_page_hears_of_its_customers_figures_and_one_of_the_tenant_does_not(run):
    async def story():
        async with Browser(CUSTOMER_PATH, ticket_for()) as page, Browser("/live/tenant", ticket_for(None)) as other:
            await page.until(is_open)
            await other.until(is_open)
            await announce({}, figures=[str(uuid4())])
            await announce({}, figures=[str(uuid4()), str(CUSTOMER)])
            await page.until(lambda page: b"data:" in page.body)
            await asyncio.sleep(0.2)
        assert page.body == b"retry: 1000\n\nevent: figures\ndata: 1\n\n"
        assert other.body == b"retry: 1000\n\n"

    run(story)


def test_a_page_of_the_tenant_hears_of_a_hundred_changes_at_most_once_a_second(run):
    async def story():
        async with Browser("/live/tenant", ticket_for(None)) as page:
            await page.until(is_open)
            began = time.monotonic()
            await announce_at_once([{str(uuid4()): 1}])
            await page.until(lambda page: page.body.count(b"event: changed") == 1)
            await announce_at_once([{str(uuid4()): 1} for _ in range(99)])
            await page.until(lambda page: page.body.count(b"event: changed") >= 2)
            await asyncio.sleep(0.2)
            seconds = time.monotonic() - began
        # The first at once, then one a second; a machine that is slow to read them may need a third.
        assert seconds > TENANT_REST_SECONDS
        assert 2 <= page.body.count(b"event: changed") <= 1 + seconds // TENANT_REST_SECONDS

    run(story)


def test_all_pages_of_a_tenant_share_one_subscription_which_ends_with_the_last(run):
    async def story():
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
        channel = live_channel(TENANT)

        async def subscriptions():
            return (await client.pubsub_numsub(channel))[0][1]

        async with Browser(CUSTOMER_PATH, ticket_for()) as one:
            async with Browser("/live/tenant", ticket_for(None)) as two:
                await one.until(is_open)
                await two.until(is_open)
                assert await subscriptions() == 1
                assert stream.announcements.listening == 2
            assert await subscriptions() == 1
        # The end of it and this question come to Redis on two connections.
        async with asyncio.timeout(PATIENCE):
            while await subscriptions():
                await asyncio.sleep(0.01)
        assert stream.announcements.listening == 0
        await client.aclose()

    run(story)


def test_a_quiet_stream_is_kept_open_by_comments(run, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)

    async def story():
        async with Browser(CUSTOMER_PATH, ticket_for()) as page:
            await page.until(lambda page: page.body.count(b": nothing new\n\n") >= 2)

    run(story)


def test_a_connection_is_ended_after_its_hour_so_that_its_ticket_is_looked_at_again(run, monkeypatch):
    monkeypatch.setattr(stream, "CONNECTION_SECONDS", 0.1)

    async def story():
        async with Browser(CUSTOMER_PATH, ticket_for()) as page:
            await page.until(lambda page: page.finished)

    run(story)


def end_sessions(user_id, *, session_id=None, but=None, now=None):
    """As the services announce it, outside of any transaction."""
    announce_end(user_id, session_id=session_id, but=but, now=now or dt.datetime.now(dt.UTC))


def test_the_open_pages_of_a_session_that_ends_are_let_go_and_do_not_come_back(run, db):
    user, ended, other = uuid4(), uuid4(), uuid4()

    async def story():
        tickets = [ticket_of(str(one), user_id=str(user)) for one in (ended, other)]
        async with Browser(CUSTOMER_PATH, tickets[0]) as page, Browser(CUSTOMER_PATH, tickets[1]) as stays:
            for browser in (page, stays):
                await browser.until(is_open)
            await asyncio.to_thread(end_sessions, user, session_id=ended)
            await page.until(lambda page: page.finished)
            async with Browser(CUSTOMER_PATH, tickets[0]) as again:
                await again.until(lambda page: page.finished)
            assert (again.status, again.body) == (403, b"The session has ended: log in again.\n")
            await announce({str(CUSTOMER): 6})
            await stays.until(lambda page: b"data: 6" in page.body)
        assert stream.announcements.listening == 0

    run(story)


def test_all_pages_of_a_person_are_let_go_but_those_of_the_session_that_asked(run, db):
    user, this, other = uuid4(), uuid4(), uuid4()

    async def story():
        tickets = [ticket_of(str(one), user_id=str(user)) for one in (other, this)]
        tickets += [ticket_of("", user_id=str(user)), ticket_of("", user_id=str(uuid4()))]
        async with contextlib.AsyncExitStack() as stack:
            pages = [await stack.enter_async_context(Browser(CUSTOMER_PATH, ticket)) for ticket in tickets]
            for page in pages:
                await page.until(is_open)
            await asyncio.to_thread(end_sessions, user, but=this)
            for page in (pages[0], pages[2]):
                await page.until(lambda page: page.finished)
            await announce({str(CUSTOMER): 6})
            for page in (pages[1], pages[3]):
                await page.until(lambda page: b"data: 6" in page.body)
        # Who logs in afterwards has tickets of their own.
        async with Browser(
            CUSTOMER_PATH, ticket_of(str(uuid4()), user_id=str(user), issued_at=time.time() + 1)
        ) as page:
            await page.until(is_open)

    run(story)


def test_pages_that_were_answered_while_their_person_was_shut_out_are_let_go_too(run, db):
    """To suspend a tenant with many people takes seconds: until it is committed each of them is answered."""
    user = uuid4()

    async def story():
        ticket, begun = ticket_of(str(uuid4()), user_id=str(user)), dt.datetime.now(dt.UTC) - dt.timedelta(seconds=3)
        async with Browser(CUSTOMER_PATH, ticket) as page:
            await page.until(is_open)
            await asyncio.to_thread(end_sessions, user, now=begun)
            await page.until(lambda page: page.finished)
        async with Browser(CUSTOMER_PATH, ticket) as again:
            await again.until(lambda page: page.finished)
        assert (again.status, again.body) == (403, b"The session has ended: log in again.\n")

    run(story)


def test_a_ticket_from_before_tickets_knew_their_session_is_good(run):
    old = signing.dumps([str(TENANT), "user-1", str(CUSTOMER)], salt="customer360.live")
    assert read_ticket(old) == Ticket(TENANT, "user-1", CUSTOMER)


@pytest.mark.parametrize(
    ("path", "ticket"),
    [
        (CUSTOMER_PATH, ""),
        (CUSTOMER_PATH, "forged:ticket:here"),
        (CUSTOMER_PATH, ticket_for()[:-1] + "!"),
        (f"/live/customers/{uuid4()}", ticket_for()),
        ("/live/tenant", ticket_for()),
        (CUSTOMER_PATH, ticket_for(None)),
        (CUSTOMER_PATH, signing.dumps([str(TENANT), "user-1", str(CUSTOMER)], salt="another purpose")),
        (CUSTOMER_PATH, signing.dumps(["no-uuid", "user-1", "*"], salt="customer360.live")),
        ("/live/elsewhere", ticket_for(None)),
    ],
    ids=["none", "forged", "garbled", "another customer's", "tenant", "customer", "purpose", "nonsense", "no room"],
)
def test_no_one_listens_without_a_ticket_for_just_that(run, path, ticket):
    async def story():
        async with Browser(path, ticket) as page:
            await page.until(lambda page: page.finished)
        assert page.status == 403
        assert stream.announcements.listening == 0

    run(story)


def test_a_ticket_of_yesterday_is_refused(monkeypatch):
    ticket = ticket_for()
    monkeypatch.setattr("lifecycle.web.live.TICKET_AGE", dt.timedelta(seconds=-1))
    with pytest.raises(InvalidTicket):
        read_ticket(ticket)


def test_only_get_is_answered_and_the_probe_needs_no_ticket(run):
    async def story():
        async with Browser(CUSTOMER_PATH, ticket_for(), method="POST") as page:
            await page.until(lambda page: page.finished)
        assert page.status == 405
        async with Browser("/live/healthz") as probe:
            await probe.until(lambda page: page.finished)
        assert (probe.status, probe.body) == (200, b"ok\n")

    run(story)


@pytest.mark.parametrize(
    ("debug", "origin", "allowed"),
    [
        (True, "http://localhost:8000", "http://localhost:8000"),
        (True, "http://evil.example", None),
        (False, "http://localhost:8000", None),
    ],
)
def test_only_in_development_a_page_of_another_port_of_this_host_may_read(run, settings, debug, origin, allowed):
    settings.DEBUG = debug

    async def story():
        headers = [("host", "localhost:8001"), ("origin", origin)]
        async with Browser(CUSTOMER_PATH, ticket_for(), headers=headers) as page:
            await page.until(is_open)
        assert page.headers.get("access-control-allow-origin") == allowed

    run(story)


@pytest.mark.parametrize(
    ("debug", "address", "host", "origin"),
    [
        (True, "http://127.0.0.1:8001", "localhost:8000", "http://localhost:8001"),
        (True, "http://127.0.0.1:8001", "127.0.0.1:8000", "http://127.0.0.1:8001"),
        (True, "http://127.0.0.1:8001", "[::1]:8000", "http://[::1]:8001"),
        (True, "http://localhost:8001/live", "127.0.0.1", "http://127.0.0.1:8001"),
        (False, "https://live.example.com", "localhost", "https://live.example.com"),
        (True, "/live", "localhost:8000", ""),
    ],
)
def test_the_page_listens_at_the_host_by_which_the_browser_called_it(settings, debug, address, host, origin):
    settings.DEBUG, settings.EVENT_STREAM_URL = debug, address
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    request = RequestFactory().get("/", headers={"host": host})
    request.session = {SESSION_ID: "its own"}
    assert stream_origin(request) == origin
    url = stream_url(request, Ticket(TENANT, "user-1", CUSTOMER))
    assert url.startswith(f"{origin}/live/customers/{CUSTOMER}?ticket=")
