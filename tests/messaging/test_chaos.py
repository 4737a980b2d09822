"""A quick shake of everything at once; ``make chaos`` is the long one."""

import re
import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_disordered_whatever_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.messaging.chaos", "--quick"],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    said = [line for line in run.stdout.splitlines() if not line.startswith("{")]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(line for line in said if line.startswith(("  ", "chaos", "WRONG"))) + "\n")
    assert run.returncode == 0, "\n".join(said[-40:])
    kills = re.search(r"injected +(\d+)  kills altogether", run.stdout)
    assert kills is not None
    assert int(kills[1]) >= 8
