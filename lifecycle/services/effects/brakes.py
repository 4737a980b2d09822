"""What keeps an automation from running away: so many an hour for each effect, so many a day for each recipient, and a
breaker for the tenant.

Counted in the transaction that claims, under the lock of the lane: six workers together send no more than one would.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lifecycle.services.effects import breaker
from lifecycle.services.effects.digests import KIND as DIGEST
from lifecycle.services.effects.moved_on import find_configured
from storage.cursors import fetch_prepared, plain_array, text_array
from tenants.actors import TenantRef

if TYPE_CHECKING:
    from lifecycle.services.effects.queue import Job

OVER_CAP: Final = "cap"
OVER_RECIPIENT_CAP: Final = "recipient_cap"
# E-mails of one effect in an hour, where it says nothing else; from all effects to one recipient in a day, and to one
# of the tenant's own people.
EMAILS_AN_HOUR: Final = 500
EMAILS_A_DAY: Final = 5
EMAILS_A_DAY_TO_USERS: Final = 200
HOUR: Final = dt.timedelta(hours=1)
DAY: Final = dt.timedelta(days=1)

Tally = tuple[str, dt.datetime]

_COUNTS: Final = """
SELECT what, since, count FROM lifecycle_effecttally
 WHERE tenant_id = %(tenant_id)s::uuid AND what = ANY(%(whats)s::text[]) AND since >= %(day)s::timestamptz
"""
# In one order everywhere: two lanes of a tenant count the same runs, and must not wait for each other.
_ADD: Final = """
INSERT INTO lifecycle_effecttally (id, tenant_id, what, since, count)
SELECT uuidv7(), %(tenant_id)s::uuid, what, since, count
  FROM unnest(%(whats)s::text[], %(since)s::timestamptz[], %(counts)s::int[]) AS i(what, since, count)
 ORDER BY what, since
    ON CONFLICT (tenant_id, what, since) DO UPDATE SET count = lifecycle_effecttally.count + EXCLUDED.count
RETURNING what
"""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A job that a brake stops for this reason. ``until``: it is let go again then, after those before it."""

    job: "Job"
    reason: str
    until: dt.datetime


class Brakes:
    """The brakes of one tenant at one moment. Hours and days are those of UTC."""

    def __init__(self, tenant: TenantRef, *, now: dt.datetime) -> None:
        self.tenant = tenant
        self.now = now
        utc = now.astimezone(dt.UTC)
        self.hour = utc.replace(minute=0, second=0, microsecond=0)
        self.day = self.hour.replace(hour=0)

    def choose(self, jobs: "Sequence[Job]") -> "tuple[list[Job], list[Stopped]]":
        """Those that may run, and those that are stopped. What is in neither waits for the breaker to be closed.

        Two statements, three where there are caps; none without jobs.
        """
        if not jobs:
            return [], []
        caps = {job.id: self._cap_of(job) for job in jobs}
        named = {name for job in jobs for name in self._names(job, caps[job.id])}
        counts = Counter(self._read({what for what, _ in named}) if named else {})
        free: list[Job] = []
        stopped: list[Stopped] = []
        for job in jobs:
            # Tried again, it is among those that were counted: by itself it would be held for an hour, or a day.
            over = self._find_over(job, caps[job.id], counts) if job.attempts == 1 else None
            if over is not None:
                stopped.append(over)
                continue
            free.append(job)
            if job.attempts == 1:
                counts.update(self._names(job, caps[job.id]))
        free = self._break(free)
        # Without what waits for the breaker: it is counted when it runs, and would use up its caps twice.
        fresh = [job for job in free if job.attempts == 1]
        named_now = Counter(name for job in fresh for name in self._names(job, caps[job.id]))
        self._add(named_now, runs=len(_find_started(fresh)))
        return free, stopped

    def _find_over(self, job: "Job", cap: int | None, counts: Counter[Tally]) -> Stopped | None:
        if cap is not None and counts[self._effect(job)] >= cap:
            return Stopped(job, OVER_CAP, self.hour + HOUR)
        if job.kind == "email" and counts[job.recipient, self.day] >= _most_a_day(job.recipient):
            return Stopped(job, OVER_RECIPIENT_CAP, self.day + DAY)
        return None

    def _cap_of(self, job: "Job") -> int | None:
        effect = find_configured(job)
        if effect is not None and effect.cap_per_hour is not None:
            return effect.cap_per_hour
        return EMAILS_AN_HOUR if job.kind == "email" else None

    def _effect(self, job: "Job") -> Tally:
        return f"effect:{job.effect}"[:300], self.hour

    def _names(self, job: "Job", cap: int | None) -> list[Tally]:
        names = [] if cap is None else [self._effect(job)]
        return [*names, (job.recipient, self.day)] if job.kind == "email" else names

    def _break(self, free: "list[Job]") -> "list[Job]":
        """As many as the breaker lets through; it opens when there are more."""
        fresh = _find_started(free)
        room = breaker.find_room(self.tenant, wanted=len(fresh), now=self.now)
        if room is None or len(fresh) <= room.left:
            return free
        breaker.open_breaker(self.tenant, fresh[-1], room, now=self.now)
        waiting = {job.id for job in fresh[room.left :]}
        return [job for job in free if job.id not in waiting]

    def _read(self, whats: Iterable[str]) -> dict[Tally, int]:
        given = {"tenant_id": self.tenant.id, "whats": text_array(sorted(whats)), "day": self.day}
        return {(what, since): count for what, since, count in fetch_prepared(_COUNTS, given, using="default")}

    def _add(self, added: Counter[Tally], *, runs: int) -> None:
        if runs:
            added.update(dict.fromkeys(breaker.tallies(self.now), runs))
        if not added:
            return
        given = {
            "tenant_id": self.tenant.id,
            "whats": text_array([what for what, _ in added]),
            "since": text_array([since.isoformat() for _, since in added]),
            "counts": plain_array(added.values()),
        }
        fetch_prepared(_ADD, given, using="default")


def _find_started(jobs: "Iterable[Job]") -> "list[Job]":
    """Those that changes start and that run for the first time: what the breaker counts. A digest comes once a morning,
    to each person of a team at the same time, and is not more than usual.
    """
    return [job for job in jobs if job.attempts == 1 and job.kind != DIGEST]


def _most_a_day(recipient: str) -> int:
    return EMAILS_A_DAY_TO_USERS if recipient.startswith("user:") else EMAILS_A_DAY
