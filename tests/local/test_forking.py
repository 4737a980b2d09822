"""A process of the product that the tests fork is what a started one is to anyone who looks at it."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.forking import Bare, Forked, Started, run_bare
from tests.local.scene import PATIENCE, PROJECT, await_end, is_alive

SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"
COMMAND = ["manage.py", "receive_webhooks", "--port", "0", "--secret", SECRET]
PARENT = """
import os, time
from tests.local.test_forking import at_work
print(at_work().pid, flush=True)
time.sleep(600)
"""


def at_work(**env: str) -> Forked:
    process = Forked(COMMAND, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "http://127.0.0.1:" in process.stdout.readline()  # type: ignore[union-attr]
    return process


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_it_is_a_child_that_ends_of_a_signal_and_leaves_nothing(signum: signal.Signals) -> None:
    with at_work() as process:
        assert Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid())
        assert Path(f"/proc/{process.pid}/cwd").readlink() == PROJECT
        assert process.poll() is None
        process.send_signal(signum)
        assert process.wait(PATIENCE) == (-signum if signum == signal.SIGKILL else 0)
    assert not is_alive(process.pid)


@pytest.mark.parametrize(("given", "own"), [({}, False), ({"process_group": 0}, True)])
def test_it_leads_a_group_of_its_own_if_that_is_wanted(given: dict[str, Any], own: bool) -> None:
    say = ["-c", "import os; print(os.getpgrp() == os.getpid())"]
    with Forked(say, env=dict(os.environ), stdout=subprocess.PIPE, text=True, **given) as process:
        assert process.communicate(timeout=PATIENCE)[0] == f"{own}\n"


@pytest.mark.parametrize("kind", [Forked, Started, Bare])
def test_its_settings_are_of_its_own_environment_and_its_status_its_own(kind: type[Started]) -> None:
    env = {**os.environ, "DATABASE_RELAY_URL": "mysql://a:b@c/d", "LOG_FORMAT": "ecs"}
    with kind(["manage.py", "relay_events"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (78, b"")
    line = json.loads(errors)
    assert line["message"].startswith("configuration error: a database address must be postgres://")
    assert line["service"] == {"name": "customer360-relay"}


def test_what_may_be_read_at_the_load_is_not_changed_by_a_fork() -> None:
    with pytest.raises(AssertionError, match="'SECRET_KEY'"):
        Forked(COMMAND, env={**os.environ, "SECRET_KEY": "another"})


def test_a_bare_one_has_loaded_nothing_of_the_product_and_is_given_what_it_likes() -> None:
    look = (
        "import os, sys; parts = {'config', 'storage', 'tenants', 'audit', 'lifecycle'}\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in parts), sorted(os.environ))"
    )
    run = run_bare({"SECRET_KEY": "another"}, "-c", look)
    # Which knows nothing yet of the process that it is in.
    assert (run.stdout, run.stderr) == ("['config', 'config.processes'] ['SECRET_KEY']\n", "")


def test_it_ends_with_the_process_that_wanted_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    await_end({pid: "python"}, within=PATIENCE)
