"""A quick shake of everything at once; ``make chaos`` is the long one."""

import re
import sys

import pytest
from django.conf import settings

from tests.messaging.chaos.running import run_quickly, summary_of

# What its processes wrote: a run that stands still once in a hundred is not explained by what it has counted.
LOGS = settings.BASE_DIR / ".local" / "log" / "shake"


@pytest.mark.own_broker
@pytest.mark.timeout(1800)
def test_nothing_is_lost_doubled_or_disordered_whatever_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = run_quickly("tests.messaging.chaos", "--keep-logs", str(LOGS), seconds=1500)
    with capsys.disabled():
        sys.stdout.write(f"\n{summary_of(said)}\n")
    assert status == 0, "\n".join([*said[-40:], f"The logs of its processes are in {LOGS}."])
    kills = re.search(r"injected +(\d+)  kills altogether", "\n".join(said))
    assert kills is not None
    assert int(kills[1]) >= 8
