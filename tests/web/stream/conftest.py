"""The stream, running."""

import asyncio

import pytest
from django.conf import settings

from config import stream
from config.announcements import Announcements


@pytest.fixture
def run(monkeypatch):
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
