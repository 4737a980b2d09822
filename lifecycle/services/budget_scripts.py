"""The scripts that count updates in Redis. A count is a hash: minute since 1970 -> changes, and its incarnation."""

from collections.abc import Sequence
from typing import Any

NO_COUNT, REFUSED, TAKEN = -1, 0, 1

# KEYS: count   ARGV: wanted, limit, clock ('' = the server's), incarnation ('' = make none), then age in minutes,
# changes, ... to make the count from if there is none.
# Answers {NO_COUNT} or {REFUSED | TAKEN, used, seconds to wait, seconds until all is back, bucket, incarnation}.
# A bucket counts for 61 minutes from its beginning: until its last moment is an hour old.
_TAKE = """
local now = tonumber(ARGV[3])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local bucket = math.floor(now / 60)
local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 then
    if ARGV[4] == '' then return {-1} end
    redis.call('HSET', KEYS[1], 'incarnation', ARGV[4])
    redis.call('EXPIRE', KEYS[1], 3720)
    for i = 5, #ARGV, 2 do
        if tonumber(ARGV[i + 1]) > 0 then redis.call('HINCRBY', KEYS[1], bucket - ARGV[i], ARGV[i + 1]) end
    end
    fields = redis.call('HGETALL', KEYS[1])
end
local wanted, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local used, incarnation, live = 0, '', {}
for i = 1, #fields, 2 do
    if fields[i] == 'incarnation' then
        incarnation = fields[i + 1]
    else
        local minute, changes = tonumber(fields[i]), tonumber(fields[i + 1])
        if minute < bucket - 60 then
            redis.call('HDEL', KEYS[1], fields[i])
        elseif changes > 0 then
            used = used + changes
            live[#live + 1] = {minute, changes}
        end
    end
end
table.sort(live, function(one, other) return one[1] < other[1] end)
local function gone(minute) return math.ceil((minute + 61) * 60 - now) end
if used + wanted > limit then
    local room, wait, reset = limit - used, 3600, 0
    if #live > 0 then reset = gone(live[#live][1]) end
    for _, entry in ipairs(live) do
        room = room + entry[2]
        if room >= wanted then
            wait = gone(entry[1])
            break
        end
    end
    return {0, used, wait, reset, bucket, incarnation}
end
redis.call('HINCRBY', KEYS[1], string.format('%d', bucket), wanted)
redis.call('EXPIRE', KEYS[1], 3720)
return {1, used + wanted, 0, gone(bucket), bucket, incarnation}
"""

# KEYS: count   ARGV: changes, bucket, incarnation of the count they were taken from
_GIVE_BACK = """
if redis.call('HGET', KEYS[1], 'incarnation') == ARGV[3] then redis.call('HINCRBY', KEYS[1], ARGV[2], -ARGV[1]) end
"""

_registered: dict[str, Any] = {}


def take(client: Any, key: str, arguments: Sequence[Any]) -> Any:
    """Take from a count, on this client."""
    return _run("take", _TAKE, client, key, arguments)


def give_back(client: Any, key: str, arguments: Sequence[Any]) -> Any:
    """Return what was taken from a count, unless the count was made anew meanwhile."""
    return _run("give back", _GIVE_BACK, client, key, arguments)


def _run(name: str, source: str, client: Any, key: str, arguments: Sequence[Any]) -> Any:
    script = _registered.get(name)
    if script is None:
        script = _registered[name] = client.register_script(source)
    return script(keys=[key], args=arguments, client=client)
