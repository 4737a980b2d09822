"""The event stream: a small ASGI process that tells open pages that a customer changed [AC-1].

``GET /live/customers/<id>?ticket=...`` and ``GET /live/tenant?ticket=...`` are server-sent events, ``/live/healthz``
says that the process is alive, ``/metrics`` what it counts. It uses Django's settings and signing and nothing else of
it: no request stack, no database. A page that loses the stream polls in the meantime, so whenever the stream cannot be
trusted it hangs up.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from config.processes import declare

declare("stream")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.utils.log import configure_logging
from prometheus_client import Counter, Gauge

from config.announcements import Announcements, Ended, Listener, Unavailable
from config.metrics import render_metrics
from lifecycle.web.live import InvalidTicket, Ticket, read_ticket

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HEARTBEAT_SECONDS = 15.0
# A connection is taken again once an hour, and its ticket looked at again.
CONNECTION_SECONDS = 3600.0
RETRY = b"retry: 1000\n\n"

configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
announcements = Announcements(settings.REDIS_URL)
connections = Gauge("customer360_stream_connections", "Open event streams.", multiprocess_mode="livesum")
hints = Counter("customer360_stream_hints_total", "Hints sent to open pages.")
unavailable = Counter("customer360_stream_unavailable_total", "Event streams refused because Redis did not answer.")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI entry point."""
    if scope["type"] == "lifespan":
        await _live_and_stop(receive, send)
    elif scope["type"] == "http":
        await _answer(scope, receive, send)


async def _live_and_stop(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            await announcements.close()
            return


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    path: str = scope["path"].rstrip("/")
    if path == "/live/healthz":
        await _reply(send, 200, "ok\n")
    elif path == "/metrics":
        # Not for the outside: the proxy leads only /live here.
        page, content_type = render_metrics()
        await _reply(send, 200, page.decode(), content_type=content_type)
    elif scope["method"] != "GET":
        await _reply(send, 405, "Only GET is answered here.\n")
    else:
        try:
            ticket = read_ticket(_ticket_of(scope))
        except InvalidTicket as error:
            await _reply(send, 403, f"{error}\n")
            return
        if path != _path_of(ticket):
            await _reply(send, 403, "The ticket is for something else: reload the page.\n")
            return
        await _stream(scope, receive, send, ticket)


def _path_of(ticket: Ticket) -> str:
    return f"/live/customers/{ticket.customer_id}" if ticket.customer_id else "/live/tenant"


def _ticket_of(scope: Scope) -> str:
    query: bytes = scope["query_string"]
    return parse_qs(query.decode("latin-1")).get("ticket", [""])[0]


async def _stream(scope: Scope, receive: Receive, send: Send, ticket: Ticket) -> None:
    listener = Listener(ticket.tenant_id, ticket.customer_id, ticket.user_id, ticket.session_id, ticket.issued_at)
    try:
        await announcements.join(listener)
    except Ended:
        await _reply(send, 403, "The session has ended: log in again.\n", _cors(scope))
        return
    except Unavailable:
        unavailable.inc()
        await _reply(send, 503, "Announcements cannot be received now.\n", _cors(scope))
        return
    watch = asyncio.create_task(_watch_for_disconnect(receive, listener))
    connections.inc()
    try:
        headers = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
        await _start(send, 200, headers | _cors(scope))
        await _body(send, RETRY, more=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECTION_SECONDS):
                await _pass_on(send, listener)
        await _body(send, b"", more=False)
    finally:
        watch.cancel()
        connections.dec()
        await announcements.leave(listener)


async def _pass_on(send: Send, listener: Listener) -> None:
    """Send each piece of news, and a comment when there is none, until the listener is dismissed."""
    while not listener.dismissed:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await listener.news.wait()
        except TimeoutError:
            await _body(send, b": nothing new\n\n", more=True)
            continue
        version, has_figures, has_notifications = listener.take()
        if listener.dismissed:
            return
        hints.inc()
        if version:
            await _body(send, b"event: changed\ndata: %d\n\n" % version, more=True)
        if has_figures:
            await _body(send, b"event: figures\ndata: 1\n\n", more=True)
        if has_notifications:
            await _body(send, b"event: bell\ndata: 1\n\n", more=True)
        await listener.rest()


async def _watch_for_disconnect(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.dismiss()


def _cors(scope: Scope) -> dict[str, str]:
    """In development the page comes from another port of this host and must be allowed to read the stream."""
    sent = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"origin", b"host")}
    origin, host = sent.get(b"origin", ""), sent.get(b"host", "")
    if settings.DEBUG and origin and urlsplit(origin).hostname == urlsplit(f"//{host}").hostname:
        return {"access-control-allow-origin": origin, "vary": "origin"}
    return {}


async def _reply(
    send: Send,
    status: int,
    text: str,
    headers: dict[str, str] | None = None,
    *,
    content_type: str = "text/plain; charset=utf-8",
) -> None:
    await _start(send, status, {"content-type": content_type, "cache-control": "no-store", **(headers or {})})
    await _body(send, text.encode(), more=False)


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def _body(send: Send, body: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})
