"""When a webhook that was not taken is sent again."""

import datetime as dt
import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

# Before the first try, the second, and so on, in seconds: ten tries within 75.6 hours.
DELAYS: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Added by chance, so that what failed together does not come back together. Never taken off: no try is early.
JITTER: Final = 0.1
LONGEST_RETRY_AFTER: Final = 86_400.0


def next_try(
    attempts: int,
    *,
    now: dt.datetime,
    retry_after: float | None = None,
    dice: Callable[[], float] = random.random,
) -> dt.datetime | None:
    """When to try again after so many tries, or None when there have been enough.

    ``retry_after`` is what the endpoint asked for, in seconds (``read_retry_after``): the longer of the two counts.
    ``dice`` gives numbers from 0 to 1.
    """
    if attempts >= len(DELAYS):
        return None
    asked = min(max(retry_after or 0.0, 0.0), LONGEST_RETRY_AFTER)
    return now + dt.timedelta(seconds=max(float(DELAYS[attempts]), asked) * (1 + JITTER * dice()))


def read_retry_after(text: str | None, *, now: dt.datetime) -> float | None:
    """The seconds of a Retry-After header, digits or a date, from 0 to 24 hours; None for what is neither."""
    text = (text or "").strip()
    if text.isascii() and text.isdecimal():
        # Thousands of digits are refused by int().
        return LONGEST_RETRY_AFTER if len(text) > 9 else min(float(text), LONGEST_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=dt.UTC)
        seconds = (date - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
