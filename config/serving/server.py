"""One worker's requests: body, thread, answer. A WSGI application inside, an ASGI application outside."""

import asyncio
from collections.abc import Callable

import structlog
from django.utils.translation import gettext_lazy as _

from config.health import ALIVE, READY
from config.serving.bodies import Bodies, Body, BodyRefused, Receive, Scope
from config.serving.environ import build_environ
from config.serving.limits import Limits
from config.serving.responses import Response, Send, Sender, Tail, WsgiApplication, refusal, run_wsgi
from config.serving.sockets import Silent, bound_unsent_data
from config.serving.threads import Overloaded, Threads

# A probe that has no answer from the database by then says so.
READY_SECONDS = 2.0
# What a refused sender still sends is read for so long, that it gets to see why it was refused.
DRAINED_SECONDS, DRAINED_BYTES = 2.0, 8 * 1024 * 1024
STOP_SECONDS = 2.0
NO_ANSWER = f"database: It has not answered within {READY_SECONDS:.0f} seconds."
# What is with the kernel and not taken by its reader for so long ends the connection.
UNREAD_SECONDS = 30
# A connection on which no request begins for so long is ended, twice as late at most.
SILENT_SECONDS = 10.0
CLOSE = (b"connection", b"close")
# What a page is called that says why a body was not taken.
REFUSED_TITLES = {
    400: _("The request did not arrive"),
    408: _("The request did not arrive"),
    413: _("Too much at once"),
}

log = structlog.get_logger(__name__)


class Server:
    """Serves one worker's requests: body, thread, answer."""

    def __init__(self, application: WsgiApplication, limits: Limits, find_errors: Callable[[], list[str]]) -> None:
        self.application, self.limits, self.find_errors = application, limits, find_errors
        self.bodies, self.sender = Bodies(limits), Sender(limits)
        self.threads = Threads(limits.threads, waiting=limits.waiting, waiting_seconds=limits.waiting_seconds)
        # The probe has a thread and a connection of its own, and does not wait behind requests.
        self.prober = Threads(1, waiting=0, waiting_seconds=READY_SECONDS)
        self._probe: asyncio.Task[list[str]] | None = None
        self._silent = Silent(SILENT_SECONDS)
        self._watch: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] == "lifespan":
            await self._live_and_stop(receive, send)
        elif scope["type"] == "http":
            self._silent.spoke.add(scope["client"])
            if self._watch is None:
                # The listening socket is there with the first request, and not before.
                bound_unsent_data(UNREAD_SECONDS)
                self._watch = asyncio.create_task(self._end_silent(int(scope["server"][1])))
            if scope["path"] == "/healthz/live":
                await _say(send, 200, ALIVE)
            elif scope["path"] == "/healthz":
                errors = await self._probe_database()
                await _say(send, 503 if errors else 200, "".join(f"{error}\n" for error in errors) or READY)
            else:
                await self._serve(scope, receive, send)

    async def _live_and_stop(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.prober.stop(0)
                self.threads.stop(STOP_SECONDS)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self.bodies.read(scope, receive)
        except BodyRefused as refused:
            title = REFUSED_TITLES[refused.status]
            answer = refusal(scope, refused.status, refused.code, title, refused, *self._closing(scope))
            _log_refusal(scope, answer)
            await self.sender.send(scope, send, answer)
            if refused.status == 413:
                await _drain(receive)
            return
        try:
            await self._run(scope, body, receive, send)
        finally:
            self.bodies.close(body)

    async def _run(self, scope: Scope, body: Body, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        answer = Response()
        sending: list[asyncio.Task[None]] = []

        def begin_sending() -> None:
            sending.append(loop.create_task(self.sender.send(scope, send, answer)))
            sending.append(loop.create_task(_watch_for_disconnect(receive, answer)))

        def begin() -> Tail:
            answer.tail = Tail(loop)
            loop.call_soon_threadsafe(begin_sending)
            return answer.tail

        def work() -> None:
            environ = build_environ(scope, body.file, body.length)
            run_wsgi(self.application, environ, answer, collected=self.limits.collected, begin=begin)

        try:
            await self.threads.run(work)
        except Overloaded:
            answer = _overloaded(scope)
            _log_refusal(scope, answer)
        except Exception as error:
            log.error("request failed outside of Django", exc_info=error)
            answer = _broken(scope)
        if sending:
            await sending[0]
            sending[1].cancel()
        else:
            await self.sender.send(scope, send, answer)

    async def _end_silent(self, port: int) -> None:
        while True:
            await asyncio.sleep(min(SILENT_SECONDS, self.limits.database_seconds) / 2)
            self._silent.end(port)
            for threads in (self.threads, self.prober):
                threads.end_silent_connections(self.limits.database_seconds)

    async def _probe_database(self) -> list[str]:
        """What is missing. One probe at a time: all who ask while it runs get its answer."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._find_errors())
        await asyncio.wait({self._probe}, timeout=READY_SECONDS)
        return self._probe.result() if self._probe.done() else [NO_ANSWER]

    async def _find_errors(self) -> list[str]:
        found: list[str] = []
        try:
            await self.prober.run(lambda: found.extend(self.find_errors()))
        except Exception as error:
            log.error("the probe failed", exc_info=error)
            return [f"probe: {type(error).__name__}"]
        return found

    def _closing(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """HTTP/2 has no such header."""
        return [CLOSE] if scope["http_version"] != "2" else []


def _log_refusal(scope: Scope, answer: Response) -> None:
    """The request log has what reaches Django; this did not."""
    fields = {"http.request.method": scope["method"][:10], "http.response.status_code": answer.status}
    log.warning("request refused before it was whole or had a thread", **fields)


async def _say(send: Send, status: int, text: str) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


async def _watch_for_disconnect(receive: Receive, answer: Response) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if answer.tail is not None:
        answer.tail.abandoned = True


async def _drain(receive: Receive) -> None:
    taken = 0
    try:
        async with asyncio.timeout(DRAINED_SECONDS):
            while taken < DRAINED_BYTES:
                message = await receive()
                taken += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _overloaded(scope: Scope) -> Response:
    sentence = _("Too many requests are waiting at the moment; nothing was changed. Try again in a moment.")
    return refusal(scope, 503, "unavailable", _("Too busy right now"), sentence, (b"retry-after", b"1"))


def _broken(scope: Scope) -> Response:
    sentence = _("Something went wrong on our side. Look at what was changed, and try again in a moment.")
    return refusal(scope, 500, "internal_error", _("Something went wrong"), sentence)
