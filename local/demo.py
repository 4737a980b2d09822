"""``make demo``: the services, the schema, the demo's data, and the processes of the product in the foreground."""

import base64
import contextlib
import os
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from local import signals
from local.commands import started
from local.folders import PROJECT, Folders, open_kept
from local.guard import Guard
from local.processes import Child, claim_port, find_free_port, find_port_error, stop
from local.secrets import write_private
from local.services import Services, merge, say, write_env
from local.trouble import CannotStart, StopRequested

READY_WITHIN = 60.0
# A process that ends sooner than this after its start has died quickly; after so many in a row we give up.
QUICK_DEATH = 20.0
QUICK_DEATHS = 4
LONGEST_PAUSE = 8.0


def run_demo(guard: Guard, arguments: list[str]) -> int:
    """Run the demo until SIGTERM or Ctrl-C, which end it with status 0."""
    if arguments:
        raise CannotStart("demo takes no arguments")
    folders = open_kept(guard)
    port = read_port(os.environ.get("PORT", "8000"))
    services = Services(folders, guard, given=os.environ, fast=False)
    try:
        with started(services):
            services.env["EVENT_STREAM_URL"] = f"http://127.0.0.1:{find_free_port()}/live"
            services.env |= address_mail(port, os.environ)
            services.env["AUDIT_SIGNING_KEY"] = os.environ.get("AUDIT_SIGNING_KEY") or keep_signing_key(folders)
            write_env(services.env, folders, guard)
            logins = prepare(folders, guard, services.env)
            with attended(processes(folders, guard, services.env, port)) as workers:
                for worker in workers[:2]:
                    worker.await_ready()
                say(
                    f"\nCustomer 360 is at http://127.0.0.1:{port}\n{logins}\n{describe_mail(services.env)}\n{NEXT_STEPS}"
                )
                while True:
                    services.revive()
                    for worker in workers:
                        worker.attend()
                    signals.pause(0.5)
    except StopRequested:
        say("demo stopped")
        return 0


# Without user and password, as no server of others would be.
OWN_MAIL = "smtp://127.0.0.1:"
NEXT_STEPS = """
API description: /api/docs. Logs: .local/log. Beside the running demo: set -a; . .local/env; set +a
and then for example .venv/bin/python manage.py dead_letters list. DEMO_EVENTS is the number
of made-up events a minute that keep the pages alive: 6, or as set; 0 for none. Ctrl-C stops everything."""


def address_mail(port: int, given: Mapping[str, str]) -> dict[str, str]:
    """Where mail goes: to the demo's own server, unless an address is given; and where its links lead."""
    site = given.get("SITE_URL") or f"http://127.0.0.1:{port}"
    return {"SITE_URL": site, "EMAIL_URL": given.get("EMAIL_URL") or f"{OWN_MAIL}{find_free_port()}"}


def keep_signing_key(folders: Folders) -> str:
    """The demo's own key for seals, the same at each start. In production the sealing process alone has it."""
    path = folders.data / "signing-key"
    if not path.exists():
        write_private(path, base64.b64encode(os.urandom(32)).decode())
    return path.read_text().strip()


def describe_mail(env: Mapping[str, str]) -> str:
    """Where the mail can be read that the demo sends."""
    if env["EMAIL_URL"].startswith(OWN_MAIL):
        return f"Mail that it sends is at {env['SITE_URL']}/demo/mail (files in .local/mail)"
    return "Mail that it sends goes to EMAIL_URL"


def read_port(text: str) -> int:
    """The port of the pages. Raises CannotStart when it is no port or taken."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise CannotStart(f"PORT={text} is not a port; choose one from 1 to 65535: PORT=8001 make demo")
    port = int(text)
    # The pages come when all is prepared. Of two demos, of two folders, the later one would find the other's and take
    # them for its own.
    if error := find_port_error(port) or ("" if claim_port(port, of="demo") else "is taken by another demo"):
        raise CannotStart(f"port {port} {error}; choose another: PORT={find_free_port()} make demo")
    return port


def prepare(folders: Folders, guard: Guard, env: Mapping[str, str], *, project: Path = PROJECT) -> str:
    """Roles, schema and demo data; returns what load_demo says about the logins."""
    (folders.data / "static").mkdir(exist_ok=True)  # the settings' STATIC_ROOT; in development it stays empty
    if env.get("DATABASE_ADMIN_URL"):
        manage("provision_database", folders, guard, env, project=project)
    else:
        say("provision_database left out: DATABASE_ADMIN_URL is not set")
    manage("migrate", folders, guard, env, project=project)
    return manage("load_demo", folders, guard, env, project=project)


def manage(command: str, folders: Folders, guard: Guard, env: Mapping[str, str], *, project: Path = PROJECT) -> str:
    """Run one command of manage.py to its end and return what it printed. Raises CannotStart when it fails."""
    began = time.monotonic()
    child = Child(
        command,
        [sys.executable, "manage.py", *command.split()],
        guard,
        env=merge(env),
        cwd=project,
        log=folders.logs / f"{command.partition(' ')[0]}.log",
        errors_shown=True,  # progress, and the reason of a failure
    )
    try:
        child.start()
        if child.wait() != 0:
            raise CannotStart(f"manage.py {command} {child.describe_end()}")
    except StopRequested:
        stop([child])
        raise
    say(f"{command} done in {time.monotonic() - began:.1f} s")
    assert child.log is not None
    return child.log.read_text(errors="replace").rstrip()


@dataclass(slots=True)
class Worker:
    """One long-running process of the product, started again when it ends by itself."""

    child: Child
    probe: str = ""
    _deaths: int = field(default=0, init=False)
    _start_at: float | None = field(default=None, init=False)

    def attend(self) -> None:
        """Look after it once: say that it ended and why, start it when its pause is over.

        Raises CannotStart after QUICK_DEATHS quick deaths in a row.
        """
        child = self.child
        if self._start_at is not None:
            if time.monotonic() >= self._start_at:
                self._start_at = None
                child.start()
            return
        if child.is_running():
            return
        child.sweep()
        quick = time.monotonic() - child.started_at < QUICK_DEATH
        self._deaths = self._deaths + 1 if quick else 1
        why = f"{child.name} {child.describe_end()} (last line: {child.last_words() or 'none'})"
        if self._deaths >= QUICK_DEATHS:
            raise CannotStart(f"{why}, {QUICK_DEATHS} times in a row; its log is {child.log}")
        pause = min(2.0 ** (self._deaths - 1) / 2, LONGEST_PAUSE)
        say(f"{why}; starting it again in {pause:.1f} s")
        self._start_at = time.monotonic() + pause

    def await_ready(self) -> None:
        """Wait until its probe answers 200. Raises CannotStart or StopRequested."""
        began = time.monotonic()
        while time.monotonic() - began < READY_WITHIN:
            self.attend()
            if answers(self.probe):
                say(f"{self.child.name} ready in {time.monotonic() - began:.1f} s")
                return
            signals.pause(0.1)
        raise CannotStart(f"{self.child.name} was not ready within {READY_WITHIN:.0f} s; its log is {self.child.log}")


def answers(url: str) -> bool:
    """Whether this address answers 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def processes(
    folders: Folders, guard: Guard, env: Mapping[str, str], port: int, *, project: Path = PROJECT
) -> list[Worker]:
    """The processes of the product (docs/architecture.md), not started yet: web and stream first.

    The last one sends DEMO_EVENTS made-up events a minute; with 0 it is left out, and the demo's figures only change
    when someone changes them.
    """
    stream = env["EVENT_STREAM_URL"]
    stream_port = stream.rpartition(":")[2].partition("/")[0]

    def worker(name: str, arguments: Sequence[str], probe: str = "") -> Worker:
        log = folders.logs / f"{name}.log"
        argv = [sys.executable, *arguments]
        return Worker(Child(name, argv, guard, env=merge(env), cwd=project, log=log), probe)

    def serve(kind: str, number: str) -> list[str]:
        return ["-m", "config.serve", kind, "--port", number]

    mail_port = env.get("EMAIL_URL", "").removeprefix(OWN_MAIL)
    mail = ["-m", "local.mail", "--port", mail_port, "--folder", str(folders.data / "mail")]
    pace = os.environ.get("DEMO_EVENTS", "6")
    events = ["manage.py", "send_event", "--stream", "--per-minute", pace]
    return [
        worker("web", serve("web", str(port)), f"http://127.0.0.1:{port}/healthz/live"),
        worker("stream", serve("stream", stream_port), f"{stream}/healthz"),
        worker("consume_events", ["manage.py", "consume_events"]),
        worker("relay_events", ["manage.py", "relay_events"]),
        worker("move_customers", ["manage.py", "move_customers"]),
        worker("run_effects", ["manage.py", "run_effects"]),
        worker("seal_audit", ["manage.py", "seal_audit", "--every", "60"]),
        worker("forecast_churn", ["manage.py", "forecast_churn", "--every", "600"]),
        *([worker("mail", mail)] if mail_port.isdecimal() else []),
        *([worker("send_event", events)] if pace != "0" else []),
    ]


Attended = TypeVar("Attended", bound=Worker)


@contextlib.contextmanager
def attended(workers: list[Attended]) -> Iterator[list[Attended]]:
    """The workers, started; stopped side by side at the end."""
    try:
        for worker in workers:
            worker.child.start()
        yield workers
    finally:
        signals.take()
        stop([worker.child for worker in workers])
