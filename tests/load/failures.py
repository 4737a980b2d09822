"""What is done to the shape under load, one thing after the other. Each is over when its function returns."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import httpx

from local.failover import follow_synchronously, kill, promote
from local.processes import stop
from tests.load.clients import SITE, Road, Site
from tests.load.roles import API
from tests.load.world import FLOODER, World
from tests.local.scene import find_descendants

Failure = Callable[[World, float], str]
RESTART_SECONDS: Final = 1.0
SWARM: Final = 150
FLOODERS: Final = 10


def kill_web_worker(world: World, seconds: float) -> str:
    """The web's workers on host a, one after the other, each when the one before has been replaced."""
    web = world.hosts[0].children["web"].pid
    killed, whole = 0, len(find_descendants(web))
    for _ in _turns(seconds):
        workers = sorted(find_descendants(web))
        if len(workers) < whole:
            time.sleep(0.3)
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(workers[killed % len(workers)], signal.SIGKILL)
            killed += 1
        time.sleep(min(5.0, seconds))
    return f"{killed} workers killed"


def kill_host(world: World, seconds: float) -> str:
    """Everything on host b at once, as when the machine loses its power."""
    host = world.hosts[1]
    host.kill()
    time.sleep(min(5.0, seconds / 3))
    host.start()
    return f"{len(host.children)} processes killed"


def kill_relay(world: World, seconds: float) -> str:
    """The relays in turn: the one that leads is among them."""
    return _kill_workers(world, seconds, "relay_events")


def kill_consumer(world: World, seconds: float) -> str:
    """The consumers in turn."""
    return _kill_workers(world, seconds, "consume_events")


def kill_effects(world: World, seconds: float) -> str:
    """Those who deliver effects, in turn."""
    return _kill_workers(world, seconds, "run_effects")


def _kill_workers(world: World, seconds: float, name: str) -> str:
    killed = 0
    for _ in _turns(seconds):
        host = world.hosts[killed % 2]
        host.kill(name)
        killed += 1
        time.sleep(RESTART_SECONDS)
        host.start(name)
        time.sleep(min(4.0, seconds / 4))
    return f"{killed} killed"


def empty_valkey(world: World, seconds: float) -> str:
    """Valkey is stopped, and comes back with nothing."""
    child = world.valkey.child
    assert child is not None
    stop([child])
    away = min(3.0, seconds / 3)
    time.sleep(away)
    world.valkey.launch()
    return f"away for {away:.0f} s, then empty"


def restart_postgresql(world: World, seconds: float) -> str:
    """PostgreSQL is stopped in order, and started again."""
    del seconds
    assert world.primary.child is not None
    began = time.monotonic()
    stop([world.primary.child])
    world.primary.launch()
    return f"away for {time.monotonic() - began:.1f} s"


def kill_replica(world: World, seconds: float) -> str:
    """The replica is killed, and comes back later."""
    kill(world.standby)
    away = min(6.0, seconds / 2)
    time.sleep(away)
    world.standby.launch()
    return f"away for {away:.0f} s"


def restart_pooler(world: World, seconds: float) -> str:
    """PgBouncer ends at once, and is started again."""
    del seconds
    if world.pooler is None:
        return "there is none"
    assert world.pooler.child is not None
    world.pooler.child.signal(signal.SIGKILL)
    world.pooler.child.wait()
    time.sleep(RESTART_SECONDS)
    world.pooler.launch()
    return f"away for {RESTART_SECONDS:.0f} s"


def restart_broker(world: World, seconds: float) -> str:
    """The broker stops for a while. The embedded one keeps everything in memory: it is halted, not ended."""
    away = min(4.0, seconds / 3)
    if world.kafka is not None:
        child = world.kafka.children[0]
        child.signal(signal.SIGKILL)
        child.wait()
        time.sleep(away)
        child.start()
        return f"one of three killed, started again after {away:.0f} s"
    assert world.broker is not None and world.broker.child is not None
    world.broker.child.signal(signal.SIGSTOP)
    time.sleep(away)
    world.broker.child.signal(signal.SIGCONT)
    return f"halted for {away:.0f} s"


def cut_host(world: World, seconds: float) -> str:
    """The cable of host b is pulled: nothing answers, nothing refuses."""
    place = world.hosts[1].place
    if not place.cable:
        return "left out: no network namespaces"
    place.cut()
    try:
        away = min(8.0, seconds / 2)
        time.sleep(away)
    finally:
        place.join()
    return f"no cable for {away:.0f} s"


def disturb_host(world: World, seconds: float) -> str:
    """Packets to host a come late, and some never."""
    place = world.hosts[0].place
    if not place.cable:
        return "left out: no network namespaces"
    if not place.disturb():
        return "left out: this kernel has no netem"
    try:
        time.sleep(seconds / 2)
    finally:
        place.calm()
    return "40 ms late, 2% lost"


def flood(world: World, seconds: float) -> str:
    """Ten programs of another tenant ask without a pause."""
    over, count = threading.Event(), [0] * FLOODERS

    def ask(number: int) -> None:
        site = world.site
        with _direct(site, number) as client:
            key = world.keys[FLOODER][number % len(world.keys[FLOODER])]
            while not over.is_set():
                with contextlib.suppress(httpx.HTTPError):
                    client.get(f"{API}/customers?limit=200", headers={"Authorization": f"Bearer {key}"})
                    count[number] += 1

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(FLOODERS)]
    for thread in threads:
        thread.start()
    time.sleep(seconds * 0.8)
    over.set()
    for thread in threads:
        thread.join(20)
    return f"{sum(count):,} lists asked for by one tenant"


@contextlib.contextmanager
def _direct(site: Site, number: int) -> Iterator[httpx.Client]:
    with httpx.Client(transport=Road(site, number % 2), base_url=f"https://{SITE}", timeout=20) as client:
        yield client


def swarm(world: World, seconds: float) -> str:
    """Slow sockets: 150 connections to each host that send a byte now and then, and never a whole request."""
    site = world.site
    sockets: list[socket.socket] = []
    for number in range(2 * SWARM):
        with contextlib.suppress(OSError):
            plain = socket.create_connection(site.addresses[number % 2], timeout=3)
            connection = site.trust.wrap_socket(plain, server_hostname=SITE)
            connection.sendall(b"POST /api/v1/lifecycle/transitions HTTP/1.1\r\nHost: localhost\r\n")
            sockets.append(connection)
    for _ in _turns(seconds * 0.8):
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.sendall(b"X")
        time.sleep(1)
    for connection in sockets:
        connection.close()
    return f"{len(sockets)} slow connections"


def fail_over(world: World, seconds: float) -> str:
    """PostgreSQL is killed and its replica promoted; commits wait for the replica from shortly before."""
    first, second = world.primary, world.standby
    follow_synchronously(first, second, world.env)
    time.sleep(min(2.0, seconds / 5))
    began = kill(first)
    promote(second, world.env)
    world.primary = second
    if world.pooler is not None:
        world.pooler.turn_to(second.port)
    return f"promoted in {time.monotonic() - began:.1f} s"


def _turns(seconds: float) -> Iterator[float]:
    until = time.monotonic() + seconds * 0.8
    while (left := until - time.monotonic()) > 0:
        yield left


# The last is the one after which there is no replica any more.
FAILURES: Final[dict[str, Failure]] = {
    "kill-web-worker": kill_web_worker,
    "kill-host": kill_host,
    "kill-relay": kill_relay,
    "kill-consumer": kill_consumer,
    "kill-effects": kill_effects,
    "empty-valkey": empty_valkey,
    "restart-postgresql": restart_postgresql,
    "kill-replica": kill_replica,
    "restart-pooler": restart_pooler,
    "restart-broker": restart_broker,
    "cut-host": cut_host,
    "disturb-host": disturb_host,
    "flood": flood,
    "slow-sockets": swarm,
    "fail-over": fail_over,
}


def choose(names: str) -> Sequence[str]:
    """``all``, ``none``, or some by name. Raises KeyError."""
    if names in ("all", "none"):
        return list(FAILURES) if names == "all" else []
    chosen = names.split(",")
    for name in chosen:
        FAILURES[name]
    # The order is that of the list: after the failover there is no replica.
    return [name for name in FAILURES if name in chosen]
