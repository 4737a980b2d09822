"""What Docker Compose would make of compose.yaml and a .env: each service's command and environment.

Only what compose.yaml uses: anchors and merges, ``${VAR}`` in its forms, ``env_file``, and names without a value.
The rules are those of https://github.com/compose-spec/compose-spec (12-interpolation.md, 05-services.md); .env is read
by python-dotenv. Anything else raises.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

PROJECT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<rule>:?[-?+])(?P<rest>[^}]*))?\}|(?P<plain>\w+))")


class Missing(Exception):
    """A variable that must have a value has none."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service as it would be started. ``built`` ones are of our own image."""

    name: str
    command: list[str]
    environment: dict[str, str]
    built: bool
    document: Mapping[str, Any]


def interpolate(text: str, env: Mapping[str, str]) -> str:
    """The text with its variables replaced. Raises Missing for ``${VAR:?why}`` without a value."""

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["name"] or match["plain"]
        value, rule, rest = env.get(name), match["rule"] or "", match["rest"] or ""
        absent = not value if rule.startswith(":") else value is None
        if rule.endswith("?") and absent:
            raise Missing(f"{name}: {rest}")
        if rule.endswith("-") and absent:
            return rest
        if rule.endswith("+"):
            return "" if absent else rest
        return value or ""

    return VARIABLE.sub(replace, text)


def _interpolate_all(value: Any, env: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return interpolate(value, env)
    if isinstance(value, list):
        return [_interpolate_all(item, env) for item in value]
    if isinstance(value, dict):
        return {key: _interpolate_all(item, env) for key, item in value.items()}
    return value


def read_env(path: Path) -> dict[str, str]:
    """The variables of a .env."""
    return {name: value or "" for name, value in dotenv_values(path, interpolate=True).items()}


def read_dockerfile(path: Path = PROJECT / "Dockerfile") -> tuple[dict[str, str], list[str], list[str]]:
    """The environment, the command and the RUN lines of the last stage."""
    text = path.read_text().replace("\\\n", " ")
    stage = text[text.rindex("\nFROM ") :]
    environment: dict[str, str] = {}
    command: list[str] = []
    runs: list[str] = []
    for line in stage.splitlines():
        word, _, rest = line.partition(" ")
        if word == "ENV":
            environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "CMD":
            command = json.loads(rest)
        elif word == "RUN":
            runs.append(rest)
    return environment, command, runs


def load(env: Mapping[str, str], path: Path = PROJECT / "compose.yaml") -> dict[str, Service]:
    """Every service of the file. Raises Missing."""
    document = _interpolate_all(yaml.safe_load(path.read_text()), env)
    image, command, _ = read_dockerfile()
    return {
        name: Service(
            name=name,
            command=list(service.get("command") or (command if "build" in service else [])),
            environment=(image if "build" in service else {}) | _environment(service, env, path.parent),
            built="build" in service,
            document=service,
        )
        for name, service in document["services"].items()
    }


def _environment(service: Mapping[str, Any], env: Mapping[str, str], folder: Path) -> dict[str, str]:
    made: dict[str, str] = {}
    files = service.get("env_file") or []
    for file in [files] if isinstance(files, str) else files:
        made |= read_env(folder / file)
    given = service.get("environment") or {}
    if isinstance(given, list):
        given = {name: value if equals else None for name, equals, value in (item.partition("=") for item in given)}
    for name, value in given.items():
        if value is not None:
            made[name] = str(value).lower() if isinstance(value, bool) else str(value)
        elif name in env:
            made[name] = env[name]
    return made
