"""A small run of the load on two hosts, beside the other tests; ``make load`` is the long one."""

import re
import sys

import pytest

from tests.messaging.chaos.running import run_quickly


@pytest.mark.timeout(900)
def test_nothing_is_lost_doubled_or_stale_on_two_hosts_while_a_worker_and_a_relay_are_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = run_quickly("tests.load", "--beside", seconds=600)
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(said[-40:]) + "\n")
    assert status == 0, "\n".join(said[-60:])
    text = "\n".join(said)
    assert re.search(r"^kill-web-worker: [1-9]\d* workers killed$", text, flags=re.M)
    assert re.search(r"^kill-relay: [1-9]\d* killed$", text, flags=re.M)
    changes = re.search(r"counted: ([\d,]+) changes", text)
    assert changes is not None
    assert int(changes[1].replace(",", "")) > 20
