"""Answers: made by Django in a thread, sent on the event loop as fast as the reader takes them and no faster."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any

import structlog
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from config.languages import find_language
from config.outages import find_outage
from config.problems import API_PATHS, PROBLEM_TYPE, problem_bytes
from config.redaction import describe_error
from config.serving.bodies import Scope
from config.serving.limits import Limits
from config.serving.sockets import hang_up
from storage.failures import sql_state

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

log = structlog.get_logger(__name__)

PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Customer 360</title>
<style>
body {{ max-width: 32rem; margin: 12vh auto; padding: 0 1.25rem; font: 1rem/1.5 system-ui, sans-serif }}
h1 {{ font-size: 1.5rem }}
</style>
<p>Customer 360</p>
<h1>{title}</h1>
<p>{sentence}</p>
<p><a href="/">{home}</a></p>
</html>
"""


ACCEPT_LANGUAGE = b"accept-language"


@lru_cache(maxsize=256)
def encode_name(name: str) -> bytes:
    """The name of a header as it is sent; there are few."""
    return name.lower().encode("latin-1")


class Response:
    """What Django answers. ``body`` is whole, or the beginning of what ``tail`` goes on with."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []
        self.body = b""
        self.tail: Tail | None = None

    def start(self, status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        """WSGI's start_response."""
        self.status = int(status[:3])
        self.headers = [(encode_name(name), value.encode("latin-1")) for name, value in headers]


class Tail:
    """The rest of a streamed answer in a nameless file: the thread writes ahead, and never waits for the reader."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed by close)
        self._loop, self._news = loop, asyncio.Event()
        self.written, self.ended, self.failed, self.abandoned = 0, False, False, False

    def write(self, chunk: bytes) -> None:
        """Called in the thread."""
        view = memoryview(chunk)
        while view:
            count = os.pwrite(self._file.fileno(), view, self.written)
            self.written += count
            view = view[count:]
        self._loop.call_soon_threadsafe(self._news.set)

    def end(self, *, failed: bool) -> None:
        """Called in the thread: nothing more comes."""
        self.failed, self.ended = failed, True
        if self.abandoned:
            self._file.close()
        self._loop.call_soon_threadsafe(self._news.set)

    async def read(self, position: int, size: int) -> bytes:
        """What is at ``position``; empty at the end."""
        while True:
            self._news.clear()
            # The end first: the thread may write the last piece and end between these two looks.
            has_ended = self.ended
            if position < self.written:
                return os.pread(self._file.fileno(), size, position)
            if has_ended:
                return b""
            await self._news.wait()

    def close(self) -> None:
        """Called on the loop. A thread that still writes finds out by ``abandoned``."""
        self.abandoned = True
        if self.ended:
            self._file.close()


def run_wsgi(
    application: WsgiApplication,
    environ: dict[str, Any],
    answer: Response,
    *,
    collected: int,
    begin: Callable[[], Tail],
) -> None:
    """Call the application and take its answer; called in a thread.

    What is longer than ``collected`` goes on in the tail that ``begin`` makes; then the head may be sent already.
    """
    result = application(environ, answer.start)
    try:
        if not getattr(result, "streaming", True):
            answer.body = b"".join(result)
            return
        parts, size, tail = [], 0, None
        try:
            for chunk in result:
                if tail is None:
                    parts.append(chunk)
                    size += len(chunk)
                    if size > collected:
                        answer.body = b"".join(parts)
                        tail = begin()
                elif tail.abandoned:
                    break
                else:
                    tail.write(chunk)
        except BaseException as error:
            if tail is None:
                raise
            if find_outage(error):
                log.error("a streamed answer broke off", reason=describe_error(error), code=sql_state(error))
            else:
                log.exception("a streamed answer broke off")
            tail.end(failed=True)
            return
        if tail is None:
            answer.body = b"".join(parts)
        else:
            tail.end(failed=False)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()


class Sender:
    """Sends the answers of one worker."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    async def send(self, scope: Scope, send: Send, answer: Response) -> None:
        """Send a whole answer, or one with a tail. A reader who does not read is hung up on."""
        headers = {name for name, _ in answer.headers}
        if answer.tail is None and b"content-length" not in headers and answer.status not in (204, 304):
            answer.headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if answer.tail is None and len(answer.body) <= self.limits.piece:
            await send({"type": "http.response.body", "body": answer.body})
            return
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                await self._send_pieces(send, answer)
        except (TimeoutError, Interrupted):
            hang_up(scope)
        finally:
            if answer.tail is not None:
                answer.tail.close()
        await send({"type": "http.response.body", "body": b""})

    async def _send_pieces(self, send: Send, answer: Response) -> None:
        size = self.limits.piece
        for begin in range(0, len(answer.body), size):
            await self._send_piece(send, answer.body[begin : begin + size])
        if (tail := answer.tail) is None:
            return
        position = 0
        while piece := await tail.read(position, size):
            position += len(piece)
            await self._send_piece(send, piece)
        if tail.failed:
            raise Interrupted

    async def _send_piece(self, send: Send, piece: bytes) -> None:
        async with asyncio.timeout(self.limits.piece_seconds):
            await send({"type": "http.response.body", "body": piece, "more_body": True})


class Interrupted(Exception):
    """A streamed answer broke off: its end must not look like one."""


def refusal(
    scope: Scope, status: int, code: str, title: Promise, sentence: object, *headers: tuple[bytes, bytes]
) -> Response:
    """An answer that Django has no part in: a problem for the API, a plain page for people, in the language that is
    asked for. ``sentence`` is said by ``str`` in that language.
    """
    answer = Response()
    answer.status = status
    language = find_language(_read_header(scope, ACCEPT_LANGUAGE))
    with translation.override(language):
        if scope["path"].startswith(API_PATHS):
            kind, answer.body = PROBLEM_TYPE, problem_bytes(status, code, str(sentence))
        else:
            said = {"title": title, "sentence": str(sentence), "home": _("Go to the home page"), "language": language}
            kind, answer.body = "text/html; charset=utf-8", PAGE.format(**said).encode()
    answer.headers = [
        (b"content-type", kind.encode()),
        (b"content-language", language.encode()),
        (b"vary", ACCEPT_LANGUAGE),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *headers,
    ]
    return answer


def _read_header(scope: Scope, name: bytes) -> str:
    return ",".join(value.decode("latin-1") for header, value in scope["headers"] if header == name)
