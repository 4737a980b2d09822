"""Ten tries within three days, and no sooner than the endpoint asks for."""

import datetime as dt

import pytest

from lifecycle.delivery.retries import DELAYS, next_try, read_retry_after

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)


def wait(attempts, *, dice=0.0, retry_after=None):
    due = next_try(attempts, now=NOW, retry_after=retry_after, dice=lambda: dice)
    return None if due is None else (due - NOW).total_seconds()


def test_a_webhook_is_tried_ten_times_within_75_6_hours():
    hour, minute = 3600, 60
    expected = [0, 5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour, None]
    assert [wait(attempts) for attempts in range(11)] == expected
    assert wait(40) is None
    assert round(sum(DELAYS) / hour, 1) == 75.6


def test_chance_spreads_tries_and_makes_none_early():
    assert [wait(4, dice=dice) for dice in (0.0, 0.5, 1.0)] == [7200, 7560, 7920]
    assert wait(0, dice=1.0) == 0


def test_the_longer_of_schedule_and_retry_after_counts_up_to_a_day():
    assert wait(1, retry_after=3) == 5
    assert wait(1, retry_after=90) == 90
    assert wait(1, retry_after=90, dice=1.0) == 99
    assert wait(1, retry_after=10**9) == 86_400
    assert wait(1, retry_after=-5) == 5
    assert wait(10, retry_after=5) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("30", 30),
        (" 30 ", 30),
        ("0", 0),
        ("99999999", 86_400),
        ("9" * 5000, 86_400),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("٣٠", None),
        ("²", None),
        ("soon", None),
        ("Thu, 26 Nov 2026 12:02:00 GMT", 120),
        ("Thu, 26 Nov 2026 12:02:00 -0000", 120),
        ("Thursday, 26-Nov-26 12:02:00 GMT", 120),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400),
        ("Thu, 32 Nov 2026 12:02:00 GMT", None),
        ("Thu, 26 Nov 99999 12:02:00 GMT", None),
    ],
)
def test_retry_after_is_digits_or_a_date(text, seconds):
    assert read_retry_after(text, now=NOW) == seconds
