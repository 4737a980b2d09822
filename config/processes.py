"""The processes of the product, and the variables that each of them cannot do without.

Each process is given its own secrets and no others (docs/operations.md). An entry point says which process it is
before the settings are read; the settings then ask for what that one needs. Variables that a process does not need
may be absent: its part of the settings is then empty, and using it fails instead of working with an empty key.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

_DATABASE: Final = frozenset({"DATABASE_URL", "DATABASE_PLATFORM_URL"})
_KEYS: Final = frozenset({"MASTER_KEYS", "INDEX_KEY"})
# Writes personal data: the operator declares how the disks are encrypted.
_WRITES: Final = _DATABASE | _KEYS | {"REDIS_URL", "DATA_AT_REST"}
COMMAND: Final = "command"

NEEDS: Final[Mapping[str, frozenset[str]]] = {
    "web": _WRITES | {"SECRET_KEY", "ALLOWED_HOSTS"},
    "stream": frozenset({"SECRET_KEY", "REDIS_URL"}),
    "consumer": _WRITES | {"KAFKA_BOOTSTRAP_SERVERS"},
    "relay": frozenset(
        {"DATABASE_RELAY_URL", "DATABASE_PLATFORM_URL", "REDIS_URL", "MASTER_KEYS", "KAFKA_BOOTSTRAP_SERVERS"}
    ),
    "mover": _WRITES,
    "effects": _WRITES,
    "seal": _DATABASE | {"AUDIT_SIGNING_KEY"},
    "forecast": _DATABASE,
    "sandbox": _WRITES,
    "provision": _DATABASE | {"DATABASE_ADMIN_URL", "DATABASE_OWNER_URL", "DATABASE_RELAY_URL"},
    "migrate": frozenset({"DATABASE_OWNER_URL"}),
    # Operators' commands that need less than the others, so that they run beside the process they are about.
    "send_event": _DATABASE | {"KAFKA_BOOTSTRAP_SERVERS"},
    "tail_topic": frozenset({"KAFKA_BOOTSTRAP_SERVERS"}),
    "verify_audit": _DATABASE,
    "move_tenant": _DATABASE | {"DATABASE_ADMIN_URL", "DATABASE_SERVERS"},
    # Everything else: an operator's command, a shell, a script that reads the settings.
    COMMAND: _WRITES | {"SECRET_KEY"},
    # Commands that work on nothing.
    "tool": frozenset(),
}
# What development fills in by itself.
HAS_DEFAULT_IN_DEBUG: Final = frozenset({"ALLOWED_HOSTS", "DATA_AT_REST"})
_COMMANDS: Final = {
    "consume_events": "consumer",
    "relay_events": "relay",
    "move_customers": "mover",
    "forecast_churn": "forecast",
    "reset_sandboxes": "sandbox",
    "run_effects": "effects",
    "seal_audit": "seal",
    "provision_database": "provision",
    "migrate": "migrate",
    "collectstatic": "tool",
    "receive_webhooks": "tool",
    **{name: name for name in ("send_event", "tail_topic", "verify_audit", "move_tenant")},
}

# Those whose log someone collects; the others answer a person.
SERVICES: Final = frozenset(
    {"web", "stream", "consumer", "relay", "mover", "effects", "seal", "forecast", "sandbox", "provision", "migrate"}
)

_process = COMMAND


def declare(process: str) -> None:
    """Say which process this is. Call before the settings are read."""
    global _process
    _process = process


def declare_command(arguments: Sequence[str]) -> None:
    """Say which process ``manage.py`` is, by its arguments."""
    name = arguments[0] if arguments else ""
    makes_key = name == "seal_audit" and "--new-key" in arguments
    declare("tool" if makes_key else _COMMANDS.get(name, COMMAND))


def is_service() -> bool:
    """Whether this process is one of the product's own, and no command that a person runs."""
    return _process in SERVICES


def describe_missing(environment: Mapping[str, str], *, debug: bool) -> str:
    """One sentence that names each variable that this process needs and that has no value; empty if there is none."""
    needed = NEEDS[_process] - (HAS_DEFAULT_IN_DEBUG if debug else frozenset())
    missing = sorted(name for name in needed if not environment.get(name, "").strip(" ,"))
    if not missing:
        return ""
    who = _command_name() if _process == COMMAND else f"the process {_process}"
    return f"{who} needs {', '.join(missing)}: give each a value (.env.example says which)"


def _command_name() -> str:
    return " ".join(part.rpartition("/")[2] for part in sys.argv[:2])
