"""A browser that listens, and what is announced to it."""

import asyncio
from urllib.parse import quote
from uuid import uuid4

import orjson
import redis.asyncio
from django.conf import settings

from config import stream
from lifecycle.services.cache.cache_keys import live_channel
from lifecycle.web.live import Ticket, issue_ticket

TENANT, CUSTOMER = uuid4(), uuid4()
CUSTOMER_PATH = f"/live/customers/{CUSTOMER}"
PATIENCE = 30.0


class Browser:
    """One HTTP request to the stream application, as an ASGI server makes it."""

    def __init__(self, path, ticket="", *, method="GET", headers=()):
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": f"ticket={quote(ticket)}".encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers],
        }
        self.gone = asyncio.Event()
        self.status, self.headers, self.body, self.finished = 0, {}, b"", False

    async def __aenter__(self):
        self.task = asyncio.create_task(stream.application(self.scope, self.receive, self.send))
        return self

    async def __aexit__(self, *_):
        self.gone.set()
        async with asyncio.timeout(PATIENCE):
            await self.task

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]
            self.finished = not message["more_body"]

    async def until(self, seen, seconds=PATIENCE):
        async with asyncio.timeout(seconds):
            while not seen(self):
                await asyncio.sleep(0.005)


async def announce(versions, tenant=TENANT, **more):
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    await client.publish(live_channel(tenant), orjson.dumps({"changed": versions, **more}))
    await client.aclose()


def ticket_for(customer=CUSTOMER, tenant=TENANT):
    return issue_ticket(Ticket(tenant, "user-1", customer))


def is_open(browser):
    return b"retry: 1000" in browser.body


def ticket_of(session_id, *, user_id="user-1", issued_at=0.0):
    return issue_ticket(Ticket(TENANT, user_id, CUSTOMER, session_id, issued_at))
