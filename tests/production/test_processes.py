"""Each process asks for its own variables and for no others, and says in one line which it lacks."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from config import processes
from tests.forking import run_bare

PROJECT = Path(__file__).resolve().parents[2]
STARTS = {
    "web": ["-m", "config.serve", "web"],
    "stream": ["-m", "config.serve", "stream"],
    "consumer": ["manage.py", "consume_events"],
    "relay": ["manage.py", "relay_events", "--once"],
    "mover": ["manage.py", "move_customers", "--once"],
    "effects": ["manage.py", "run_effects", "--once"],
    "seal": ["manage.py", "seal_audit", "--every", "60"],
    "forecast": ["manage.py", "forecast_churn", "--every", "600"],
    "sandbox": ["manage.py", "reset_sandboxes", "--every", "600"],
    "provision": ["manage.py", "provision_database"],
    "migrate": ["manage.py", "migrate"],
    "send_event": ["manage.py", "send_event", "customer.created", "--tenant", "acme"],
    "tail_topic": ["manage.py", "tail_topic", "audit.lifecycle.updated"],
    "verify_audit": ["manage.py", "verify_audit"],
    "move_tenant": ["manage.py", "move_tenant", "acme", "--to", "b"],
    "command": ["manage.py", "rotate_keys"],
}


def start(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return run_bare({"PATH": os.environ["PATH"], **environment}, *arguments)


@pytest.mark.parametrize("process", STARTS)
def test_a_process_that_is_given_nothing_names_all_that_it_needs_in_one_line(process: str) -> None:
    run = start(STARTS[process])
    needed = ", ".join(sorted(processes.NEEDS[process]))
    who = "manage.py rotate_keys" if process == "command" else f"the process {process}"
    line = f"configuration error: {who} needs {needed}: give each a value (.env.example says which)"
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (78, "", 1)
    if process not in processes.SERVICES:
        assert run.stderr == f"{line}\n"
        return
    record = json.loads(run.stderr)
    assert (record["message"], record["log.level"]) == (line, "critical")
    assert record["service"]["name"] == f"customer360-{'migrate' if process == 'provision' else process}"


@pytest.mark.parametrize(("process", "development"), [("web", False), ("consumer", False), ("stream", True)])
def test_to_a_person_who_starts_it_a_process_says_in_plain_text_what_it_lacks(process: str, development: bool) -> None:
    person, terminal = pty.openpty()
    run = subprocess.run(
        [sys.executable, *STARTS[process]],
        env={"PATH": os.environ["PATH"], **({"DEBUG": "true"} if development else {})},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if development else terminal,
        timeout=180,
    )
    os.close(terminal)
    said = run.stderr if development else os.read(person, 4096)
    os.close(person)
    assert run.returncode == 78
    assert said.decode().startswith(f"configuration error: the process {process} needs "), said


def test_every_process_is_started_above() -> None:
    assert STARTS.keys() | {"tool"} == processes.NEEDS.keys()


@pytest.mark.parametrize("process", STARTS)
@pytest.mark.parametrize("empty", ["", "  ", None, ","])
def test_each_variable_counts_and_an_empty_one_is_none(
    process: str, empty: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_process", process)
    whole = dict.fromkeys(processes.NEEDS[process], "x")
    assert processes.describe_missing(whole, debug=False) == ""
    for name in whole:
        lacking = {**whole, name: empty} if empty is not None else {key: "x" for key in whole if key != name}
        assert f" needs {name}: " in processes.describe_missing(lacking, debug=False)


def test_in_development_what_has_a_default_there_may_be_absent() -> None:
    run = start(["-c", "import config.wsgi"], DEBUG="true")
    assert run.returncode == 78
    assert "ALLOWED_HOSTS" not in run.stderr
    assert "DATA_AT_REST" not in run.stderr
    assert "SECRET_KEY" in run.stderr


def test_a_key_for_seals_and_the_static_files_are_made_without_any_secret() -> None:
    made = start(["manage.py", "seal_audit", "--new-key"])
    assert made.returncode == 0, made.stderr
    assert [line.partition("=")[0] for line in made.stdout.splitlines()] == ["AUDIT_SIGNING_KEY", "AUDIT_VERIFY_KEYS"]
    collected = start(["manage.py", "collectstatic", "--noinput", "--dry-run"])
    assert collected.returncode == 0, collected.stderr
    assert "static files copied" in collected.stdout


def test_what_a_process_was_not_given_it_cannot_use() -> None:
    """An absent key is no empty key, and an absent address is no other address."""
    script = (
        "from config.processes import declare; declare('relay')\n"
        "import django; django.setup()\n"
        "from django.conf import settings; from django.db import connection\n"
        "from storage import cipher; import uuid\n"
        "try: connection.cursor()\n"
        "except Exception as error: print(type(error).__name__)\n"
        "try: cipher.email_index(uuid.uuid4(), 'a@b.example')\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(settings.SECRET_KEY)\n"
    )
    own = {
        "DATABASE_RELAY_URL": "postgres://c360_relay:x@127.0.0.1:1/c360",
        "DATABASE_PLATFORM_URL": "postgres://c360_platform:x@127.0.0.1:1/c360",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "MASTER_KEYS": "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    first, second = start(["-c", script], **own), start(["-c", script], **own)
    assert first.stdout.splitlines()[:2] == ["ImproperlyConfigured", "TypeError"], first.stderr
    assert first.stdout.splitlines()[2] != second.stdout.splitlines()[2], "the stand-in for SECRET_KEY is built in"


@pytest.mark.parametrize("name", ["relay_events", "verify_audit"])
def test_a_command_starts_without_the_pages(name: str) -> None:
    """They are most of what there is to import, and a command runs in a second."""
    script = (
        "import sys, django; django.setup()\n"
        f"from django.core.management import load_command_class; load_command_class('lifecycle', '{name}')\n"
        "pages = {'config.urls', 'rest_framework.views', 'tenants.admin', 'lifecycle.admin'}\n"
        "print(*sorted(pages & sys.modules.keys()))\n"
    )
    run = start(["-c", script], **{**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"})
    assert (run.returncode, run.stdout, run.stderr) == (0, "\n", "")


def test_a_process_refuses_the_superusers_address_in_any_of_its_variables() -> None:
    own = {name: os.environ.get(name, "") for name in processes.NEEDS["relay"]}
    superuser = {"DATABASE_RELAY_URL": os.environ["DATABASE_ADMIN_URL"]}
    run = start(["manage.py", "relay_events", "--once"], **{**own, **superuser})
    assert run.returncode == 1
    line = "DATABASE_RELAY_URL connects as a role that row-level security does not bind: it is a superuser."
    assert line in run.stderr
