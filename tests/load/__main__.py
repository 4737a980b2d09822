"""The run: clients at work on two hosts; calm, then one failure after the other; then everything is compared."""

import argparse
import contextlib
import logging
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from random import Random

from local import signals
from local.guard import Guard
from local.processes import stop
from local.trouble import CannotStart, StopRequested
from tests.load import checks, network, report
from tests.load.crew import make_roles
from tests.load.failures import FAILURES, choose
from tests.load.journal import CALM, FRESH_SECONDS, FRESH_SECONDS_BESIDE, Journal
from tests.load.mutants import MUTANTS
from tests.load.network import Network
from tests.load.report import Phase
from tests.load.roles import Role
from tests.load.visitors import Listener
from tests.load.world import World, build_world
from tests.messaging.chaos.running import say, try_mutants

# The share of the time in which nothing fails, when something is to fail afterwards.
CALM_SHARE = 0.34
# Beside other work of the machine it goes on without a failure until so many changes were confirmed, for so long at
# most: how many there are in a time says how busy the machine is, and with few the run proves little.
ENOUGH_CHANGES, LONGEST_SECONDS = 30, 180.0
# After a failure, as part of its phase.
LOOK_SECONDS = 0.5
# What a client is about takes no longer, with all tries and the pauses between them. Who has not ended would go on
# writing in the journal that is compared.
REQUEST_SECONDS = 170.0
QUICK = {"seconds": 12.0, "clients": 9, "customers": 120, "pause": 0.25}
QUICK_FAILURES = "kill-web-worker,kill-relay"


def main() -> int:
    """Exit status 0 only if nothing is over a limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.load")
    parser.add_argument("--seconds", type=float, default=600.0, help="under load, all phases together")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--pause", type=float, default=0.6, help="seconds between two requests of a client, on average")
    parser.add_argument("--faults", default="all", help=f"all, none, or some of: {', '.join(FAILURES)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kafka", action="store_true", help="on three brokers of Apache Kafka")
    parser.add_argument("--one-network", action="store_true", help="two hosts without network namespaces")
    parser.add_argument("--quick", action="store_true", help="a small run, for the test suite")
    parser.add_argument("--beside", action="store_true", help="the machine does other things: slow is not stale")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), default="", help="make this mistake; the run must fail")
    parser.add_argument("--mutants", action="store_true", help="a quick run with each mistake; each must fail")
    parser.add_argument("--keep-logs", help="copy the logs of all processes into this folder")
    options = parser.parse_args()
    if options.mutants:
        return try_mutants("tests.load", MUTANTS, seed=options.seed)
    if options.quick:
        vars(options).update(QUICK, faults=options.faults if options.faults != "all" else QUICK_FAILURES)
    try:
        names = choose(options.faults)
    except KeyError as unknown:
        parser.error(f"there is no failure {unknown}")
    guard = Guard()
    signals.install()
    try:
        with choose_network(options) as where:
            wrong = run(guard, where, names, options)
    except CannotStart as trouble:
        say(f"load: {trouble}")
        return trouble.status
    except StopRequested as request:
        return 128 + request.signum
    finally:
        guard.dismiss()
    for sentence in wrong[:40]:
        say(f"WRONG: {sentence}")
    say("load: everything is as it must be" if not wrong else f"load: {len(wrong)} things are wrong")
    return 1 if wrong else 0


def choose_network(options: argparse.Namespace) -> AbstractContextManager[Network]:
    """Two namespaces, or this machine twice, said loudly."""
    reason = "asked for" if options.one_network else network.why_not()
    if not reason:
        return network.namespaces()
    say(f"ATTENTION: no network namespaces ({reason}). Two hosts are two sets of ports of this machine,")
    say("and what concerns the network between them is left out.")
    return contextlib.nullcontext(network.beside())


def run(guard: Guard, where: Network, names: Sequence[str], options: argparse.Namespace) -> list[str]:
    """Build, load, fail, compare; what is wrong."""
    has_pooler = shutil.which("pgbouncer", path=network.PATH) is not None
    if not has_pooler:
        say("ATTENTION: PgBouncer is not installed: the run goes without it")
    built = build_world(
        guard,
        where,
        customers=options.customers,
        accounts=max(2, options.clients // 5),
        kafka=options.kafka,
        mutant=options.mutant,
        has_pooler=has_pooler,
        forks=options.quick,
    )
    with built as world:
        # Of ours: the product's processes have logs of their own.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        try:
            return Run(world, options).go(names)
        finally:
            if options.keep_logs:
                shutil.copytree(world.hosts[0].folders.logs, options.keep_logs, dirs_exist_ok=True)


class Run:
    """One run."""

    def __init__(self, world: World, options: argparse.Namespace) -> None:
        self.world, self.options = world, options
        self.journal = Journal(FRESH_SECONDS_BESIDE if options.beside else FRESH_SECONDS)
        self.random = Random(options.seed)
        self.over = threading.Event()
        self.busy = False
        self.ended: list[str] = []

    def go(self, names: Sequence[str]) -> list[str]:
        """Everything, in order; what is wrong."""
        calm = self.options.seconds * (CALM_SHARE if names else 1.0)
        slot = (self.options.seconds - calm) / max(1, len(names))
        ((since,),) = self.world.ask("SELECT clock_timestamp()::text")
        with self.at_work():
            phases = [self._pass(calm)]
            phases += [self._fail(name, slot) for name in names]
        for role in self.roles:
            role.hand_over()
        settled = checks.await_quiet(self.world, self.journal)
        for role in self.roles:
            role.end()
        self._stop_workers()
        found = checks.check(self.world, self.journal, since=since)
        report.show_kinds(self.journal)
        report.show_phases(self.journal, phases)
        report.show_errors(self.journal)
        journal = self.journal
        say(
            f"\ncounted: {found.counted}; {journal.looked_at:,} versions and values looked at;"
            f" {found.repeated} messages published again"
        )
        say(
            f"open pages: {journal.streams_opened} streams, {len(journal.hints):,} hints, {journal.streams_cut} cut,"
            f" {journal.streams_refused} refused; {journal.sessions_lost} sessions lost;"
            f" {len(journal.unknown)} changes whose end no one knows"
        )
        for line in self.ended:
            say(f"ended by itself: {line}")
        wrong = report.judge(journal, found, phases, settled=settled, beside=self.options.beside)
        return wrong + [f"ended by itself without a failure: {line}" for line in self.ended]

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """All clients at work; each ends with what it is about."""
        self.roles = make_roles(self.world, self.journal, self.options.clients, self.options.seed)
        for role in self.roles:
            role.begin()
        self.journal.entries.clear()
        threads = [threading.Thread(target=self._work, args=(role,), daemon=True) for role in self.roles]
        for thread in threads:
            thread.start()
        say(f"{len(threads) - 1} clients at work on two hosts")
        try:
            yield
        finally:
            self.over.set()
            for role in self.roles:
                if isinstance(role, Listener):
                    role.halt()
            for thread in threads:
                thread.join(REQUEST_SECONDS)

    def _work(self, role: Role) -> None:
        random = Random(id(role))
        self.over.wait(random.random() * self.options.pause)
        while not self.over.is_set():
            try:
                role.step()
            except Exception as error:
                self.journal.trouble.append(f"{type(role).__name__}: {error!r}")
            self.over.wait(self.options.pause * random.uniform(0.5, 1.5))

    def _pass(self, seconds: float) -> Phase:
        began = time.monotonic()
        self._wait(CALM, seconds, began)
        while self._has_done_little() and time.monotonic() - began < LONGEST_SECONDS:
            self._wait(CALM, LOOK_SECONDS, began)
        self.ended += self.world.revive()
        return Phase(CALM, time.monotonic() - began)

    def _has_done_little(self) -> bool:
        return self.options.beside and len(self.journal.confirmed) < ENOUGH_CHANGES

    def _fail(self, name: str, seconds: float) -> Phase:
        began = time.monotonic()
        # Until the next one begins: what follows a failure is still its own.
        self.journal.phase = name
        what = FAILURES[name](self.world, seconds)
        self.world.revive()
        self._wait(name, max(LOOK_SECONDS, seconds - (time.monotonic() - began)), began)
        self.world.revive()
        say(f"{name}: {what}")
        return Phase(name, time.monotonic() - began, what)

    def _wait(self, name: str, seconds: float, began: float) -> None:
        """Until the time is up; on a terminal it says how it goes."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            signals.pause(min(left, 1.0))
            if sys.stdout.isatty():
                entries = self.journal.entries
                failed = sum(one.outcome == "failed" for one in entries)
                line = f"{name} {time.monotonic() - began:.0f} s: {len(entries):,} requests, {failed} errors"
                sys.stdout.write(f"\r\x1b[K{line}, {len(self.journal.stale)} stale\r")
                sys.stdout.flush()

    def _stop_workers(self) -> None:
        for host in self.world.hosts:
            stop([child for name, child in host.children.items() if name not in ("caddy", "web")])


if __name__ == "__main__":
    sys.exit(main())
