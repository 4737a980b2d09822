"""``make demo`` with a product of a few lines in place of the real one: what is started, looked after and stopped."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from local.processes import claim_port, find_free_port
from tests.local.scene import (
    ENDS_WITHIN,
    PATIENCE,
    Project,
    Run,
    addresses,
    await_end,
    find_descendants,
    is_alive,
    new_project,
    taken_port,
    wait_until,
)

MANAGE = """\
import os, signal, sys, time

command = sys.argv[1]
with open("commands", "a") as done:
    done.write(command + "\\n")
if command == "load_demo":
    print("Logins, password 'demo':\\n  viewer@acme.example")
if command == "migrate" and os.environ.get("BROKEN_MIGRATION"):
    sys.exit("CommandError: no such table")
if command == "relay_events" and os.environ.get("BROKEN_RELAY"):
    sys.exit("relay: the outbox is on fire")
if command in ("consume_events", "relay_events", "move_customers", "run_effects", "seal_audit", "forecast_churn"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        time.sleep(60)
"""
SERVE = """\
import os, sys

kind, _, port = sys.argv[1:4]
interface, application = {"web": ("wsgi", "config.wsgi"), "stream": ("asgi", "config.stream")}[kind]
granian = ["-m", "granian", "--host", "127.0.0.1", "--port", port, "--workers-kill-timeout", "2"]
os.execv(sys.executable, [sys.executable, *granian, "--interface", interface, f"{application}:application"])
"""
WSGI = """\
def application(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
"""
STREAM = """\
import asyncio

async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/live/forever":
        await send({"type": "http.response.body", "body": b"here", "more_body": True})
        await asyncio.sleep(600)
    await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.fixture
def product(project: Project) -> Project:
    """A project with the parts that the demo runs."""
    (project.folder / "config").mkdir()
    files = {"manage.py": MANAGE, "config/serve.py": SERVE, "config/wsgi.py": WSGI, "config/stream.py": STREAM}
    for path, text in files.items():
        (project.folder / path).write_text(text)
    return project


def start_demo(product: Project, port: str, **env: str) -> Run:
    # The made-up events have nothing to do in a product of a few lines.
    run = product.start("demo", PORT=port, DEMO_EVENTS="0", **env)
    run.await_line("Customer 360 is at")
    return run


def find_worker(run: Run, argument: str) -> int | None:
    """The process of the product with this argument, if there is one at the moment."""
    for pid in find_descendants(run.process.pid):
        with suppress(OSError):
            if argument.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
    return None


def kill_worker(run: Run, argument: str) -> dict[int, str]:
    """Kill a process of the product and wait for another in its place; returns what was below the killed one."""
    killed = find_worker(run, argument)
    assert killed is not None
    below = find_descendants(killed)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: find_worker(run, argument) not in (None, killed), within=PATIENCE, what=f"another {argument}")
    return below


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Project]:
    """A project without a product: nothing may be started in it."""
    with new_project(tmp_path / "untouched") as made:
        yield made


def test_a_newcomer_sees_where_it_is_and_how_to_enter(product: Project) -> None:
    port = str(find_free_port())
    run = start_demo(product, port)
    run.await_line("Ctrl-C stops everything")
    assert f"Customer 360 is at http://127.0.0.1:{port}" in run.lines
    assert "  viewer@acme.example" in run.lines
    assert (product.folder / "commands").read_text().split()[:3] == ["provision_database", "migrate", "load_demo"]
    env = product.read_env()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/customers") as page:
        assert page.read() == b"/customers"
    stream = urllib.request.urlopen(f"{env['EVENT_STREAM_URL']}/forever")
    assert stream.read(4) == b"here"  # and the page stays open

    below = find_descendants(run.process.pid)
    asked = time.monotonic()
    run.process.terminate()
    status, lines = run.end()
    assert (status, lines[-1]) == (0, "demo stopped")
    assert time.monotonic() - asked < ENDS_WITHIN
    assert [pid for pid in below if is_alive(pid)] == []
    assert not (product.kept / "env").exists()
    stream.close()


def test_a_killed_demo_leaves_nothing_though_pages_are_open(product: Project) -> None:
    run = start_demo(product, str(find_free_port()))
    stream = urllib.request.urlopen(f"{product.read_env()['EVENT_STREAM_URL']}/forever")
    assert stream.read(4) == b"here"
    below = find_descendants(run.process.pid)
    run.process.kill()
    run.process.wait()
    await_end(below, within=PATIENCE)
    stream.close()


def test_a_process_that_dies_is_named_and_started_again(product: Project) -> None:
    run = start_demo(product, str(find_free_port()), **addresses())
    kill_worker(run, "consume_events")
    said = run.await_line("consume_events")
    assert said == "consume_events was ended by SIGKILL (last line: none); starting it again in 0.5 s"
    workers = kill_worker(run, "config.wsgi:application")
    assert run.await_line("web").startswith("web was ended by SIGKILL")
    assert [pid for pid in workers if is_alive(pid)] == []
    run.process.terminate()
    assert run.end()[0] == 0


def test_a_process_that_keeps_dying_ends_the_demo_with_its_reason(product: Project) -> None:
    run = start_demo(product, str(find_free_port()), BROKEN_RELAY="1", **addresses())
    status, lines = run.end()
    log = product.kept / "log" / "relay_events.log"
    assert status == 1
    assert lines[-1] == (
        "demo: relay_events ended with status 1 (last line: relay: the outbox is on fire), 4 times in a row; "
        f"its log is {log}"
    )


def test_a_failing_step_ends_the_demo_with_its_reason(product: Project) -> None:
    status, lines = product.run("demo", PORT=str(find_free_port()), BROKEN_MIGRATION="1", **addresses())
    assert status == 1
    assert lines[-2:] == ["CommandError: no such table", "demo: manage.py migrate ended with status 1"]


def test_a_taken_port_is_named_before_anything_starts(untouched: Project) -> None:
    with taken_port() as port:
        status, lines = untouched.run("demo", PORT=str(port))
    assert status == 1
    assert len(lines) == 1
    start, _, end = lines[0].partition(" PORT=")
    assert start == f"demo: port {port} is taken; choose another:"
    assert end.endswith(" make demo")
    assert not (untouched.kept / "postgres").exists()


def test_a_port_that_another_demo_is_going_to_take_is_named(untouched: Project) -> None:
    """Its pages come minutes later, and would be taken for this one's."""
    port = find_free_port()
    assert claim_port(port, of="demo")
    status, lines = untouched.run("demo", PORT=str(port))
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith(f"demo: port {port} is taken by another demo; choose another: PORT=")


@pytest.mark.parametrize("port", ["0", "65536", "web", "-1"])
def test_a_port_that_is_none_is_named(untouched: Project, port: str) -> None:
    refusal = f"demo: PORT={port} is not a port; choose one from 1 to 65535: PORT=8001 make demo"
    assert untouched.run("demo", PORT=port) == (1, [refusal])
