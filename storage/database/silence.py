"""A database that has not answered in time is not asked again at once: one waits once, not once a statement.

By its address: of several servers (``storage.servers``) one that says nothing is not waited for, and the others are.
"""

import time
from collections.abc import Collection
from typing import Any, Final

# For how long no new connection is tried after one has failed in silence.
PAUSE_SECONDS: Final = 2.0

_until: dict[str, float] = {}


def note_silence(places: Collection[str]) -> None:
    """Something was waited for in vain there."""
    _until.update(dict.fromkeys(places, time.monotonic() + PAUSE_SECONDS))


def is_silent(places: Collection[str]) -> bool:
    """Whether any of them has just been waited for in vain, by any thread of this process."""
    now = time.monotonic()
    return any(now < _until.get(place, now) for place in places)


def name_places(host: object, port: object) -> tuple[str, ...]:
    """The addresses that a connection may lead to: of several hosts, as libpq reads them, each with its port."""
    hosts, ports = str(host or "").split(","), str(port or "").split(",")
    if len(ports) < len(hosts):
        ports *= len(hosts)
    return tuple(f"{one.strip()}:{number.strip() or 5432}" for one, number in zip(hosts, ports, strict=False))


def find_place(link: Any) -> tuple[str, ...]:
    """Where a connection of libpq leads to, under the name that it was asked for."""
    given = {option.keyword: (option.val or b"").decode() for option in link.info}
    return name_places(given.get(b"host"), given.get(b"port"))
