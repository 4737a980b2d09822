"""A quick shake of the effects' workers and servers; ``make chaos-effects`` is the long one."""

import re
import sys

import pytest

from tests.messaging.chaos.running import run_quickly, summary_of


@pytest.mark.timeout(1800)
def test_every_effect_ends_and_no_mail_is_sent_twice_whatever_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = run_quickly("tests.delivery.chaos", seconds=1500)
    with capsys.disabled():
        sys.stdout.write(f"\n{summary_of(said)}\n")
    assert status == 0, "\n".join(said[-40:])
    assert sum(int(count) for count in re.findall(r"injected +(\d+)  kill -9", "\n".join(said))) >= 12
