"""``python -m tests.moving.large``: a large tenant is moved; each step is timed, with the log that the servers write.

Customers and history are built by SQL (``bench.building``), with true chains: the move verifies them on both servers.
"""

import argparse
import subprocess
import sys
import time
from typing import Final

from local import signals
from local.folders import PROJECT
from local.guard import Guard
from local.services import merge
from tests.moving.chaos import begin_mover
from tests.moving.world import World, ask, two_servers

SLUG: Final = "scale-0"
BUILD: Final = """
import django, sys
django.setup()
from bench.building import build_tenants
list(build_tenants(1, customers=int(sys.argv[1]), rows=int(sys.argv[2])))
"""
POSITION: Final = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
SIZE: Final = "SELECT pg_database_size(current_database())"


def main() -> int:
    """Exit status 0 when the tenant has moved."""
    parser = argparse.ArgumentParser(prog="python -m tests.moving.large")
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--rows", type=int, default=5, help="rows of history of each customer")
    options = parser.parse_args()
    guard = Guard()
    signals.install()
    try:
        with two_servers(guard, durable=True) as world:
            measure(world, options.customers, options.rows)
    finally:
        guard.dismiss()
    return 0


def measure(world: World, customers: int, rows: int) -> None:
    """Build, seal, move; a line for each step."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", BUILD, str(customers), str(rows)],
        cwd=PROJECT,
        env=merge(world.env | {"DJANGO_SETTINGS_MODULE": "config.settings"}),
        check=True,
    )
    say(f"built {customers:,} customers with {customers * rows:,} rows of history in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    world.manage("seal_audit", "--tenant", SLUG)
    size = ask(world.address("main"), SIZE)[0][0] / 2**30
    say(f"sealed in {time.monotonic() - began:.0f} s; the database has {size:.1f} GiB")
    for server in ("main", "b"):
        world.start("manage.py", "relay_events", server=server, log=f"relay-{server}")
    process = begin_mover(world, SLUG, "--to", "b", "--settle", "0")
    assert process.stdout is not None
    at, written, step = time.monotonic(), _positions(world), ""
    for line in process.stdout:
        say(line.rstrip())
        name = line[9:].partition(":")[0]
        if " " in name.strip() or ": " not in line[9:]:
            continue
        now, positions = time.monotonic(), _positions(world)
        if step:
            _report(step, now - at, written, positions)
        at, written, step = now, positions, name
    if process.wait():
        raise RuntimeError("the move did not end")
    _report(step, time.monotonic() - at, written, _positions(world))


def say(text: str) -> None:
    """One line for people."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _positions(world: World) -> dict[str, int]:
    return {server: int(ask(world.address(server), POSITION)[0][0]) for server in world.servers}


def _report(step: str, seconds: float, before: dict[str, int], after: dict[str, int]) -> None:
    log = ", ".join(f"{server} {(after[server] - before[server]) / 2**20:,.1f} MiB" for server in after)
    say(f"  {step} took {seconds:.1f} s; log written: {log}")


if __name__ == "__main__":
    sys.exit(main())
