"""A quick shake of the effects' workers and servers; ``make chaos-effects`` is the long one."""

import re
import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.timeout(300)
def test_every_effect_ends_and_no_mail_is_sent_twice_whatever_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.delivery.chaos", "--quick"],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=250,
        check=False,
    )
    said = [line for line in run.stdout.splitlines() if not line.startswith("{")]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(line for line in said if line.startswith(("  ", "chaos", "WRONG"))) + "\n")
    assert run.returncode == 0, "\n".join(said[-40:])
    assert sum(int(count) for count in re.findall(r"injected +(\d+)  kill -9", run.stdout)) >= 12
