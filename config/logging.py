"""Logs as an ELK stack takes them in: one ECS JSON object a line [AR-5]; readable lines in development.

No personal data in logs: values under the names of contacts' fields, secrets and tokens are masked.
"""

from collections.abc import MutableMapping
from typing import Any

import ecs_logging
import structlog

MASK = "[masked]"
SECRET_KEYS = frozenset(
    {"password", "token", "access", "refresh", "authorization", "cookie", "email", "phone", "note", "secret", "api_key"}
)
# What django-structlog and Django call a thing -> its name in the Elastic Common Schema.
ECS_NAMES = {
    "ip": "client.ip",
    "user_id": "user.id",
    "request_id": "http.request.id",
    "correlation_id": "trace.id",
    "code": "http.response.status_code",
    "request": "http.request.line",
    "user_agent": "user_agent.original",
    "logger": "log.logger",
    "tenant": "organization.id",
    "event_id": "event.id",
}

EventDict = MutableMapping[str, Any]


def mask_secrets(_: Any, __: str, event: EventDict) -> EventDict:
    """Replace values that must not reach a log, by their key."""
    for key in event.keys() & SECRET_KEYS:
        event[key] = MASK
    return event


def use_ecs_names(_: Any, __: str, event: EventDict) -> EventDict:
    """Rename the leftovers to ECS fields; ``level`` is dropped because ecs_logging writes log.level."""
    for ours, theirs in ECS_NAMES.items():
        if ours in event:
            event[theirs] = event.pop(ours)
    event.pop("level", None)
    return event


def build_logging(*, level: str, log_format: str) -> dict[str, Any]:
    """Configure structlog and return Django's LOGGING. ``log_format`` is ``ecs`` or ``console``."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
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
        [use_ecs_names, ecs_logging.StructlogFormatter()]
        if log_format == "ecs"
        else [structlog.processors.TimeStamper(fmt="%H:%M:%S"), structlog.dev.ConsoleRenderer(colors=False)]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "chosen": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [structlog.stdlib.add_log_level, *shared],
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "chosen"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            "django_structlog": {"level": "WARNING" if log_format == "console" else level},
        },
    }
