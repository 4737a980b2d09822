"""``make failover-drill``: PostgreSQL is killed under load and its standby promoted, as docs/operations.md says; then
what the new primary holds is counted against what clients were answered.

Twice: with synchronous commit, where nothing that was acknowledged may be lost; and without, where the last change is
lost, and no copy of it may be shown.
"""

import contextlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from local.commands import started
from local.demo import attended, manage, prepare, processes
from local.drill import Api
from local.failover_load import UNCHANGED, Attempt, Program, sending, working
from local.folders import Folders, open_throwaway
from local.guard import Guard
from local.postgresql import PostgreSQL
from local.processes import find_free_port, stop
from local.services import DATABASE_ROLES, Services, say
from local.standby import Standby
from local.trouble import CannotStart

CUSTOMERS: Final = "200"
PROGRAMS, MOVED_BY_EACH = 4, 10
LOAD_SECONDS: Final = 5.0
WAITING_SECONDS: Final = 0.5
EVENTS: Final = 240
SETTLED_WITHIN: Final = 90.0
TOPIC: Final = "audit.lifecycle.updated"
SETTINGS: Final = ("synchronous_commit=on",)
WORKERS: Final = ("web", "consume_events", "relay_events")


def run_failover_drill(guard: Guard, arguments: list[str]) -> int:
    """Run both parts. Raises CannotStart when anything acknowledged is lost, doubled, or shown that does not exist."""
    if arguments:
        raise CannotStart("failover-drill takes no arguments")
    os.environ.setdefault("DEMO_CUSTOMERS", CUSTOMERS)
    folders = open_throwaway(guard, durable=False)
    with started(Services(folders, guard, given=os.environ, fast=False, postgresql=SETTINGS)) as services:
        env = services.env
        env |= {"EVENT_STREAM_URL": f"http://127.0.0.1:{find_free_port()}/live", "UPDATES_PER_HOUR": "1000000"}
        prepare(folders, guard, env)
        first = services.running[0]
        if not isinstance(first, PostgreSQL):
            raise CannotStart("the drill needs a PostgreSQL of its own: unset DATABASE_URL")
        with standby_of(first, guard) as second:
            follow_synchronously(first, second, env)
            both = env | {name: lead_to(env[name], first.port, second.port) for name in DATABASE_ROLES}
            say(f"clients know both servers: {urlsplit(both['DATABASE_URL']).netloc.rpartition('@')[2]}")
            with running(folders, guard, both) as api:
                programs = make_programs(api)
                count_synchronous(first, second, programs, both, folders, guard)
                with standby_of(second, guard, port=first.port) as third:
                    lose_one_change(second, third, programs[0], both)
    say("failover-drill passed")
    return 0


# --- the two parts ----------------------------------------------------------------------------------------------------


def count_synchronous(
    first: PostgreSQL, second: Standby, programs: list[Program], env: dict[str, str], folders: Folders, guard: Guard
) -> None:
    """Kill the primary under load, promote the standby, and count."""
    made = f"send_event --stream --print --max-events {EVENTS} --per-minute 1000000 --tenant acme --seed 7"
    events = [line for line in manage(made, folders, guard, env).splitlines() if line.startswith("{")]
    with sending(events, env), working(programs):
        time.sleep(LOAD_SECONDS)
        # Some commits wait for the standby when the end comes, and are acknowledged to no one.
        with muted(first, env):
            time.sleep(WAITING_SECONDS)
            killed = kill(first)
        promote(second, env)
        promoted = time.monotonic()
        time.sleep(LOAD_SECONDS)
    attempts = [attempt for program in programs for attempt in program.attempts]
    again = min((one.began + one.took for one in attempts if one.status == 200 and one.began > killed), default=None)
    if again is None:
        raise CannotStart("no change was made after the promotion: clients did not find the new primary")
    took, until_again = promoted - killed, again - killed
    say(f"promoted {took:.1f} s after the kill; a change was acknowledged again {until_again:.1f} s after")
    ids = [str(json.loads(event)["id"]) for event in events]
    await_settled(second, env, set(ids))
    history = {row[0]: row for row in ask(second, env, _HISTORY)}
    judge_attempts(attempts, history, sum(program.reads_failed for program in programs))
    judge_events(second, env, ids)
    judge_messages(manage(f"tail_topic {TOPIC} --all --values", folders, guard, env), history, second, env)
    say(manage("verify_audit", folders, guard, env))
    judge_copies(programs[0], second, env)


def lose_one_change(primary: PostgreSQL, standby: Standby, program: Program, env: dict[str, str]) -> None:
    """A change that was acknowledged without the standby having it: it is lost, and no copy of it is shown."""
    customer_id = program.customers[0]
    await_caught_up(primary, env)
    path = f"/customers/{customer_id}/lifecycle"
    _, before, _ = program.ask("GET", path)
    with muted(primary, env):
        attempt = program.move(customer_id)
        if attempt is None or attempt.status != 200:
            raise CannotStart(f"the change that was to be lost was not made: {attempt}")
        shown = [program.ask("GET", path)[1]["version"] for _ in range(2)]
        if shown != [attempt.version] * 2:
            raise CannotStart(f"{customer_id} is shown in versions {shown} after its change to {attempt.version}")
        kill(primary)
    promote(standby, env)
    deadline = time.monotonic() + SETTLED_WITHIN
    while (answer := program.ask("GET", path))[0] != 200:
        if time.monotonic() > deadline:
            raise CannotStart("the new primary is not found")
        time.sleep(0.1)
    after = answer[1]
    if (after["version"], after["stage"]) != (before["version"], before["stage"]):
        raise CannotStart(f"version {after['version']} of {customer_id} is shown, which was lost with its server")
    say(f"without synchronous commit: version {attempt.version} was acknowledged and lost, and no copy of it is shown")


# --- the servers ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def standby_of(
    primary: PostgreSQL, guard: Guard, *, port: int = 0, settings: Sequence[str] = SETTINGS
) -> Iterator[Standby]:
    """A server that follows; on the port of another one that is no more."""
    standby = Standby(
        open_throwaway(guard, durable=False),
        guard,
        primary.password,
        fast=False,
        name="standby",
        port=port,
        host=primary.host,
        settings=settings,
        primary=primary,
    )
    try:
        standby.prepare()
        standby.launch()
        yield standby
    finally:
        if standby.child is not None:
            stop([standby.child])


def follow_synchronously(primary: PostgreSQL, standby: Standby, env: dict[str, str]) -> None:
    """From now on a commit waits until the standby has it on disk. Raises CannotStart when it does not follow."""
    ask(primary, env, f"ALTER SYSTEM SET synchronous_standby_names = '{standby.name}'")
    ask(primary, env, "SELECT pg_reload_conf()")
    await_that(lambda: ask(primary, env, _FOLLOWS) == [("sync",)], "the standby does not follow synchronously")


def await_caught_up(primary: PostgreSQL, env: dict[str, str]) -> None:
    """Until the standby has replayed everything."""
    behind = "SELECT pg_current_wal_lsn() - replay_lsn FROM pg_stat_replication"
    await_that(lambda: [bytes_ for (bytes_,) in ask(primary, env, behind)] == [0], "the standby does not follow")


@contextlib.contextmanager
def muted(primary: PostgreSQL, env: dict[str, str]) -> Iterator[None]:
    """What sends the log stops, and is killed afterwards: what is committed in the block never leaves its server."""
    ((sender,),) = ask(primary, env, "SELECT pid FROM pg_stat_replication")
    os.kill(sender, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(sender, signal.SIGKILL)


def kill(server: PostgreSQL) -> float:
    """As the machine would: no one hears of it. When that was."""
    assert server.child is not None
    server.child.signal(signal.SIGKILL)
    at = time.monotonic()
    server.child.wait()
    say(f"killed PostgreSQL on port {server.port}")
    return at


def promote(standby: Standby, env: dict[str, str]) -> None:
    """Make the standby the primary. Raises CannotStart."""
    if ask(standby, env, "SELECT pg_promote()") != [(True,)]:
        raise CannotStart("the standby was not promoted")
    (timeline,) = ask(standby, env, "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")[0]
    say(f"promoted the standby on port {standby.port}, timeline {int(timeline, 16)}")


def lead_to(address: str, *ports: int, host: str = "127.0.0.1") -> str:
    """The same address, of several servers: the one that can be written is meant."""
    parts = urlsplit(address)
    hosts = ",".join(f"{host}:{port}" for port in ports)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@{hosts}"))


def ask(server: PostgreSQL, env: Mapping[str, str], query: str) -> list[Any]:
    """The rows of a statement on one of the servers, as a superuser."""
    import psycopg

    parts = urlsplit(env["DATABASE_ADMIN_URL"])
    path = urlsplit(env["DATABASE_URL"]).path
    url = urlunsplit(
        parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{server.port}", path=path, query="")
    )
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def await_that(condition: Any, trouble: str) -> None:
    """Wait for it. Raises CannotStart."""
    deadline = time.monotonic() + SETTLED_WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise CannotStart(f"{trouble} within {SETTLED_WITHIN:.0f} s")
        time.sleep(0.2)


# --- the product ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(folders: Folders, guard: Guard, env: dict[str, str]) -> Iterator[Api]:
    """Web, consumer and relay."""
    port = find_free_port()
    workers = [one for one in processes(folders, guard, env | {"EMAIL_URL": ""}, port) if one.child.name in WORKERS]
    with attended(workers):
        workers[0].await_ready()
        yield Api(f"http://127.0.0.1:{port}/api/v1")


def make_programs(api: Api) -> list[Program]:
    """Programs that are logged in, each with customers of its own that may be moved."""
    listed = api.ask("GET", "/customers?limit=200")["results"]
    ids = [one["id"] for one in listed][: PROGRAMS * MOVED_BY_EACH]
    return [Program(api.root, api.token, ids[number::PROGRAMS]) for number in range(PROGRAMS)]


def await_settled(server: PostgreSQL, env: Mapping[str, str], ids: set[str]) -> None:
    """Until consumer and relay have done what there was. Raises CannotStart."""

    def is_settled() -> bool:
        return ids <= dict(ask(server, env, _INBOX)).keys() and ask(server, env, _UNSENT) == [(0,)]

    await_that(is_settled, "consumer and relay were not done")


# --- what is counted --------------------------------------------------------------------------------------------------

_FOLLOWS: Final = "SELECT sync_state FROM pg_stat_replication"
_HISTORY: Final = (
    "SELECT id::text, customer_id::text, sequence, to_stage, request_id::text FROM customer_lifecycle_history"
)
_INBOX: Final = "SELECT event_id, count(*)::int FROM lifecycle_inboxevent GROUP BY 1"
_UNSENT: Final = "SELECT count(*) FROM audit_outbox WHERE published_at IS NULL"
_PROMISED: Final = f"SELECT history_id::text FROM audit_outbox WHERE history_id IS NOT NULL AND topic = '{TOPIC}'"


def judge_attempts(attempts: list[Attempt], history: Mapping[str, Any], reads_failed: int) -> None:
    """Every acknowledged change is there, once, and what was said not to be is not. Raises CannotStart."""
    there = {(customer_id, sequence): stage for _, customer_id, sequence, stage, _ in history.values()}
    by_request = Counter(row[4] for row in history.values())
    acknowledged = [one for one in attempts if one.status == 200]
    lost = [one for one in acknowledged if there.get((one.customer_id, one.version)) != one.stage]
    doubled = [one for one in attempts if one.request_id and by_request[one.request_id] > 1]
    failed = [one for one in attempts if one.status in (0, 503)]
    denied = [one for one in failed if one.sentence.endswith(UNCHANGED)]
    unknown = [one for one in failed if not one.sentence.endswith(UNCHANGED)]
    wrong = [one for one in denied if by_request[one.request_id]]
    others = Counter(one.status for one in attempts if one.status not in (0, 200, 503))
    made = sum(bool(by_request[one.request_id]) for one in unknown)
    say(
        f"changes: {len(acknowledged):,} acknowledged, {len(lost)} of them lost, {len(doubled)} made twice;"
        f" {len(denied)} were said not to be made, of which {len(wrong)} were; {len(unknown)} were said to be unknown,"
        f" of which {made} were made; other answers {dict(others) or 'none'}; {reads_failed} reads failed"
    )
    for what, found in (("lost", lost), ("made twice", doubled), ("made, and said not to be", wrong)):
        if found:
            raise CannotStart(f"{len(found)} changes were {what}, the first: {found[0]}")
    if not acknowledged or any(status >= 500 for status in others):
        raise CannotStart("there was no load, or it was answered otherwise")


def judge_events(server: PostgreSQL, env: Mapping[str, str], ids: list[str]) -> None:
    """Every event that Kafka took was dealt with once. Raises CannotStart."""
    counts = dict(ask(server, env, _INBOX))
    missing, doubled = [one for one in ids if one not in counts], [one for one in ids if counts.get(one, 0) > 1]
    say(f"events in: {len(ids):,} sent, {len(missing)} not dealt with, {len(doubled)} dealt with twice")
    if missing or doubled:
        raise CannotStart(f"events: {missing[:3]} were lost, {doubled[:3]} were doubled")


def judge_messages(text: str, history: Mapping[str, Any], server: PostgreSQL, env: Mapping[str, str]) -> None:
    """Every change went out at least once, and nothing that does not exist. Raises CannotStart."""
    sent = Counter(json.loads(line)["id"] for line in text.splitlines() if line.startswith("{"))
    promised = {id_ for (id_,) in ask(server, env, _PROMISED)}
    missing, invented = promised - sent.keys(), sent.keys() - history.keys()
    repeated = sum(count - 1 for count in sent.values())
    say(
        f"messages out: {len(promised):,} promised, {len(missing)} not sent, {repeated} sent again,"
        f" {len(invented)} of nothing"
    )
    if missing or invented or not promised:
        raise CannotStart(f"messages: {sorted(missing)[:3]} were not sent, {sorted(invented)[:3]} are of no change")


def judge_copies(program: Program, server: PostgreSQL, env: Mapping[str, str]) -> None:
    """What is shown is what the new primary says. Raises CannotStart."""
    query = "SELECT customer_id::text, version, stage FROM customer_lifecycle_status"
    truth = {customer_id: (version, stage) for customer_id, version, stage in ask(server, env, query)}
    wrong = []
    for customer_id in program.customers:
        _, body, _ = program.ask("GET", f"/customers/{customer_id}/lifecycle")
        if (body.get("version"), body.get("stage")) != truth[customer_id]:
            wrong.append(customer_id)
    say(f"shown: {len(program.customers)} customers, {len(wrong)} otherwise than the new primary says")
    if wrong:
        raise CannotStart(f"{wrong[0]} is shown otherwise than the new primary says")
