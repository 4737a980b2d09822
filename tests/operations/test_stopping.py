"""SIGTERM ends a command wherever it comes."""

import subprocess
import sys

from local.folders import PROJECT

# Always a moment later, while the main thread begins to wait, over and over.
ASKED = """
import signal
from lifecycle.management.stopping import StopRequest
for number in range(400):
    request = StopRequest()
    signal.signal(signal.SIGALRM, lambda *_: request.set())
    signal.setitimer(signal.ITIMER_REAL, 0.0005 + number % 100 / 100_000)
    while not request.wait(0.000001):
        pass
    assert request and request.wait(60)
request = StopRequest()
assert not request.wait(0.01) and not request
"""


def test_a_command_that_begins_to_wait_as_it_is_asked_to_end_ends() -> None:
    subprocess.run([sys.executable, "-c", ASKED], cwd=PROJECT, check=True, timeout=60)
