"""``make move-drill``: a tenant goes to another server and back while two tenants work, and everything is counted.

First a sandbox moves, reset on both servers, and moves of the tenant are begun, killed with -9 and taken back, at every
step before the switch. Then the mover is killed at every step on the way there; back it runs through, and the time that
the tenant was read-only is measured. With ``--crashes N`` it moves N times more, and in each step something else dies:
a relay, the consumer, a worker of effects, a PostgreSQL server; seven times are every one of them in every step.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from random import Random
from uuid import UUID

from local import signals
from local.guard import Guard
from local.processes import find_free_port
from tests.moving import counting
from tests.moving.chaos import begin_mover, move_among_crashes
from tests.moving.load import Load, Visitor
from tests.moving.sandboxes import move_sandbox
from tests.moving.taking_back import take_back
from tests.moving.world import World, ask, two_servers

MOVING, STAYING = "acme", "globex"
PEOPLE = {MOVING: "workflow@acme.example", STAYING: "integration@globex.example"}
STAGES = {MOVING: ("Active", "At-Risk"), STAYING: ("Produktiv", "Gefährdet")}
REASONS = {MOVING: "Low Engagement", STAYING: "Lieferprobleme"}
STEPS = (
    "check",
    "copy",
    "calm",
    "fence",
    "drain",
    "compare",
    "switch",
    "welcome",
    "verify",
    "record",
    "leave",
    "finish",
)
SETTLE = "4"


def say(text: str) -> None:
    """One line for people."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Exit status 0 only if nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.moving")
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crashes", type=int, default=0, metavar="N")
    parser.add_argument("--keep-logs", metavar="FOLDER", help="copy what every process said into this folder")
    options = parser.parse_args()
    guard = Guard()
    signals.install()
    try:
        with two_servers(guard) as world:
            try:
                wrong = Drill(world, options).go()
            except RuntimeError as error:
                wrong = [str(error), *world.errors()]
            if options.keep_logs:
                shutil.copytree(world.folders.logs, options.keep_logs, dirs_exist_ok=True)
    finally:
        guard.dismiss()
    for sentence in wrong:
        say(f"WRONG: {sentence}")
    say("move-drill: everything is as it must be" if not wrong else f"move-drill: {len(wrong)} things are wrong")
    return 1 if wrong else 0


class Drill:
    """One run."""

    def __init__(self, world: World, options: argparse.Namespace) -> None:
        self.world, self.options = world, options
        self.random = Random(options.seed)
        self.port = find_free_port()
        self.root = f"http://127.0.0.1:{self.port}/api/v1"

    def go(self) -> list[str]:
        """Everything, in order; what is wrong."""
        world = self.world
        world.env |= {"UPDATES_PER_HOUR": "1000000", "EVENT_STREAM_URL": "/live", "LOG_FORMAT": "ecs"}
        world.env["AUDIT_SEAL_TOPIC"] = "audit.seals"
        world.manage("load_demo", "--customers", str(self.options.customers))
        public = world.manage("seal_audit")
        say(public.strip().splitlines()[-1])
        self._start_processes()
        wrong = list(move_sandbox(world, settle=SETTLE))
        say("a sandbox moved there and back, and was reset on both servers")
        tenants = dict(ask(world.address("main"), "SELECT slug, id FROM tenants_tenant"))
        loads = {slug: self._load(slug, tenants[slug]) for slug in (MOVING, STAYING)}
        for load in loads.values():
            load.start()
        visitor = Visitor(self.root.removesuffix("/api/v1"), "manager@acme.example")
        visitor.log_in()
        time.sleep(3)
        wrong += take_back(world, MOVING, tenants[MOVING], to="b", settle=SETTLE, random=self.random)
        wrong += filter(None, [visitor.find_error()])
        say("begun and taken back, each killed in every step before the switch")
        there = self._move_and_kill("b")
        time.sleep(3)
        wrong += counting.count_left(world, "main", tenants[MOVING])
        wrong += filter(None, [visitor.find_error()])
        began = time.monotonic()
        back = world.manage("move_tenant", MOVING, "--to", "main", "--settle", SETTLE)
        say(f"back in {time.monotonic() - began:.0f} s: {back.strip().splitlines()[-1]}")
        time.sleep(3)
        wrong += counting.count_left(world, "b", tenants[MOVING])
        wrong += filter(None, [visitor.find_error()])
        # And once more, so that what is counted is counted where the tenant was not at the beginning.
        say(world.manage("move_tenant", MOVING, "--to", "b", "--settle", SETTLE).strip().splitlines()[-1])
        home = self._move_among_crashes(tenants[MOVING], wrong)
        time.sleep(3)
        for load in loads.values():
            load.stop()
        say(f"killed at {', '.join(there)}")
        return wrong + self._count(loads, tenants, home)

    def _move_among_crashes(self, tenant_id: UUID, wrong: list[str]) -> str:
        """There and back as often as was asked for; where the tenant lives then."""
        home = "b"
        for turn in range(self.options.crashes):
            there = "main" if home == "b" else "b"
            began = time.monotonic()
            died = move_among_crashes(
                self.world, MOVING, there, steps=STEPS, turn=turn, settle=SETTLE, random=self.random
            )
            say(
                f"moved to {there} in {time.monotonic() - began:.0f} s while {len(died)} things died: {', '.join(died)}"
            )
            wrong += counting.count_left(self.world, home, tenant_id)
            home = there
        return home

    def _count(self, loads: dict[str, Load], tenants: dict[str, UUID], home: str) -> list[str]:
        world, crashed = self.world, self.options.crashes > 0
        servers = {tenants[MOVING]: home, tenants[STAYING]: "main"}
        outcomes = {tenants[slug]: load.outcomes for slug, load in loads.items()}
        # What a worker of effects held when it died comes back after two minutes.
        counting.await_quiet(world, servers, outcomes, seconds=240 if crashed else 60)
        wrong = list(counting.count_left(world, "main" if home == "b" else "b", tenants[MOVING]))
        for slug, load in loads.items():
            server, outcomes = servers[tenants[slug]], load.outcomes
            (user,) = ask(
                world.address(server), "SELECT id::text FROM tenants_user WHERE username = %s", [PEOPLE[slug]]
            )
            found = [
                *counting.count_changes(world, server, tenants[slug], outcomes, user[0]),
                *counting.count_events(world, server, tenants[slug], outcomes),
                *counting.count_effects(world, server, tenants[slug], crashed=crashed),
                *(f"the load ended: {trouble!r}" for trouble in load.trouble),
            ]
            wrong += [f"{slug}: {sentence}" for sentence in found]
            say(
                f"{slug} on {server}: {len(outcomes.confirmed)} changes confirmed, {len(outcomes.events)} events,"
                f" longest time without a confirmed change {outcomes.longest_pause():.1f} s;"
                f" answers {dict(sorted(outcomes.answers.items()))}"
            )
        wrong += counting.count_published(world, servers, crashed=crashed)
        say(world.manage("verify_audit", "--published").strip())
        return wrong

    def _move_and_kill(self, to: str) -> list[str]:
        """Begin the move again and again, and kill it once in every step; the steps it was killed at."""
        killed = []
        for step in STEPS:
            process = self._begin(to)
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if f" {step}: " in line:
                    time.sleep(self.random.choice((0, 0, 0.02, 0.1, 0.3)))
                    os.kill(process.pid, signal.SIGKILL)
                    break
            if process.wait() == -signal.SIGKILL:
                killed.append(step)
            else:
                say(f"the move ended with {process.returncode} before {step}: {''.join(said)[-500:]}")
        say(self.world.manage("move_tenant", "--status", MOVING).strip())
        process = self._begin(to)
        output, _ = process.communicate()
        say(output.strip().splitlines()[-1])
        if process.returncode not in (0, 1) or " lives on server b" not in self.world.manage("move_tenant", "--status"):
            raise RuntimeError(f"the move did not end: {output}")
        return killed

    def _begin(self, to: str) -> "subprocess.Popen[str]":
        return begin_mover(self.world, MOVING, "--to", to, "--settle", SETTLE)

    def _load(self, slug: str, tenant_id: UUID) -> Load:
        rows = ask(
            self.world.address("main"),
            "SELECT c.id::text, c.external_id FROM lifecycle_customer c JOIN customer_lifecycle_status s"
            " ON s.tenant_id = c.tenant_id AND s.customer_id = c.id"
            " WHERE c.tenant_id = %s AND s.stage = ANY(%s) ORDER BY c.id LIMIT 40",
            [tenant_id, list(STAGES[slug])],
        )
        load = Load(
            self.root,
            self.world.env["KAFKA_BOOTSTRAP_SERVERS"],
            slug=slug,
            username=PEOPLE[slug],
            customers=rows,
            stages=STAGES[slug],
            reason=REASONS[slug],
        )
        ((load.outcomes.rows_before,),) = ask(
            self.world.address("main"),
            "SELECT count(*) FROM customer_lifecycle_history h JOIN tenants_user u ON u.id::text = h.changed_by"
            " WHERE h.tenant_id = %s AND u.username = %s AND h.source = 'API'",
            [tenant_id, PEOPLE[slug]],
        )
        return load

    def _start_processes(self) -> None:
        world = self.world
        world.start("-m", "config.serve", "web", "--port", str(self.port), log="web")
        world.start("manage.py", "consume_events", log="consumer")
        for server in ("main", "b"):
            world.start("manage.py", "relay_events", server=server, log=f"relay-{server}")
            world.start("manage.py", "run_effects", server=server, log=f"effects-{server}")
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz/live", timeout=2).close()
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.3)
            else:
                return


if __name__ == "__main__":
    sys.exit(main())
