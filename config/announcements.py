"""What Redis announces, given to anyone who listens in this process: one connection, one subscription a tenant."""

import asyncio
from collections.abc import Collection, Set
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from lifecycle.services.cache.cache_keys import live_channel
from storage.redis import ASYNC_SECONDS, open_async_client, open_subscription
from tenants.services.accounts.session_news import CHANNEL, Ending, keys_of, read_ending

log = structlog.get_logger(__name__)

# Connections by which pages that come at once ask whether their session has ended.
ASKING = 8
# Silence after which Redis is asked whether it is still there; after as much again it is not.
SILENCE_SECONDS = 5.0
# Pages that show many customers need no more than one hint a second.
TENANT_REST_SECONDS = 1.0


class Unavailable(Exception):
    """Redis cannot be reached: nothing can be announced now."""


class Ended(Exception):
    """The session of the page is over: it has to be loaded again, and its person to log in."""


class Listener:
    """One open page. Only the newest version is kept for it, so a slow page costs no memory.

    A page of one customer hears of its new figures too. Pages of the whole tenant do not: they
    are about which stage customers are in, and figures come by the thousand.
    """

    def __init__(
        self, tenant_id: UUID, customer_id: UUID | None, user_id: str = "", session_id: str = "", issued_at: float = 0.0
    ) -> None:
        self.channel = live_channel(tenant_id)
        self.user_id = user_id
        self.session_id = session_id
        self.issued_at = issued_at
        self.customer_id = str(customer_id) if customer_id else None
        self.news = asyncio.Event()
        self.dismissed = False
        self._version = 0
        self._has_figures = False
        self._has_notifications = False

    def tell(
        self, versions: dict[str, int], figures: Set[str] = frozenset(), notified: Collection[str] = frozenset()
    ) -> None:
        """Note what concerns this page; a page of the whole tenant learns how many customers changed.

        ``notified``: the people whose notifications are others now.
        """
        version = len(versions) if self.customer_id is None else versions.get(self.customer_id, 0)
        if version:
            self._version = version
            self.news.set()
        if self.customer_id in figures:
            self._has_figures = True
            self.news.set()
        if self.user_id in notified:
            self._has_notifications = True
            self.news.set()

    def take(self) -> tuple[int, bool, bool]:
        """The newest version that was noted, 0 if none, and whether there are new figures, and notifications."""
        self.news.clear()
        news = self._version, self._has_figures, self._has_notifications
        self._version, self._has_figures, self._has_notifications = 0, False, False
        return news

    def ends_with(self, ending: Ending) -> bool:
        """Whether the session of the page has ended with it."""
        return ending.ends(user_id=self.user_id, session_id=self.session_id, issued_at=self.issued_at)

    def dismiss(self) -> None:
        """Nothing more will come: hang up."""
        self.dismissed = True
        self.news.set()

    async def rest(self) -> None:
        """Wait before the next hint to a page of the whole tenant; what comes in the meantime is one hint."""
        if self.customer_id is None:
            await asyncio.sleep(TENANT_REST_SECONDS)


class _Room:
    """The listeners of one tenant. ``open`` is set once Redis has confirmed the subscription."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.open = asyncio.Event()


class Announcements:
    """The process's subscription. When it breaks, every listener is dismissed; the next one connects again."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        # Beside the subscription, which can be asked nothing.
        self._asking = open_async_client(redis_url, connections=ASKING)
        self._rooms: dict[str, _Room] = {}
        self._pubsub: PubSub | None = None
        self._reader: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    @property
    def listening(self) -> int:
        """How many pages listen."""
        return sum(len(room.listeners) for room in self._rooms.values())

    async def join(self, listener: Listener) -> None:
        """Let the listener hear everything that is announced from now on. Raises Unavailable, and Ended: asked once
        the end of a session would be heard, so none is missed.
        """
        try:
            async with asyncio.timeout(ASYNC_SECONDS):
                async with self._turn:
                    room = self._rooms.setdefault(listener.channel, _Room())
                    room.listeners.add(listener)
                    if len(room.listeners) == 1:
                        await (await self._connected()).subscribe(listener.channel)
                await room.open.wait()
        except (RedisError, OSError, TimeoutError) as error:
            await self._hang_up(error)
            raise Unavailable from error
        try:
            async with asyncio.timeout(ASYNC_SECONDS):
                has_ended = await self._has_ended(listener)
        except (RedisError, OSError, TimeoutError, ValueError, TypeError) as error:
            # Says nothing of the subscription, by which the others hear: it finds out by itself.
            log.warning("not known whether a session has ended", error=repr(error))
            await self.leave(listener)
            raise Unavailable from error
        if has_ended:
            await self.leave(listener)
            raise Ended
        if listener.dismissed:
            raise Unavailable

    async def leave(self, listener: Listener) -> None:
        """Forget the listener, and the tenant's channel when no one else listens to it."""
        async with self._turn:
            room = self._rooms.get(listener.channel)
            if room is None:
                return
            room.listeners.discard(listener)
            if not room.listeners:
                del self._rooms[listener.channel]
                if self._pubsub is not None:
                    with suppress(RedisError, OSError):
                        await self._pubsub.unsubscribe(listener.channel)

    async def close(self) -> None:
        """Dismiss everyone and let go of Redis."""
        await self._hang_up(None)
        with suppress(RedisError, OSError):
            await self._asking.aclose()

    async def _has_ended(self, listener: Listener) -> bool:
        held = await self._asking.mget(keys_of(listener.user_id, listener.session_id))
        return any(listener.ends_with(read_ending(body)) for body in held if body is not None)

    async def _connected(self) -> PubSub:
        if self._pubsub is None:
            self._pubsub = open_subscription(self._redis_url)
            # A subscription that is always there keeps the connection in its listening state.
            await self._pubsub.subscribe(CHANNEL)
            self._reader = asyncio.create_task(self._read(self._pubsub))
        return self._pubsub

    async def _read(self, pubsub: PubSub) -> None:
        asked = False
        try:
            while True:
                message = await pubsub.get_message(timeout=SILENCE_SECONDS)
                if message is not None:
                    asked = False
                    self._hear(message)
                elif asked:
                    raise ConnectionError("Redis has fallen silent")
                else:
                    asked = True
                    await pubsub.ping()
        except (RedisError, OSError, ValueError, TypeError, KeyError) as error:
            # Also of what cannot be read, as another release may say: a page that comes again asks for itself.
            await self._hang_up(error)

    def _hear(self, message: dict[str, Any]) -> None:
        channel = (message["channel"] or b"").decode()
        if channel == CHANNEL and message["type"] == "message":
            self._end(read_ending(message["data"]))
            return
        room = self._rooms.get(channel)
        if room is None:
            return
        if message["type"] == "subscribe":
            room.open.set()
        elif message["type"] == "message":
            reported = orjson.loads(message["data"])
            figures = frozenset(reported.get("figures", ()))
            notified = reported.get("bell", ())
            for listener in room.listeners:
                listener.tell(reported["changed"], figures, notified)

    def _end(self, ending: Ending) -> None:
        for room in self._rooms.values():
            for listener in room.listeners:
                if listener.ends_with(ending):
                    listener.dismiss()

    async def _hang_up(self, error: Exception | None) -> None:
        """Dismiss every listener: they come back, and a page polls until it is heard again."""
        if error is not None:
            log.warning("announcements interrupted", error=str(error), pages=self.listening)
        rooms, self._rooms = self._rooms, {}
        for room in rooms.values():
            for listener in room.listeners:
                listener.dismiss()
            room.open.set()
        pubsub, self._pubsub = self._pubsub, None
        reader, self._reader = self._reader, None
        if reader is not None and reader is not asyncio.current_task():
            reader.cancel()
        if pubsub is not None:
            with suppress(RedisError, OSError):
                await pubsub.aclose()  # type: ignore[no-untyped-call]
                await pubsub.connection_pool.disconnect()
