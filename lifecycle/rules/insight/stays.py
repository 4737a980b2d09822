"""The stays of one customer, made of its history and of what is known of its revenue.

A stay begins with each row of the history and ends with the next one, in the order of the sequence: ``began`` never
goes back, because only events come with a time of their own and those that are late are refused; where clocks differ,
the later row counts from the earlier one's time. A stay has pieces: a new one begins where the revenue changes. So each
piece has one stage and one revenue, and what a period gained and lost is a sum over the pieces that began in it.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

FOREVER: Final = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


class Move(NamedTuple):
    """A row of the history. ``stage`` is a key (``stages``)."""

    stage: str
    effective_at: dt.datetime
    recorded_at: dt.datetime
    reason_code: str = ""
    by_configuration: bool = False


class Report(NamedTuple):
    """What was reported of the revenue; None for what the report does not speak of."""

    effective_at: dt.datetime
    arr: Decimal | None
    currency: str | None
    has_arr: bool = True


class Worth(NamedTuple):
    """The annual revenue from a moment on. Without a currency: ''."""

    since: dt.datetime
    arr: Decimal
    currency: str


class Piece(NamedTuple):
    """A part of a stay, from ``began`` until before ``ended``; ``entered`` and ``left_at`` are those of the stay.

    ``from_stage`` and ``to_stage`` are '' where there is none. ``known`` is when the stay could first be seen here, and
    until before ``known_until``. ``was_arr``: the revenue of the piece before; of the first one, its own.
    """

    sequence: int
    piece: int
    from_stage: str
    stage: str
    to_stage: str
    began: dt.datetime
    ended: dt.datetime
    entered: dt.datetime
    left_at: dt.datetime
    known: dt.datetime
    known_until: dt.datetime
    reason_code: str
    left_reason: str
    by_configuration: bool
    left_by_configuration: bool
    cohort: dt.date
    arr: Decimal
    currency: str
    was_arr: Decimal
    was_currency: str


def worths_of(reports: Sequence[Report], present: Worth | None) -> list[Worth]:
    """The revenue over time, from reports in the order of their times. Without any: what is known now, if anything.

    What held before the first report that is kept is not known; the first one counts for it.
    """
    worths: list[Worth] = []
    arr, currency = Decimal(), ""
    for report in reports:
        arr = (report.arr or Decimal()) if report.has_arr else arr
        currency = currency if report.currency is None else report.currency
        worth = Worth(report.effective_at, arr, currency)
        if worths and worths[-1].since == worth.since:
            worths.pop()
        if not worths or worths[-1][1:] != worth[1:]:
            worths.append(worth)
    return worths or ([present] if present is not None else [])


def pieces_of(moves: Sequence[Move], worths: Sequence[Worth] = ()) -> list[Piece]:
    """The pieces of all stays, from the moves in the order of their sequence."""
    entered = _running(move.effective_at for move in moves)
    seen = _running(move.recorded_at for move in moves)
    known = [max(pair) for pair in zip(entered, seen, strict=True)]
    pieces: list[Piece] = []
    cohort = entered[0].astimezone(dt.UTC).date().replace(day=1) if entered else dt.date.min
    for at, move in enumerate(moves):
        after = moves[at + 1] if at + 1 < len(moves) else None
        left = FOREVER if after is None else entered[at + 1]
        began = [entered[at], *(worth.since for worth in worths[1:] if entered[at] < worth.since < left)]
        for number, begin in enumerate(began):
            now = _worth_at(worths, begin)
            was = pieces[-1] if pieces else None
            pieces.append(
                Piece(
                    sequence=at + 1,
                    piece=number,
                    from_stage=moves[at - 1].stage if at else "",
                    stage=move.stage,
                    to_stage="" if after is None else after.stage,
                    began=begin,
                    ended=began[number + 1] if number + 1 < len(began) else left,
                    entered=entered[at],
                    left_at=left,
                    known=known[at],
                    known_until=FOREVER if after is None else known[at + 1],
                    reason_code=move.reason_code,
                    left_reason="" if after is None else after.reason_code,
                    by_configuration=move.by_configuration,
                    left_by_configuration=after is not None and after.by_configuration,
                    cohort=cohort,
                    arr=now.arr,
                    currency=now.currency,
                    was_arr=now.arr if was is None else was.arr,
                    was_currency=now.currency if was is None else was.currency,
                )
            )
    return pieces


class Stood(NamedTuple):
    """The stay that holds at a moment: which row of the history began it, and when."""

    sequence: int
    entered: dt.datetime


def stay_at(moves: Sequence[Move], timestamp: dt.datetime, *, as_known: bool = False) -> Stood | None:
    """Where the customer was just before ``timestamp``; ``as_known``: by what was recorded by then. None: not here."""
    found = None
    for piece in pieces_of(moves):
        since, until = (piece.known, piece.known_until) if as_known else (piece.began, piece.ended)
        if since < timestamp <= until:
            found = Stood(piece.sequence, piece.entered)
    return found


_UNKNOWN: Final = Worth(dt.datetime.min.replace(tzinfo=dt.UTC), Decimal(), "")


def _worth_at(worths: Sequence[Worth], timestamp: dt.datetime) -> Worth:
    found = worths[0] if worths else _UNKNOWN
    for worth in worths:
        if worth.since > timestamp:
            break
        found = worth
    return found


def _running(timestamps: Iterator[dt.datetime]) -> list[dt.datetime]:
    latest: list[dt.datetime] = []
    for timestamp in timestamps:
        latest.append(max(latest[-1], timestamp) if latest else timestamp)
    return latest
