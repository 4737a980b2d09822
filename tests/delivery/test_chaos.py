"""A quick shake of the effects' workers and servers; ``make chaos-effects`` is the long one."""

import re
import sys

import pytest

from tests.messaging.chaos.running import await_all, run_quickly, summary_of


@pytest.mark.timeout(1800)
def test_every_effect_ends_and_no_mail_is_sent_twice_whatever_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = run_quickly("tests.delivery.chaos", seconds=1500)
    with capsys.disabled():
        sys.stdout.write(f"\n{summary_of(said)}\n")
    assert status == 0, "\n".join(said[-40:])
    assert sum(int(count) for count in re.findall(r"injected +(\d+)  kill -9", "\n".join(said))) >= 12


class Clock:
    """Time goes on by a pause alone."""

    now = 0.0

    def tell(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def test_on_a_slow_machine_a_run_waits_as_long_as_more_comes_to_its_end() -> None:
    clock = Clock()

    def look() -> tuple[int, int]:
        """One ends in 100 seconds."""
        return int(clock.now // 100), 10

    assert await_all(look, patience=120, clock=clock.tell, pause=clock.pause)
    assert clock.now == 1000


def test_a_run_of_which_some_never_end_is_given_up_after_the_last_that_did() -> None:
    clock = Clock()

    def look() -> tuple[int, int]:
        """The tenth is lost."""
        return min(9, int(clock.now // 100)), 10

    assert not await_all(look, patience=120, clock=clock.tell, pause=clock.pause)
    assert 1020 <= clock.now <= 1021
