"""Copies in Redis of what PostgreSQL says: each carries the version it was made from.

A key holds ``epoch|version|body``. An older version never replaces a newer one, in whatever order they arrive. An entry
without a body is a *marker*: the value must be read again, and an older one is refused. Markers live longer than any
reader takes, from when they were last put there: the same one again lives as long as a new one.

The *epoch* is one number for everything that was read from this database. A copy of another epoch is a miss, and a body
from another epoch is refused, so raising it empties the cache in one step (``flush``). It is raised by a process whose
invalidation failed, as soon as Redis answers again, and by the relay whenever Redis may have lost what it had
acknowledged (``Watch``). Redis that begins empty has another epoch by itself, because it begins at the time of day. Its
name has the database's identity in it, so nothing outlives a restore from a backup.
"""

import hashlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final, NamedTuple

import structlog
from django.db import DEFAULT_DB_ALIAS, connections
from redis.exceptions import NoScriptError, RedisError, ResponseError

from storage.database.identity import database_identity
from storage.database.routing import is_reading_replica
from storage.redis import ask
from storage.servers import current_server

log = structlog.get_logger(__name__)

MARKER_SECONDS: Final = 60
# A value that was read longer ago is not offered any more. Well below the life of a marker.
OFFER_WITHIN_SECONDS: Final = 5.0
# Keys of one call: more would keep Redis from others for milliseconds.
CHUNK: Final = 2500
WATCH_SECONDS: Final = 1.0

# KEYS: epoch, count of changes, key...
# ARGV: epoch of the bodies, what raises the count ('always', 'older': something older was held, 'never'),
#       channel or '', message, seconds of a marker, then for each key: version, seconds, body
# Answers the epoch in force and how many keys held nothing, or something older.
_KEEP: Final = """
local function now() local t = redis.call('TIME'); return string.format('%.0f', t[1] * 1000000 + t[2]) end
local epoch = redis.call('GET', KEYS[1])
if not epoch then
    epoch = now()
    redis.call('SET', KEYS[1], epoch)
end
local older = 0
for i = 3, #KEYS do
    local version, seconds, body = ARGV[3 * i - 3], ARGV[3 * i - 2], ARGV[3 * i - 1]
    if epoch ~= ARGV[1] then body = '' end
    if body == '' then seconds = math.min(tonumber(seconds), tonumber(ARGV[5])) end
    local held = redis.call('GETRANGE', KEYS[i], 0, 40)
    local of_epoch, held_version = string.match(held, '^(%d+)|(%d+)|')
    if of_epoch ~= epoch then held_version = nil end
    if not held_version or tonumber(held_version) < tonumber(version)
            or (held_version == version and body ~= '') then
        redis.call('SET', KEYS[i], epoch .. '|' .. version .. '|' .. body, 'EX', seconds)
        older = older + 1
    elseif body == '' and held == epoch .. '|' .. version .. '|' and redis.call('TTL', KEYS[i]) < tonumber(seconds) then
        redis.call('EXPIRE', KEYS[i], seconds)
    end
end
if ARGV[2] == 'always' or (ARGV[2] == 'older' and older > 0) then
    redis.call('SET', KEYS[2], string.format('%.0f', math.max(
        tonumber(redis.call('GET', KEYS[2]) or '0') + 1, tonumber(now()))))
end
if older > 0 and ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return {epoch, older}
"""
# KEYS: epoch
_FLUSH: Final = """
local t = redis.call('TIME')
local epoch = string.format('%.0f', math.max(tonumber(redis.call('GET', KEYS[1]) or '0') + 1, t[1] * 1000000 + t[2]))
redis.call('SET', KEYS[1], epoch)
return epoch
"""


class Copy(NamedTuple):
    """What is kept under a key. Without a body it is a marker."""

    key: str
    version: int
    seconds: int
    body: bytes = b""


class Kept(NamedTuple):
    """What was found under a key: a body, and the version it was made from."""

    version: int
    body: bytes


class News(NamedTuple):
    """What goes with changed copies: a count is raised, and if any copy was changed a message published ('' for none).

    ``is_first``: the count is raised whatever was held, because totals may be older although no copy is: a reader may
    have been first with the new version. Without it, for what was said before, only if a copy was changed.
    """

    count_key: str
    channel: str = ""
    message: bytes = b""
    is_first: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """What Redis held at one moment. ``raw`` are plain values, which are no copies (a count)."""

    epoch: bytes | None = None
    found: Mapping[str, Kept] = field(default_factory=dict)
    raw: Mapping[str, bytes | None] = field(default_factory=dict)
    at: float = 0.0

    def offer(self, copies: Sequence[Copy]) -> None:
        """Keep what was read from PostgreSQL after this. One round trip, none when it is late or Redis is away.

        What a replica says is not kept: it may be older than what made the place empty. Nor is what a transaction
        reads that has itself changed something: it may never be committed.
        """
        # Anyone who changes what copies are made of has something to do after the commit.
        if is_reading_replica() or connections[DEFAULT_DB_ALIAS].run_on_commit:
            return
        if self.epoch is not None and time.monotonic() - self.at < OFFER_WITHIN_SECONDS:
            keep(copies, epoch=self.epoch)


def read(keys: Sequence[str]) -> Held:
    """The copies under the keys. One round trip, none while Redis is away. Never raises because of Redis."""
    if not _catch_up():
        return Held()
    epoch_key, at = _epoch_key(DEFAULT_DB_ALIAS), time.monotonic()
    try:
        epoch, *values = ask(lambda client: client.execute_command("MGET", epoch_key, *keys))
    except RedisError:
        return Held()
    found = {}
    if epoch:
        _last_epochs[epoch_key] = epoch
        prefix = epoch + b"|"
        for key, value in zip(keys, values, strict=True):
            if value is not None and value.startswith(prefix):
                version, _, body = value[len(prefix) :].partition(b"|")
                if body:
                    found[key] = Kept(int(version), body)
    return Held(epoch or b"", found, dict(zip(keys, values, strict=True)), at)


def version_of(raw: bytes | None) -> int:
    """The version under a key, of a copy or a marker, in force or not; 0 for none."""
    return int(raw.split(b"|", 2)[1]) if raw else 0


def last_epoch() -> bytes:
    """The epoch that this process saw last, b'' for none: what is committed from now on may be kept in it."""
    return _last_epochs.get(_epoch_key(DEFAULT_DB_ALIAS), b"")


def keep(
    copies: Sequence[Copy], *, epoch: bytes = b"", news: News | None = None, using: str = DEFAULT_DB_ALIAS
) -> int | None:
    """Keep each copy if there is nothing or something older; how many were, None when Redis is away.

    Bodies are kept only while ``epoch``, which their maker saw before, is the one in force. One round trip for up to
    CHUNK copies.
    """
    epoch_key, count_key = _epoch_key(using), news.count_key if news else ""
    channel, message = (news.channel, news.message) if news else ("", b"")
    counts = "never" if news is None else "always" if news.is_first else "older"
    older = 0
    for start in range(0, len(copies), CHUNK):
        chunk = copies[start : start + CHUNK]
        # The message goes out with the last of them.
        goes_to = channel if start + CHUNK >= len(copies) else ""
        arguments: list[Any] = [epoch, counts, goes_to, message if goes_to else b"", MARKER_SECONDS]
        arguments += itertools.chain.from_iterable((copy.version, copy.seconds, copy.body) for copy in chunk)
        keys = [epoch_key, count_key, *(copy.key for copy in chunk)]
        try:
            in_force, count = ask(partial(_script(_KEEP), keys, arguments))
        except RedisError:
            return None
        _last_epochs[epoch_key] = in_force
        older += count
    return older


def flush(*, using: str = DEFAULT_DB_ALIAS) -> None:
    """Make every copy a miss. One round trip. Raises RedisError."""
    ask(partial(_script(_FLUSH), [_epoch_key(using)], []))


def note_missed_invalidation() -> None:
    """Redis could not be reached after a change: this process trusts no copy of what this server says until it has
    flushed those.
    """
    with _missing:
        _missed[current_server()] += 1


def _catch_up() -> bool:
    """Flush if an invalidation was missed; whether copies can be trusted. Of the server that this thread works on:
    a flush empties the copies of one database, and those of the others are not made good by it.
    """
    server = current_server()
    missed = _missed[server]
    if missed > _made_good[server]:
        try:
            flush()
        except RedisError:
            return False
        with _missing:
            # Not those that were missed during the flush. Others may flush at the same time, for the same ones.
            _made_good[server] = max(_made_good[server], missed)
    return _missed[server] <= _made_good[server]


class Watch:
    """Flushes whenever Redis may have lost what it had acknowledged, or have missed an invalidation. For the relay.

    That is so when the watch begins, after an answer that did not come, and when another server, or another history of
    the data, is behind the address than a second ago: there is no other sign of a replica that lacks the last writes.
    """

    def __init__(self, *, using: str) -> None:
        self._using = using
        self._seen: object = None
        self._next_at = 0.0

    def look(self) -> None:
        """Once a second; at once after ``distrust``. Never raises because of Redis."""
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + WATCH_SECONDS
        try:
            server = ask(_identify)
            if server != self._seen:
                flush(using=self._using)
                log.info("copies flushed", reason="redis may have lost changes", server=server)
            self._seen = server
        except RedisError:
            self.distrust()

    def distrust(self) -> None:
        """Flush as soon as Redis answers."""
        self._seen, self._next_at = None, 0.0


def _identify(client: Any) -> object:
    """Which server answers, and which history of the data it has."""
    try:
        answer = client.info()
    except ResponseError:
        # A managed server may forbid the question; an answer that does not come is noticed all the same.
        return "unknown"
    return answer.get("run_id"), answer.get("master_replid")


@cache
def _script(body: str) -> Callable[..., Any]:
    """A script, called by its digest, and sent whole when Redis does not know it."""
    digest = hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()

    def run(keys: Sequence[Any], arguments: Sequence[Any], client: Any) -> Any:
        try:
            return client.evalsha(digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return client.eval(body, len(keys), *keys, *arguments)

    return run


def _epoch_key(using: str) -> str:
    return f"c360:epoch:{database_identity(using=using)}"


_last_epochs: dict[str, bytes] = {}
_missing = threading.Lock()
# How many invalidations this process has missed since its start, and up to which of them it has flushed; by server.
_missed: Counter[str] = Counter()
_made_good: Counter[str] = Counter()
