"""Redis is away, cut off or silent: open pages learn of it and may come back."""

import asyncio
import contextlib
from unittest.mock import AsyncMock
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import pytest
import redis.asyncio
from django.conf import settings

from config import stream
from config.announcements import Announcements
from tenants.services.accounts.session_news import CHANNEL, read_ending
from tests.web.stream.listening import (
    CUSTOMER,
    CUSTOMER_PATH,
    PATIENCE,
    Browser,
    announce,
    is_open,
    ticket_for,
    ticket_of,
)


def test_without_redis_a_page_learns_to_go_on_without_the_stream(run):
    async def story():
        async with Browser(CUSTOMER_PATH, ticket_for()) as page:
            await page.until(lambda page: page.finished)
        assert page.status == 503

    run(story, redis_url="redis://127.0.0.1:1/0")


class Wire:
    """A TCP relay before Redis that can be cut and restored, or made to swallow everything."""

    async def __aenter__(self):
        self.writers, self.swallow, self.pongs = [], False, 0
        self.server = await asyncio.start_server(self.carry, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.cut()
        self.server.close()

    @property
    def redis_url(self):
        target = urlsplit(settings.REDIS_URL)
        user = target.netloc.rpartition("@")[0]
        return target._replace(netloc=f"{user}@127.0.0.1:{self.port}" if user else f"127.0.0.1:{self.port}").geturl()

    def cut(self):
        for writer in self.writers:
            writer.close()

    async def carry(self, reader, writer):
        target = urlsplit(settings.REDIS_URL)
        their_reader, their_writer = await asyncio.open_connection(target.hostname, target.port)
        self.writers += [writer, their_writer]
        await asyncio.gather(self.pump(reader, their_writer), self.pump(their_reader, writer))

    async def pump(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.pongs += data.lower().count(b"pong")
                if not self.swallow:
                    writer.write(data)
            writer.close()


def test_when_redis_is_cut_off_every_page_is_let_go_and_may_come_back(run, monkeypatch):
    async def story():
        async with Wire() as wire:
            announcements = Announcements(wire.redis_url)
            monkeypatch.setattr(stream, "announcements", announcements)
            async with Browser(CUSTOMER_PATH, ticket_for()) as page, Browser("/live/tenant", ticket_for(None)) as list_:
                await page.until(is_open)
                await list_.until(is_open)
                wire.cut()
                await page.until(lambda page: page.finished)
                await list_.until(lambda page: page.finished)
            async with Browser(CUSTOMER_PATH, ticket_for()) as page:
                await page.until(is_open)
                await announce({str(CUSTOMER): 5})
                await page.until(lambda page: b"data: 5" in page.body)
            await announcements.close()

    run(story)


@pytest.mark.parametrize("said", [b"not JSON", b'["a", "b", 1.0, "c", "of a newer release"]', b"7"])
def test_an_ending_that_cannot_be_read_leaves_no_page_deaf(run, monkeypatch, said):
    async def story():
        # Of no one, as all processes hear it: only this one reads something else.
        ending = orjson.dumps([str(uuid4()), "", 0.0, ""])
        with monkeypatch.context() as patch:
            async with Browser(CUSTOMER_PATH, ticket_for()) as page:
                await page.until(is_open)
                patch.setattr("config.announcements.read_ending", lambda _: read_ending(said))
                async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
                    await client.publish(CHANNEL, ending)
                await page.until(lambda page: page.finished)
        async with Browser(CUSTOMER_PATH, ticket_for()) as page:
            await page.until(is_open)
            await announce({str(CUSTOMER): 5})
            await page.until(lambda page: b"data: 5" in page.body)

    run(story)


def test_a_page_of_whose_session_nothing_can_be_read_learns_to_go_on_without_the_stream(run, monkeypatch):
    async def story():
        kept = AsyncMock(**{"mget.return_value": [None, b'["a", "b", 1.0, "c", "of a newer release"]']})
        monkeypatch.setattr(stream.announcements, "_asking", kept)
        async with Browser(CUSTOMER_PATH, ticket_for()) as page:
            await page.until(lambda page: page.finished)
        assert page.status == 503
        assert stream.announcements.listening == 0

    run(story)


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_page_whose_session_cannot_be_asked_about_takes_no_other_down(run, monkeypatch, is_silent):
    async def story():
        async with Wire() as wire:
            async with Browser(CUSTOMER_PATH, ticket_for()) as page:
                await page.until(is_open)
                wire.swallow = is_silent
                monkeypatch.setattr("config.announcements.ASYNC_SECONDS", 0.3)
                url = wire.redis_url if is_silent else "redis://127.0.0.1:1/0"
                asking = redis.asyncio.Redis.from_url(url)
                await stream.announcements._asking.aclose()
                monkeypatch.setattr(stream.announcements, "_asking", asking)
                async with Browser(CUSTOMER_PATH, ticket_of("session-1")) as other:
                    await other.until(lambda page: page.finished)
                assert other.status == 503
                assert stream.announcements.listening == 1
                await announce({str(CUSTOMER): 6})
                await page.until(lambda page: b"data: 6" in page.body)
                assert not page.finished
            await asking.aclose()

    run(story)


def test_when_redis_falls_silent_every_page_is_let_go(run, monkeypatch):
    """It is asked soon; as long as it answers it has all the time for that which a busy machine needs."""
    ping = redis.asyncio.client.PubSub.ping

    def be_silent_for(seconds):
        monkeypatch.setattr("config.announcements.SILENCE_SECONDS", seconds)

    class Patient(Announcements):
        def _hear(self, message):
            be_silent_for(0.1)
            super()._hear(message)

    async def story():
        async with Wire() as wire:

            async def ask(pubsub):
                be_silent_for(0.1 if wire.swallow else PATIENCE)
                await ping(pubsub)

            monkeypatch.setattr(redis.asyncio.client.PubSub, "ping", ask)
            announcements = Patient(wire.redis_url)
            monkeypatch.setattr(stream, "announcements", announcements)
            async with Browser(CUSTOMER_PATH, ticket_for()) as page:
                await page.until(lambda page: is_open(page) and wire.pongs >= 2)
                assert not page.finished
                wire.swallow = True
                # One that it was asked before may never be answered.
                be_silent_for(0.1)
                await page.until(lambda page: page.finished, 2 * PATIENCE)
            await announcements.close()

    run(story)
