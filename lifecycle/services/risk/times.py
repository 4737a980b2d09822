"""Moments as the rules count them: microseconds since 1970."""

import datetime as dt
from typing import Final

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def as_micros(timestamp: dt.datetime) -> int:
    """Microseconds since 1970."""
    return (timestamp - _EPOCH) // _MICROSECOND


def as_timestamp(micros: int) -> dt.datetime:
    """The moment of a number of microseconds since 1970."""
    return _EPOCH + micros * _MICROSECOND
