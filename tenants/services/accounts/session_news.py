"""Telling the event stream that sessions have ended: it has no database, so Redis has to say it.

Two keys for as long as a ticket of a page may live: the session, or the person with the moment before which their
tickets are over. And one message, at which open streams are hung up. Redis away: streams are closed anyway, and a
stream tells numbers of versions alone; what a page shows is judged by the session itself.
"""

import datetime as dt
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import transaction
from redis.exceptions import RedisError

from storage.redis import ask

# Under which key the session of the pages has the id by which its owner may end it.
SESSION_ID: Final = "session_id"
CHANNEL: Final = "c360:sessions:ended"
# No ticket of the stream lives longer (lifecycle.web.live).
KEPT_SECONDS: Final = 12 * 3600


@dataclass(frozen=True, slots=True)
class Ending:
    """One session that ended, or, with ``session_id`` empty, all of the person's that were there at ``at`` but one."""

    user_id: str
    session_id: str
    at: float
    but: str = ""

    def ends(self, *, user_id: str, session_id: str, issued_at: float) -> bool:
        """Whether a ticket of this person and session is over with it."""
        if self.session_id:
            return self.session_id == session_id
        return self.user_id == user_id and issued_at <= self.at and not (self.but and self.but == session_id)


def announce_end(user_id: UUID, *, now: dt.datetime, session_id: UUID | None = None, but: UUID | None = None) -> None:
    """After the commit, hang up the streams of a session, or of all sessions of a person (but one). One round trip.

    Until the commit pages were answered, and got tickets: what was begun at ``now`` ends those as well.
    """
    ending = Ending(str(user_id), str(session_id or ""), now.timestamp(), str(but or ""))
    transaction.on_commit(partial(_publish, ending), robust=True)


def keys_of(user_id: str, session_id: str) -> list[str]:
    """Under which keys it says that a ticket's person or session has ended."""
    return [_key(user_id), *([_key(session_id)] if session_id else [])]


def read_ending(body: bytes | str) -> Ending:
    """The ending that was announced. Raises ValueError and TypeError for what is none."""
    return Ending(*orjson.loads(body))


def _publish(ending: Ending) -> None:
    at = max(ending.at, time.time())
    body = orjson.dumps([ending.user_id, ending.session_id, at, ending.but])

    def say(client: Any) -> None:
        with client.pipeline(transaction=True) as together:
            together.set(_key(ending.session_id or ending.user_id), body, ex=KEPT_SECONDS)
            together.publish(CHANNEL, body)
            together.execute()

    # Reported by ``ask``.
    with suppress(RedisError):
        ask(say)


def _key(name: str) -> str:
    return f"c360:ended:{name}"
