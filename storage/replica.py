"""When a replica may be read, and when not: never before it has a person's own writes, never when it lags, never twice
in vain.

All is one question to the replica, which goes with what opens the transaction: has it replayed the log up to here?
*Here* is the later of two positions: where the log was after the reader's last commit (kept in Redis for a minute), and
where the primary's log was a moment ago, which each process asks the primary about once a second while it reads from
the replica. No clock of a server is compared, and a primary on which nothing happens is no lag.

What a replica did not answer, or cancelled, is read from the primary instead. One that cannot be reached is left alone
until a thread in the background has reached it.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from django import db
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from prometheus_client import Counter, Gauge

from storage import copies
from storage.copies import MARKER_SECONDS, Copy
from storage.database.base import ReplicaBehind
from storage.database.identity import is_same_lineage
from storage.database.results import execute
from storage.database.routing import REPLICA, is_replica_configured, primary_connection, reading_from
from storage.servers import current_server

log = structlog.get_logger(__name__)

# How often the primary is asked where its log is, as a part of the lag that is allowed.
MARKS_A_LAG: Final = 5
# How often one that could not be reached is tried, and for how long one that lags is left alone.
TRY_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 1.0
# After Redis may have lost what was written in it no one knows who wrote what: the primary is asked for so long.
DOUBT_SECONDS: Final = 10.0
# Our own limits, which would be reached on the primary as well: statement, lock, idle, transaction.
OWN_LIMITS: Final = frozenset({"57014", "55P03", "25P03", "25P04"})
CONFLICTS: Final = frozenset({"40001", "40P01"})
READ_ONLY: Final = "25006"

reads = Counter(
    "customer360_replica_reads_total", "Reads that may be answered by the replica, by what answered.", ["server"]
)
fallbacks = Counter(
    "customer360_replica_fallbacks_total", "Reads that the replica could not answer and the primary did.", ["reason"]
)
off = Gauge("customer360_replica_off", "1 while a replica is configured and is not read.", multiprocess_mode="livemax")
lag = Gauge(
    "customer360_replica_lag_seconds",
    "How old what the replica shows was at most when it was last asked.",
    multiprocess_mode="livemax",
)


class Mark(NamedTuple):
    """Where the primary's log was, and when."""

    at: float
    position: int


@dataclass(frozen=True, slots=True)
class Requirement:
    """Up to where the replica must have replayed the log. ``is_lag``: if it has not, then it is too old for everyone,
    and not only for what this reader has just written, or for what was committed a moment ago.
    """

    position: int
    is_lag: bool


class _Marks:
    """Where the primary's log was in the last seconds, as this process has asked. Of one history alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lineage: tuple[bytes, ...] = ()
        self._marks: deque[Mark] = deque()

    def oldest(self, raw: Any, now: float) -> Mark:
        """The first of those that are no older than the lag allowed. One statement on the primary where it is time."""
        seconds = settings.DATABASE_REPLICA_LAG_SECONDS
        with self._lock:
            if self._lineage != raw.lineage:
                self._lineage = raw.lineage
                self._marks.clear()
            while self._marks and self._marks[0].at < now - seconds:
                self._marks.popleft()
            if self._marks and self._marks[-1].at > now - seconds / MARKS_A_LAG:
                return self._marks[0]
        mark = Mark(now, ask_position(raw))
        with self._lock:
            self._marks.append(mark)
            return self._marks[0]

    def lag_of(self, replayed: int, now: float) -> float:
        """How old what a replica shows is at most, when it has replayed the log up to there."""
        with self._lock:
            later = [mark.at for mark in self._marks if mark.position > replayed]
        return now - later[0] if later else 0.0


class _Switch:
    """Whether the replica is tried at all; one for all threads of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._trying = False
        self._ended = threading.Event()
        self.reason = ""

    def is_on(self) -> bool:
        """Whether it may be tried now."""
        return not self._trying and time.monotonic() >= self._until

    def note_answer(self) -> None:
        """It has answered, and is not too old. What was on its way when it was left alone says nothing of now."""
        if self.reason:
            with self._lock:
                if self.is_on():
                    self._change("")

    def pause(self, reason: str) -> None:
        """Leave it alone for a moment."""
        with self._lock:
            self._until = time.monotonic() + PAUSE_SECONDS
            self._change(reason)

    def stop(self, reason: str) -> None:
        """Leave it alone until it has been reached, by a thread of its own: no request waits for that."""
        with self._lock:
            if self._trying:
                return
            self._trying = True
            self._change(reason)
        threading.Thread(target=self._try_until_reached, name="replica", daemon=True).start()

    def end(self) -> None:
        """Try no more."""
        self._ended.set()

    def _try_until_reached(self) -> None:
        try:
            while not self._ended.wait(TRY_SECONDS) and not _is_reached():
                continue
        finally:
            # Whatever ended it: the next reader tries.
            self._until, self._trying = 0.0, False

    def _change(self, reason: str) -> None:
        off.set(1 if reason else 0)
        was, self.reason = self.reason, reason
        if reason and was != reason:
            log.warning("the replica is not read", reason=reason)
        elif was and not reason:
            log.info("the replica is read again", was=was)


def _is_reached() -> bool:
    """Whether the replica answers, over a connection of this thread's own."""
    try:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            (is_replica,) = cursor.fetchone()
    except (db.Error, psycopg.Error):
        is_replica = False
    finally:
        connections[REPLICA].close()
    return bool(is_replica)


_marks, _switch = _Marks(), _Switch()


def ask_position(raw: Any) -> int:
    """Where the primary's log is: all that is committed lies before. One statement, outside of any transaction of
    Django's. Raises psycopg's errors.
    """
    with raw.lock:
        result = execute(raw.pgconn, b"SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn")
    return int(result.get_value(0, 0))


def committed_at() -> int:
    """Where the log was after this thread's last commit on the primary; 0: there was none, or there is no replica."""
    return int(getattr(primary_connection().connection, "committed_at", 0))


def remember_write(reader: str, position: int) -> None:
    """From now on, and for a minute, show this person what was committed up to there. One round trip to Redis.

    Where Redis is away no process reads from the replica for a while, once it is back.
    """
    if copies.keep([Copy(_written_key(reader), position, MARKER_SECONDS)]) is None:
        copies.note_missed_invalidation()


def find_requirement(reader: str, *, is_newest: bool) -> Requirement | None:
    """What the replica must have for this person; None where it is not to be read at all.

    ``is_newest``: everything that is committed by now. One round trip to Redis; to the primary with ``is_newest``, else
    five times in the lag that is allowed. Raises the driver's errors when the primary cannot be reached.
    """
    if not is_replica_configured() or not _switch.is_on() or current_server() != settings.DATABASE_SERVER:
        return None
    held = copies.read([key := _written_key(reader)])
    if not held.epoch or abs(time.time() - int(held.epoch) / 1e6) < DOUBT_SECONDS:
        return None
    primary: Any = connections[DEFAULT_DB_ALIAS]
    primary.ensure_connection()
    raw = primary.connection
    own = copies.version_of(held.raw[key])
    if is_newest:
        own = max(own, ask_position(raw))
    now = time.monotonic()
    mark = _marks.oldest(raw, now)
    is_lag = own <= mark.position and mark.at < now - settings.DATABASE_REPLICA_LAG_SECONDS / 2
    return Requirement(max(own, mark.position), is_lag)


@contextmanager
def reading(required: Requirement) -> Iterator[None]:
    """Read from the replica, in a transaction that begins in the block. Raises Django's errors; ``note_failure``."""
    lineage = connections[DEFAULT_DB_ALIAS].connection.lineage
    replica: Any = connections[REPLICA]
    replica.ensure_connection()
    raw = replica.connection
    if not is_same_lineage(lineage, raw.lineage):
        replica.close()
        raise db.OperationalError("the replica replays another history")
    raw.required = required.position
    with reading_from(REPLICA):
        yield
    reads.labels("replica").inc()
    lag.set(_marks.lag_of(raw.replayed, time.monotonic()))
    _switch.note_answer()


def note_failure(error: Exception, required: Requirement) -> bool:
    """Whether what the replica did not answer is to be read from the primary; the replica is left alone if need be."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    state = getattr(cause, "sqlstate", None)
    if isinstance(cause, ReplicaBehind):
        reason = "lag" if required.is_lag else "not_yet"
        if required.is_lag:
            _note_lag()
    elif state in CONFLICTS:
        reason = "conflict"
    elif state == READ_ONLY:
        reason = "write"
        log.error("something is written where only the replica is read", error=str(error))
    elif isinstance(error, _OF_SERVERS) and state not in OWN_LIMITS:
        reason = "away"
        connections[REPLICA].close()
        _switch.stop(" ".join(str(error).split()))
    else:
        return False
    fallbacks.labels(reason).inc()
    return True


def _note_lag() -> None:
    replayed = getattr(connections[REPLICA].connection, "replayed", 0)
    lag.set(_marks.lag_of(replayed, time.monotonic()))
    _switch.pause("it lags, or is no replica any more")


def _written_key(reader: str) -> str:
    return f"c360:written:{reader}"


_OF_SERVERS: Final = (db.OperationalError, db.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
