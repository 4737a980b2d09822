"""The steps of the cache's protocol that must be one step, as scripts for Redis (see
``lifecycle.services.cache.copies``).

What a key holds begins with one letter: ``=`` a value, ``!`` the token of a writer, ``?`` the token of a reader.
Generations and counters begin at the time and never at a constant: one that was lost (evicted, or Redis began anew)
must not return to a number that something in the cache was stamped with.
"""

from dataclasses import dataclass
from typing import Final

from django_redis import get_redis_connection

from storage.redis_line import Script

VALUE: Final = b"="
WRITER: Final = b"!"
READER: Final = b"?"

_STAMPS: Final = """
local function now() local t = redis.call('TIME'); return string.format('%.0f', t[1] * 1000000 + t[2]) end
local function ensure(key)
    local number = redis.call('GET', key)
    if not number then
        number = now()
        redis.call('SET', key, number)
    end
    return number
end
local function bump(key)
    local number = string.format('%.0f', math.max(tonumber(redis.call('GET', key) or '0') + 1, tonumber(now())))
    redis.call('SET', key, number)
    return number
end
local function is_bulk_running(key)
    redis.call('ZREMRANGEBYSCORE', key, 0, redis.call('TIME')[1])
    return redis.call('ZCARD', key) > 0
end
"""

# Before the commit of what will be dropped. KEYS: global generation, tenant generation, changes, writing, key...
# ARGV: token, seconds
_HOLD: Final = f"""{_STAMPS}
for i = 5, #KEYS do redis.call('SET', KEYS[i], ARGV[1], 'EX', ARGV[2]) end
bump(KEYS[3])
redis.call('SET', KEYS[4], '1', 'EX', ARGV[2])
return ensure(KEYS[1]) .. '.' .. ensure(KEYS[2])
"""

# After the commit. KEYS: changes, key...   ARGV: token, channel, message
# Where the token is gone, it expired before the commit, or Redis lost it, or a later writer took its place. In the
# first two cases a reader may have put there what was true before the commit: out with it.
_DROP: Final = f"""{_STAMPS}
bump(KEYS[1])
for i = 2, #KEYS do
    local there = redis.call('GET', KEYS[i])
    if there and (there == ARGV[1] or string.sub(there, 1, 1) ~= '!') then redis.call('DEL', KEYS[i]) end
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
"""

# A status says at which version the customer is, and so does the token of whoever writes it: what is written can come
# here in any order, and the newest stays. A status of another generation counts for nothing: nobody is shown it, and it
# may say a version that the database, restored from a backup, has not reached again.
_VERSIONS: Final = """
local function version_of(there, generation)
    local prefix = '=' .. generation .. '|'
    if string.sub(there, 1, #prefix) == prefix then
        return tonumber(string.match(there, '"version":(%d+)', #prefix) or 0)
    end
    return tonumber(string.match(there, '^!v(%d+):') or 0)
end
"""

# About the time of the commit. KEYS: changes, writing, key...
# ARGV: token, seconds, generation, then for each key: version
_HOLD_STATUSES: Final = f"""{_STAMPS}{_VERSIONS}
for i = 3, #KEYS do
    local there = redis.call('GET', KEYS[i])
    local version = ARGV[i + 1]
    if not there or version_of(there, ARGV[3]) <= tonumber(version) then
        redis.call('SET', KEYS[i], '!v' .. version .. ':' .. ARGV[1], 'EX', ARGV[2])
    end
end
bump(KEYS[1])
redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
return 1
"""

# After the commit. KEYS: global generation, tenant generation, changes, key...
# ARGV: token, generation, channel, message, seconds, then for each key: version, value
# The generation is one that was seen before the commit: if it is another now, a bulk change may have come after us.
_PUT_STATUSES: Final = f"""{_STAMPS}{_VERSIONS}
bump(KEYS[3])
local generation = ensure(KEYS[1]) .. '.' .. ensure(KEYS[2])
for i = 4, #KEYS do
    local there = redis.call('GET', KEYS[i])
    local version, value = ARGV[2 * i - 2], ARGV[2 * i - 1]
    if there == '!v' .. version .. ':' .. ARGV[1] and generation == ARGV[2] then
        redis.call('SET', KEYS[i], '=' .. generation .. '|' .. value, 'EX', ARGV[5])
    elseif there and version_of(there, generation) <= tonumber(version) then
        redis.call('DEL', KEYS[i])
    end
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return generation
"""

# KEYS: global generation, tenant generation
_LOOK: Final = f"""{_STAMPS}
return ensure(KEYS[1]) .. '.' .. ensure(KEYS[2])
"""

# Before PostgreSQL is read. KEYS: global generation, tenant generation, bulk, key...
# ARGV: token, seconds, generation as read or ''
_LEASE: Final = f"""{_STAMPS}
if is_bulk_running(KEYS[3]) then return false end
local generation = ensure(KEYS[1]) .. '.' .. ensure(KEYS[2])
if ARGV[3] ~= '' and generation ~= ARGV[3] then return false end
for i = 4, #KEYS do
    local there = redis.call('GET', KEYS[i])
    if not there or (string.sub(there, 1, 1) == '=' and
                     string.sub(there, 2, #generation + 2) ~= generation .. '|') then
        redis.call('SET', KEYS[i], ARGV[1], 'EX', ARGV[2])
    end
end
return generation
"""

# KEYS: global generation, tenant generation, key...   ARGV: token, generation, then for each key: seconds, value
_FILL: Final = """
local generation = (redis.call('GET', KEYS[1]) or '') .. '.' .. (redis.call('GET', KEYS[2]) or '')
if generation ~= ARGV[2] then return 0 end
for i = 3, #KEYS do
    if redis.call('GET', KEYS[i]) == ARGV[1] then
        redis.call('SET', KEYS[i], '=' .. generation .. '|' .. ARGV[2 * i - 2], 'EX', ARGV[2 * i - 3])
    end
end
return 1
"""

# KEYS: global generation, tenant generation, changes. The stamp by which a sum over the whole tenant is judged.
_STAMP: Final = f"""{_STAMPS}
return ensure(KEYS[1]) .. '.' .. ensure(KEYS[2]) .. '.' .. ensure(KEYS[3])
"""

# KEYS: global generation, tenant generation, changes, writing, bulk, key   ARGV: stamp, seconds, fewer seconds, value
# While somebody writes, a crash of his could leave this standing: it gets a short life.
_FILL_SUM: Final = f"""{_STAMPS}
local stamp = ensure(KEYS[1]) .. '.' .. ensure(KEYS[2]) .. '.' .. ensure(KEYS[3])
if stamp ~= ARGV[1] then return 0 end
local seconds = ARGV[2]
if redis.call('EXISTS', KEYS[4]) == 1 or is_bulk_running(KEYS[5]) then seconds = ARGV[3] end
redis.call('SET', KEYS[6], '=' .. stamp .. '|' .. ARGV[4], 'EX', seconds)
return 1
"""

# KEYS: generation, bulk or none   ARGV: name and seconds of a bulk change that begins, or its name alone when it ends
_BUMP: Final = f"""{_STAMPS}
bump(KEYS[1])
if KEYS[2] then
    if ARGV[2] then
        redis.call('ZADD', KEYS[2], redis.call('TIME')[1] + ARGV[2], ARGV[1])
        redis.call('EXPIRE', KEYS[2], 86400)
    else
        redis.call('ZREM', KEYS[2], ARGV[1])
    end
end
return 1
"""


@dataclass(frozen=True, slots=True)
class Scripts:
    """The scripts, ready to be called on one Redis: ``scripts.hold(keys=[...], args=[...])``."""

    hold: Script
    drop: Script
    hold_statuses: Script
    put_statuses: Script
    look: Script
    lease: Script
    fill: Script
    stamp: Script
    fill_sum: Script
    bump: Script


def get_scripts() -> Scripts:
    """The scripts, registered once a process. Each is sent to Redis whole when Redis does not know it yet."""
    global _registered
    if _registered is None:
        bodies = (_HOLD, _DROP, _HOLD_STATUSES, _PUT_STATUSES, _LOOK, _LEASE, _FILL, _STAMP, _FILL_SUM, _BUMP)
        client = get_redis_connection("default")
        _registered = Scripts(*(Script(client, body) for body in bodies))
    return _registered


_registered: Scripts | None = None
