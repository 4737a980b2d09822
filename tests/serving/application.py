"""A small WSGI application, served as Django is, with bounds that a test can wait for."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import django
import orjson

from config.serving.limits import Limits
from config.serving.server import Server

# Refusals are said in words, which Django translates.
django.setup()

MEGABYTE = bytes(range(256)) * 4096
closed = threading.Event()


class Stream:
    """A streamed answer that says when it was closed."""

    streaming = True

    def __init__(self, parts: Iterator[bytes]) -> None:
        self.parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def close(self) -> None:
        closed.set()


class Whole(list[bytes]):
    """An answer that is there all at once."""

    streaming = False


def megabytes(count: int, *, pause: float = 0.0, broken: bool = False) -> Iterator[bytes]:
    for _ in range(count):
        yield MEGABYTE
        time.sleep(pause)
    if broken:
        raise ValueError("this export broke off")


def endless() -> Iterator[bytes]:
    while True:
        yield MEGABYTE
        time.sleep(0.02)


def echo(environ: dict[str, Any]) -> bytes:
    body = environ["wsgi.input"].read()
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    return orjson.dumps({"environ": seen, "length": len(body), "body": body[:1000].decode("latin-1")})


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
    verb, _, argument = environ["PATH_INFO"].removeprefix("/api").strip("/").partition("/")
    if verb == "stream":
        closed.clear()
        start("200 OK", [("Content-Type", "application/octet-stream")])
        return Stream(megabytes(int(argument), pause=0.01))
    if verb == "broken":
        start("200 OK", [("Content-Type", "application/octet-stream")])
        return Stream(megabytes(int(argument), broken=True))
    if verb == "endless":
        closed.clear()
        start("200 OK", [("Content-Type", "application/octet-stream")])
        return Stream(endless())
    if verb == "closed":
        start("200 OK", [("Content-Type", "text/plain")])
        return Whole([str(closed.wait(float(argument))).encode()])
    if verb == "raise":
        raise ValueError("an error below Django")
    if verb == "exit":
        raise SystemExit(3)
    if verb == "sleep":
        time.sleep(float(argument))
    if verb == "large":
        start("200 OK", [("Content-Type", "application/octet-stream")])
        return Whole([MEGABYTE] * int(argument))
    if verb == "status":
        start(f"{argument} Whatever", [])
        return Whole([])
    start("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return Whole([echo(environ)])


served = Server(
    application,
    Limits(
        threads=2,
        api_bytes=100_000,
        form_bytes=200_000,
        upload_bytes=3_000_000,
        body_seconds=90,
        database_seconds=60,
        waiting=4,
        waiting_seconds=1.5,
        held_bytes=1_000_000,
        in_memory=100_000,
        piece_seconds=4,
    ),
    list,
)
