"""The request log: one line for each request, with its route and without its values, and the ids that connect it.

``traceparent`` (W3C Trace Context) and ``X-Request-ID`` are taken from the declared proxy alone, made where it gives
none, and answered, so that a caller can name the request. Headers of a proxy that come from anywhere else are dropped.
"""

import datetime as dt
import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_plus

import orjson
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from uuid_utils import uuid4

from audit.services.recording import traceparent
from config.logging import REQUEST_LOGGER, route_of, service_name
from config.redaction import MASK, redact
from tenants.services.proxies import PROXY_HEADERS, UNKNOWN, client_address, comes_from_proxy

log = structlog.get_logger(__name__)
# Where lines go that are whole already.
lines = logging.getLogger(REQUEST_LOGGER)

TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=/+-]{7,127}")
PARAMETER: Final = re.compile(r"[a-z][a-z_.]{0,30}")
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
MOST_PARAMETERS: Final = 20
ECS_VERSION: Final = "1.6.0"
# Asked every few seconds by machines, and answered as always.
PROBES: Final = frozenset({"/healthz", "/healthz/live", "/metrics"})


class LogRequests:
    """The outermost middleware: whatever answers is logged, and all that is logged in the meantime has its ids."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.service = service_name()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and write the line."""
        started = time.perf_counter_ns()
        meta = request.META
        if not comes_from_proxy(request):
            for header in PROXY_HEADERS:
                meta.pop(header, None)
        trace, flags = read_traceparent(meta.get("HTTP_TRACEPARENT"))
        span = secrets.token_hex(8)
        request_id = read_request_id(meta.get("HTTP_X_REQUEST_ID"))
        ids = {"request_id": request_id, "trace.id": trace, "span.id": span}
        context = f"00-{trace}-{span}-{flags}"
        outside = traceparent.set(context)
        # Empty: the request before, of this thread, has cleared it.
        structlog.contextvars.bind_contextvars(**ids)
        try:
            response = self.get_response(request)
            response.headers["X-Request-ID"] = request_id
            response.headers["traceparent"] = context
            self._write(request, response, time.perf_counter_ns() - started)
        finally:
            traceparent.reset(outside)
            structlog.contextvars.clear_contextvars()
        return response

    def _write(self, request: HttpRequest, response: HttpResponse, duration: int) -> None:
        """One line. Every request has one, so an ECS line is made here and not field by field (``config.logging``)."""
        status = response.status_code
        level = logging.ERROR if status >= 500 else logging.INFO
        if (request.path in PROBES and status < 400) or not lines.isEnabledFor(level):
            return
        method = request.method if request.method in METHODS else "other"
        route = route_of(request)
        message = f"{method} {route} {status}"
        outcome = "failure" if status >= 500 else "success"
        if settings.LOG_FORMAT != "ecs":
            log.log(level, message, **{"event.duration": duration, "event.outcome": outcome})
            return
        known = structlog.contextvars.get_contextvars()
        address = client_address(request)
        agent = request.META.get("HTTP_USER_AGENT", "")[:256]
        query = request.META.get("QUERY_STRING", "")
        line: dict[str, Any] = {
            "@timestamp": f"{dt.datetime.now(dt.UTC).isoformat(timespec='milliseconds')[:-6]}Z",
            "log.level": "error" if status >= 500 else "info",
            "message": message,
            "ecs.version": ECS_VERSION,
            "log": {"logger": __name__},
            "service": {"name": self.service},
            "trace": {"id": known["trace.id"]},
            "span": {"id": known["span.id"]},
            "http": {
                "request": {"id": known["request_id"], "method": method},
                "response": {"status_code": status},
            },
            "url": {"path": route, "query": mask_query(query)} if query else {"path": route},
            "event": {"duration": duration, "outcome": outcome},
        }
        for name, part, value in (
            ("client", "ip", "" if address == UNKNOWN else address),
            ("user_agent", "original", mask_agent(agent)),
            ("user", "id", known.get("user_id")),
            ("organization", "id", known.get("tenant")),
        ):
            if value:
                line[name] = {part: value}
        lines.handle(WholeLine(level, to_json(line)))


class WholeLine(logging.LogRecord):
    """A line that is whole: nothing is looked up for it that no formatter asks for (thread, process, place in code)."""

    def __init__(self, level: int, text: str) -> None:
        self.__dict__ |= {
            "name": __name__,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": text,
            "args": (),
            "exc_info": None,
            "exc_text": None,
            "stack_info": None,
        }


mask_agent = lru_cache(maxsize=512)(redact)
_to_ascii = json.JSONEncoder(separators=(",", ":")).encode


def to_json(line: dict[str, Any]) -> str:
    """In ASCII, whatever standard error can take. What a client sends may be no Unicode (a lone surrogate)."""
    try:
        encoded = orjson.dumps(line)
    except TypeError:
        return _to_ascii(line)
    return encoded.decode("ascii") if encoded.isascii() else _to_ascii(line)


def read_traceparent(text: str | None) -> tuple[str, str]:
    """Trace id and flags of a valid ``traceparent``; else a new trace that is recorded."""
    match = TRACEPARENT.fullmatch(text.strip()) if text and len(text) <= 256 else None
    if match is None or not text or (match[4] and text.startswith("00")):
        return secrets.token_hex(16), "01"
    return match[1], match[3]


def read_request_id(text: str | None) -> str:
    """The id that the proxy gave, if it is one; else a new one."""
    return text if text and REQUEST_ID.fullmatch(text) else str(uuid4())


def mask_query(query: str) -> str:
    """The names of the parameters, without what was asked for."""
    if not query:
        return ""
    parts = query.split("&", MOST_PARAMETERS)
    shown = []
    for part in parts[:MOST_PARAMETERS]:
        name, separator, _ = part.partition("=")
        known = bool(separator) and PARAMETER.fullmatch(unquote_plus(name))
        shown.append(f"{name}={MASK}" if known else MASK)
    return "&".join(shown) + ("&…" if len(parts) > MOST_PARAMETERS else "")
