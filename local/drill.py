"""``make restore-drill``: what docs/operations.md says of a restore, done on throw-away services and compared."""

import base64
import contextlib
import json
import os
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from local.backups import dump_database, restore_database
from local.commands import started
from local.demo import attended, manage, prepare, processes
from local.fingerprints import count_rows, find_differences, take_fingerprint
from local.folders import Folders, open_throwaway
from local.guard import Guard
from local.postgresql import PostgreSQL
from local.processes import find_free_port, stop
from local.services import DATABASE_ROLES, Services, say
from local.trouble import CannotStart

CUSTOMERS = "200"
COMPARED = 25
DELIVERED_WITHIN = 30.0
Answers = dict[str, Any]


def run_restore_drill(guard: Guard, arguments: list[str]) -> int:
    """Dump a running installation, lose it, restore it into an empty cluster, and compare. Raises CannotStart."""
    if arguments:
        raise CannotStart("restore-drill takes no arguments")
    os.environ.setdefault("DEMO_CUSTOMERS", CUSTOMERS)
    folders = open_throwaway(guard, durable=False)
    dump = folders.data / "c360.dump"
    with started(Services(folders, guard, given=os.environ, fast=True)) as services:
        env = services.env
        env |= {"AUDIT_SEAL_TOPIC": "audit.seals", "EVENT_STREAM_URL": f"http://127.0.0.1:{find_free_port()}/live"}
        env["AUDIT_SIGNING_KEY"] = base64.b64encode(os.urandom(32)).decode()
        prepare(folders, guard, env)
        with running(folders, guard, env) as api:
            manage("seal_audit", folders, guard, env)
            await_delivery(env)
            before = api.ask_everything()
            fingerprint = take_fingerprint(database_url(env))
            began = time.monotonic()
            dump_database(env["DATABASE_BACKUP_URL"], dump)
            say(f"dumped as c360_backup in {time.monotonic() - began:.1f} s: {dump.stat().st_size:,} bytes")
            moved = api.move_somebody()
            if api.ask_everything() == before:
                raise CannotStart("nothing changed after the dump: the drill would prove nothing")
        say(f"after the dump, to be lost: {moved}; Valkey keeps its copy of that")
        with second_cluster(guard, env, services) as restored:
            manage("provision_database", folders, guard, restored)
            began = time.monotonic()
            restore_database(database_url(restored), dump)
            say(f"restored into an empty cluster in {time.monotonic() - began:.1f} s")
            differences = find_differences(fingerprint, take_fingerprint(database_url(restored)))
            report("catalogue and rows", f"{len(fingerprint):,} objects, {count_rows(fingerprint):,} rows", differences)
            say(manage("verify_audit --published", folders, guard, restored))
            with running(folders, guard, restored) as api:
                after = api.ask_everything()
                report("answers of the API", f"{len(before):,} answers", compare(before, after))
    say("restore-drill passed")
    return 0


def report(what: str, how_much: str, differences: list[str]) -> None:
    """Say that nothing differs. Raises CannotStart with the first differences otherwise."""
    if differences:
        raise CannotStart(f"{what}: {len(differences)} differences\n  " + "\n  ".join(differences[:20]))
    say(f"{what}: the same ({how_much})")


def compare(before: Answers, after: Answers) -> list[str]:
    """The addresses that answer otherwise."""
    return [
        f"{path}: {before[path]} before, {after.get(path)} after" for path in before if before[path] != after.get(path)
    ]


def database_url(env: dict[str, str]) -> str:
    """The product's database, as a superuser."""
    name = urlsplit(env["DATABASE_URL"]).path
    return urlunsplit(urlsplit(env["DATABASE_ADMIN_URL"])._replace(path=name))


def await_delivery(env: dict[str, str]) -> None:
    """Wait until the relay has published everything: then the outbox stands still. Raises CannotStart."""
    import psycopg

    deadline = time.monotonic() + DELIVERED_WITHIN
    with psycopg.connect(database_url(env), autocommit=True) as connection:
        while connection.execute("SELECT FROM audit_outbox WHERE published_at IS NULL LIMIT 1").fetchone():
            if time.monotonic() > deadline:
                raise CannotStart(f"the relay has not published everything within {DELIVERED_WITHIN:.0f} s")
            time.sleep(0.1)


@contextlib.contextmanager
def second_cluster(guard: Guard, env: dict[str, str], services: Services) -> Iterator[dict[str, str]]:
    """An empty cluster; the environment of the product on it. The first one is stopped: it was lost."""
    first = services.running[0]
    if not isinstance(first, PostgreSQL) or first.child is None:
        raise CannotStart("the drill needs a PostgreSQL of its own: unset DATABASE_URL")
    stop([first.child])
    postgresql = PostgreSQL(open_throwaway(guard, durable=False), guard, first.password, fast=True)
    postgresql.prepare()
    postgresql.launch()
    try:
        yield env | {
            name: urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{postgresql.port}"))
            for name in DATABASE_ROLES
            for parts in [urlsplit(env[name])]
        }
    finally:
        if postgresql.child is not None:
            stop([postgresql.child])


@contextlib.contextmanager
def running(folders: Folders, guard: Guard, env: dict[str, str]) -> Iterator["Api"]:
    """The product's web and relay; the API as the demo's service account uses it."""
    port = find_free_port()
    wanted = ("web", "relay_events")
    workers = [one for one in processes(folders, guard, env, port) if one.child.name in wanted]
    with attended(workers):
        workers[0].await_ready()
        yield Api(f"http://127.0.0.1:{port}/api/v1")


@dataclass(slots=True)
class Api:
    """The API over HTTP."""

    root: str
    token: str = ""

    def ask_everything(self) -> Answers:
        """What the API answers about the tenant and its first customers, by address. Asked twice: cached and not."""
        listed = self.ask("GET", "/customers?limit=100")
        ids = [one["id"] for one in listed["results"]][:COMPARED]
        paths = [
            "/customers?limit=100",
            "/configuration",
            *(f"/customers/{id_}{part}" for id_ in ids for part in PARTS),
        ]
        for path in paths:
            self.ask("GET", path)
        return {path: self.ask("GET", path) for path in paths}

    def move_somebody(self) -> str:
        """Move a customer on, and read it so that it is cached; what was done."""
        for one in self.ask("GET", "/customers?limit=100")["results"][:COMPARED]:
            path = f"/customers/{one['id']}/lifecycle"
            for target in self.ask("GET", path).get("transitions", []):
                if target.get("allowed") and not target.get("reason_required"):
                    self.ask("PATCH", path, {"stage": target["stage"]})
                    return f"{one['id']} moved to {target['stage']}"
        raise CannotStart("no customer may be moved: the drill would prove nothing")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request, logged in: its answer. Addresses in it begin behind the root, which is another one each time.

        Raises CannotStart when it is refused.
        """
        if not self.token:
            login = {"username": "workflow@acme.example", "password": "demo"}
            self.token = "none"
            self.token = self.ask("POST", "/auth/token", login)["access"]
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(
            self.root + path, json.dumps(body).encode() if body else None, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.loads(response.read().replace(self.root.encode(), b""))
        except OSError as error:
            raise CannotStart(f"{method} {path}: {error}") from error


PARTS = ("", "/lifecycle", "/lifecycle/summary", "/lifecycle/history")
