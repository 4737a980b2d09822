"""Several PostgreSQL servers, from the environment; none by default (docs/operations.md, *Several servers*).

``DATABASE_URL`` and its sisters are the addresses of the server ``main``, which also knows where each tenant lives.
``DATABASE_SERVERS`` has those of the others, by name and role. ``DATABASE_SERVER`` gives a process one of them alone.
"""

import json
import re
from collections.abc import Mapping, MutableMapping
from typing import Final

MAIN: Final = "main"
# What a server's address is called in DATABASE_SERVERS, and as a variable of the server main.
VARIABLES: Final[Mapping[str, str]] = {
    "app": "DATABASE_URL",
    "platform": "DATABASE_PLATFORM_URL",
    "relay": "DATABASE_RELAY_URL",
    "replica": "DATABASE_REPLICA_URL",
    "owner": "DATABASE_OWNER_URL",
    "admin": "DATABASE_ADMIN_URL",
}
# Those that a process works over, by Django's alias. Of a server that it goes to beside its own no replica is read.
ALIASES: Final[Mapping[str, str]] = {"default": "app", "platform": "platform", "relay": "relay", "owner": "owner"}
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")

Servers = Mapping[str, Mapping[str, str]]


class ServersInvalid(ValueError):
    """The variables do not say which servers there are; the sentence says why."""


def read_servers(text: str) -> Servers:
    """The addresses of the servers beside ``main``, by name and role. Raises ServersInvalid."""
    if not text.strip():
        return {}
    example = '{"b": {"app": "postgres://...", "platform": "postgres://..."}}'
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ServersInvalid(f"DATABASE_SERVERS must be JSON like {example}") from error
    if not isinstance(given, dict) or not all(isinstance(urls, dict) for urls in given.values()):
        raise ServersInvalid(f"DATABASE_SERVERS must be JSON like {example}")
    for name, urls in given.items():
        if not _NAME.fullmatch(name) or name == MAIN:
            raise ServersInvalid(
                f"DATABASE_SERVERS: {name!r} is no name for a server; take small letters, digits and _, and not {MAIN}"
            )
        for role, url in urls.items():
            if role not in VARIABLES:
                raise ServersInvalid(f"DATABASE_SERVERS: server {name} has {role!r}; there are {', '.join(VARIABLES)}")
            if not isinstance(url, str) or not url.startswith(("postgres://", "postgresql://")):
                raise ServersInvalid(
                    f"DATABASE_SERVERS: {role} of server {name} must be postgres://role:password@host:port/name"
                )
    return given


def choose_server(name: str, servers: Servers, environment: MutableMapping[str, str]) -> tuple[str, Servers]:
    """The server that this process works on, and the others that it may go to.

    With a name (``DATABASE_SERVER``) the addresses of that server take the place of those of ``main`` in the
    environment, and the process goes to no other. Raises ServersInvalid.
    """
    name = name.strip()
    if not name:
        return MAIN, servers
    if name == MAIN:
        return MAIN, {}
    if name not in servers:
        raise ServersInvalid(f"DATABASE_SERVER is {name}, and DATABASE_SERVERS has no such server")
    for role, variable in VARIABLES.items():
        environment[variable] = servers[name].get(role, "")
    return name, {}
