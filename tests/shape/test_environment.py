"""`.env.example` lists exactly the variables that the settings read; what is empty or malformed stops the start."""

import base64
import json
import os
import re
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.test import Client, override_settings

from config import processes
from config.environment import read_email_url
from tests.forking import run_bare

PROJECT = Path(__file__).resolve().parent.parent.parent
KEY = base64.b64encode(bytes(32)).decode()
# A whole environment of production, with addresses that no one answers at.
PRODUCTION = {
    "SECRET_KEY": "x" * 50,
    "DATABASE_URL": "postgres://c360_app:p@127.0.0.1:1/c360",
    "DATABASE_PLATFORM_URL": "postgres://c360_platform:p@127.0.0.1:1/c360",
    "DATABASE_RELAY_URL": "postgres://c360_relay:p@127.0.0.1:1/c360",
    "REDIS_URL": "redis://:p@127.0.0.1:1/0",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "MASTER_KEYS": f"1:{KEY}",
    "INDEX_KEY": KEY,
    "DATA_AT_REST": "luks",
    "ALLOWED_HOSTS": "c360.example.com",
}
# Whatever is started, it reads the settings first.
STARTS = [
    ("manage.py", "check"),
    ("manage.py", "migrate"),
    ("manage.py", "provision_database"),
    ("manage.py", "consume_events"),
    ("manage.py", "relay_events"),
    ("manage.py", "move_customers"),
    ("manage.py", "seal_audit"),
    ("manage.py", "forecast_churn"),
    ("manage.py", "reset_sandboxes"),
    ("-m", "config.serve", "web"),
    ("-m", "config.serve", "stream"),
]


def test_every_variable_is_in_the_example_and_every_example_is_a_variable() -> None:
    settings = (PROJECT / "config" / "settings.py").read_text()
    read = set(re.findall(r"\benv\.\w+\(\s*\"([A-Z_]+)\"", settings))
    example = (PROJECT / ".env.example").read_text()
    listed = set(re.findall(r"^([A-Z0-9_]+)=", example, flags=re.M))
    # Passwords of the services, which stand in other variables, and what only the proxy is given.
    composed = set(re.findall(r"\$\{([A-Z0-9_]+)", example + (PROJECT / "compose.yaml").read_text()))
    assert read - listed == set(), "read, and not in .env.example"
    assert listed - read - composed == set(), "in .env.example, and not read"
    assert len(read) > 20


def start(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Start a process of the product in an environment of production that differs in some variables."""
    path = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return run_bare({**path, **PRODUCTION, **environment, "DJANGO_SETTINGS_MODULE": "config.settings"}, *arguments)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """``read(NAME="value")``: the settings in an environment of production that differs so."""

    def run(**environment: str) -> dict[str, Any]:
        monkeypatch.setattr(processes, "_process", processes.COMMAND)
        for name in os.environ.keys() - {"PATH", "HOME"}:
            monkeypatch.delenv(name)
        for name, value in (PRODUCTION | environment).items():
            monkeypatch.setenv(name, value)
        kept = structlog.get_config()
        try:
            return runpy.run_path(str(PROJECT / "config" / "settings.py"))
        finally:
            structlog.configure(**kept)

    return run


@pytest.fixture
def refusal(read: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """``refusal(NAME="value")``: what the settings say, and end with, in such an environment."""

    def refused(**environment: str) -> str:
        with pytest.raises(SystemExit) as end:
            read(**environment)
        assert end.value.code == 78
        return capsys.readouterr().err

    return refused


def test_a_whole_environment_is_accepted() -> None:
    run = start("-c", "import config.settings")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_several_servers_in_an_address_are_tried_until_one_can_be_written() -> None:
    look = (
        "from config.settings import DATABASES as d; one = d['default'];"
        "print(one['HOST'], one['PORT'], one['NAME'], one['USER'], one['PASSWORD'], one['OPTIONS'])"
    )
    address = "postgres://c360_app:p%2C@one.example:5433,two.example,[fd00::1]:5434/c360?sslmode=require"
    run = start("-c", look, DATABASE_URL=address)
    assert run.stderr == ""
    assert run.stdout.startswith("one.example,two.example,fd00::1 5433,5432,5434 c360 c360_app p, {")
    assert "'target_session_attrs': 'read-write'" in run.stdout
    assert "'sslmode': 'require'" in run.stdout
    chosen = start("-c", look, DATABASE_URL=f"{address}&target_session_attrs=any")
    assert "'target_session_attrs': 'any'" in chosen.stdout
    assert "target_session_attrs" not in start("-c", look).stdout


@pytest.mark.parametrize("blank", ["", "   "], ids=["empty", "spaces"])
@pytest.mark.parametrize("name", sorted(PRODUCTION))
def test_an_empty_setting_stops_the_start_with_one_line(refusal: Callable[..., str], name: str, blank: str) -> None:
    assert refusal(**{name: blank}) == f"configuration error: {name}: is empty.\n"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("REDIS_URL", "valkey:6379", "REDIS_URL: is not a Redis address: Redis URL must specify one of the following"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka", "KAFKA_BOOTSTRAP_SERVERS: wants host:port, separated by commas"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092,,b:9092", "KAFKA_BOOTSTRAP_SERVERS: wants host:port, separated by commas"),
        ("ALLOWED_HOSTS", "https://c360.example.com", "ALLOWED_HOSTS: wants names without scheme, port or spaces"),
        ("ALLOWED_HOSTS", "c360.example.com:443", "ALLOWED_HOSTS: wants names without scheme, port or spaces"),
        ("ALLOWED_HOSTS", "a.example, b.example", "ALLOWED_HOSTS: wants names without scheme, port or spaces"),
        ("CSRF_TRUSTED_ORIGINS", "c360.example.com", "CSRF_TRUSTED_ORIGINS: wants https://name"),
        ("DATABASE_URL", "mysql://a:b@c/d", "a database address must be postgres://role:password@host:port/name"),
        ("DATABASE_URL", "postgres://a:b@c", "a database address must be postgres://role:password@host:port/name"),
        ("DEBUG", "perhaps", "DEBUG: Not a valid boolean."),
        ("LOG_LEVEL", "", "LOG_LEVEL: must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not ''."),
        ("LOG_FORMAT", "xml", "LOG_FORMAT: must be one of console, ecs, not 'xml'."),
        ("KAFKA_CONFIG", "[]", "KAFKA_CONFIG: must be a JSON object, for example {}."),
        ("KAFKA_CONFIG", "{", "KAFKA_CONFIG: Not valid JSON."),
        ("EVENT_STREAM_URL", "live", "EVENT_STREAM_URL: must begin with / or https://, not 'live'."),
        ("STATIC_ROOT", "", "STATIC_ROOT: is empty."),
        ("UPDATES_PER_HOUR", "0", "UPDATES_PER_HOUR: must be from 1 to 1000000000, not 0."),
        ("LOGIN_ATTEMPTS_PER_MINUTE", "-1", "LOGIN_ATTEMPTS_PER_MINUTE: must be from 1 to 1000000, not -1."),
        ("EVENTS_REMEMBERED_DAYS", "9" * 30, "EVENTS_REMEMBERED_DAYS: must be from 1 to 10000, not 999"),
        ("EVENTS_PARKED_MINUTES", "soon", "EVENTS_PARKED_MINUTES: Not a valid integer."),
        ("KAFKA_PARTITIONS", "", "KAFKA_PARTITIONS: Not a valid integer."),
        ("INDEX_KEY", "c2hvcnQ=", "INDEX_KEY holds 5 bytes; 32 are needed"),
        ("EMAIL_URL", "mail.example.com", "EMAIL_URL must begin with smtp://, smtps:// or submission://, for example"),
        ("EMAIL_URL", "smtp://", "EMAIL_URL names no host, for example smtp://user:password@mail.example.com:587?tls"),
        ("EMAIL_URL", "smtp://mail.example.com:many", "EMAIL_URL is not a URL, or its port is not a number"),
        ("EMAIL_URL", "smtp://a:secret@b/?starttls=1", "EMAIL_URL takes tls=true or ssl=true and not ['starttls']"),
        ("EMAIL_URL", "smtp://a@b", "EMAIL_URL wants a user and a password, or neither"),
        ("EMAIL_URL", "smtp://b?tls=maybe", "EMAIL_URL takes true or false for tls and ssl"),
        ("SITE_URL", "c360.example.com", "SITE_URL: wants https://name"),
        ("EMAIL_FROM", "Customer 360", "EMAIL_FROM: wants name@example.com or Name <name@example.com>"),
        (
            "WEBHOOK_ALLOWED_NETWORKS",
            "intranet",
            "WEBHOOK_ALLOWED_NETWORKS wants addresses or networks like 10.0.0.0/8",
        ),
        ("HSTS_PRELOAD", "true", "HSTS_PRELOAD=true needs HSTS_INCLUDE_SUBDOMAINS=true"),
    ],
)
def test_a_malformed_setting_stops_the_start_with_one_line(
    refusal: Callable[..., str], name: str, value: str, sentence: str
) -> None:
    said = refusal(**{name: value})
    assert said.startswith(f"configuration error: {sentence}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("hosts", ["*", ".example.com"])
def test_mail_needs_to_know_where_its_links_lead(refusal: Callable[..., str], hosts: str) -> None:
    """Never from a request: its Host header would send the links, and the keys in them, anywhere."""
    assert "EMAIL_URL needs SITE_URL" in refusal(EMAIL_URL="smtp://mail.example.com", ALLOWED_HOSTS=hosts)


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("", {"EMAIL_HOST": ""}),
        ("smtp://localhost", {"EMAIL_HOST": "localhost", "EMAIL_PORT": 25, "EMAIL_USE_TLS": False}),
        (
            "smtp://us%40er:p%3Aw@mail.example.com:2525?tls=true",
            {
                "EMAIL_HOST": "mail.example.com",
                "EMAIL_PORT": 2525,
                "EMAIL_HOST_USER": "us@er",
                "EMAIL_HOST_PASSWORD": "p:w",
                "EMAIL_USE_TLS": True,
                "EMAIL_USE_SSL": False,
            },
        ),
        ("submission://a:b@m", {"EMAIL_PORT": 587, "EMAIL_USE_TLS": True, "EMAIL_USE_SSL": False}),
        ("smtps://a:b@m", {"EMAIL_PORT": 465, "EMAIL_USE_TLS": False, "EMAIL_USE_SSL": True}),
        ("smtp://a:b@[::1]:465?ssl=True", {"EMAIL_HOST": "::1", "EMAIL_USE_SSL": True, "EMAIL_USE_TLS": False}),
    ],
)
def test_a_mail_server_is_read_from_one_address(url: str, settings: dict[str, object]) -> None:
    found = read_email_url("EMAIL_URL", url)
    assert {name: found[name] for name in settings} == settings


def test_all_that_is_wrong_is_said_at_once(refusal: Callable[..., str]) -> None:
    assert refusal(SECRET_KEY="", REDIS_URL=" ", KAFKA_PARTITIONS="0") == (
        "configuration error: SECRET_KEY: is empty.; REDIS_URL: is empty.; "
        "KAFKA_PARTITIONS: must be from 1 to 10000, not 0.\n"
    )


@pytest.mark.parametrize("arguments", STARTS, ids=" ".join)
def test_no_process_starts_with_an_empty_setting(arguments: tuple[str, ...]) -> None:
    run = start(*arguments, SECRET_KEY="")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (78, "", 1)
    said = run.stderr.strip() if arguments == ("manage.py", "check") else json.loads(run.stderr)["message"]
    assert said == "configuration error: SECRET_KEY: is empty."


@pytest.mark.parametrize(
    ("chosen", "header"),
    [
        ({}, "max-age=63072000"),
        ({"HSTS_INCLUDE_SUBDOMAINS": "true"}, "max-age=63072000; includeSubDomains"),
        (
            {"HSTS_INCLUDE_SUBDOMAINS": "true", "HSTS_PRELOAD": "true"},
            "max-age=63072000; includeSubDomains; preload",
        ),
    ],
    ids=["this name", "the names below", "browsers' lists"],
)
def test_what_strict_transport_security_takes_in_is_the_operators_choice(
    read: Callable[..., dict[str, Any]], chosen: dict[str, str], header: str
) -> None:
    # Those for logs alone change the process that reads them.
    made = read(LOG_FORMAT="console", **chosen)
    asked = {name: value for name, value in made.items() if name.startswith("SECURE_") or name == "ALLOWED_HOSTS"}
    with override_settings(**asked):
        answer = Client(SERVER_NAME="c360.example.com").get("/healthz/live", secure=True)
    assert (answer.status_code, answer["Strict-Transport-Security"]) == (200, header)
