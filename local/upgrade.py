"""``make upgrade-drill``: a release is rolled out under load, with the former one at work on the same database.

The former release works alone, then while the next one migrates, then beside it; then the next one works alone. Every
change that was confirmed to a client has to be in the history once, every event in the inbox, every message in Kafka.
"""

import contextlib
import datetime as dt
import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import signals
from local.commands import started
from local.demo import Worker, attended, manage, prepare, processes
from local.drill import Api, await_delivery, database_url
from local.folders import PROJECT, Folders, open_throwaway
from local.guard import Guard
from local.processes import Child, find_free_port, stop
from local.services import Services, merge, say
from local.trouble import CannotStart

CUSTOMERS = "200"
WRITERS = 4
EVENTS = 300
EVENTS_A_MINUTE = "1200"
PHASE_SECONDS = 8.0
# How long the events may take at the end, and how often a migration is tried that did not get a lock in time.
EVENTS_WITHIN = 60.0
TRIES = 5
TO_AND_FRO = ("Renewed", "Active")
SIDE_BY_SIDE = ("web", "consume_events", "relay_events", "move_customers", "run_effects")

# Tables that everyone writes while the next release migrates (the history is altered by no migration), and the one that
# is made up where it has none: what an additive one may do (docs/operations.md), each statement by itself.
WRITTEN = (
    "lifecycle_customer",
    "lifecycle_billingfigures",
    "lifecycle_supportfigures",
    "customer_lifecycle_status",
    "lifecycle_inboxevent",
    "lifecycle_effect",
    "audit_outbox",
    "tenants_user",
    "tenants_configurationversion",
)
MADE_UP = '''"""Made up for the drill: two columns for each table that is written all the time, and an index."""

from django.db import migrations

from storage.indexes import AddPlainIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("lifecycle", "{last}")]
    operations = [
        migrations.RunSQL(f"ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS {{column}}", migrations.RunSQL.noop)
        for table in {tables}
        for column in ("next_required text NOT NULL DEFAULT 'kept'", "next_optional integer DEFAULT 7")
    ] + [AddPlainIndexConcurrently("lifecycle_customer", "next_of_customer", "btree (tenant_id, updated_at)")]
'''


def run_upgrade_drill(guard: Guard, arguments: list[str]) -> int:
    """Roll this commit out over a former one. Raises CannotStart when anything was refused, lost or doubled."""
    if len(arguments) > 1:
        raise CannotStart("upgrade-drill takes one argument: the commit of the release that is replaced")
    os.environ.setdefault("DEMO_CUSTOMERS", CUSTOMERS)
    os.environ["DEMO_EVENTS"] = "0"
    folders = open_throwaway(guard, durable=False)
    former, following = folders.data / "former", folders.data / "following"
    unpack(arguments[0] if arguments else "HEAD", former)
    unpack("HEAD", following)
    if not list_new_migrations(former, following):
        make_up_migration(following)
    with started(Services(folders, guard, given=os.environ, fast=True)) as services:
        env = services.env
        env["EVENT_STREAM_URL"] = f"http://127.0.0.1:{find_free_port()}/live"
        prepare(folders, guard, env, project=former)
        before, since = count_events(env), read_clock(env)
        with attended(release(folders, guard, env, former)) as old:
            old[0].await_ready()
            load = Load(Api(old[0].root))
            events = send_events(folders, guard, env, former)
            with load.running():
                signals.pause(PHASE_SECONDS)
                migrate(folders, guard, env, following)
                say(f"made under load: {', '.join(list_new_migrations(former, following))}")
                with attended(release(folders, guard, env, following)) as new:
                    new[0].await_ready()
                    load.roots = [old[0].root, new[0].root]
                    signals.pause(PHASE_SECONDS)
                    # As a proxy does: what is to end gets nothing new, and answers what it has.
                    load.leave(old[0].root)
                    stop([worker.child for worker in old])
                    signals.pause(PHASE_SECONDS)
                    load.end()
                    if events.wait() != 0:
                        raise CannotStart(f"send_event {events.describe_end()}: {events.last_words()}")
                    await_events(env, before + EVENTS)
                    await_delivery(env)
        load.report(find_moves(env, since))
        say(manage("verify_audit", folders, guard, env, project=following))
    say("upgrade-drill passed")
    return 0


def unpack(commit: str, folder: Path) -> None:
    """The files of a commit of this repository. Raises CannotStart when there is no such commit."""
    packed = subprocess.run(["git", "archive", commit], cwd=PROJECT, capture_output=True, check=False)
    if packed.returncode:
        raise CannotStart(f"{commit} cannot be unpacked: {packed.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        # Python 3.11 has filters since 3.11.4, and Debian 12's is older.
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:
            archive.extractall(folder)


def list_new_migrations(former: Path, following: Path) -> list[str]:
    """The migrations that only the next release has."""

    def found(project: Path) -> set[str]:
        files = project.glob("*/migrations/[0-9]*.py")
        return {f"{path.parts[-3]}.{path.stem}" for path in files}

    return sorted(found(following) - found(former))


def make_up_migration(project: Path) -> None:
    """Give a release an additive migration."""
    folder = project / "lifecycle" / "migrations"
    last = max(path.stem for path in folder.glob("[0-9]*.py"))
    (folder / "9999_next.py").write_text(MADE_UP.format(last=last, tables=WRITTEN))


def migrate(folders: Folders, guard: Guard, env: dict[str, str], project: Path) -> None:
    """Migrate; once more when a lock was not to be had in time, as an operator does. Raises CannotStart."""
    for tries in itertools.count(1):
        try:
            manage("migrate --verbosity 0", folders, guard, env, project=project)
        except CannotStart:
            if tries == TRIES:
                raise
            say("migrating once more")
        else:
            return


@dataclass(slots=True)
class Served(Worker):
    """A worker of a release; ``root`` is the address of its API."""

    root: str = ""


def release(folders: Folders, guard: Guard, env: dict[str, str], project: Path) -> list[Served]:
    """The processes of one release, the web first, not started yet."""
    port = find_free_port()
    workers = [
        Served(worker.child, worker.probe, root=f"http://127.0.0.1:{port}/api/v1")
        for worker in processes(folders, guard, env, port, project=project)
        if worker.child.name in SIDE_BY_SIDE
    ]
    for worker in workers:
        worker.child.log = folders.logs / f"{worker.child.name}-{project.name}.log"
    return workers


def send_events(folders: Folders, guard: Guard, env: dict[str, str], project: Path) -> Child:
    """A stream of EVENTS events about customers of another tenant than the one whose customers are moved; started."""
    options = ["--stream", "--tenant", "globex", "--per-minute", EVENTS_A_MINUTE, "--max-events", str(EVENTS)]
    log = folders.logs / "send_event.log"
    child = Child(
        "send_event", [sys.executable, "manage.py", "send_event", *options], guard, env=merge(env), cwd=project, log=log
    )
    child.start()
    return child


class Load:
    """Writers that move customers to and fro over the API, and read them; what they were answered."""

    def __init__(self, api: Api) -> None:
        self.roots = [api.root]
        self.moved: Counter[tuple[str, int, str]] = Counter()
        self.answers: Counter[str] = Counter()
        self._ended = threading.Event()
        self._asking = threading.Condition()
        self._in_flight: Counter[str] = Counter()
        listed = api.ask("GET", f"/customers?stage={TO_AND_FRO[1]}&limit=100")["results"]
        self._customers = [one["id"] for one in listed]
        self._token = api.token
        if len(self._customers) < WRITERS:
            raise CannotStart("there are too few customers to move")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Write and read until ``end``, or the end of the block."""
        writers = [threading.Thread(target=self._write, args=[self._customers[n::WRITERS]]) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            yield
        finally:
            self.end()
            for writer in writers:
                writer.join(60)

    def leave(self, root: str) -> None:
        """Ask nothing more there, and wait until all that was asked there is answered."""
        with self._asking:
            self.roots = [one for one in self.roots if one != root]
            self._asking.wait_for(lambda: not self._in_flight[root], 60)

    def end(self) -> None:
        """Ask for nothing more, and wait until all that was asked is answered."""
        with self._asking:
            self._ended.set()
            self._asking.wait_for(lambda: not self._in_flight.total(), 60)

    def report(self, found: Sequence[tuple[str, int, str]]) -> None:
        """Say what was answered. Raises CannotStart when that was an error, or the history is another one."""
        say(f"answered: {', '.join(f'{what}: {number:,}' for what, number in sorted(self.answers.items()))}")
        errors = [what for what in self.answers if not what.endswith("200")]
        if errors:
            raise CannotStart(f"clients met errors: {', '.join(errors)}")
        lost, more = self.moved - Counter(found), Counter(found) - self.moved
        if lost or more:
            raise CannotStart(f"of {self.moved.total():,} changes {lost.total()} were lost and {more.total()} doubled")
        say(f"{self.moved.total():,} changes, each in the history once; {EVENTS} events, each in the inbox once")

    def _write(self, customers: Sequence[str]) -> None:
        turns = itertools.count()
        for stage in itertools.cycle(TO_AND_FRO):
            for customer in customers:
                for path, wanted in ((f"/customers/{customer}/lifecycle", stage), (f"/customers/{customer}", None)):
                    with self._asking:
                        if self._ended.is_set():
                            return
                        root = self.roots[next(turns) % len(self.roots)]
                        self._in_flight[root] += 1
                    try:
                        self._ask(root + path, customer, wanted)
                    finally:
                        with self._asking:
                            self._in_flight[root] -= 1
                            self._asking.notify_all()

    def _ask(self, address: str, customer: str, stage: str | None) -> None:
        method = "PATCH" if stage else "GET"
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        body = json.dumps({"stage": stage}).encode() if stage else None
        request = urllib.request.Request(address, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                response.read()
                if stage:
                    self.moved[customer, int(response.headers["ETag"].strip('"')), stage] += 1
                outcome = str(response.status)
        except OSError as error:
            outcome = str(error)
        self.answers[f"{method} {outcome}"] += 1


def read_clock(env: dict[str, str]) -> dt.datetime:
    """The database's."""
    import psycopg

    with psycopg.connect(database_url(env)) as connection:
        (now,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)
        assert now is not None
        return now  # type: ignore[no-any-return]


def find_moves(env: dict[str, str], since: dt.datetime) -> list[tuple[str, int, str]]:
    """The rows of the history that the API has written since: customer, number, stage."""
    import psycopg

    with psycopg.connect(database_url(env)) as connection:
        return connection.execute(
            "SELECT customer_id::text, sequence, to_stage FROM customer_lifecycle_history"
            " WHERE source = 'API' AND recorded_at >= %s",
            [since],
        ).fetchall()


def count_events(env: dict[str, str]) -> int:
    """How many events the inbox knows."""
    import psycopg

    with psycopg.connect(database_url(env)) as connection:
        (number,) = connection.execute("SELECT count(*) FROM lifecycle_inboxevent").fetchone() or (0,)
        return int(number)


def await_events(env: dict[str, str], wanted: int) -> None:
    """Wait until the inbox knows so many. Raises CannotStart."""
    deadline = time.monotonic() + EVENTS_WITHIN
    while (known := count_events(env)) != wanted:
        if time.monotonic() > deadline:
            raise CannotStart(f"the inbox knows {known} events, not {wanted}")
        signals.pause(0.2)
