"""What libpq answers, waited for and judged without the driver's generators."""

import math
import select
from typing import Any

import psycopg
from django.conf import settings
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus

from storage.database.silence import find_place, note_silence


def check(link: Any, result: Any) -> Any:
    """The result of libpq, if it is one. Raises psycopg's errors."""
    if link.status != ConnStatus.OK:
        raise psycopg.OperationalError(link.get_error_message())
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise error_from_result(result)
    return result


def execute(link: Any, statement: bytes, *, within: float | None = None) -> Any:
    """Run statements without parameters; the result of the last. Raises psycopg's errors.

    ``within``: so many seconds are waited for the answer, instead of DATABASE_SILENT_SECONDS.
    """
    link.send_query(statement)
    return [check(link, result) for result in collect(link, within=within)][-1]


def collect(link: Any, *, within: float | None = None, allowed: float = 0.0) -> list[Any]:
    """The results of what was sent. Waits at the socket: libpq itself would hold up every other thread.

    ``allowed``: for how long the server may be at it (``Connection.allowed_seconds``).
    """
    _flush(link)
    results: list[Any] = []
    while (result := _next_result(link, within, allowed)) is not None:
        results.append(result)
    return results


def collect_pipeline(link: Any, *, first_within: float | None = None, allowed: float = 0.0) -> list[Any]:
    """The results of all statements of a pipeline, one each, up to its end. Waits at the socket.

    ``first_within``: so many seconds are waited for the first of them. ``allowed``: as for ``collect``.
    """
    _flush(link)
    results: list[Any] = []
    while True:
        result = _next_result(link, None if results else first_within, allowed)
        if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
            return results
        # Nothing is between the results of one statement and those of the next.
        if result is not None:
            results.append(result)


def _flush(link: Any) -> None:
    while link.flush():
        link.consume_input()


def _next_result(link: Any, within: float | None, allowed: float) -> Any:
    """The next result, None after the last one of a statement. Raises OperationalError when the connection is lost."""
    poller = None
    seconds = max(settings.DATABASE_SILENT_SECONDS, allowed) if within is None else within
    while link.is_busy():
        if poller is None:
            poller = select.poll()
            poller.register(link.socket, select.POLLIN)
        # Its machine has stopped, or the network in between.
        if not poller.poll(None if seconds == math.inf else seconds * 1000):
            place = find_place(link)
            link.finish()
            # A server that is waited for in its own measure has its own remedy as well (storage.replica).
            if within is None:
                note_silence(place)
            raise psycopg.OperationalError("the server has said nothing for too long")
        link.consume_input()
    result = link.get_result()
    if result is None and link.status != ConnStatus.OK:
        raise psycopg.OperationalError(link.get_error_message())
    return result
