"""Request bodies, read whole on the event loop: within a size, within a time, however they are framed."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.problems import API_PATHS
from config.serving.limits import Limits
from tenants.sentences.figures import say_number

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MULTIPART = b"multipart/form-data"
LATE = _("The body did not arrive in time, and nothing was changed. Send it again.")
BROKEN = _("The body ended before it was whole, or its chunks cannot be read. Nothing was changed. Send it again.")
TOO_LARGE = _(
    "The body is too long: at most %(most)s bytes are accepted. Nothing was changed; split it into several calls."
)


class BodyRefused(Exception):
    """The body cannot be taken; ``status`` and the sentence are for the sender."""

    def __init__(self, status: int, code: str, sentence: Promise, most: int = 0) -> None:
        super().__init__(code)
        self.status, self.code = status, code
        self._sentence, self._most = sentence, most

    def __str__(self) -> str:
        """Why, in the language that is active."""
        return str(self._sentence) % {"most": say_number(self._most)} if self._most else str(self._sentence)


class Body:
    """A body that was read: ``file`` from its start, ``length`` bytes. To be closed."""

    def __init__(self, file: IO[bytes], length: int, held: int = 0) -> None:
        self.file, self.length, self.held = file, length, held
        # What it held when it was asked to give way: that is as good as free.
        self.leaving = 0


class Bodies:
    """Reads the bodies of one worker, and keeps to what all of them may take together."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held = self._leaving = 0
        # Those that are being read, the oldest first: when there is no more room it gives way.
        self._reading: dict[asyncio.Timeout, Body] = {}

    async def read(self, scope: Scope, receive: Receive) -> Body:
        """The body of a request. Raises BodyRefused."""
        declared, has_body, limit = self._look_at(scope)
        if not has_body:
            return Body(BytesIO(), 0)
        if declared is not None and declared > limit:
            raise too_large(limit)
        body = Body(self._new_file(limit), 0)
        try:
            async with asyncio.timeout(self.limits.body_seconds) as timer:
                self._reading[timer] = body
                try:
                    await self._collect(body, receive, limit, declared)
                finally:
                    self._reading.pop(timer, None)
            # One that was whole before it had given way stays.
            self._count_leaving(body, 0)
            return body
        except TimeoutError:
            raise BodyRefused(408, "request_timeout", LATE) from None

    def close(self, body: Body) -> None:
        """Let go of a body."""
        body.file.close()
        self.held -= body.held
        body.held = 0
        self._count_leaving(body, 0)

    def _count_leaving(self, body: Body, held: int) -> None:
        self._leaving += held - body.leaving
        body.leaving = held

    def _look_at(self, scope: Scope) -> tuple[int | None, bool, int]:
        """The declared length, whether there may be a body at all, and how long it may be."""
        # Over HTTP/2 nothing tells that there is no body; an empty one ends at once.
        declared, framed = None, scope["http_version"] == "2"
        limit = self.limits.api_bytes if scope["path"].startswith(API_PATHS) else self.limits.form_bytes
        for name, value in scope["headers"]:
            if name == b"content-length":
                declared = int(value)
            elif name == b"transfer-encoding":
                framed = True
            elif name == b"content-type" and value.lower().startswith(MULTIPART):
                limit = self.limits.upload_bytes
        return declared, bool(declared) or (declared is None and framed), limit

    async def _collect(self, body: Body, receive: Receive, limit: int, declared: int | None) -> None:
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise broken()
                more = message.get("more_body", False)
                self._add(body, message.get("body", b""), limit)
            if declared is not None and body.length != declared:
                raise broken()
        except BaseException:
            self.close(body)
            raise
        body.file.seek(0)

    def _new_file(self, limit: int) -> IO[bytes]:
        in_memory = self.limits.in_memory
        return SpooledTemporaryFile(in_memory) if limit > in_memory else BytesIO()

    def _add(self, body: Body, chunk: bytes, limit: int) -> None:
        body.length += len(chunk)
        if body.length > limit:
            raise too_large(limit)
        body.file.write(chunk)
        held = min(body.length, self.limits.in_memory)
        self.held += held - body.held
        body.held = held
        # One goes when the loop comes to it, and until then others may come: they need no one else to go.
        if self.held - self._leaving > self.limits.held_bytes and self._reading:
            timer, oldest = next(iter(self._reading.items()))
            del self._reading[timer]
            self._count_leaving(oldest, oldest.held)
            # Its time may be over at this very moment: then it goes by itself, and its timer can be set no more.
            if not timer.expired():
                timer.reschedule(0)


def broken() -> BodyRefused:
    """The refusal of a body that is not whole. Its client has gone, or is there and has framed it wrongly."""
    return BodyRefused(400, "invalid_request", BROKEN)


def too_large(limit: int) -> BodyRefused:
    """The refusal of a body that is longer than ``limit``."""
    return BodyRefused(413, "body_too_large", TOO_LARGE, limit)
