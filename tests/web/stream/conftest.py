"""The stream, running."""

import asyncio

import pytest
from django.conf import settings

from config import stream
from config.announcements import Announcements
from tests.web.stream.listening import PATIENCE


@pytest.fixture
def run(monkeypatch):
    # A busy machine is no outage: two seconds are what production waits for Redis, not what tests do.
    for module in ("config.announcements", "storage.redis"):
        monkeypatch.setattr(f"{module}.ASYNC_SECONDS", PATIENCE)

    def play(story, redis_url=settings.REDIS_URL):
        async def scene():
            announcements = Announcements(redis_url)
            monkeypatch.setattr(stream, "announcements", announcements)
            try:
                await story()
            finally:
                await announcements.close()

        asyncio.run(scene())

    return play
