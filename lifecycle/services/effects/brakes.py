"""What keeps an automation from running away: so many an hour for each effect, so many a day for each recipient.

Counted in the transaction that claims, under the lock of the lane: six workers together send no more than one would.
"""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from storage.cursors import prepared_cursor, text_array
from tenants.actors import TenantRef

if TYPE_CHECKING:
    from lifecycle.services.effects.queue import Job

OVER_CAP: Final = "cap"
OVER_RECIPIENT_CAP: Final = "recipient_cap"
# E-mails of one effect in an hour; from all effects to one recipient in a day, and to one of the tenant's own people.
EMAILS_AN_HOUR: Final = 500
EMAILS_A_DAY: Final = 5
EMAILS_A_DAY_TO_USERS: Final = 200

_COUNTS: Final = """
SELECT what, since, count FROM lifecycle_effecttally
 WHERE tenant_id = %(tenant_id)s::uuid AND what = ANY(%(whats)s::text[]) AND since >= %(day)s::timestamptz
"""
_ADD: Final = """
INSERT INTO lifecycle_effecttally (id, tenant_id, what, since, count)
SELECT uuidv7(), %(tenant_id)s::uuid, what, since, count
  FROM unnest(%(whats)s::text[], %(since)s::timestamptz[], %(counts)s::int[]) AS i(what, since, count)
    ON CONFLICT (tenant_id, what, since) DO UPDATE SET count = lifecycle_effecttally.count + EXCLUDED.count
"""


class Brakes:
    """The brakes of one tenant at one moment. Hours and days are those of UTC."""

    def __init__(self, tenant: TenantRef, *, now: dt.datetime) -> None:
        self.tenant = tenant
        utc = now.astimezone(dt.UTC)
        self.hour = utc.replace(minute=0, second=0, microsecond=0)
        self.day = self.hour.replace(hour=0)

    def choose(self, jobs: "Sequence[Job]") -> "tuple[list[Job], list[tuple[Job, str]]]":
        """Those that may run, and those that are stopped, each with the reason. Two statements when there is mail."""
        if not any(job.kind == "email" for job in jobs):
            return list(jobs), []
        counts = self._read({name for job in jobs for name in self._names(job)})
        free, stopped, added = [], [], dict[tuple[str, dt.datetime], int]()
        for job in jobs:
            if job.kind != "email":
                free.append(job)
                continue
            effect, recipient = self._names(job)
            used = {
                name: counts.get(name, 0) + added.get(name, 0) for name in ((effect, self.hour), (recipient, self.day))
            }
            if used[effect, self.hour] >= EMAILS_AN_HOUR:
                stopped.append((job, OVER_CAP))
            elif used[recipient, self.day] >= _most_a_day(recipient):
                stopped.append((job, OVER_RECIPIENT_CAP))
            else:
                free.append(job)
                if job.attempts == 1:
                    for name in used:
                        added[name] = added.get(name, 0) + 1
        if added:
            self._add(added)
        return free, stopped

    def _names(self, job: "Job") -> tuple[str, str]:
        return f"effect:{job.effect}"[:300], job.recipient

    def _read(self, whats: set[str]) -> dict[tuple[str, dt.datetime], int]:
        with prepared_cursor("default") as cursor:
            cursor.execute(_COUNTS, {"tenant_id": self.tenant.id, "whats": text_array(sorted(whats)), "day": self.day})
            return {(what, since): count for what, since, count in cursor.fetchall()}

    def _add(self, added: dict[tuple[str, dt.datetime], int]) -> None:
        with prepared_cursor("default") as cursor:
            cursor.execute(
                _ADD,
                {
                    "tenant_id": self.tenant.id,
                    "whats": text_array([what for what, _ in added]),
                    "since": text_array([since.isoformat() for _, since in added]),
                    "counts": "{" + ",".join(str(count) for count in added.values()) + "}",
                },
            )


def _most_a_day(recipient: str) -> int:
    return EMAILS_A_DAY_TO_USERS if recipient.startswith("user:") else EMAILS_A_DAY
