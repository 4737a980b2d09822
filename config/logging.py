"""Logs as an ELK stack takes them in: one ECS JSON object a line [AR-5]; readable lines in development.

Every process writes them and nothing else: what libraries, warnings and uncaught exceptions have to say comes the same
way. Fields of the Elastic Common Schema have its names and types; what it has no field for is under ``labels``. No
personal data and no secrets: values under telling names are masked, texts and exceptions go through config.redaction.
"""

import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import ecs_logging
import structlog

from config.redaction import MASK, describe_error, describe_trace, redact
from storage.failures import sql_state

SECRET_KEYS: Final = frozenset(
    {"password", "token", "access", "refresh", "authorization", "cookie", "email", "phone", "note", "secret", "api_key"}
    | {"username", "name", "actor", "query", "body", "key"}
)
# What our code calls a thing -> its name in the Elastic Common Schema.
ECS_NAMES: Final = {
    "user_id": "user.id",
    "request_id": "http.request.id",
    "correlation_id": "trace.id",
    "code": "error.code",
    "error_code": "error.code",
    "error": "error.type",
    "reason": "error.message",
    "logger": "log.logger",
    "tenant": "organization.id",
    "event_id": "event.id",
    "type": "event_type",
}
# Whole numbers in ECS; every other field of it that we write is a keyword, a text, an address or a date.
ECS_NUMBERS: Final = frozenset({"event.duration", "http.response.status_code", "process.pid"})
# Not read again: made of parts that can hold nothing of anyone, or masked already.
_SAFE: Final = frozenset(
    {"@timestamp", "error.stack_trace", "http.request.id", "http.request.method", "log.logger", "span.id", "trace.id"}
    | {"transaction.id", "service.name", "url.path", "url.query", "client.ip", "user.id"}
)
_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_CLASS_NAME: Final = re.compile(r"[A-Za-z_][\w.]*")
SERVICES: Final = {
    "consume_events": "consumer",
    "relay_events": "relay",
    "move_customers": "mover",
    "run_effects": "effects",
    "seal_audit": "seal",
    "forecast_churn": "forecast",
    "reset_sandboxes": "sandbox",
    "provision_database": "migrate",
}
ALWAYS_QUIET: Final = {
    # Statements with their parameters, at DEBUG.
    "django.db.backends": "WARNING",
    # Names who tried to log in; what failed is in the request's own line.
    "axes": "ERROR",
    # Paths of webhook endpoints, which may hold a token.
    "urllib3.connection": "ERROR",
    # Whole paths; the request log has their routes.
    "granian.access": "CRITICAL",
}

# Its lines are whole when they are handed over (config.request_log).
REQUEST_LOGGER: Final = "config.request_log.lines"

EventDict = MutableMapping[str, Any]


def service_name() -> str:
    """``customer360-web``, ``-stream``, ``-consumer`` ...: which process this is, by its command line."""
    program, arguments = Path(sys.argv[0]), sys.argv[1:]
    first = next((argument for argument in arguments if not argument.startswith("-")), "")
    if program.name == "manage.py":
        return f"customer360-{SERVICES.get(first, first.replace('_', '-')) or 'manage'}"
    return f"customer360-{first if program.name == 'serve.py' and first else 'web'}"


def mask_secrets(_: Any, __: str, event: EventDict) -> EventDict:
    """Replace values that must not reach a log, by their key."""
    for key in event.keys() & SECRET_KEYS:
        event[key] = MASK
    return event


def describe_exception(_: Any, __: str, event: EventDict) -> EventDict:
    """``exc_info`` as error.type, error.message, error.code and error.stack_trace, without the data that it quotes."""
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error.type"] = type(error).__qualname__
        event["error.message"] = describe_error(error)
        event["error.stack_trace"] = describe_trace(error)
        if code := sql_state(error):
            event["error.code"] = code
        for old in ("error", "exception"):
            event.pop(old, None)
    return event


class EcsNames:
    """Names every field as ECS does, masks texts, and says which service speaks."""

    def __init__(self, service: str) -> None:
        self.service = service

    def __call__(self, _: Any, __: str, event: EventDict) -> EventDict:
        """Rename in place; ``level`` is dropped because ecs_logging writes log.level."""
        event.pop("level", None)
        named: EventDict = {"event": redact(str(event.pop("event", "")))}
        labels: dict[str, Any] = {}
        for key, value in event.items():
            name = ECS_NAMES.get(key, key)
            if value is None or value == "":
                continue
            if name == "error.type" and not _CLASS_NAME.fullmatch(str(value)):
                name = "error.message"
            if name == "trace.id" and not _TRACE_ID.fullmatch(str(value)):
                continue
            if name in ECS_NUMBERS:
                named[name] = int(value)
            elif "." in name or name == "@timestamp":
                named[name] = str(value) if name in _SAFE else redact(str(value))
            else:
                labels[name] = value if isinstance(value, bool | int | float) else redact(_as_text(value))
        if labels:
            named["labels"] = labels
        named["service.name"] = self.service
        return named


def _as_text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else str(value)


class Whole(logging.Formatter):
    """The line as it was handed over."""

    def format(self, record: logging.LogRecord) -> str:
        """Nothing is added and nothing looked up."""
        return str(record.msg)


class TameDjango(logging.Filter):
    """Django's own lines about requests: those without an exception are the request log's, and no path is logged.

    A host that is none of ours is a line, not a traceback: anyone can send one. An outage of the database is logged by
    who answers it (``config.errors``, ``config.middleware``).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; changes it in place."""
        if not record.name.startswith("django."):
            return True
        if record.name == "django.request" and (not record.exc_info or _is_outage(record.exc_info[1])):
            return False
        request = getattr(record, "request", None)
        if record.name.startswith("django.security"):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        if request is not None and record.args:
            paths = {getattr(request, "path", None)}
            arguments = record.args if isinstance(record.args, tuple) else (record.args,)
            record.args = tuple(route_of(request) if argument in paths else argument for argument in arguments)
        return True


def _is_outage(error: BaseException | None) -> bool:
    # Settings import this module, before there are any for Django's database layer to read.
    from config.outages import find_outage

    return error is not None and bool(find_outage(error))


def route_of(request: Any) -> str:
    """The address as the list of addresses has it, ``/api/v1/customers/<str:customer_id>``: without its values."""
    match = getattr(request, "resolver_match", None)
    if match is None:
        return "/[none]"
    return f"/{match.route.replace('^', '').removeprefix('/')}"


def report_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, *, thread: str = ""
) -> None:
    """``sys.excepthook``: an exception that ends the process or a thread is one line like any other."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("uncaught").critical(
        f"uncaught exception in thread {thread}" if thread else "uncaught exception", exc_info=(kind, error, trace)
    )


def _report_from_thread(arguments: Any) -> None:
    if arguments.exc_type is not SystemExit and arguments.exc_value is not None:
        name = arguments.thread.name if arguments.thread else "?"
        report_uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback, thread=name)


def catch_everything() -> None:
    """Send warnings and uncaught exceptions of this process to its log."""
    logging.captureWarnings(capture=True)
    sys.excepthook = report_uncaught
    threading.excepthook = _report_from_thread


def build_logging(*, level: str, log_format: str) -> dict[str, Any]:
    """Configure structlog and return Django's LOGGING. ``log_format`` is ``ecs`` or ``console``."""
    in_ecs = log_format == "ecs"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        describe_exception if in_ecs else structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    final: list[Any] = (
        [EcsNames(service_name()), ecs_logging.StructlogFormatter()]
        if in_ecs
        else [structlog.processors.TimeStamper(fmt="%H:%M:%S"), structlog.dev.ConsoleRenderer(colors=False)]
    )
    quiet = {name: {"level": floor} for name, floor in ALWAYS_QUIET.items()}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"django": {"()": TameDjango}},
        "formatters": {
            "whole": {"()": Whole},
            "chosen": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [structlog.stdlib.add_log_level, *shared],
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
            },
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "chosen", "filters": ["django"]},
            "lines": {"class": "logging.StreamHandler", "formatter": "whole"},
        },
        # Libraries tell of other people's data at DEBUG; ours do not.
        "root": {"handlers": ["console"], "level": "INFO" if level == "DEBUG" else level},
        "loggers": {
            **quiet,
            **{name: {"level": level} for name in ("storage", "audit", "tenants", "lifecycle", "config")},
            # Django's default sends errors by mail as well.
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            "_granian": {"handlers": ["console"], "level": "INFO", "propagate": False},
            "granian.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
            "config.request_log": {"level": "WARNING" if log_format == "console" else level},
            REQUEST_LOGGER: {"handlers": ["lines"], "propagate": False},
        },
    }
